"""N pictures of one canvas, written once for every kind of picture.

Every pixel looks at exactly one cell of the canvas: nearest lookup, never interpolation, because a weighted mean
of independent noise has less variance than the model expects.  So `f` is a sparse matrix with one entry a row,
and all else follows from it and from a second one, the blend weights of each cell.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..errors import Refused, about, got
from ..moved import moved

BLENDS = ("mean", "best-facing")


class Lookup:
    """A fixed sparse matrix on tensors; moved once per dtype and device.

    Called with columns (cols, C) it returns (rows, C) in the same dtype, computed in float32 at least.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        self.matrix = sparse.csr_array(matrix).sorted_indices()
        self._moved: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def __call__(self, columns: Tensor) -> Tensor:
        work = torch.promote_types(columns.dtype, torch.float32)
        # sparse products exist on the CPU and on CUDA, not on every accelerator
        device = columns.device if columns.is_cuda else torch.device("cpu")
        return (self._on(work, device) @ columns.to(device, work)).to(columns.device, columns.dtype)

    def _on(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        if (dtype, device) not in self._moved:
            m = self.matrix
            begins, columns = (torch.as_tensor(part.astype(np.int64)) for part in (m.indptr, m.indices))
            values = torch.as_tensor(m.data, dtype=dtype)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sparse", UserWarning)
                made = torch.sparse_csr_tensor(begins, columns, values, m.shape, check_invariants=True)
            self._moved[dtype, device] = made.to(device)
        return self._moved[dtype, device]


@dataclass(frozen=True, eq=False)
class Prefix:
    """The reference that earlier views give to each pixel, and where there is one.

    matrix: (P, P), one row per pixel, weights that add up to 1 in size, or nothing.
    mask: (N, 1, h, w), 1.0 where an earlier view shows the same, else 0.0; of `shares`, the share in [0, 1]
    that the earlier views hold together.
    """

    matrix: sparse.csr_array
    mask: Tensor

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.matrix)

    def reference(self, x: Tensor) -> Tensor:
        """Pictures x (N, C, h, w) to the reference that the ones before give each, same shape; 0 outside of `mask`."""
        return to_pictures(self._lookup(to_columns(x)), (len(x), *x.shape[2:]))

    def heard(self, share: Tensor) -> Prefix:
        """The same, of which each pixel hears a share (N, 1, h, w) in [0, 1]."""
        return replace(self, mask=self.mask * share.to(self.mask))


@dataclass(frozen=True, eq=False)
class Views:
    """N pictures of one canvas.

    Shapes: canvas z (C, *canvas) with K cells; pictures x (N, C, h, w) with P = N h w pixels in the order (n, y, x).
    look: (P, K) sparse, one entry a row, 1, or -1 where a view shows the canvas negated.
    merge: (K, P) sparse, each pixel's blend weight for each cell, >= 0 up to the sign of a negating view;
    rows need not add up to anything.
    shape: (N, h, w).  canvas: a tuple of ints with product K.
    shares: blend weights are shares of a cell, in [0, 1], as masks are: views that hold half of it pull
    with half the force.
    hears: (N, 1, h, w) in [0, 1], how much each pixel follows what other views say; None: fully.
    Families of views are functions that return one of these: see `lookup`.
    """

    look: sparse.csr_array
    merge: sparse.csr_array
    shape: tuple[int, int, int]
    canvas: tuple[int, ...]
    shares: bool = False
    hears: Tensor | None = None
    _compiled: dict[tuple[int | None, str], Prefix] = field(default_factory=dict, init=False, repr=False)
    _prefixes: dict[tuple[int | None, str], Prefix] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        pixels, cells = math.prod(self.shape), math.prod(self.canvas)
        assert self.look.shape == (pixels, cells) and self.merge.shape == (cells, pixels)
        assert (np.diff(self.look.indptr) == 1).all(), "every pixel looks at exactly one cell"

    def f(self, z: Tensor) -> Tensor:
        """Look: canvas (C, *canvas) to pictures (N, C, h, w)."""
        return to_pictures(self._look(z.flatten(1).T), self.shape)

    def spread(self, x: Tensor) -> Tensor:
        """Adjoint of `f`: add every pixel onto the cell that it shows."""
        return self._canvas(self._spread(to_columns(x)))

    def f_inv(self, x: Tensor) -> Tensor:
        """Merge: the weighted mean of the pixels that show each cell; 0 where all weights are 0."""
        return self._canvas(self._merge(to_columns(x)))

    def agree(self, x: Tensor) -> Tensor:
        """Merge and look again; pixels whose cell has no weight keep their own value."""
        return self.show(self.f_inv(x), x)

    def show(self, z: Tensor, x: Tensor) -> Tensor:
        """Look at the canvas z; pixels whose cell has no weight take their value from the pictures x."""
        shown = torch.where(moved(self.seen, x.device), self.f(z), x)
        return shown if self.hears is None else x + moved(self.hears, x.device, x.dtype) * (shown - x)

    def listening(self, hears: Tensor) -> Views:
        """The same views, whose pixels follow the others only so much; hears: see above."""
        made = replace(self, hears=hears)
        object.__setattr__(made, "_compiled", self._compiled)
        return made

    @property
    def covered(self) -> Tensor:
        """Which cells have any blend weight, bool, shape `canvas`."""
        return torch.as_tensor(_row_sizes(self.merge) > 0).view(self.canvas)

    @cached_property
    def blend_weight(self) -> Tensor:
        """Each pixel's blend weight, added up over the cells that it shows, float32 (N, 1, h, w)."""
        sizes = np.asarray(abs(self.merge).sum(axis=0)).ravel()
        return torch.as_tensor(sizes, dtype=torch.float32).view(self.shape)[:, None]

    @cached_property
    def seen(self) -> Tensor:
        """Which pixels look at a covered cell, bool (N, 1, h, w)."""
        cells = self.covered.flatten()[torch.as_tensor(self.look.indices.astype(np.int64))]
        return cells.view(self.shape)[:, None]

    def prefix(self, memory: int | None = None, blend: str = "mean") -> Prefix:
        """The reference of view i's pixels, from views 0 ... i - 1, as one matrix.

        memory: of the earlier views that know something about a pixel, the latest this many count; None: all.
        Counted pixel by pixel, so that a window follows the one above it too, and the last of a loop the first.
        blend: "mean" weighs the earlier views by their blend weights; "best-facing" takes one pixel of the view with
        the largest (the earliest of equals), so that noise keeps its variance.
        Made once, then kept: geometry does not move.
        """
        key = memory, blend
        if key not in self._prefixes:
            if key not in self._compiled:
                self._compiled[key] = self._compile(memory, blend)
            prefix = self._compiled[key]
            self._prefixes[key] = prefix if self.hears is None else prefix.heard(self.hears)
        return self._prefixes[key]

    def _compile(self, memory: int | None, blend: str) -> Prefix:
        if blend not in BLENDS or (memory is not None and memory < 1):
            raise Refused.views_wrong(
                f"{about('memory')} {got(memory)} with blend {blend!r}",
                f"give memory >= 1 or None, blend in {BLENDS}",
            )
        pixels = math.prod(self.shape[1:])
        heard = (self.look @ self.merge).tocoo()
        keep = (heard.row // pixels > heard.col // pixels) & (heard.data != 0)
        row, col, data = (part[keep] for part in (heard.row.astype(np.int64), heard.col, heard.data))
        if memory is not None:
            late = _latest(row, col // pixels, memory)
            row, col, data = row[late], col[late], data[late]
        said = np.bincount(row, np.abs(data), len(self.look.indices))
        known = np.minimum(said, 1.0) if self.shares else 1.0 * (said > 0)
        if blend == "best-facing":
            best = _best(row, col, np.abs(data), pixels)
            row, col, data = row[best], col[best], data[best]
        matrix = _normalised(sparse.csr_array((data, (row, col)), shape=heard.shape))
        return Prefix(matrix, torch.as_tensor(known).view(self.shape)[:, None])

    def _canvas(self, columns: Tensor) -> Tensor:
        return columns.T.reshape(-1, *self.canvas)

    @cached_property
    def _look(self) -> Lookup:
        return Lookup(self.look)

    @cached_property
    def _spread(self) -> Lookup:
        return Lookup(self.look.T)

    @cached_property
    def _merge(self) -> Lookup:
        return Lookup(_normalised(self.merge))


def lookup(cells: np.ndarray, canvas: tuple[int, ...], sign: np.ndarray | None = None) -> Views:
    """Views from a table: pixel (n, y, x) shows cell cells[n, y, x], and the pixels of a cell weigh the same.

    cells: (N, h, w) ints, row-major indices into canvas.  sign: (N, h, w) of 1 and -1; None is 1 everywhere.
    """
    pixels, count = cells.size, math.prod(canvas)
    data = np.ones(pixels) if sign is None else np.asarray(sign, float).ravel()
    look = sparse.csr_array((data, cells.ravel(), np.arange(pixels + 1)), shape=(pixels, count))
    return Views(look, sparse.csr_array(look.T), cells.shape, canvas)


def to_columns(x: Tensor) -> Tensor:
    """Pictures (N, C, h, w) to one row per pixel, (N h w, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def to_pictures(columns: Tensor, shape: tuple[int, ...]) -> Tensor:
    """One row per pixel, (N h w, C), to pictures (N, C, h, w)."""
    return columns.view(*shape, -1).permute(0, 3, 1, 2).contiguous()


def _row_sizes(matrix: sparse.csr_array) -> np.ndarray:
    return np.asarray(abs(matrix).sum(axis=1)).ravel()


def _normalised(matrix: sparse.csr_array) -> sparse.csr_array:
    """Every row divided by its size, so that it takes a mean; empty rows stay empty."""
    sizes = _row_sizes(matrix)
    scale = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ matrix)


def _latest(row: np.ndarray, view: np.ndarray, memory: int) -> np.ndarray:
    """Which entries come from the `memory` latest views that count in their row, bool."""
    views = view.max(initial=0) + 1
    giver, group = np.unique(row * views + (views - 1 - view), return_inverse=True)
    to = giver // views
    return (np.arange(len(giver)) - np.searchsorted(to, to))[group] < memory


def _best(row: np.ndarray, col: np.ndarray, weight: np.ndarray, pixels: int) -> np.ndarray:
    """Which entries to keep so that each row takes one pixel: the first of the view with the largest weight."""
    views = col.max(initial=0) // pixels + 1
    _, group = np.unique(row * views + col // pixels, return_inverse=True)
    total = np.bincount(group, weight)[group] if len(row) else weight
    order = np.lexsort((col, -total, row))
    return order[np.unique(row[order], return_index=True)[1]]
