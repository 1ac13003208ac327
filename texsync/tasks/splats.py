"""Texture 3D Gaussian splats from a prompt: views denoised in step, and one linear solve for the colours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, option
from ..options.control_kinds import check_known
from ..options.declared import declare, option_class, takes
from ..options.geometry import (
    PROMPT_HELP,
    SURFACE_PROMPT,
    attention_option,
    blend_option,
    cameras_option,
    check_axes,
    control_kind_option,
    depth_style_option,
    framing_option,
    front_option,
    up_option,
    view_order_option,
)
from ..options.kinds import PathName
from ..options.number_kinds import Flag
from ..options.shared import SharedOptions
from ..progress import with_bar
from . import parts
from .around import AroundPainting
from .standing import Standing
from .textured_splats import SplatSaveOptions, TexturedSplats, picture
from .variants import Variants

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone
    from ..files.splat_place import PlacedSplats
    from ..splats.gaussians import Splats
    from ..splats.rasterise import Seen
    from ..surface.cameras import Camera
    from ..surface.point_pixels import PointPixels
    from ..views import Views

PIXEL_BYTES = 300  # peak memory of looking, per pixel, weights of splats apart
ROOM = 0.7  # share of the free memory that the views' weights may take; the solve needs the rest
GLANCE = 64  # pixels a side at which is looked whether a camera sees anything


@option_class
class SplatOptions(SharedOptions):
    """How splats get their colours; sizes in pixels a side, None stands for what `unsaid` says.

    scene: path of a .ply, .spz or .splat file of 3D Gaussian splats.
    up, front: axes of the file; auto are those of a capture, -y and -z.
    """

    saving = SplatSaveOptions
    SMALLER = f"lower {option('view_size')}, or use fewer splats"
    scene: Path = declare(
        "The splats to paint.", PathName(), kw_only=False, argument=True, file=True, recorded=False, label=""
    )
    prompt: str = declare(PROMPT_HELP, SURFACE_PROMPT, "main", kw_only=False, argument=True)
    antialiased: bool = declare(
        "Small splats are drawn thinner, for captures that were trained so.",
        Flag(),
        "surface",
        default=False,
    )
    up: str = up_option()
    front: str = front_option()
    cameras: str | Path | dict[str, Any] = cameras_option("ring")
    blend: str | None = blend_option()
    view_order: str = view_order_option()
    framing: str = framing_option()
    attention: str = attention_option()
    control_kind: str | None = control_kind_option()
    depth_style: str | None = depth_style_option()

    def check(self) -> None:
        """Up and front are not along the same line."""
        super().check()
        check_axes(self.up, self.front)

    @property
    def folder(self) -> str:
        """<scene>_textured."""
        return f"{self.scene.stem}_textured"


@takes(SplatOptions)
@with_bar
def texture_splats(options: SplatOptions) -> TexturedSplats | Variants[TexturedSplats]:
    """Paint SCENE, 3D Gaussian splats, as PROMPT says.

    Their shapes and opacities stay; their colours become the same from everywhere.
    Of several seeds, where `count` says so: then a sequence of textured splats comes back.

    on_progress: see `Progress`.
    Raises InputError on anything that the caller can put right, before any weights load where possible.
    Source of the task: SyncTweedies (NeurIPS 2024), section 5.4; the colours are solved for, not trained.
    """
    return SplatJob(options).run()


class SplatJob(AroundPainting):
    """One run, stage by stage."""

    def __init__(self, options: SplatOptions):
        super().__init__("splats", options)
        self.standing = Standing(options.cameras, options.view_order, options.framing, "none")
        self.files += self.standing.files

    def run(self) -> TexturedSplats | Variants[TexturedSplats]:
        import torch

        from ..backbones.memory import free_bytes
        from ..errors import check_finite
        from ..files.splat_place import place
        from ..loop import OVERFLOW
        from ..splats.splat_files import read_splats

        options = self.options
        with self.stage("splats"):
            followed = parts.check_model(options, self.controlnet, rendered=True)
            check_known(followed, f"name one that follows shape, e.g. {option('controlnet', 'depth=FOLDER')}")
            self.coupling().check_masks(False)
            splats = read_splats(options.scene, free_bytes(torch.device("cpu")))
            placed = place(splats, options.up, options.front)
            cameras = self.standing.around_splats(placed)
            self.check_sight(placed, cameras)
        backbone = self.backbone()
        with self.stage("geometry", len(cameras)):
            seen = self.look(placed, cameras, self.view_size(backbone))
            pixels, controls, views = self.geometry(placed, cameras, seen, backbone)
        finals = self.denoise(backbone, views, controls, cameras)
        with self.stage("decode"):
            pictures = [backbone.decode(latents).float().cpu() for latents in finals]
            for painted in pictures:
                check_finite(painted, "decoding the views", OVERFLOW)
        with self.stage("colours", len(pictures)):
            condition = self.condition(pixels, backbone, controls).cpu()
            made = self.coloured(splats, placed, seen, pixels, pictures, condition)
        report = self.filled(backbone) | self.standing.said
        for one in made:
            one.report = report
        return made[0] if len(made) == 1 else Variants.of(made, options.seeds)

    def check_model(self, backbone: Backbone) -> None:
        from ..backbones.memory import require

        super().check_model(backbone)
        size, count = self.view_size(backbone), self.standing.most
        need = count * PIXEL_BYTES * size**2
        require(
            need, backbone.home, f"looking at {count} views of {size} pixels", f"lower {option('view_size')}"
        )

    def draw(self, placed: PlacedSplats, camera: Camera, size: int, room: int | None = None) -> Seen:
        """What a camera sees.  room: bytes that its weights may take."""
        from ..splats.projected import NEAR
        from ..splats.rasterise import contributions

        near = min(NEAR, NEAR / placed.scale)  # in the file's units, where captures are large
        return contributions(
            placed.splats, camera, size, antialiased=self.options.antialiased, near=near, room=room
        )

    def check_sight(self, placed: PlacedSplats, cameras: tuple[Camera, ...]) -> None:
        """Raises InputError for a camera that sees nothing."""
        from ..splats.splat_sights import SOLID

        for k, camera in enumerate(cameras):
            if (self.draw(placed, camera, GLANCE).alpha < SOLID).all():
                name = f"cameras[{k}]" + (f" ({camera.name})" if camera.name else "")
                raise Refused.camera_blind(
                    f"{about(name)} sees nothing solid of the splats", "move it, or turn it to the splats"
                )

    def look(self, placed: PlacedSplats, cameras: tuple[Camera, ...], size: int) -> list[Seen]:
        """What every camera sees; raises InputError where memory does not hold it."""
        import torch

        from ..backbones.memory import free_bytes

        told, seen = self.told("geometry", len(cameras)), []
        for k, camera in enumerate(cameras):
            room = int(ROOM * free_bytes(torch.device("cpu")) / (len(cameras) - k))
            seen.append(self.draw(placed, camera, size, room))
            told(k)
        return seen

    def geometry(
        self, placed: PlacedSplats, cameras: tuple[Camera, ...], seen: list[Seen], backbone: Backbone
    ) -> tuple[PointPixels, list[Tensor | None], Views]:
        """Everything that depends on the splats alone: (pixels, what each ControlNet follows, views)."""
        from ..splats.splat_sights import splat_pixels
        from ..views import point_views

        size = self.view_size(backbone)
        _, cells, _ = backbone.latent_shape(size)
        fine = splat_pixels(placed.splats, cameras, seen)
        views = point_views(fine.every(size // cells), fine)
        controls = [None if one is None else one.to(backbone.home) for one in self.controls(fine, backbone)]
        return fine, controls, views

    def coloured(
        self,
        splats: Splats,
        placed: PlacedSplats,
        seen: list[Seen],
        pixels: PointPixels,
        pictures: list[Tensor],
        condition: Tensor,
    ) -> list[TexturedSplats]:
        """The splats with the colours that each set of pictures (N, 3, S, S) says."""
        import numpy as np
        import torch

        from ..splats.painted_splats import solve
        from ..surface.texture import pixel_weights

        trust, made = pixel_weights(pixels).numpy(), []
        alpha = np.stack([one.alpha for one in seen])[..., None]
        for k, painted in enumerate(pictures):
            targets = painted.permute(0, 2, 3, 1).numpy() * alpha  # what is painted beside them is not theirs
            found = solve(seen, targets, placed.splats.means, trust=trust)
            colours = found.colour
            rendered = torch.stack([picture(one, colours) for one in seen])
            file = self.options.scene
            made.append(
                TexturedSplats(
                    file.stem,
                    file.suffix.lower(),
                    splats.coloured(colours),
                    placed.splats.coloured(colours),
                    found.seen,
                    pixels.cameras,
                    painted,
                    condition,
                    pixels.mask[:, None],
                    rendered,
                    self.options.antialiased,
                )
            )
            self.told("colours", len(pictures))(k + 1)
        return made
