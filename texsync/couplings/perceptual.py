"""How alike two pictures look: distances that a gradient can descend."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import Refused, about

Distance = Callable[[Tensor, Tensor], Tensor]
"""(pictures (N, 3, H, W) in [0, 1], one picture (1, 3, H, W)) -> (N,), >= 0, 0 for the same picture."""

SCALES = 4  # halvings at which textures are compared
STYLE_LAYERS = (0, 2, 5, 7, 10)  # the first five convolutions of VGG-19
WEIGHTS = {"lpips": "vgg16-397923af.pth", "style": "vgg19-dcbb9e9d.pth"}


def texture(pictures: Tensor, anchor: Tensor) -> Tensor:
    """Difference of the statistics of colours and edges at several scales, 0 ... about 1; needs no trained network.

    A style loss (Gatys et al. 2016) with the simplest filters: at every scale, colours and their two derivatives are
    correlated over the picture, and these correlations are compared relative to their size.
    """
    apart = []
    for _ in range(SCALES):
        here, there = _gram(_edges(pictures)), _gram(_edges(anchor))
        size = here.square().sum((1, 2)) + there.square().sum((1, 2)) + 1e-6
        apart.append((here - there).square().sum((1, 2)) / size)
        if min(pictures.shape[-2:]) < 4:
            break
        pictures, anchor = (functional.avg_pool2d(p, 2) for p in (pictures, anchor))
    return torch.stack(apart).mean(0)


@cache
def lpips() -> Distance:
    """LPIPS with VGG-16 (Zhang et al. 2018, arXiv:1801.03924), from the `lpips` package.

    Raises InputError if the package, or VGG's weights, are not on this machine; nothing is downloaded unasked.
    """
    try:
        import lpips as library
    except ImportError:
        raise Refused.package_missing(
            f"the LPIPS distance needs the {about('lpips')} package", "pip install lpips"
        ) from None
    _require("lpips", "torchvision.models.vgg16(weights='DEFAULT')")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it names torchvision's weights in the old way
        network = library.LPIPS(net="vgg", verbose=False).eval().requires_grad_(False)

    def measure(pictures: Tensor, anchor: Tensor) -> Tensor:
        network.to(pictures.device)
        return network(2 * pictures.float() - 1, 2 * anchor.float() - 1).flatten()

    return measure


@cache
def style() -> Distance:
    """Gram matrices of VGG-19's first five convolutions (Gatys et al. 2016), with torchvision's weights.

    Its numbers are on another scale than LPIPS's, so SyncDiffusion wants another weight with it.

    Raises InputError if the package or the weights are not on this machine; nothing is downloaded unasked.
    """
    try:
        from torchvision.models import vgg19
    except ImportError:
        raise Refused.package_missing(
            f"the style distance needs {about('torchvision')}", "pip install torchvision"
        ) from None
    path = _require("style", "torchvision.models.vgg19(weights='DEFAULT')")
    network = vgg19()
    network.load_state_dict(torch.load(path, weights_only=True))
    return style_of(network.features[: max(STYLE_LAYERS) + 1].eval().requires_grad_(False))


def style_of(layers: torch.nn.Sequential) -> Distance:
    """The style distance with any network's layers; those numbered in `STYLE_LAYERS` are compared."""
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False  # what came before it is compared too
    mean, spread = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def grams(pictures: Tensor) -> list[Tensor]:
        layers.to(pictures.device)
        seen, found = (pictures.float() - mean.to(pictures.device)) / spread.to(pictures.device), []
        for i, layer in enumerate(layers):
            seen = layer(seen)
            if i in STYLE_LAYERS:
                found.append(_gram(seen) / seen.shape[1])
        return found

    def measure(pictures: Tensor, anchor: Tensor) -> Tensor:
        pairs = zip(grams(pictures), grams(anchor), strict=True)
        return torch.stack([(a - b).square().mean((1, 2)) for a, b in pairs]).sum(0)

    return measure


DISTANCES: dict[str, Callable[[], Distance]] = {"texture": lambda: texture, "lpips": lpips, "style": style}


def distance(name: str) -> Distance:
    """The distance of that name, made once.  Raises InputError if it cannot be had on this machine."""
    return DISTANCES[name]()


def _edges(pictures: Tensor) -> Tensor:
    """Colours about grey and their derivatives, which end with 0, (N, 3 C, h, w)."""
    down = pictures.diff(dim=-2, append=pictures[..., -1:, :])
    right = pictures.diff(dim=-1, append=pictures[..., -1:])
    return torch.cat([pictures - 0.5, 2 * down, 2 * right], dim=1)


def _gram(features: Tensor) -> Tensor:
    """Correlations of channels over the picture, (N, F, F)."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[-1]


def _require(name: str, fetch: str) -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS[name]
    if not path.is_file():
        raise Refused.package_missing(
            f"the {about(name)} distance needs {path}",
            f"fetch it once with {fetch}, or use the texture distance, which needs none",
        )
    return path
