"""DeepFloyd IF, which paints pixels: 64 x 64 with T5's words, then four times as many.

model_index.json   IFPipeline          unet/ (3 channels in, 6 out)   text_encoder/ tokenizer/ (T5)   scheduler/
upscaler's         IFSuperResolutionPipeline          unet/ (6 in, 6 out)   scheduler/ image_noising_scheduler/
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import Refused, TexsyncWarning, about, got, option
from ...options.prompt_grammar import parse, plain
from ...schedule import Span
from ..advice import Advice
from ..base import Predictor
from ..checked import number, read_json
from ..conditions import Conditions
from ..download import fetch as fetched
from ..embeddings import Embeddings
from ..hub import HUB_ID, OnBytes, newest_snapshot
from ..layout import IF_PARTS, IF_SECOND_PARTS
from ..loading import Parts, load_network, load_tokenizer, quiet
from ..locate import EMBEDDED, NO_CONTROL
from ..memory import Chunks
from ..prediction import HERE, prediction_type, schedule_from
from ..tokens import cut_words, read_tokens, shortened, warn_of_cut
from ..unet import DiffusionPredictor, UNetBackbone
from ..weights import find_weights, warn_of_pickles

LENGTH = 77  # tokens that IF was trained to read
NOISED = 250  # of 1000: how noisy the picture is made that the upscaler starts from (diffusers' default)


def claims(model: str) -> bool:
    """Is this the folder, or by its name the hub repository, of a stage of IF?"""
    path = newest_snapshot(Path(model).expanduser())
    if (path / "model_index.json").is_file():
        return str(read_json(path / "model_index.json").get("_class_name", "")).startswith("IF")
    return model not in EMBEDDED and not path.exists() and model.startswith("DeepFloyd/IF-")


def load(model: str, controlnet: str | None, *, device: torch.device, dtype: torch.dtype) -> DeepFloyd:
    """Load stage I, words included; raises InputError for a missing or wrong file.  There is no ControlNet for it."""
    check(model, controlnet)
    path = _folder(model, half=dtype != torch.float32)
    scheduler, t5 = read_json(path / "scheduler" / "scheduler_config.json"), path / "text_encoder"
    with quiet():
        unet = MeanOnly(_unet(path, 3, device, dtype))
        words = find_weights(t5)
        warn_of_pickles([words])
        text = load_network(t5, ("transformers", "T5EncoderModel"), words, device, dtype)
        parts = Parts(unet, None, text, load_tokenizer(path / "tokenizer"))
    return DeepFloyd(parts, scheduler)


def check(model: str, controlnet: str | None) -> None:
    """Raises InputError for a ControlNet: there is none for it."""
    if controlnet not in (None, NO_CONTROL):
        raise Refused.controlnet(
            f"there is no {about('ControlNet')} for DeepFloyd IF", f"leave out {option('controlnet')}"
        )


def check_rendered(controlnet: str | None) -> None:
    """Say that views of a mesh do not know its shape (TexsyncWarning)."""
    if controlnet is None:
        message = "DeepFloyd IF has no ControlNet, so its views are not told the shape that they are on"
        warnings.warn(TexsyncWarning(message), stacklevel=3)


def check_words(model: str, clip_skip: int | None) -> None:
    if clip_skip is not None:
        raise Refused.model_lacks(
            f"{about('DeepFloyd IF')} reads words by T5, whose last layer it takes",
            f"leave out {option('clip_skip')}",
        )


def fetch(model: str, controlnet: str | None, *, half: bool, on_bytes: OnBytes | None) -> None:
    _folder(model, half=half, on_bytes=on_bytes)


class DeepFloyd(UNetBackbone):
    """Stage I.  A latent cell is a pixel, its value -1 for black and 1 for white, so every view can be done.

    The network also predicts a variance, which deterministic steps do not use (SyncSDE's code).  Clean guesses are
    clipped dynamically where the scheduler's config says so (Imagen, arXiv:2205.11487, section 2.3).
    """

    scale, resizable = 1, False

    def __init__(self, parts: Parts, scheduler: dict[str, Any]):
        self.parts = parts
        self.schedule, self.prediction = schedule_from(scheduler), prediction_type(scheduler)
        self.latent_channels, self.native_size = 3, parts.unet.config.sample_size
        # step counts are the tasks' own
        self.advice = Advice(10.0, prompt_prefix="", negative_prompt="", view_size=self.native_size)
        self.clipping = _clipping(scheduler)
        self.text = Words(parts.tokenizer, parts.text_encoder)

    @torch.no_grad()
    def predictor(self, conditions: Conditions, chunk: int | None = None) -> Predictor:
        """See `Backbone.predictor`; raises InputError for a control picture, since there is no ControlNet for IF."""
        if conditions.control is not None:
            raise Refused.controlnet(
                f"there is no {about('ControlNet')} for DeepFloyd IF", f"leave out {option('control')}"
            )
        self.text.warn(conditions.prompts, conditions.negatives)
        predict = DiffusionPredictor(self, conditions, self.text.embed, chunk)
        raw = conditions.clipping == "raw"
        return predict if self.clipping is None else Clipped(predict, *self.clipping, raw)

    def shorten(self, text: str, endings: Sequence[str]) -> str:
        return shortened(self.text.tokenizer, text, endings, self.text.room)

    def upscaler(self, source: str) -> Upscaler:
        return Upscaler(source, self)

    def encode(self, images: Tensor) -> Tensor:
        return images * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return (latents.float() / 2 + 0.5).clamp(0, 1)


class Upscaler:
    """Stage II: pictures of stage I to `size` pixels a side, each with its own prompt."""

    def __init__(self, model: str | Path, stage: DeepFloyd):
        """stage: whose words, device and number format are used.  Raises InputError for a missing or wrong file."""
        path = _folder(model, half=stage.dtype != torch.float32, parts=IF_SECOND_PARTS)
        with quiet():
            self.unet, self.text = MeanOnly(_unet(path, 6, stage.device, stage.dtype)), stage.text
        config = read_json(path / "scheduler" / "scheduler_config.json")
        noising = read_json(path / "image_noising_scheduler" / "scheduler_config.json")
        self.schedule, self.clipping = schedule_from(config), _clipping(config)
        self.kept = schedule_from(noising).alphas[NOISED]
        self.size = self.unet.config.sample_size

    def size_from(self, side: int) -> int:
        return self.size

    @torch.no_grad()
    def __call__(
        self, pictures: Tensor, prompts: Sequence[str], *, steps: int, guidance: float, seed: int
    ) -> Tensor:
        """Pictures (N, 3, h, w) in [-1, 1] to (N, 3, size, size) in [0, 1]."""
        draw, count = torch.Generator().manual_seed(seed), len(pictures)
        big = functional.interpolate(
            pictures.float().to(self.unet.device), (self.size, self.size), mode="bilinear", align_corners=True
        )
        noise = torch.randn(2, *big.shape, generator=draw).to(big.device)
        rough, x = self.kept**0.5 * big + (1 - self.kept) ** 0.5 * noise[0], noise[1]
        words = torch.cat([self.text([""] * count), self.text(prompts)])

        def predict(x: Tensor, span: Span) -> Tensor:
            seen = torch.cat([torch.cat([x, rough], dim=1)] * 2).to(self.unet.dtype)
            t, level = (torch.full((2 * count,), v, device=x.device) for v in (span.t, NOISED))
            without, given = self.unet(seen, t, words, class_labels=level)[0].float().chunk(2)
            return without + guidance * (given - without)

        clipped = predict if self.clipping is None else Clipped(predict, *self.clipping)
        for span in self.schedule.spans(steps):
            eps = clipped(x, span)
            x = span.ddim(span.tweedie(x, eps), eps)
        return (x / 2 + 0.5).clamp(0, 1)


class Clipped:
    """A predictor whose clean guesses stay in [-1, 1]: beyond a quantile they are cut off, then all are divided by it.

    share: the quantile, 0..1.  most: no division by more than this.
    raw: a step keeps the noise that was predicted, as diffusers' DDIM and SyncSDE's code do; else the noise is what x
    and the clipped guess imply, so that couplings, which read guesses, find the two in agreement.
    """

    def __init__(self, predict: Predictor, share: float, most: float, raw: bool = False):
        self.predict, self.share, self.most, self.raw = predict, share, most, raw

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        eps = self.predict(x, span)
        x0 = span.tweedie(x, eps)
        size = x0.abs().flatten(1).quantile(self.share, dim=1).clamp(1.0, self.most)[:, None, None, None]
        clipped = x0.clamp(-size, size) / size
        return _towards(x, span.ddim(clipped, eps), span) if self.raw else span.eps_from(x, clipped)


def _towards(x: Tensor, there: Tensor, span: Span) -> Tensor:
    """The noise with which a plain DDIM step leads from x to `there`."""
    kept = span.noise_next / span.noise
    return span.eps_from(x, (there - kept * x) / (span.signal_next - kept * span.signal))


class MeanOnly(nn.Module):
    """A UNet that predicts noise and its variance, without the variance."""

    def __init__(self, unet: Any):
        super().__init__()
        self.unet, self.config = unet, unet.config

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    def forward(
        self, x: Tensor, t: Tensor, words: Tensor, return_dict: bool = False, **more: Any
    ) -> tuple[Tensor]:
        return (self.unet(x, t, words, return_dict=False, **more)[0][:, :3],)


class Words:
    """T5's reading of texts as IF wants it: small letters, 77 places, padding masked."""

    def __init__(self, tokenizer: Any, network: Any):
        self.tokenizer, self.network = tokenizer, network

    @property
    def room(self) -> int:
        """Tokens that a text may have."""
        return LENGTH - self.tokenizer.num_special_tokens_to_add()

    def embed(
        self, texts: Sequence[str], *, negative: bool = False, tokens: int = 0, clip_skip: int | None = None
    ) -> Embeddings:
        """N texts, wanted or not, 77 places each; T5's last layer is read."""
        return Embeddings(self(texts))

    def warn(self, prompts: Sequence[str], negatives: Sequence[str]) -> None:
        """Warn about words past the length, and weights of words, which T5's reading has no place for."""
        for texts, what in ((prompts, "the prompt"), (negatives, "the negative prompt")):
            if cut := cut_words(self.tokenizer, list(map(_cleaned, texts)), self.room):
                warn_of_cut(cut, self.room, what)
        if any(piece.weight != 1 for text in prompts for part in parse(text) for piece in part):
            message = "DeepFloyd IF reads no weights of words; they count alike"
            warnings.warn(message, TexsyncWarning, stacklevel=3)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, 77, width)."""
        cleaned = list(map(_cleaned, texts))
        options = {"padding": "max_length", "max_length": LENGTH, "truncation": True}
        tokens = read_tokens(self.tokenizer, cleaned, return_tensors="pt", **options)
        device = self.network.device
        chunks = Chunks(4)  # T5-XXL alone fills most GPUs
        ids, mask = tokens.input_ids.to(device), tokens.attention_mask.to(device)
        return chunks.run(lambda some: self.network(ids[some], attention_mask=mask[some])[0], len(texts))


def _cleaned(text: str) -> str:
    return plain(text).lower().strip()


def _folder(
    model: str | Path,
    *,
    half: bool,
    parts: Sequence[str] = IF_PARTS,
    on_bytes: OnBytes | None = None,
) -> Path:
    path = newest_snapshot(Path(model).expanduser())
    if not path.is_dir() and HUB_ID.fullmatch(str(model)):
        return fetched(str(model), half=half, parts=parts, on_bytes=on_bytes)
    if not path.is_dir():
        raise Refused.model_unknown(
            f"no model folder {about(path)}", "give the folder of a stage of DeepFloyd IF, or its hub id"
        )
    return path


def _unet(path: Path, channels: int, device: torch.device, dtype: torch.dtype) -> Any:
    config = read_json(path / "unet" / "config.json")
    found = config.get("in_channels"), config.get("out_channels")
    if found != (channels, 6):
        stage, there = ("I", "II") if channels == 3 else ("II", "I or III")
        raise Refused.model_config(
            f"{about(path)} has a UNet with {got(found[0])} channels in and {found[1]} out",
            f"stage {stage} of IF has {channels} and 6; is this stage {there}?",
        )
    weights = find_weights(path / "unet")
    warn_of_pickles([weights])
    return load_network(path / "unet", ("diffusers", "UNet2DConditionModel"), weights, device, dtype)


def _clipping(scheduler: dict[str, Any]) -> tuple[float, float] | None:
    """(quantile, most) of dynamic clipping; None where the config has none."""
    if not scheduler.get("thresholding"):
        return (1.0, 1.0) if scheduler.get("clip_sample") else None
    ratio, most = scheduler.get("dynamic_thresholding_ratio", 0.995), scheduler.get("sample_max_value", 1.0)
    return (
        number(HERE, "dynamic_thresholding_ratio", ratio, 0, 1),
        number(HERE, "sample_max_value", most, 1, 1e4),
    )
