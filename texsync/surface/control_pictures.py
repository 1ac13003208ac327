"""What ControlNets follow, rendered from geometry: depth, normals, and lines where depth or the surface breaks off."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from . import pixels as sights
from .cameras import Camera
from .pixels import Sights

BLUR = 5, 2.0  # kernel's side in pixels, and sigma: what the authors' pipeline lays over its depth
FACES_THE_CAMERA = (0.5, 0.5, 1.0)  # a normal's colour; of the background too, as in SyncMVD's code
CREASE_DEG = (
    25.0,
    60.0,
)  # faces that meet at less are one curved surface, at more they have an edge between them
STEP = (0.02, 0.06)  # relative jump in depth beyond a slope's: less is a surface, more is an edge
LINE = 0.5  # how much of an edge a line is drawn for
SOFT_SIGMA = 1 / 300  # of a view's side: how wide the lines of a soft-edge picture are


def rendered(pixels: Sights, kind: str, depth_style: str = "official") -> Tensor:
    """The picture that a ControlNet of this kind reads, of every view: (N, 3, S, S) in [0, 1].

    kind: depth, normal, softedge, canny or lineart.  depth_style: "official" or "sharp", see `depth`.
    """
    if kind == "depth":
        return depth(pixels, depth_style)
    if kind == "normal":
        return normals(pixels)
    return {"softedge": soft_edges, "canny": edge_lines, "lineart": drawn_lines}[kind](pixels)


def depth(pixels: Sights, style: str = "official") -> Tensor:
    """Inverse depth, stretched per view: (N, 3, S, S).

    style: "official" is what the v1.1 depth ControlNet is given in SyncSDE's, SyncTweedies' and SyncMVD's code: the
    object's farthest point is as black as the background, and all is blurred.  "sharp" keeps the silhouette, see
    `pixels.depth_condition`.
    """
    if style == "sharp":
        return sights.depth_condition(pixels)
    return blurred(sights.depth_condition(pixels, floor=0.0), *BLUR)


def normals(pixels: Sights) -> Tensor:
    """Normals in camera space as colours, (n + 1) / 2: red points left, green up, blue to the camera; (N, 3, S, S).

    These are the axes of ScanNet's normals (FrameNet), which the network was trained on (Bae et al. 2021,
    arXiv:2109.09881) whose normals the v1.1 "normalbae" ControlNet was trained on.
    """
    axes = camera_axes(pixels.cameras, pixels.normal)
    colour = torch.einsum("nijd,nkd->nkij", pixels.normal, axes) / 2 + 0.5
    backdrop = colour.new_tensor(FACES_THE_CAMERA)[:, None, None]
    return torch.where(pixels.mask[:, None], colour, backdrop).clamp(0, 1)


def camera_axes(cameras: Sequence[Camera], like: Tensor) -> Tensor:
    """Left, up and towards the camera, as rows: (N, 3, 3) unit vectors in the render frame."""
    up, back = (
        torch.as_tensor([getattr(camera, name).tolist() for camera in cameras], dtype=torch.float64)
        for name in ("up", "direction")
    )
    return torch.stack([torch.linalg.cross(back, up), up, back], dim=1).to(like)


def soft_edges(pixels: Sights) -> Tensor:
    """Broad grey lines on black, as HED and PiDiNet draw them: (N, 3, S, S)."""
    sigma = max(pixels.size * SOFT_SIGMA, 0.8)
    side = 2 * round(3 * sigma) + 1
    lines = blurred(edges(pixels)[:, None], side, sigma) * (2 * sigma)
    return _grey(lines.clamp(0, 1))


def edge_lines(pixels: Sights) -> Tensor:
    """White lines one pixel wide on black, as Canny draws them: (N, 3, S, S), each 0 or 1."""
    return _grey((edges(pixels) >= LINE)[:, None].float())


def drawn_lines(pixels: Sights) -> Tensor:
    """White lines on black, soft at their borders, as the line-art detector draws them: (N, 3, S, S)."""
    broad = functional.max_pool2d((edges(pixels) >= LINE)[:, None].float(), 3, stride=1, padding=1)
    return _grey(blurred(broad, 3, 0.8))


def edges(pixels: Sights) -> Tensor:
    """How much of an edge each pixel has, (N, S, S) in [0, 1]: silhouettes, jumps in depth and creases.

    An edge between two neighbours is on the nearer one, so that lines are one pixel wide and lie on the object.
    """
    strength = torch.zeros_like(pixels.depth)
    inverse = torch.where(pixels.mask, 1 / pixels.depth, 0.0)
    facet = pixels.facet
    for dim in (1, 2):
        first, second = inverse.narrow(dim, 0, pixels.size - 1), inverse.narrow(dim, 1, pixels.size - 1)
        between = torch.maximum(_jump(inverse, dim), _crease(facet, dim))
        near = first >= second
        strength.narrow(dim, 0, pixels.size - 1).copy_(
            torch.maximum(strength.narrow(dim, 0, pixels.size - 1), torch.where(near, between, 0.0))
        )
        strength.narrow(dim, 1, pixels.size - 1).copy_(
            torch.maximum(strength.narrow(dim, 1, pixels.size - 1), torch.where(near, 0.0, between))
        )
    return strength


def _jump(inverse: Tensor, dim: int) -> Tensor:
    """Between each pixel and the next along `dim`: how far depth jumps beyond what the slope there explains.

    Inverse depth is linear across a plane in perspective, so a plane has no jump however steep it is.
    """
    step = inverse.diff(dim=dim)
    count = step.shape[dim]
    before = torch.cat([step.narrow(dim, 0, 1), step.narrow(dim, 0, count - 1)], dim)
    after = torch.cat([step.narrow(dim, 1, count - 1), step.narrow(dim, count - 1, 1)], dim)
    beyond = torch.minimum((step - before).abs(), (step - after).abs())
    larger = torch.maximum(inverse.narrow(dim, 0, count), inverse.narrow(dim, 1, count))
    return _ramp(beyond / larger.clamp(min=1e-6), *STEP)


def _crease(facet: Tensor, dim: int) -> Tensor:
    """Between each pixel and the next along `dim`: how sharply the faces meet; 0 beside the background."""
    count = facet.shape[dim] - 1
    first, second = facet.narrow(dim, 0, count), facet.narrow(dim, 1, count)
    cosine = (first * second).sum(-1).clamp(-1, 1)
    both = (first.abs().sum(-1) > 0) & (second.abs().sum(-1) > 0)
    return torch.where(both, _ramp(torch.rad2deg(torch.acos(cosine)), *CREASE_DEG), 0.0)


def blurred(pictures: Tensor, side: int, sigma: float) -> Tensor:
    """A Gaussian blur of (N, C, H, W).  side: of the kernel in pixels, odd.  sigma: pixels.  Borders are mirrored."""
    place = torch.arange(side, dtype=torch.float64) - side // 2
    weights = torch.exp(-(place**2) / (2 * sigma**2))
    row = (weights / weights.sum()).to(pictures).view(1, 1, 1, side)
    count, channels, height, width = pictures.shape
    flat = pictures.reshape(count * channels, 1, height, width)
    half = side // 2
    padded = functional.pad(flat, (half,) * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, row), row.mT).view_as(pictures)


def _ramp(value: Tensor, low: float, high: float) -> Tensor:
    """0 up to low, 1 from high on."""
    return ((value - low) / (high - low)).clamp(0, 1)


def _grey(picture: Tensor) -> Tensor:
    """(N, 1, S, S) to (N, 3, S, S)."""
    return picture.expand(-1, 3, -1, -1).contiguous()
