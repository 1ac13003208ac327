"""Enlarge pictures by a super-resolution network of any kind that spandrel knows, in tiles, so that memory stays small.

Weights come by our own reader, which runs no code; spandrel tells the network by its weights alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..errors import Refused, about, got, option
from .tensors import is_pickled, read_header, read_tensors, warn_of_pickle

TILE, MARGIN = 256, 24  # pixels a side of what is enlarged at once, and around it, so that tiles do not show
ANOTHER = "give a super-resolution model of RGB pictures, e.g. an ESRGAN"


class ViewEnlarger:
    """Pictures in, pictures `scale` times as large out.

    network: what spandrel has made of a file, see `load_upscaler`.
    """

    def __init__(self, network: Any):
        self.network, self.scale = network, int(network.scale)

    def each(self, pictures: Iterable[Tensor], device: str | torch.device = "cpu") -> Iterator[Tensor]:
        """(3, H, W) in [0, 1] each, one after the other, to (3, scale H, scale W) on the CPU."""
        self.network.to(device)
        for picture in pictures:
            yield self.enlarged(picture.float().to(device)).cpu()

    def enlarged(self, picture: Tensor) -> Tensor:
        """One picture, on the network's device: what lies beside a tile is seen, but not taken from there."""
        _, height, width = picture.shape
        framed = pad(picture[None], (MARGIN,) * 4, mode="replicate")
        result = picture.new_empty(3, height * self.scale, width * self.scale)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                high, wide = min(TILE, height - top), min(TILE, width - left)
                seen = framed[..., top : top + high + 2 * MARGIN, left : left + wide + 2 * MARGIN]
                made, edge = self.network(seen)[0], MARGIN * self.scale
                rows, columns = (
                    slice(start * self.scale, (start + size) * self.scale)
                    for start, size in ((top, high), (left, wide))
                )
                result[:, rows, columns] = made[
                    :, edge : edge + high * self.scale, edge : edge + wide * self.scale
                ]
        return result


def load_upscaler(path: str | Path) -> ViewEnlarger:
    """The network of a file, in 32 bits.

    Raises InputError if there is none, it is no model that enlarges RGB pictures, or spandrel is not installed.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise Refused.model_missing(
            f"{about(path)} is not there", "name the file of a super-resolution model"
        )
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, canonicalize_state_dict
    except ImportError:
        raise Refused.model_lacks(
            f"{option('upscale_model')} needs the package {about('spandrel')}",
            'pip install "texsync[upscale]"',
        ) from None
    read_header(path)  # says what is damaged
    if is_pickled(path):
        warn_of_pickle(path)
    tensors = read_tensors(path)
    try:
        network = MAIN_REGISTRY.load(canonicalize_state_dict(tensors))
    except Exception:  # what the kinds of networks raise for weights that are nearly theirs
        raise Refused.model_kind(f"{about(path.name)} is no model that spandrel knows", ANOTHER) from None
    _check(path.name, network, isinstance(network, ImageModelDescriptor))
    return ViewEnlarger(network.to(torch.float32).eval())


def _check(name: str, network: Any, plain: bool) -> None:
    """Raises InputError for what does not enlarge RGB pictures."""
    kind = network.architecture.name
    if not plain:
        raise Refused.model_kind(f"{about(name)} is a {kind}, which fills masks", ANOTHER)
    if (network.input_channels, network.output_channels) != (3, 3):
        channels = f"{got(network.input_channels)} channels and makes {network.output_channels}"
        raise Refused.model_kind(f"{about(name)} ({kind}) reads {channels}, not 3", ANOTHER)
    if network.scale < 2:
        raise Refused.model_kind(
            f"{about(name)} ({kind}) does not enlarge: its scale is {got(network.scale)}", ANOTHER
        )
