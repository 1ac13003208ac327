"""Texture a mesh from a prompt: depth-conditioned views of one surface, denoised in step."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TexsyncWarning, option
from ..options.declared import declare, option_class, takes
from ..options.geometry import FRONT, UP, UVS, check_axes
from ..options.kinds import Choice, Prompt, Thing, Whole
from ..options.shared import SharedOptions
from ..progress import Progress, with_bar
from ..record.inputs import input_files
from . import parts
from .preview import Preview, Watched
from .textured import MeshSaveOptions, TexturedMesh

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor
    from ..couplings import Coupling
    from ..surface.cameras import Camera
    from ..surface.extra import Extra
    from ..surface.pixels import Pixels
    from ..surface.types import Surface
    from ..views import Views

TEXEL_BYTES = 220  # peak memory of baking, per texel, as seen at 2048 texels a side
PIXEL_BYTES = 130  # peak memory of looking, per pixel, as seen at 512 pixels a side
# where neither user nor model says any, the paper's (SyncSDE, supplement A.5 and its code)
STEPS, GUIDANCE, VIEW_SIZE = 30, 15.5, 768
PREFIX = "Best quality, extremely detailed "
NEGATIVE = "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect."
COUPLING = {"pick": "best"}
LATENT_TEXELS = 16  # per latent pixel along a side: 1536 texels for 96 latent pixels, as the reference has it


PICKS = {
    "best": "where several earlier views show a point, the one that faces it best is heard",
    "mean": "all of them are heard; smoother",
}
VIEW_ORDERS = {
    "alternate": "the front leads, then left and right in turn",
    "paper": "the back leads, as in the authors' code",
}
FRAMINGS = {
    "tight": "the mesh fills the views",
    "paper": "the sphere around the mesh fills the views",
}
EXTRA_VIEWS = {
    "auto": "also from the top and from below, where the views around the mesh see too little",
    "none": "only the views around the mesh",
}


@option_class
class MeshOptions(SharedOptions):
    """How a mesh gets its texture; sizes in pixels or texels a side, None stands for what `unsaid` says.

    mesh: path of an OBJ, GLB, glTF, PLY, STL or OFF file, or a trimesh Trimesh or Scene.
    up, front: axes of the mesh file.
    """

    saving = MeshSaveOptions
    SMALLER = f"lower {option('texture_size')} or {option('view_size')}, or use a smaller mesh"
    PAPER = {"steps": 30, "strength": 5.0}
    mesh: Any = declare(
        "The mesh to paint.",
        Thing(),
        kw_only=False,
        argument=True,
        metavar="MESH",
        sweep=False,
        file=True,
        recorded=False,
    )
    prompt: str = declare(
        "What the surface should look like, e.g. weathered copper.",
        Prompt('describe the surface, e.g. "weathered copper"'),
        kw_only=False,
        argument=True,
        label="Prompt",
        section="main",
        sweep=False,
    )
    texture_size: int = declare(
        "Texels along a side.", Whole(64, 8192), default=1024, section="surface", label="Texture Size"
    )
    uvs: str = declare(
        "Make new UVs, or use the mesh's own.",
        UVS,
        default="auto",
        section="surface",
        label="UVs",
        flag={"keep": "keep-uvs", "unwrap": "unwrap"},
    )
    up: str = declare(
        "Up axis of the file: x, y, z, -x, -y, -z; auto goes by format.",
        UP,
        default="auto",
        section="surface",
        metavar="AXIS",
    )
    front: str = declare(
        "Axis that the front looks along, likewise.",
        FRONT,
        default="auto",
        section="surface",
        label="Front",
        metavar="AXIS",
    )
    pick: str | None = declare(
        "Where several earlier views show a point: the one that faces it best, or their mean.",
        Choice(PICKS),
        default=None,
        unsaid="best",
        usual="best",
        paper="mean",
        label="Heard View",
    )
    view_order: str = declare(
        "Which view leads: front first, or the reference's.",
        Choice(VIEW_ORDERS, labels={"alternate": "Front First", "paper": "As Published"}),
        default="alternate",
        paper="paper",
        label="Views",
    )
    framing: str = declare(
        "Views that the mesh fills, or its bounding sphere does.",
        Choice(FRAMINGS, labels={"paper": "As Published"}),
        default="tight",
        paper="paper",
        label="Framing",
    )
    extra_views: str = declare(
        "Top and bottom views where the ten around the mesh see too little, or none.",
        Choice(EXTRA_VIEWS),
        default="auto",
        paper="none",
        label="Extra Views",
    )

    def check(self) -> None:
        """Up and front are not along the same line."""
        super().check()
        check_axes(self.up, self.front)

    @property
    def folder(self) -> str:
        """<mesh>_textured."""
        return f"{Path(self.mesh).stem}_textured"


@takes(MeshOptions)
@with_bar
def texture_mesh(options: MeshOptions) -> TexturedMesh:
    """Paint a texture on MESH that fits PROMPT.

    on_progress: see `Progress`.
    Raises InputError on anything that the caller can put right, before any weights load where possible.
    Source: SyncSDE (CVPR 2025), section 3.3.4 and Eq. 18-19.
    """
    return Job(options).run()


class Job:
    """One texturing run, stage by stage."""

    def __init__(self, options: MeshOptions):
        self.options = options
        self.on_progress: Progress = options.heard
        self.seconds: dict[str, float] = {}
        self.files: list[dict[str, str]] = []
        self.sent: dict[str, list[str]] = {}  # prompts and negatives, one each per view
        self.extra: Extra | None = None
        self.used: Coupling  # from the stage "denoise" on

    def run(self) -> TexturedMesh:
        from ..errors import check_finite
        from ..files.load import load
        from ..files.pbr import finish_of
        from ..files.save import rehearse
        from ..loop import OVERFLOW
        from ..surface.spread import warn_of_spread
        from ..surface.texture import bake_tables, chunks
        from ..surface.uv import prepare

        options = self.options
        with self.stage("mesh"):
            self.check_early()
            self.files = input_files(mesh=options.mesh)
            loaded = load(options.mesh, up=options.up, front=options.front)
            surface = prepare(loaded, policy=options.uvs, texture_size=options.texture_size)
            rehearse(loaded, surface)
        parts.fetch_model(options, options.controlnet, self.on_progress)
        with self.stage("model"):
            backbone = self.backbone()
        finish = finish_of(options.prompt, backbone.advice.materials)
        loaded = replace(loaded, finish=finish)
        warn_of_spread(loaded, self.view_size(backbone))
        size, rows = options.texture_size, chunks(options.texture_size)
        with self.stage("geometry", rows):
            pixels, condition, views = self.geometry(surface, backbone)
            # refuses what no view can see
            tables = bake_tables(surface, pixels, size, on_chunk=self.progress_of("geometry", rows))
        with self.stage("denoise", self.steps(backbone)):
            latents = self.denoise(backbone, views, condition, pixels.cameras)
        with self.stage("decode"):
            pictures = backbone.decode(latents).float().cpu()
            check_finite(pictures, "developing the views", OVERFLOW)
        with self.stage("texture"):
            baked = tables.apply(pictures)
        return TexturedMesh(loaded, surface, baked, pictures, condition.cpu(), pixels, self.report(backbone))

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[None]:
        """Announce a stage of `total` steps and time it."""
        start = time.perf_counter()
        self.on_progress(name, 0, total, None)
        yield
        self.on_progress(name, total, total, None)
        self.seconds[name] = round(time.perf_counter() - start, 3)

    def progress_of(self, name: str, total: int) -> Callable[[int], None]:
        """Tells that so many of a stage's steps are done."""
        return lambda done: self.on_progress(name, done, total, None)

    def check_early(self) -> None:
        """Raises InputError for a model or device that is not there, and a texture too large for the memory."""
        import torch

        from ..backbones.memory import require

        options = self.options
        parts.check_model(options, options.controlnet)
        parts.coupling_of(options, COUPLING).check_masks(False)
        size = options.texture_size
        what = f"a texture of {size} texels a side"
        require(TEXEL_BYTES * size**2, torch.device("cpu"), what, f"lower {option('texture_size')}")

    def backbone(self) -> Backbone:
        backbone = parts.model_of(self.options, self.options.controlnet)
        self.check_model(backbone)
        return backbone

    def check_model(self, backbone: Backbone) -> None:
        """Raises InputError for step counts and view sizes that this model, or the memory, cannot do."""
        from ..backbones.memory import require
        from ..surface.cameras import ring

        backbone.schedule.spans(self.steps(backbone))
        size, count = self.view_size(backbone), len(ring()) + 2 * (self.options.extra_views == "auto")
        backbone.latent_shape(size)
        what = f"looking at {count} views of {size} pixels"
        require(count * PIXEL_BYTES * size**2, backbone.home, what, f"lower {option('view_size')}")
        backbone.check_room(size)

    def steps(self, backbone: Backbone) -> int:
        """The step count asked for, else the model's own, else the paper's."""
        return self.options.steps or backbone.advice.steps or STEPS

    def view_size(self, backbone: Backbone) -> int:
        """Pixels a side of each view: as asked for, else the model's own, else the paper's if the model can do it."""
        usual = VIEW_SIZE if backbone.resizable else backbone.native_size
        return self.options.view_size or backbone.advice.view_size or usual

    def guidance(self, backbone: Backbone) -> float:
        return first(self.options.guidance, backbone.advice.guidance, GUIDANCE)

    def negative(self, backbone: Backbone) -> str:
        return first(self.options.negative, backbone.advice.negative_prompt, NEGATIVE)

    def geometry(self, surface: Surface, backbone: Backbone) -> tuple[Pixels, Tensor, Views]:
        """Everything that depends on the mesh alone, compiled once: (pixels, depth condition, views)."""
        import numpy as np

        from ..surface.cameras import framed
        from ..surface.pixels import depth_condition, look
        from ..views import surface_views

        device = str(backbone.home)
        size = self.view_size(backbone)
        _, cells, _ = backbone.latent_shape(size)
        cameras = self.cameras(surface, device)
        if self.options.framing == "tight":
            cameras = framed(cameras, surface.vertices[np.unique(surface.faces)])
        fine = look(surface, cameras, size, device)
        coarse = look(surface, cameras, cells, device)
        views = surface_views(coarse, fine, cells * LATENT_TEXELS)
        return fine, depth_condition(fine), views

    def cameras(self, surface: Surface, device: str) -> tuple[Camera, ...]:
        """The ring, and where it sees too little a view from the top or from below; says so (TexsyncWarning)."""
        from ..surface.cameras import ring
        from ..surface.extra import extra_views

        around = ring(self.options.view_order)
        if self.options.extra_views == "none":
            return around
        self.extra = extra_views(surface, around, device)
        if self.extra.cameras:
            warnings.warn(str(self.extra), TexsyncWarning, stacklevel=2)
        return (*around, *self.extra.cameras)

    def coupling(self, backbone: Backbone, views: Views) -> Coupling:
        strength = parts.strength_of(self.options, "mesh", backbone)
        made = parts.coupling_of(self.options, {**COUPLING, "strength": strength})
        return made.ready(backbone, views, self.options.seed)

    def denoise(
        self, backbone: Backbone, views: Views, condition: Tensor, cameras: tuple[Camera, ...]
    ) -> Tensor:
        """All views down to clean latents (N, C, h, w)."""
        from ..loop import sample

        predict = Watched(self.predictor(backbone, condition, cameras))
        spans = backbone.schedule.spans(self.steps(backbone))
        x = self.noise(views, backbone.latent_channels).to(backbone.home)
        self.used = self.coupling(backbone, views)
        for i, (_, latents, _) in enumerate(sample(predict, views, self.used, spans, x)):
            x = latents
            self.on_progress("denoise", i + 1, len(spans), Preview(backbone, predict))
        return x

    def predictor(self, backbone: Backbone, condition: Tensor, cameras: tuple[Camera, ...]) -> Predictor:
        from ..backbones.prompts import view_prompts
        from ..surface.cameras import view_name

        options = self.options
        prompts, negatives = view_prompts(
            options.prompt,
            [view_name(camera) for camera in cameras],
            prefix=first(backbone.advice.prompt_prefix, PREFIX),
            negative=self.negative(backbone),
            shorten=backbone.shorten,
        )
        self.sent = {"prompts": prompts, "negatives": negatives}
        return backbone.predictor(
            prompts,
            negatives,
            condition if backbone.reads_control else None,
            guidance=self.guidance(backbone),
            chunk=options.chunk,
            **parts.control_of(options, backbone),
        )

    def noise(self, views: Views, channels: int) -> Tensor:
        """Where the run starts; one seed, an explicit generator."""
        import torch

        from ..views import shared_noise

        draw = torch.Generator().manual_seed(int(self.options.seed))
        if self.options.noise == "shared":
            return shared_noise(views, channels, draw)
        count, height, width = views.shape
        return torch.randn(count, channels, height, width, generator=draw)

    def report(self, backbone: Backbone) -> dict[str, Any]:
        """What `run.json` keeps: every option as it was used, so that the same options paint the same texture."""
        asked = {
            **self.options.record(),
            "steps": self.steps(backbone),
            "view_size": self.view_size(backbone),
            "guidance": self.guidance(backbone),
            "negative": self.negative(backbone),
            "control_scale": parts.control_of(self.options, backbone)["control_scale"],
        }
        used = parts.recorded(asked, backbone, self.used)
        return {
            "task": "mesh",
            **used,
            "options": used,
            "objects": parts.objects(self.options, backbone),
            "sent": self.sent,
            "files": self.files,
            "commits": backbone.commits,
            "backbone_calls": self.steps(backbone),
            "seconds": self.seconds,
            **({} if self.extra is None else {"views_added": self.extra.report()}),
        }


def first(*values: Any) -> Any:
    """The first of the values that is said, that is, not None."""
    return next(value for value in values if value is not None)
