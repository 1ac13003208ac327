"""Texture a mesh from a prompt: depth-conditioned views of one surface, denoised in step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, TexsyncWarning, got, option
from ..options.control_kinds import KNOWN, check_known
from ..options.declared import declare, option_class, takes, unsaid
from ..options.geometry import (
    ATLAS,
    PROMPT_HELP,
    SURFACE_PROMPT,
    attention_option,
    blend_option,
    cameras_option,
    check_axes,
    control_kind_option,
    depth_style_option,
    extra_views_option,
    framing_option,
    front_option,
    up_option,
    uvs_option,
    view_order_option,
)
from ..options.kinds import ModelName, Thing
from ..options.number_kinds import TextureSize, shape_of
from ..options.prompt_grammar import plain
from ..options.start import InContextOptions
from ..progress import with_bar
from . import parts
from .around import AroundPainting
from .preview import SmallBake
from .standing import Standing
from .textured import MeshSaveOptions, TexturedMesh
from .variants import Variants, check_room

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor

    from ..backbones.base import Backbone
    from ..backbones.upscaler import ViewEnlarger
    from ..surface.pixels import Pixels
    from ..surface.types import Surface
    from ..views import Views
    from .in_context import InContext

TEXEL_BYTES = 220  # peak memory of baking, per texel, as seen at 2048 texels a side
PIXEL_BYTES = 130  # peak memory of looking, per pixel, as seen at 512 pixels a side
LATENT_TEXELS = 16  # per latent pixel along a side: 1536 texels for 96 latent pixels, as the reference has it


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
    prompt: str = declare(PROMPT_HELP, SURFACE_PROMPT, "main", kw_only=False, argument=True)
    texture_size: int | tuple[int, int] = declare(
        "Texels along a side, or WIDTHxHEIGHT.", TextureSize(64, 8192), "surface", default=1024
    )
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
    cameras: str | Path | dict[str, Any] = cameras_option("ring", "cover")
    blend: str | None = blend_option()
    view_order: str = view_order_option()
    framing: str = framing_option()
    extra_views: str = extra_views_option()
    attention: str = attention_option()
    upscale_model: str | Path | None = declare(
        "Enlarge the painted views before baking, by a super-resolution model of any kind that spandrel knows.",
        ModelName(),
        "model",
        default=unsaid("none"),
        metavar="FILE",
        label="",
    )
    control_kind: str | None = control_kind_option()
    depth_style: str | None = depth_style_option()

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
    def texture_shape(self) -> tuple[int, int]:
        """(height, width) of the texture."""
        return shape_of(self.texture_size)

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


class Job(AroundPainting):
    """One texturing run, stage by stage."""

    def __init__(self, options: MeshOptions):
        super().__init__("mesh", options)
        self.standing = Standing(options.cameras, options.view_order, options.framing, options.extra_views)
        self.files += self.standing.files
        self.upscaler: ViewEnlarger | None = None
        self.across = 1  # textures, as soon as the map is there
        self.followed: list[tuple[str, str | None]] = []  # by ControlNets, as far as that is known

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
        from .refine import Closer, refined

        options = self.options
        with self.stage("mesh"):
            self.check_early()
            loaded = load(options.mesh, up=options.up, front=options.front)
            surface = prepared(loaded, options.atlas, options.uvs, max(options.texture_shape))
            self.across = surface.across
            self.check_texture()
            rehearse(loaded, surface)
            self.standing.read(loaded, surface)
            context = in_context(options, loaded, surface, self.unseen(surface))
            self.check_followed(context)
        backbone = self.backbone()
        finish = finish_of(plain(options.prompt), backbone.advice.materials)
        loaded = replace(loaded, finish=finish)
        warn_of_spread(loaded, self.view_size(backbone))
        size, rows = options.texture_shape, chunks(options.texture_shape, surface.across)
        with self.stage("geometry", rows):
            pixels, controls, views = self.geometry(surface, backbone)
            # refuses what no view can see
            tables = bake_tables(surface, pixels, size, on_chunk=self.told("geometry", rows))
            seen = context.look(pixels) if context else None
            controls = [seen if one is None else one for one in controls]
            known = context.known(backbone, pixels, views.shape[1], seen) if context else None
            self.bake = SmallBake(loaded, surface, pixels)
        finals = self.denoise(backbone, views, controls, pixels.cameras, known)
        with self.stage("decode"):
            pictures = [backbone.decode(latents).float().cpu() for latents in finals]
            for seen in pictures:
                check_finite(seen, "decoding the views", OVERFLOW)
        with self.stage("texture"):
            baked = [tables.apply(self.enlarged(seen, backbone)) for seen in pictures]
            baked = [context.laid(texture) for texture in baked] if context else baked
        if options.refine > 1:
            baked = refined(Closer(self, backbone, pixels, LATENT_TEXELS), baked, context)
        report, told = self.filled(backbone), self.condition(pixels, backbone, controls).cpu()
        made = [
            TexturedMesh(loaded, surface, texture, seen, told, pixels, report)
            for texture, seen in zip(baked, pictures, strict=True)
        ]
        return made[0] if len(made) == 1 else Variants.of(made, options.seeds)

    def check_early(self) -> None:
        """Raises InputError for a model or device that is not there, and a texture too large for the memory."""
        self.followed = parts.check_model(self.options, self.controlnet, rendered=True)
        self.coupling().check_masks(False)
        self.check_texture()
        if self.options.upscale_model is not None:
            from ..backbones.upscaler import load_upscaler

            self.upscaler = load_upscaler(self.options.upscale_model)

    def check_followed(self, context: InContext | None) -> None:
        """Raises InputError for a ControlNet that follows what the mesh shows, where nothing is known of that.

        Warns (TexsyncWarning) where no other leads until there is a first texture.
        """
        if context is None and self.options.refine == 1:
            remedy = (
                f"start from one with {option('start', 'own')}, or paint details with {option('refine', 2)}"
            )
            check_known(self.followed, remedy)
        if context is None and self.followed and all(kind in KNOWN for _, kind in self.followed):
            said = f"no {option('controlnet')} follows the mesh's shape until details are painted"
            warnings.warn(TexsyncWarning(f"{said}; name one for depth, too"), stacklevel=2)

    def enlarged(self, views: Tensor, backbone: Backbone) -> Iterable[Tensor]:
        """The decoded views one by one, enlarged where that is asked for, so that memory holds one of them."""
        return views if self.upscaler is None else self.upscaler.each(views, backbone.home)

    def check_texture(self) -> None:
        """Raises InputError for textures too large for the memory."""
        import torch

        from ..backbones.memory import require

        (high, wide), across = self.options.texture_shape, self.across
        what = "a texture" if across == 1 else f"{across} textures"
        need, home = TEXEL_BYTES * across * high * wide, torch.device("cpu")
        require(need, home, f"{what} of {wide} x {high} texels", f"lower {option('texture_size')}")

    def check_model(self, backbone: Backbone) -> None:
        from ..backbones.memory import require

        super().check_model(backbone)
        size, count = self.view_size(backbone), self.standing.most
        check_room(self.options.count, count * size**2, self.across * math.prod(self.options.texture_shape))
        what = f"looking at {count} views of {size} pixels"
        require(count * PIXEL_BYTES * size**2, backbone.home, what, f"lower {option('view_size')}")

    def geometry(self, surface: Surface, backbone: Backbone) -> tuple[Pixels, list[Tensor | None], Views]:
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

    def unseen(self, surface: Surface) -> Callable[[tuple[int, int]], np.ndarray]:
        """(height, width) to (H, W) bool: texels that no view around the mesh sees."""
        from ..surface.cameras import ring
        from ..surface.texture import unseen

        return lambda size: unseen(surface, ring(self.options.view_order), size)

    def filled(self, backbone: Backbone) -> dict[str, Any]:
        return {**super().filled(backbone), **self.standing.said}
