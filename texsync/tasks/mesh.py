"""Texture a mesh from a prompt: depth-conditioned views of one surface, denoised in step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, got, option
from ..options.control_kinds import CONTROL_KINDS, DEPTH_STYLES, check_rendered, said_controls
from ..options.declared import declare, option_class, takes, unsaid
from ..options.geometry import (
    ATLAS,
    cameras_option,
    check_axes,
    extra_views_option,
    framing_option,
    front_option,
    up_option,
    uvs_option,
)
from ..options.kinds import Choice, ModelName, Prompt, Thing, Whole
from ..options.prompt_grammar import plain
from ..options.shared import ATTENTIONS
from ..options.start import InContextOptions
from ..progress import with_bar
from . import parts
from .painting import Painting
from .standing import Standing
from .textured import MeshSaveOptions, TexturedMesh
from .variants import Variants, check_room

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Generator, Tensor

    from ..backbones.base import Backbone, Predictor
    from ..backbones.between_views import Attends
    from ..backbones.upscaler import ViewEnlarger
    from ..known import Known
    from ..surface.cameras import Camera
    from ..surface.pixels import Pixels
    from ..surface.types import Surface
    from ..views import Views

TEXEL_BYTES = 220  # peak memory of baking, per texel, as seen at 2048 texels a side
PIXEL_BYTES = 130  # peak memory of looking, per pixel, as seen at 512 pixels a side
# where neither user nor model says any, the paper's (SyncSDE, supplement A.5 and its code)
PAPERS = {
    "steps": 30,
    "guidance": 15.5,
    "view_size": 768,
    "prompt_prefix": "Best quality, extremely detailed ",
    "negative_prompt": "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect.",
    "depth_style": "official",
}
LATENT_TEXELS = 16  # per latent pixel along a side: 1536 texels for 96 latent pixels, as the reference has it


BLENDS = {
    "best-facing": "where several earlier views show a point, the one that faces it best counts alone",
    "mean": "the mean of all of them; smoother",
}
VIEW_ORDERS = {
    "alternate": "the front leads, then left and right in turn",
    "paper": "the back leads, as in the authors' code",
}


@option_class
class MeshOptions(InContextOptions):
    """How a mesh gets its texture; sizes in pixels or texels a side, None stands for what `unsaid` says.

    mesh: path of an OBJ, GLB, glTF, PLY, STL or OFF file, or a trimesh Trimesh or Scene.
    up, front: axes of the mesh file.
    """

    saving = MeshSaveOptions
    SMALLER = f"lower {option('texture_size')} or {option('view_size')}, or use a smaller mesh"
    PAPER = {"steps": 30, "strength": 5.0, "sampler": "ddpm"}
    mesh: Any = declare(
        "The mesh to paint.", Thing(), kw_only=False, argument=True, file=True, recorded=False, label=""
    )
    prompt: str = declare(
        "What the surface should look like, e.g. weathered copper.",
        Prompt('describe the surface, e.g. "weathered copper"'),
        "main",
        kw_only=False,
        argument=True,
    )
    texture_size: int = declare("Texels along a side.", Whole(64, 8192), "surface", default=1024)
    uvs: str = uvs_option()
    atlas: str = declare(
        "One texture for everything, or one for each material, object or UDIM tile of the file.",
        ATLAS,
        "surface",
        default="one",
        label="",  # a panel applies one texture
    )
    up: str = up_option()
    front: str = front_option()
    cameras: str | Path | dict[str, Any] = cameras_option()
    blend: str | None = declare(
        "Where several earlier views show a point: the one that faces it best, or their mean.",
        Choice(BLENDS, was={"best": "best-facing"}),
        default=unsaid("best-facing"),
        usual="best-facing",
        paper="mean",
        was="pick",
    )
    view_order: str = declare(
        "Which view leads: front first, or the reference's.",
        Choice(VIEW_ORDERS, labels={"alternate": "Front First", "paper": "As Published"}),
        default="alternate",
        paper="paper",
        label="Views",
    )
    framing: str = framing_option()
    extra_views: str = extra_views_option()
    attention: str = declare(
        "Whether views see each other in the model's self-attention.",
        Choice(ATTENTIONS),
        default="none",
        paper="neighbours",
    )
    upscale_model: str | Path | None = declare(
        "Enlarge the painted views before baking, by a super-resolution model of any kind that spandrel knows.",
        ModelName(),
        "model",
        default=unsaid("none"),
        metavar="FILE",
        label="",
    )
    control_kind: str | None = declare(
        "What the ControlNet follows, where its name does not say it.",
        Choice(CONTROL_KINDS),
        "model",
        default=unsaid("by its name"),
        usual="depth",
    )
    depth_style: str | None = declare(
        "How depth looks to a ControlNet; it should be as it was trained.",
        Choice(DEPTH_STYLES),
        "model",
        default=unsaid("the model's own, else official"),
        usual="official",
    )

    def check(self) -> None:
        """Up and front are not along the same line; what is there already is one texture."""
        super().check()
        check_axes(self.up, self.front)
        if self.atlas != "one" and self.begins_somewhere:
            raise Refused.options_together(
                f"{option('atlas')} {got(self.atlas)} with a texture to start from or to repaint, which is one",
                f"use {option('atlas', 'one')}",
            )

    @property
    def folder(self) -> str:
        """<mesh>_textured."""
        return f"{Path(self.mesh).stem}_textured"


@takes(MeshOptions)
@with_bar
def texture_mesh(options: MeshOptions) -> TexturedMesh | Variants:
    """Paint a texture on MESH that fits PROMPT.

    Of several seeds, where `count` says so: then a sequence of textured meshes comes back.

    on_progress: see `Progress`.
    Raises InputError on anything that the caller can put right, before any weights load where possible.
    Source: SyncSDE (CVPR 2025), section 3.3.4 and Eq. 18-19.
    """
    return Job(options).run()


class Job(Painting):
    """One texturing run, stage by stage."""

    papers = PAPERS
    settings = {"blend": "best-facing"}

    def __init__(self, options: MeshOptions):
        super().__init__("mesh", options)
        self.standing = Standing(options.cameras, options.view_order, options.framing, options.extra_views)
        self.files += self.standing.files
        self.upscaler: ViewEnlarger | None = None

    def run(self) -> TexturedMesh | Variants:
        from ..errors import check_finite
        from ..files.atlas import prepared
        from ..files.load import load
        from ..files.pbr import finish_of
        from ..files.save import rehearse
        from ..loop import OVERFLOW
        from ..surface.spread import warn_of_spread
        from ..surface.texture import bake_tables, chunks
        from .in_context import in_context
        from .refine import refined

        options = self.options
        with self.stage("mesh"):
            self.check_early()
            loaded = load(options.mesh, up=options.up, front=options.front)
            surface = prepared(loaded, options.atlas, options.uvs, options.texture_size)
            self.check_texture(surface.across)
            rehearse(loaded, surface)
            self.standing.read(loaded, surface)
            context = in_context(options, loaded, surface, self.unseen(surface))
        backbone = self.backbone()
        finish = finish_of(plain(options.prompt), backbone.advice.materials)
        loaded = replace(loaded, finish=finish)
        warn_of_spread(loaded, self.view_size(backbone))
        size, rows = options.texture_size, chunks(options.texture_size, surface.across)
        with self.stage("geometry", rows):
            pixels, controls, views = self.geometry(surface, backbone)
            # refuses what no view can see
            tables = bake_tables(surface, pixels, size, on_chunk=self.told("geometry", rows))
            known = context.known(backbone, pixels, views.shape[1]) if context else None
        finals = self.denoise(backbone, views, controls, pixels.cameras, known)
        with self.stage("decode"):
            pictures = [backbone.decode(latents).float().cpu() for latents in finals]
            for seen in pictures:
                check_finite(seen, "decoding the views", OVERFLOW)
        with self.stage("texture"):
            baked = [tables.apply(self.enlarged(seen, backbone)) for seen in pictures]
            baked = [context.laid(texture) for texture in baked] if context else baked
        if options.refine > 1:
            baked = refined(self, backbone, pixels, baked, context, LATENT_TEXELS)
        report, told = self.filled(backbone), controls[0].cpu()
        made = [
            TexturedMesh(loaded, surface, texture, seen, told, pixels, report)
            for texture, seen in zip(baked, pictures, strict=True)
        ]
        return made[0] if len(made) == 1 else Variants.of(made, options.seeds)

    @property
    def controlnet(self) -> str | None:
        """With what each follows, where that is said."""
        options = self.options
        said = said_controls(options.controlnet, options.control_kind)
        return " + ".join(map(str, said)) or None

    def check_early(self) -> None:
        """Raises InputError for a model or device that is not there, and a texture too large for the memory."""
        parts.check_model(self.options, self.controlnet, rendered=True)
        self.coupling().check_masks(False)
        self.check_texture()
        if self.options.upscale_model is not None:
            from ..backbones.upscaler import load_upscaler

            self.upscaler = load_upscaler(self.options.upscale_model)

    def enlarged(self, views: Tensor, backbone: Backbone) -> Iterable[Tensor]:
        """The decoded views one by one, enlarged where that is asked for, so that memory holds one of them."""
        return views if self.upscaler is None else self.upscaler.each(views, backbone.home)

    def check_texture(self, across: int = 1) -> None:
        """Raises InputError for textures too large for the memory.  across: how many."""
        import torch

        from ..backbones.memory import require

        size = self.options.texture_size
        what = "a texture" if across == 1 else f"{across} textures"
        need, home = TEXEL_BYTES * across * size**2, torch.device("cpu")
        require(need, home, f"{what} of {size} texels a side", f"lower {option('texture_size')}")

    def check_model(self, backbone: Backbone) -> None:
        from ..backbones.memory import require

        super().check_model(backbone)
        if self.options.attention != "none" and not backbone.shares_attention:
            raise Refused.model_lacks(
                f"the {about('model')}'s views cannot read each other's attention",
                f"use {option('attention', 'none')}",
            )
        size, count = self.view_size(backbone), self.standing.most
        check_room(self.options.count, count * size**2, self.options.texture_size**2)
        what = f"looking at {count} views of {size} pixels"
        require(count * PIXEL_BYTES * size**2, backbone.home, what, f"lower {option('view_size')}")

    def geometry(self, surface: Surface, backbone: Backbone) -> tuple[Pixels, list[Tensor], Views]:
        """Everything that depends on the mesh alone, compiled once: (pixels, what each ControlNet follows, views)."""
        from ..surface.pixels import look
        from ..views import surface_views

        device = str(backbone.home)
        size = self.view_size(backbone)
        _, cells, _ = backbone.latent_shape(size)
        cameras = self.standing.cameras(surface, device)
        fine = look(surface, cameras, size, device)
        coarse = look(surface, cameras, cells, device)
        views = surface_views(coarse, fine, cells * LATENT_TEXELS)
        return fine, self.controls(fine, backbone), views

    def controls(self, pixels: Pixels, backbone: Backbone) -> list[Tensor]:
        """What each ControlNet follows, (N, 3, S, S) each; without any, depth for people."""
        from ..surface.control_pictures import rendered

        kinds = [check_rendered("", kind) for kind in backbone.control_kinds or ("depth",)]
        return [rendered(pixels, kind, self.said(backbone, "depth_style")) for kind in kinds]

    def unseen(self, surface: Surface) -> Callable[[int], np.ndarray]:
        """Texture size to (S, S) bool: texels that no view around the mesh sees."""
        from ..surface.cameras import ring
        from ..surface.texture import unseen

        return lambda size: unseen(surface, ring(self.options.view_order), size)

    def denoise(
        self,
        backbone: Backbone,
        views: Views,
        controls: list[Tensor],
        cameras: tuple[Camera, ...],
        known: Known | None = None,
    ) -> list[Tensor]:
        """All views down to clean latents (N, C, h, w), of every seed."""
        predict = self.predictor(backbone, controls, cameras)
        return self.denoise_all(backbone, predict, views, self.couplings(backbone, views), known=known)

    def predictor(
        self, backbone: Backbone, controls: list[Tensor], cameras: tuple[Camera, ...], alone: bool = True
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
            control=(controls if len(controls) > 1 else controls[0]) if backbone.reads_control else None,
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

    def filled(self, backbone: Backbone) -> dict[str, Any]:
        """The report, with what was not asked for filled in."""
        scale, style = (
            parts.control_of(self.options, backbone)["control_scale"],
            self.said(backbone, "depth_style"),
        )
        report = self.report(backbone, control_scale=scale, depth_style=style)
        return {**report, **self.standing.said}
