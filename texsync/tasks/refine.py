"""The detail pass: tiles of the views, painted closer over the first texture, coupled among each other as views are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import option
from ..options.control_kinds import KNOWN
from .in_context import InContext

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor
    from ..known import Known
    from ..surface.cameras import Camera
    from ..surface.pixels import Pixels
    from ..surface.texture import Sum, Texels, Texture
    from ..surface.types import Surface
    from ..views import Views

AT_ONCE = 8  # tiles that are looked at, decoded and baked together; memory is theirs
PIXEL_BYTES, CONTROL_BYTES = (
    130,
    12,
)  # peak memory of looking, per pixel; of a picture that a ControlNet follows
# tiles begin at one picture, so there is little left to agree on, and a stronger pull, or one towards single pixels of
# tiles that lie between one's own, costs the details that this is for (benchmarks/refine.py); --strength wins
CLOSE = {"strength": 1.0, "blend": "mean"}
FINER = 4  # pixels per latent cell, for the depth test between tiles


def refined(closer: Closer, first: Sequence[Texture], context: InContext | None) -> list[Texture]:
    """Textures of one surface, one per seed, with details at `refine` times the resolution of their views.

    first: the textures that the views made.  context: what of them is kept.
    """
    job, backbone = closer.job, closer.backbone
    with job.stage("closer"):
        views, controls = closer.geometry()
        starts = [closer.known(texture, context) for texture in first]
    sampler, seeds, finals = job.sampler(backbone), job.options.seeds, []
    spans = starts[0][0].spans(sampler.spans(backbone.schedule, job.steps(backbone)))
    predictors = closer.predictors(controls, [seen for _, seen in starts])
    with job.stage("refine", len(spans) * len(seeds)):
        coupling = job.fitting(backbone, views, **CLOSE)
        for k, (seed, (known, _), predict) in enumerate(zip(seeds, starts, predictors, strict=True)):
            x = known.begin(spans[0], job.noise(views, backbone.latent_channels, seed).to(backbone.home))
            told = {"seed": seed, "run": k, "runs": len(seeds), "stage": "refine"}
            own = known.through(predict), known.views(views), coupling.ready(backbone, views, seed)
            finals.append(job.denoised(*own, spans, x, backbone=backbone, sampler=sampler, **told))
    with job.stage("details", len(first)):
        texels, nearest = closer.texels(first[0])
        baked = [
            closer.baked(latents, texture, texels, nearest)
            for latents, texture in zip(finals, first, strict=True)
        ]
    return [context.laid(texture) for texture in baked] if context else baked


@dataclass
class Closer:
    """The tiles of a run's views, and what can be known of them before they are painted.

    job: the mesh task's run.  pixels: what its views see.  cell_texels: of the latent texture per latent cell, along a
    side.
    """

    job: Any
    backbone: Backbone
    pixels: Pixels
    cell_texels: int

    def __post_init__(self) -> None:
        from ..backbones.memory import require
        from ..surface.pixels import look
        from ..surface.tiles import showing, some, tiles

        options = self.job.options
        self.size = self.job.view_size(self.backbone)
        self.cells = self.backbone.latent_shape(self.size)[1]
        wanted = tiles(self.pixels, options.refine)
        what = f"looking at {len(wanted)} tiles"
        kept = max(1, len(self.backbone.control_kinds)) + self.follows_known * self.job.options.count
        need = len(wanted) * (PIXEL_BYTES * (FINER * self.cells) ** 2 + CONTROL_BYTES * kept * self.size**2)
        require(need, self.backbone.home, what, f"lower {option('refine')}")
        coarse = look(self.surface, wanted, self.cells, str(self.backbone.home))
        self.coarse = some(coarse, showing(coarse))

    @property
    def follows_known(self) -> bool:
        """Whether a ControlNet follows the first texture."""
        return any(kind in KNOWN for kind in self.backbone.control_kinds)

    @property
    def surface(self) -> Surface:
        return self.pixels.surface

    @property
    def tiles(self) -> tuple[Camera, ...]:
        return self.coarse.cameras

    def batches(self) -> Iterator[tuple[slice, Pixels]]:
        """Some tiles after the other, as they are painted."""
        from ..surface.pixels import look

        for start in range(0, len(self.tiles), AT_ONCE):
            which = slice(start, start + AT_ONCE)
            yield which, look(self.surface, self.tiles[which], self.size, str(self.backbone.home))

    def geometry(self) -> tuple[Views, list[Tensor | None]]:
        """What the tiles show of the surface, and what ControlNets follow in them, see `AroundPainting.controls`."""
        import torch

        from ..surface.pixels import look
        from ..views import surface_views

        fine = look(self.surface, self.tiles, FINER * self.cells, str(self.backbone.home))
        texels = self.cells * self.cell_texels * self.job.options.refine
        parts = [self.job.controls(pixels, self.backbone) for _, pixels in self.batches()]
        controls = [None if part[0] is None else torch.cat(part) for part in zip(*parts, strict=True)]
        return surface_views(self.coarse, fine, texels), controls

    def known(self, texture: Texture, context: InContext | None) -> tuple[Known, Tensor | None]:
        """The first texture in every tile, and what of it stays; and (N, 3, S, S) if a ControlNet follows it."""
        import torch

        from ..known import Known

        patch = None if context is None else context.patch
        shown, parts, looks = InContext(texture.image, self.job.options.refine_noise, patch), [], []
        for _, pixels in self.batches():
            seen = shown.look(pixels)
            parts.append(shown.known(self.backbone, pixels, self.cells, seen))
            looks += [seen] if self.follows_known else []
        x0, keep = (torch.cat([getattr(part, name) for part in parts]) for name in ("x0", "keep"))
        return Known(x0, keep, shown.level), torch.cat(looks) if looks else None

    def predictors(
        self, controls: Sequence[Tensor | None], seen: Sequence[Tensor | None]
    ) -> Iterator[Predictor]:
        """What tells noise from picture, for each first texture; one for all where no ControlNet follows it.

        controls: see `geometry`.  seen: each texture in the tiles, see `known`.
        """
        predict = None
        for shown in seen:
            if predict is None or self.follows_known:
                followed = [shown if one is None else one for one in controls]
                predict = self.job.predictor(self.backbone, followed, self.tiles, alone=False)
            yield predict

    def texels(self, first: Texture) -> tuple[Texels, np.ndarray]:
        """Of a map as large as this texture: where they lie, and for each the nearest covered one."""
        from ..surface.texture import nearest_texel, owners, texels_of

        (high, wide), across = first.image.shape[:2], self.surface.across
        texels = texels_of(self.surface, (high, wide // across), owners(self.surface, self.pixels))
        return texels, nearest_texel(texels.texel, texels.shape, across)

    def total(self, count: int) -> Sum:
        """What adds up the tiles that show each of so many texels."""
        from ..surface.texture import Sum

        return Sum(count)

    def baked(self, latents: Tensor, first: Texture, texels: Texels, nearest: np.ndarray) -> Texture:
        """The texture of painted tiles; the first one's where none sees enough.  texels, nearest: see `texels`."""
        import numpy as np

        from ..errors import check_finite
        from ..loop import OVERFLOW
        from ..surface.texture import sights_of_tiles

        said = self.total(len(texels.texel))
        for which, pixels in self.batches():
            pictures = self.backbone.decode(latents[which]).float().cpu()
            check_finite(pictures, "decoding the details", OVERFLOW)
            for picture, sight in zip(pictures, sights_of_tiles(pixels, texels), strict=True):
                said.add(picture, *sight)
        canvas = first.image.reshape(-1, 3).copy()
        seen = said.seen.numpy()
        canvas[texels.texel[seen]] = (said.mean().numpy()[seen] * 255).round().clip(0, 255).astype(np.uint8)
        return replace(first, image=canvas[nearest])
