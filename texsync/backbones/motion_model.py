"""Motion diffusion models: noisy features of a human motion in, noise out; MDM's folders and checkpoints."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import Refused, about, got, option
from ..motion.features import SIZE
from ..motion.mdm import Network, Sizes
from ..options.prompt_grammar import plain
from ..schedule import Schedule, Span
from . import download, hub
from .base import Predictor
from .checked import whole
from .loading import load_network, load_tokenizer, quiet
from .memory import choose_device
from .meta import attempt
from .prompts import TextEncoder
from .tokens import cut_words, read_tokens, warn_of_cut
from .weights import find_weights

EMBEDDED = {"mini": Path(__file__).parents[1] / "motion" / "weights"}
WORDS = 22  # tokens that MDM reads of a caption, with start and end
LONGEST = 196  # frames, of HumanML3D's motions
HEADS = 4  # of all published checkpoints; args.json may say otherwise
CHUNK = 16
LEAST_CONTACT = 0.2  # a foot stands often and moves often, so that its label deviates by 0.4 and more
CLIP = "openai/clip-vit-base-patch32"
IGNORED = re.compile(r"(embed_timestep\.)?sequence_pos_encoder\.pe|clip_model\..*")
LAYOUT = "a motion model's folder holds args.json and weights, as MDM's checkpoints do"


@dataclass(frozen=True)
class Pooled(TextEncoder):
    """One vector a text: what CLIP's text side says of it."""

    @property
    def length(self) -> int:
        return min(WORDS, super().length)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, width); equal texts are read once."""
        unique = list(dict.fromkeys(map(plain, texts)))
        told = read_tokens(self.tokenizer, unique, return_tensors="pt", padding=True, truncation=True,
                           max_length=self.length)  # fmt: skip
        vectors = self.network(input_ids=told.input_ids.to(self.network.device)).text_embeds
        return vectors[[unique.index(plain(text)) for text in texts]]

    def warn(self, texts: Sequence[str], negatives: Sequence[str] = ()) -> None:
        """Also about words past the length; all are read in one piece."""
        if cut := cut_words(self.tokenizer, list(map(plain, texts)), self.frame.room):
            warn_of_cut(cut, self.frame.room)
        super().warn(texts, negatives)


@dataclass(frozen=True)
class MotionModel:
    """schedule: the noise levels it was trained at.  mean, deviation: (263,) of the features that it works on.

    longest: frames of a motion that it can make.  Source: MDM (Tevet et al. 2022, arXiv:2209.14916).
    """

    network: Network
    text: Pooled
    schedule: Schedule
    mean: Tensor
    deviation: Tensor
    longest: int

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def features(self, x: Tensor) -> Tensor:
        """Clean x (263, F) to features (F, 263) in their own units."""
        return x.T * self.deviation.to(x) + self.mean.to(x)

    def predictor(
        self, prompts: Sequence[str], lengths: Sequence[int], *, guidance: float = 2.5, chunk: int = CHUNK
    ) -> Predictor:
        """What tells noise from motion x (N, 263, 1, F) of which `lengths` frames count.

        guidance: x0 = plain + guidance * (prompt - plain), as MDM; eps follows the same line.
        """
        self.text.warn(prompts)
        vectors = self.text(prompts)
        even = len(set(lengths)) == 1
        sizes = torch.tensor(list(lengths), device=self.device)

        @torch.no_grad()
        def predict(x: Tensor, span: Span) -> Tensor:
            clean = []
            for rows in torch.arange(len(x)).split(chunk):
                clean.append(
                    self._clean(x[rows], span, vectors[rows], None if even else sizes[rows], guidance)
                )
            return span.eps_from(x, torch.cat(clean).to(x))

        return predict

    def _clean(self, x: Tensor, span: Span, text: Tensor, sizes: Tensor | None, guidance: float) -> Tensor:
        noisy, t = x.to(self.mean), torch.full((len(x),), span.t, device=self.device)
        if guidance == 1:
            return self.network(noisy, t, text, sizes)
        twice = [torch.cat([one, one]) for one in (noisy, t)]
        both = None if sizes is None else torch.cat([sizes, sizes])
        told, plain = self.network(*twice, torch.cat([text, torch.zeros_like(text)]), both).chunk(2)
        return plain + guidance * (told - plain)


def load_motion(
    model: str | os.PathLike[str] = "mini",
    *,
    text_encoder: str | os.PathLike[str] | None = None,
    statistics: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> MotionModel:
    """A motion model: "mini", a folder, or a checkpoint file with its args.json beside it.

    text_encoder: CLIP's text side, a folder or hub id, for a folder that has none.  statistics: the folder of
    HumanML3D's Mean.npy and Std.npy, for one that has none.
    Raises InputError for whatever is missing, damaged or does not fit.
    """
    weights = find_checkpoint(model)
    folder = weights.parent
    told = _arguments(folder / "args.json")
    state = read_state(weights)
    shape = _shape(weights, told, state)
    place = choose_device(device)
    mean, deviation = read_statistics(Path(statistics).expanduser() if statistics else folder)
    steps = whole(str(folder / "args.json"), "diffusion_steps", told.get("diffusion_steps", 1000), 2, 10_000)
    longest = whole(str(folder / "args.json"), "longest", told.get("longest", LONGEST), 2, 4999)
    return MotionModel(
        _network(weights, shape, state).to(place),
        _text(folder, text_encoder, shape.text, place),
        Schedule.cosine(steps, final_alpha=1.0, offset=0),
        mean.to(place),
        deviation.to(place),
        longest,
    )


def find_checkpoint(model: str | os.PathLike[str]) -> Path:
    """The file of weights that a model's name stands for; of several in a folder, the one trained longest."""
    name = os.fspath(model)
    path = EMBEDDED[name] if name in EMBEDDED else Path(name).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        known = ", ".join(EMBEDDED)
        raise Refused.model_unknown(
            f"unknown motion {about('model')} {got(name)!r}",
            f"known: {known}, or the path of a folder; {LAYOUT}",
        )
    if (path / "model_index.json").exists() or (path / "unet").exists():
        raise Refused.model_kind(f"{about(path)} is a model of pictures, not of motion", LAYOUT)
    found = [file for kind in ("safetensors", "pt") for file in sorted(path.glob(f"model*.{kind}"))]
    if not found:
        raise Refused.model_missing(f"{about(path)} has no model*.safetensors and no model*.pt", LAYOUT)
    return max(found, key=lambda file: (file.suffix == ".safetensors", file.name))


def _arguments(path: Path) -> dict[str, Any]:
    """What args.json says; raises InputError for kinds of MDM that are not known here."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused.model_missing(f"{about(path)} is missing", LAYOUT) from None
    except (OSError, ValueError):
        raise Refused.model_damaged(f"{about(path)} cannot be read", "fetch the model again") from None
    if not isinstance(told, dict):
        raise Refused.model_damaged(f"{about(path)} holds no names and values", "fetch the model again")
    known = {
        "arch": "trans_enc",
        "dataset": "humanml",
        "noise_schedule": "cosine",
        "text_encoder_type": "clip",
    }
    for name, only in known.items():
        if told.get(name, only) != only:
            more = "; KIT's 251 features are of another skeleton" if told[name] == "kit" else ""
            raise Refused.model_config(
                f"{about(path)} says {name} {got(told[name]):r.60}",
                f"use a model with {name} {only!r}{more}",
            )
    return told


def read_state(path: Path) -> dict[str, Tensor]:
    """Name to tensor, of a safetensors file, or of a .pt by torch's loader that runs no code.

    Averaged weights are taken where there are both.  Raises InputError for anything but tensors with names.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return _counted(attempt(path, lambda: load_file(path)))
    plain = "it is read only as tensors with names; save model.state_dict() with safetensors"
    found = attempt(path, lambda: torch.load(path, map_location="cpu", weights_only=True),
                    "is not a plain state dict", plain)  # fmt: skip
    for part in ("model_avg", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(part), Mapping):
            found = found[part]
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        raise Refused.model_unsafe(f"{about(path)} is not a plain state dict", plain)
    return _counted(found)


def _counted(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without tables that are computed, and CLIP's weights, which old checkpoints hold."""
    return {str(name): one for name, one in found.items() if not IGNORED.fullmatch(str(name))}


def _shape(path: Path, told: Mapping[str, Any], state: Mapping[str, Tensor]) -> Sizes:
    """Raises InputError unless the weights are those of such a network."""
    sizes = {name: tuple(one.shape) for name, one in state.items()}
    names = (
        "input_process.poseEmbedding.weight",
        "embed_text.weight",
        "seqTransEncoder.layers.0.linear1.weight",
    )
    for name in names:
        if len(sizes.get(name, ())) != 2:
            raise Refused.model_missing(f"{about(path)} has no weights {name}", LAYOUT)
    (width, features), (_, text), (inner, _) = (sizes[name] for name in names)
    if features != SIZE:
        kit = ", as KIT's are" if features == 251 else ""
        raise Refused.model_config(
            f"{about(path)} has {got(features)} features a frame{kit}", f"use a model of HumanML3D's {SIZE}"
        )
    layers = len({name.split(".")[2] for name in sizes if name.startswith("seqTransEncoder.layers.")})
    for name, found in (("latent_dim", width), ("layers", layers)):
        if told.get(name, found) != found:
            raise Refused.model_config(
                f"args.json says {name} {got(told[name]):r.40}, {about(path)} has {found}",
                "fetch both again",
            )
    heads = whole("args.json", "num_heads", told.get("num_heads", HEADS), 1, width)
    if width % heads or width % 2:
        raise Refused.model_config(
            f"{about(path)} has width {width} and {heads} heads", "use a model whose width they divide"
        )
    return Sizes(features, width, layers, heads, inner, text)


def _network(path: Path, shape: Sizes, state: Mapping[str, Tensor]) -> Network:
    with torch.device("meta"):
        mine = {name: tuple(one.shape) for name, one in Network(shape).state_dict().items()}
    there = {name: tuple(one.shape) for name, one in state.items()}
    for name in sorted({*mine, *there}):
        if mine.get(name) != there.get(name):
            told = (
                f"{name} is {there.get(name, 'missing')}, expected {mine.get(name, 'nothing of that name')}"
            )
            raise Refused.model_damaged(f"{about(path)} does not fit: {told}", "fetch the model again")
    network = Network(shape)
    network.load_state_dict({name: one.float() for name, one in state.items()})
    return network.eval().requires_grad_(False)


def _text(folder: Path, given: str | os.PathLike[str] | None, width: int, device: torch.device) -> Pooled:
    if given is None and not (folder / "text_encoder").is_dir():
        raise Refused.model_missing(
            f"{about(folder)} has no text encoder",
            f"name CLIP's with {option('text_encoder', CLIP)}, or a folder of it",
        )
    path = folder / "text_encoder" if given is None else Path(given).expanduser()
    if not path.is_dir():
        if not hub.HUB_ID.fullmatch(os.fspath(given or "")):
            raise Refused.model_missing(
                f"there is no text encoder {about(path)}", f"name a folder, or a hub id such as {CLIP}"
            )
        path = download.fetch(os.fspath(given or ""), half=False, parts=("",))
    with quiet("transformers"):
        kind = ("transformers", "CLIPTextModelWithProjection")
        network = load_network(path, kind, find_weights(path), device, torch.float32)
        own = (path / "tokenizer_config.json").exists()
        text = Pooled(load_tokenizer(path if own else path.parent / "tokenizer"), network)
    text.check()
    if (found := text(["a"]).shape[1]) != width:
        raise Refused.model_config(
            f"{about(path)} says {found} numbers of a text, the model reads {width}", f"use {CLIP} with MDM"
        )
    return text


def read_statistics(path: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation (263,) of the features, of Mean.npy and Std.npy in a folder.

    Raises InputError if they are missing, of another size, or those of the evaluator (t2m_mean.npy, t2m_std.npy),
    whose deviation is five times too small for the root and the feet.
    """
    mean, deviation = (_numbers(path / f"{name}.npy") for name in ("Mean", "Std"))
    if deviation.min() <= 0:
        raise Refused.model_config(
            f"{about(path / 'Std.npy')} has deviation {deviation.min():g}", "use HumanML3D's Std.npy"
        )
    if deviation[259:].max() < LEAST_CONTACT:
        raise Refused.model_config(
            f"{about(path / 'Std.npy')} is the evaluator's (t2m_std.npy), with root and feet divided by 5",
            "use HumanML3D's own Mean.npy and Std.npy",
        )
    return torch.from_numpy(mean), torch.from_numpy(deviation)


def _numbers(path: Path) -> np.ndarray:
    if not path.is_file():
        raise Refused.model_missing(
            f"{about(path)} is missing",
            f"name the folder of HumanML3D's Mean.npy and Std.npy with {option('statistics')}",
        )
    found = attempt(path, lambda: np.load(path, allow_pickle=False), "cannot be read", "fetch it again")
    shape = getattr(found, "shape", None)
    if shape != (SIZE,) or found.dtype.kind != "f" or not math.isfinite(float(found.sum())):
        told = "x".join(map(str, shape)) if shape is not None else "no array"
        raise Refused.model_config(
            f"{about(path)} holds {got(told)}, {SIZE} numbers are expected",
            "use HumanML3D's Mean.npy and Std.npy",
        )
    return found.astype(np.float32)
