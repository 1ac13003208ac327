"""What a mesh shows already, as it takes part in painting it: a start, a part to repaint, what is kept around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Refused, about, option
from ..options.start import HOLES, OWN, named_place
from ..surface.partial import Patch, Repaint, check_size, patch

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone
    from ..files.loaded import Loaded
    from ..known import Known
    from ..surface.pixels import Pixels
    from ..surface.texture import Texture
    from ..surface.types import Surface


@dataclass(frozen=True)
class InContext:
    """What is known of a texture before it is painted.

    shown: (H, W, 3) uint8, row 0 on top, padded.  level: share of noise to begin at.  patch: the part to be painted
    anew; None: all.
    """

    shown: np.ndarray
    level: float
    patch: Patch | None = None

    def look(self, pixels: Pixels) -> Tensor:
        """What the views (N) of a surface show of it, (N, 3, S, S) in [0, 1]."""
        import torch

        from ..show.render import render

        # one by one: at twice the size they are large
        seen = [render(pixels.surface, self.shown, [camera], pixels.size) for camera in pixels.cameras]
        return torch.cat(seen)

    def known(self, backbone: Backbone, pixels: Pixels, cells: int, seen: Tensor | None = None) -> Known:
        """What the views (N) of a surface show of it: clean latents, and how much of each of cells x cells is kept.

        seen: what `look` gives, where that is there already.
        """
        import torch

        from ..known import Known

        shown = self.look(pixels) if seen is None else seen
        x0 = [backbone.encode(one.to(backbone.home)).float() for one in shown.split(1)]
        return Known(torch.cat(x0), self.kept(pixels, cells).to(backbone.home), self.level)

    def kept(self, pixels: Pixels, cells: int) -> Tensor:
        """(N, 1, cells, cells) in [0, 1]: the share of each cell that shows what is to stay, no backdrop."""
        import torch
        from torch.nn import functional

        if self.patch is None:
            return torch.zeros(len(pixels.cameras), 1, cells, cells)
        old = torch.as_tensor(1 - self.patch.share, device=pixels.uv.device)[None, None]
        grid = torch.stack([pixels.uv[..., 0] * 2 - 1, 1 - pixels.uv[..., 1] * 2], dim=-1)
        stays = [
            functional.grid_sample(old, one[None], mode="nearest", padding_mode="border", align_corners=False)
            for one in grid
        ]
        return functional.avg_pool2d(torch.cat(stays) * pixels.mask[:, None], pixels.size // cells)

    def laid(self, baked: Texture) -> Texture:
        """The new texture; outside of the part that was painted, the old one to the bit."""
        return baked if self.patch is None else replace(baked, image=self.patch.apply(baked.image))


def in_context(
    options: Any, loaded: Loaded, surface: Surface, unseen: Callable[[tuple[int, int]], np.ndarray]
) -> InContext | None:
    """What the options, or the sender of a mesh, ask to be known; None: nothing, all is painted from scratch.

    options: the mesh task's.  unseen: (height, width) to (H, W) bool, the texels that no view around the mesh sees.
    Raises InputError for a mesh that shows nothing to start from, and for a part that is none.
    """
    size, asked = options.texture_shape, loaded.source.asked
    anew = options.repaint is not None or (asked is not None and loaded.source.picture is not None)
    options.check_fits(options.start is not None, anew)
    if options.start is None and not anew:
        return None
    shown, whole = _shown(options, loaded, surface)
    if not anew:
        return InContext(_padded(_fitted(shown, size), surface), options.level)
    if whole:
        check_size(shown, size)
    part = _part(options, loaded, surface, asked, unseen)
    made = patch(shown, part, surface, options.feather)
    return InContext(_padded(shown, surface), options.level, made)


def _shown(options: Any, loaded: Loaded, surface: Surface) -> tuple[np.ndarray, bool]:
    """(H, W, 3) uint8 that is there, and whether it is a picture of its own size."""
    from ..files.own_colour import on_map, own_colour
    from .reading import read_picture

    own_wanted = options.start is None or (isinstance(options.start, str) and options.start == OWN)
    if not own_wanted:
        found = on_map(loaded, surface, options.texture_shape, read_picture(options.start))
    else:
        own = own_colour(loaded, surface, options.texture_shape)
        if own is None:
            raise Refused.start_none(
                f"{about(loaded.stem)} has no texture of its own to start from",
                f"give one on its UVs with {option('start')}",
            )
        found = own
    return found.pixels, found.whole


def _fitted(shown: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from ..files.own_colour import resized

    return resized(shown, size)


def _padded(shown: np.ndarray, surface: Surface) -> np.ndarray:
    """The same; between islands, the colour of the nearest texel, since views look a little beyond."""
    from scipy.ndimage import distance_transform_edt

    from ..surface.texels import uv_texels

    empty = uv_texels(surface.uv, surface.uv_faces, (shown.shape[0], shown.shape[1]))[0] < 0
    row, column = distance_transform_edt(empty, return_distances=False, return_indices=True)
    padded: np.ndarray = shown[row, column]
    return padded


def _part(
    options: Any,
    loaded: Loaded,
    surface: Surface,
    asked: Repaint | None,
    unseen: Callable[[tuple[int, int]], np.ndarray],
) -> np.ndarray:
    """(H, W) in [0, 1], what is to be painted."""
    from ..files.named_faces import named_faces
    from ..surface.partial import spread_mask

    size = options.texture_shape
    if options.repaint is None:
        assert asked is not None
        asked.check(size)
        return asked.mask(surface, size)
    place = named_place(options.repaint)
    if place is None:
        return _drawn(options.repaint, loaded, surface, size)
    kind, said = place
    if kind == HOLES:
        return _holes(unseen(size))
    chosen = named_faces(loaded, kind, said)
    return spread_mask(surface.uv, surface.uv_faces[chosen], None, surface, size)


def _holes(unseen: np.ndarray) -> np.ndarray:
    if not unseen.any():
        raise Refused.mask_empty(
            f"there are no {about('holes')}: the views around the mesh see every texel",
            "nothing is to be done",
        )
    return unseen.astype(np.float32)


def _drawn(source: Any, loaded: Loaded, surface: Surface, size: tuple[int, int]) -> np.ndarray:
    """A mask that is a picture on the file's UVs, white where it is to be painted; greys are shares."""
    from PIL import Image

    from ..files.own_colour import on_map
    from .mask import name_of
    from .reading import check_shape, read_mask

    drawn = read_mask(source, soft=True)
    check_shape(drawn, *size[::-1], name_of(source))
    grey = Image.fromarray((drawn * 255).round().astype(np.uint8)).convert("RGB")
    pixels = on_map(loaded, surface, size, grey).pixels
    return _fitted(pixels, size)[..., 0].astype(np.float32) / 255
