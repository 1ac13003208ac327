"""An edit laid into the photograph that it was made of: outside the mask the photograph stays to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor

SPECK = 0.1  # of the largest region: what is smaller is noise of the finder's
THIN = 0.5  # of the way from the mask's outline to its innermost pixel that the soft border takes at most
Box = tuple[slice, slice]


def without_specks(found: np.ndarray) -> np.ndarray:
    """A mask (h, w) of bool without its specks and pinholes: regions less than `SPECK` times the largest, by area."""
    kept = found
    for side in (True, False):
        labels, count = ndimage.label(kept == side)
        if count:
            areas = np.bincount(labels.ravel())[1:]
            small = np.flatnonzero(areas < SPECK * areas.max()) + 1
            kept = np.where(np.isin(labels, small), not side, kept)
    return kept


def outlined(cells: np.ndarray, size: tuple[int, int], own: np.ndarray | None = None) -> np.ndarray:
    """Where an edit may show, bool (H, W) in the photograph's pixels.

    cells: (h, w) of 0 and 1, what the model was told.  size: (W, H).  own: the user's mask (H', W'), whose outline
    counts where it has one; else it is that of the cells, smoothed.
    """
    grid = Image.fromarray(cells.astype(np.float32))
    smooth = np.asarray(grid.resize(size, Image.Resampling.BILINEAR))
    if own is None:
        inside = smooth >= 0.5
    else:
        mask = Image.fromarray((own >= 0.5).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        inside = (np.asarray(mask) > 0) & (smooth > 0)
    return inside if inside.any() else smooth >= smooth.max()  # thinner than the pixels of a small photograph


def softened(inside: np.ndarray, border: float) -> np.ndarray:
    """How much of an edit shows, float32 (H, W): 0 outside, rising to 1 over `border` pixels inside the outline.

    The picture's own edge is no outline.  Where the mask is thin the border is narrower, so that its middle shows.
    """
    depth = ndimage.distance_transform_edt(inside).astype(np.float32) if not inside.all() else inside * np.inf
    border = max(1.0, min(border, THIN * float(depth.max())))
    rise = np.clip(depth / (border + 1), 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)


@dataclass(frozen=True)
class Paste:
    """Lays edits into a photograph.

    photograph: RGB or RGBA.  inside: bool (H, W), see `outlined`.  box: rows and columns that hold all of it.
    weight: float32, of the box.  So what a huge photograph costs goes by what changes in it.
    """

    photograph: Image.Image
    inside: np.ndarray
    box: Box
    weight: np.ndarray

    @classmethod
    def of(cls, photograph: Image.Image, inside: np.ndarray, border: float) -> Paste:
        """border: pixels of the photograph over which an edit fades in."""
        box: Box = ndimage.find_objects(inside.astype(np.uint8))[0]
        grown = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
        rows, columns = grown
        return cls(photograph, inside, (rows, columns), softened(inside[rows, columns], border))

    def __call__(self, edit: Tensor) -> Tensor:
        """An edit (3, h, w) in [0, 1] of any size in the photograph: (3 or 4, H, W) in [0, 1].

        Clear and half clear parts stay as clear as they are; the model saw them on white, which is taken off again.
        """
        import torch

        from ..show.png import to_image

        result = np.array(self.photograph)
        part = result[self.box]
        old, new = part[..., :3].astype(np.float32), self._enlarged(to_image(edit))
        weight = self.weight[..., None]
        if part.shape[-1] == 4:
            alpha = part[..., 3:] / np.float32(255)
            new = 255 - (255 - new) / np.maximum(alpha, 1 / 255)
            weight = weight * (alpha > 0)
        mixed = old + weight * (np.clip(new, 0, 255) - old)
        part[..., :3] = np.where(weight > 0, np.round(mixed), old)
        return torch.from_numpy(result).permute(2, 0, 1).float() / 255

    def _enlarged(self, edit: Image.Image) -> np.ndarray:
        """The part of an edit that lies in the box, at the photograph's size, float32 (H', W', 3) in 0..255."""
        height, width = self.inside.shape
        (top, bottom), (left, right) = (
            (part.start, min(part.stop, side)) for part, side in zip(self.box, (height, width), strict=True)
        )
        across, down = edit.width / width, edit.height / height
        window = (left * across, top * down, right * across, bottom * down)
        size = (right - left, bottom - top)
        return np.asarray(edit.resize(size, Image.Resampling.LANCZOS, box=window), np.float32)

    def mask(self) -> Tensor:
        """Where the photograph may have changed, (3, H, W) of 0 and 1."""
        import torch

        return torch.from_numpy(self.inside).float().expand(3, -1, -1)
