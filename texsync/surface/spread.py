"""Meshes that fill little of their views: because of a few faces far away, or because the parts are far apart."""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import TexsyncWarning
from .types import Mesh

SMALL = 1 / 16  # of a view's width; below that a thing has too few pixels for a pattern
JUMP = 8.0  # how many times farther out than the rest a stray face reaches
BULK = 0.8  # of the faces are not stray
GAP = 0.1  # render-frame units between things that are apart
NAMED = 3


def warn_of_spread(mesh: Mesh, view_size: int) -> None:
    """Warns (TexsyncWarning) where things are only a few pixels wide, with the reason.  view_size: pixels a side."""
    far, share = stray_faces(mesh)
    if far.any():
        one = far.sum() == 1
        what = f"{far.sum()} {'face' if one else 'faces'} far away (object {_names(mesh, far)})"
        _warn(mesh, share, view_size, f"{what}; delete {'it' if one else 'them'}")
        return
    groups = apart(mesh)
    share = max(float(np.ptp(mesh.vertices[mesh.faces[group]], axis=(0, 1)).max()) for group in groups) / 2
    if len(groups) > 1 and share < SMALL:
        what = f"{len(groups)} pieces that are far apart ({_names(mesh, np.ones(len(mesh.faces), bool))})"
        _warn(mesh, share, view_size, f"{what}; paint each alone")


def _warn(mesh: Mesh, share: float, view_size: int, reason: str) -> None:
    pixels = max(1, round(share * view_size))
    message = f"{mesh.stem} is only {pixels} of {view_size} pixels wide in its views because of {reason}"
    warnings.warn(message, TexsyncWarning, stacklevel=3)


def _names(mesh: Mesh, chosen: np.ndarray) -> str:
    names = (
        list(dict.fromkeys(mesh.names[k] for k in np.unique(mesh.part[chosen])))
        if mesh.names
        else [mesh.stem]
    )
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def stray_faces(mesh: Mesh) -> tuple[np.ndarray, float]:
    """(F,) bool, the few faces that reach many times farther than all others, and how wide the others are.

    The width is a share of a view's.  No face is stray where the others are large enough without that.
    """
    corners = mesh.vertices[mesh.faces]
    middle = np.median(corners.mean(axis=1), axis=0)
    reach = np.linalg.norm(corners - middle, axis=2).max(axis=1)
    order = np.argsort(reach)
    ordered = reach[order]
    first = max(int(np.ceil(BULK * len(order))), 1)
    jumps = np.flatnonzero(ordered[first:] > JUMP * ordered[first - 1 : -1]) + first
    far = np.zeros(len(order), bool)
    if not len(jumps) or ordered[jumps[0] - 1] > SMALL:
        return far, 1.0
    far[order[jumps[0] :]] = True
    return far, float(np.ptp(corners[~far], axis=(0, 1)).max()) / 2


def apart(mesh: Mesh) -> list[np.ndarray]:
    """Faces in groups that gaps along the axes keep apart."""
    low, high = mesh.vertices[mesh.faces].min(axis=1), mesh.vertices[mesh.faces].max(axis=1)
    todo, done = [np.arange(len(mesh.faces))], []
    while todo:
        group = todo.pop()
        pieces = next(
            (cut for k in range(3) if len(cut := _cut(group, low[group, k], high[group, k])) > 1), None
        )
        if pieces:
            todo += pieces
        else:
            done.append(group)
    return done


def _cut(group: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """A group cut at the gaps along one axis."""
    order = np.argsort(low)
    covered = np.maximum.accumulate(high[order])
    gaps = np.flatnonzero(low[order][1:] - covered[:-1] > GAP) + 1
    return np.split(group[order], gaps)
