"""How alike pictures look, pair by pair: LPIPS, its part outside a mask, and Gram matrices."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..couplings.perceptual import STYLE_LAYERS, style_of
from .networks import AT_ONCE, fitting, frozen, lite0_network, needed, weights

VGG16 = "torchvision's vgg16-397923af.pth or alexnet-owt-7be5be79.pth"
VGG19 = "torchvision's vgg19-dcbb9e9d.pth"
BLOCKS = (0, 2, 4, 10)  # of EfficientNet-Lite0, whose outputs are compared: 2, 4, 8 and 16 pixels a cell


@dataclass(frozen=True)
class Alike:
    """A perceptual distance, >= 0.

    name: LPIPS (VGG-16), LPIPS (AlexNet) or PS-lite0.  maps: two batches (N, 3, H, W) in [0, 1] to where they differ,
    (N, H, W).  whole: the same to (N,); the mean of the maps, but for what enlarging them changes.
    """

    name: str
    maps: Callable[[Tensor, Tensor], Tensor]
    whole: Callable[[Tensor, Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """(N,)"""
        pairs = zip(one.split(AT_ONCE), other.split(AT_ONCE), strict=True)
        return torch.cat([self.whole(a, b) for a, b in pairs])

    @torch.no_grad()
    def within(self, one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """(N,) over the part of the pictures where the mask (N, H, W) is 1; BG-LPIPS with that of the background."""
        weight = mask.to(one.dtype)
        return (self.maps(one, other) * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-9)


def alike_by(lpips: Path | str | None = None) -> Alike:
    """LPIPS from torchvision's file of VGG-16 or AlexNet; None: EfficientNet-Lite0, PS-lite0.

    The package lpips has the rest of its weights inside.
    Raises InputError if the file is missing or of another network, or the package is not installed.
    Source: Zhang et al. 2018, arXiv:1801.03924.
    """
    if lpips is None:
        return _lite0()
    state = weights(lpips, "LPIPS", VGG16)
    kind, name = ("vgg", "LPIPS (VGG-16)") if "features.28.weight" in state else ("alex", "LPIPS (AlexNet)")
    with needed("lpips"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it names torchvision's weights in the old way
        import lpips as library

        made = library.LPIPS(net=kind, pnet_rand=True, verbose=False)
    with fitting(lpips, VGG16):
        inside = made.net.state_dict()  # slice3.10.weight is features.10.weight
        made.net.load_state_dict({key: state[f"features.{key.partition('.')[2]}"] for key in inside})
    frozen(made)

    def differ(one: Tensor, other: Tensor, spatial: bool) -> Tensor:
        made.spatial = spatial
        return made(one.float(), other.float(), normalize=True)[:, 0]

    return Alike(name, lambda a, b: differ(a, b, True), lambda a, b: differ(a, b, False)[:, 0, 0])


def _lite0() -> Alike:
    """As LPIPS without learnt weights: features of unit length per place, squared differences, the mean of depths."""
    see = lite0_depths()

    def maps(one: Tensor, other: Tensor) -> Tensor:
        unit = [[functional.normalize(f, dim=1) for f in see(p)] for p in (one, other)]
        apart = [(a - b).square().sum(1, keepdim=True) for a, b in zip(*unit, strict=True)]
        size = one.shape[-2:]
        return torch.cat(
            [functional.interpolate(a, size, mode="bilinear", align_corners=False) for a in apart], 1
        ).mean(1)

    return Alike("PS-lite0", maps, lambda a, b: maps(a, b).mean((1, 2)))


def lite0_depths() -> Callable[[Tensor], list[Tensor]]:
    """Pictures (N, 3, H, W) in [0, 1] to EfficientNet-Lite0's outputs at the depths of `BLOCKS`."""
    network: Any = lite0_network()

    def see(pictures: Tensor) -> list[Tensor]:
        x = functional.relu6(network._bn0(network._conv_stem((pictures.float() - 0.498) / 0.502)))
        found = []
        for k, block in enumerate(network._blocks[: BLOCKS[-1] + 1]):
            x = block(x)
            if k in BLOCKS:
                found.append(x)
        return found

    return see


def style_by(vgg19: Path | str | None = None) -> tuple[str, Callable[[Tensor, Tensor], Tensor]]:
    """(name, distance of pairs): Style-L with torchvision's file of VGG-19, else Style-lite0 with EfficientNet-Lite0.

    Squared differences of Gram matrices, summed over layers (Gatys et al. 2016).
    Raises InputError if the file is missing or of another network, or a package is not installed.
    """
    if vgg19 is None:
        see = lite0_depths()
        return "Style-lite0", lambda one, other: _styles(see(one), see(other))
    state = weights(vgg19, "Style-L", VGG19)
    with needed("torchvision"):
        from torchvision.models.vgg import cfgs, make_layers
    layers = make_layers(cfgs["E"])[: max(STYLE_LAYERS) + 1]
    with fitting(vgg19, VGG19):
        layers.load_state_dict({key: state[f"features.{key}"] for key in layers.state_dict()})
    measure = style_of(frozen(layers))  # type: ignore[arg-type]

    def one_by_one(one: Tensor, other: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([measure(a[None], b[None]) for a, b in zip(one, other, strict=True)])

    return "Style-L", one_by_one


def gram(features: Tensor) -> Tensor:
    """Correlations of channels over the picture and over their number, (N, C, h, w) to (N, C, C)."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


@torch.no_grad()
def _styles(one: list[Tensor], other: list[Tensor]) -> Tensor:
    pairs = zip(one, other, strict=True)
    return torch.stack([(gram(a) - gram(b)).square().mean((1, 2)) for a, b in pairs]).sum(0)
