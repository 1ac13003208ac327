"""Painting an object from all around, whatever it is made of: views that cameras see, each told where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, option
from ..options.control_kinds import KNOWN, check_rendered, with_kind
from . import parts
from .painting import Painting

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..backbones.base import Backbone, Predictor
    from ..backbones.between_views import Attends
    from ..known import Known
    from ..surface.cameras import Camera
    from ..surface.pixels import Sights
    from ..views import Views

# where neither user nor model says any, the paper's (SyncSDE, supplement A.5 and its code)
PAPERS = {
    "steps": 30,
    "guidance": 15.5,
    "view_size": 768,
    "prompt_prefix": "Best quality, extremely detailed ",
    "negative_prompt": "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect.",
    "depth_style": "official",
}


class AroundPainting(Painting):
    """One run that paints an object as cameras around it see it."""

    papers = PAPERS
    settings = {"blend": "best-facing"}

    @property
    def controlnet(self) -> str | None:
        """With what each follows, where that is said."""
        return with_kind(self.options.controlnet, self.options.control_kind)

    def check_model(self, backbone: Backbone) -> None:
        super().check_model(backbone)
        if self.options.attention != "none" and not backbone.shares_attention:
            raise Refused.model_lacks(
                f"the {about('model')}'s views cannot read each other's attention",
                f"use {option('attention', 'none')}",
            )

    def controls(self, pixels: Sights, backbone: Backbone) -> list[Tensor | None]:
        """What each ControlNet follows, (N, 3, S, S) each; without any, depth for people.

        None for one of KNOWN, which geometry does not give.
        """
        from ..surface.control_pictures import rendered

        style = self.said(backbone, "depth_style")
        kinds = [check_rendered("", kind) for kind in backbone.control_kinds or ("depth",)]
        return [None if kind in KNOWN else rendered(pixels, kind, style) for kind in kinds]

    def condition(self, pixels: Sights, backbone: Backbone, controls: Sequence[Tensor | None]) -> Tensor:
        """What people are shown of what is followed, (N, 3, S, S); depth, where nothing is."""
        from ..surface.control_pictures import depth

        followed = next((one for one in controls if one is not None), None)
        return depth(pixels, self.said(backbone, "depth_style")) if followed is None else followed

    def predictor(
        self,
        backbone: Backbone,
        controls: Sequence[Tensor | None],
        cameras: tuple[Camera, ...],
        alone: bool = True,
    ) -> Predictor:
        """What tells noise from picture.  alone: each camera is a view, not a tile of one, so it has neighbours."""
        from ..backbones.prompts import view_prompts
        from ..surface.cameras import view_name

        options = self.options
        prompts, negatives = view_prompts(
            [(camera.prompt or "{prompt}").replace("{prompt}", options.prompt) for camera in cameras],
            [view_name(camera) for camera in cameras],
            prefix=self.said(backbone, "prompt_prefix"),
            negative=self.negative(backbone),
            shorten=backbone.shorten,
        )
        conditions = self.conditions(
            backbone,
            prompts=prompts,
            negatives=negatives,
            control=controls if backbone.reads_control else None,
            attends=self.attends(cameras) if alone else None,
        )
        return backbone.predictor(conditions, options.chunk)

    def attends(self, cameras: tuple[Camera, ...]) -> Attends | None:
        """Whose keys and values each view reads; None: its own."""
        if self.options.attention == "none":
            return None
        from ..backbones.between_views import Attends
        from ..surface.abreast import beside

        return Attends(*beside(cameras, earlier=self.options.attention == "earlier"))

    def shared_noise(self, views: Views, channels: int, draw: Generator) -> Tensor:
        """Views of a surface meet in few texels: each pixel has its number from the best earlier view."""
        from ..views import shared_noise

        return shared_noise(views, channels, draw)

    def denoise(
        self,
        backbone: Backbone,
        views: Views,
        controls: Sequence[Tensor | None],
        cameras: tuple[Camera, ...],
        known: Known | None = None,
    ) -> list[Tensor]:
        """All views down to clean latents (N, C, h, w), of every seed."""
        predict = self.predictor(backbone, controls, cameras)
        return self.denoise_all(backbone, predict, views, self.couplings(backbone, views), known=known)

    def filled(self, backbone: Backbone) -> dict[str, Any]:
        """The report, with what was not asked for filled in."""
        scale = parts.control_of(self.options, backbone)["control_scale"]
        style = self.said(backbone, "depth_style")
        return self.report(backbone, control_scale=scale, depth_style=style)
