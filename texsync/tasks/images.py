"""What the 2D tasks share: the model, the loop over seeds, and what is left on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..image_options import ImageOptions

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..backbones.base import Predictor
    from ..backbones.diffusion import DiffusionBackbone
    from ..couplings import Coupling
    from ..views import Views

Progress = Callable[[str, int, int, "Callable[[], Tensor] | None"], None]
"""(stage, step, total, preview) -> None, as in `tasks.mesh`; raise errors.Cancelled from it to stop the run."""

GUIDANCE, STEPS = 7.5, 50  # the paper's, for a model that recommends nothing (SyncSDE, supplement A.1)
AT_ONCE = 16  # views per model call at most, so that memory does not grow with the picture
TAKEN_BY = {"strength": "strength", "integrator": "integrator"}  # coupling's field -> option


@dataclass
class Made:
    """The pictures of one seed.

    images: name to (3, H, W) in [0, 1], the task's main picture first.  views: (N, 3, s, s) in [0, 1], some of what
    the single trajectories show.
    """

    seed: int
    images: dict[str, Tensor]
    views: Tensor


@dataclass
class Pictures:
    """What a 2D task returns.

    made: one entry per seed.  titles: of the views.  report: every option as it was used, timings in seconds; what
    `run.json` holds.  image: the first seed's main picture (PIL); images: the main picture of every seed.
    """

    task: str
    made: list[Made]
    titles: list[str]
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        return self.images[0]

    @property
    def images(self) -> list[Image]:
        from ..surface.preview import to_image

        return [to_image(next(iter(made.images.values()))) for made in self.made]

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the pictures as PNG with the parameters inside, `views.png` and `run.json`: all or nothing.

        Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..surface.folder import atomic_folder
        from .outputs import dump, peak_memory_mb, versions

        record = {**self.report, "peak_memory_mb": peak_memory_mb(), "versions": versions()}
        with atomic_folder(folder, overwrite=overwrite) as place:
            for made in self.made:
                end = f"_seed{made.seed}" if len(self.made) > 1 else ""
                for name, picture in made.images.items():
                    write_png(picture, place / f"{name}{end}.png", {**record, "seed": made.seed, "count": 1})
            self.sheet().save(place / "views.png", optimize=True)
            (place / "run.json").write_text(dump(record, indent=2) + "\n")
        return Path(folder)

    def sheet(self) -> Image:
        """The contact sheet (PIL): one row of views per seed."""
        from ..surface.preview import contact_sheet

        return contact_sheet({f"seed {made.seed}": made.views for made in self.made}, self.titles)


class Run:
    """One run of a 2D task, stage by stage."""

    def __init__(self, task: str, options: ImageOptions, on_progress: Progress | None = None):
        self.task, self.options = task, options
        self.on_progress: Progress = on_progress or (lambda *_: None)
        self.seconds: dict[str, float] = {}
        self.calls = 0

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[None]:
        """Announce a stage of `total` steps and time it."""
        start = time.perf_counter()
        self.on_progress(name, 0, total, None)
        yield
        self.on_progress(name, total, total, None)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

    def backbone(self) -> DiffusionBackbone:
        """The model, and its ControlNet if one is asked for.  Raises InputError for what it cannot do."""
        from ..backbones.diffusion import load_diffusion

        options = self.options
        controlnet = "none" if options.control is None else options.controlnet
        with self.stage("model"):
            backbone = load_diffusion(options.model, controlnet, device=options.device, dtype=options.dtype)
            backbone.schedule.spans(self.steps(backbone))
            backbone.latent_shape(self.view_size(backbone))
        return backbone

    def steps(self, backbone: DiffusionBackbone) -> int:
        """The step count asked for, else the model's own, else the paper's."""
        return self._said(backbone, "steps", STEPS)

    def guidance(self, backbone: DiffusionBackbone) -> float:
        return self._said(backbone, "guidance", GUIDANCE)

    def negative(self, backbone: DiffusionBackbone) -> str:
        return self._said(backbone, "negative_prompt", "", asked=self.options.negative)

    def view_size(self, backbone: DiffusionBackbone) -> int:
        """Pixels a side of what the model sees at once: as asked for, else what it was trained at."""
        trained = backbone.parts.unet.config.sample_size
        native = trained * backbone.scale if isinstance(trained, int) else backbone.native_size
        return self._said(backbone, "view_size", native)

    def _said(self, backbone: DiffusionBackbone, name: str, papers: Any, asked: Any = None) -> Any:
        """What the user asks for, else what the model's folder says; its defaults are meant for meshes."""
        from ..backbones.folder import Recommended

        asked = getattr(self.options, name, None) if asked is None else asked
        said = getattr(backbone.recommended, name)
        return asked if asked is not None else papers if said == getattr(Recommended(), name) else said

    def coupling(self, views: Views, **task: Any) -> Coupling:
        """The coupling asked for, on every step; task: the task's own settings, for couplings that have them."""
        from ..couplings import COUPLINGS, make

        wanted = {name: getattr(self.options, option) for name, option in TAKEN_BY.items()}
        wanted |= {"until": 0.0, **task}
        takes = {field.name for field in fields(COUPLINGS[self.options.coupling])}  # type: ignore[arg-type]
        return make(self.options.coupling, **{name: wanted[name] for name in takes & set(wanted)})

    def predictor(
        self,
        backbone: DiffusionBackbone,
        prompts: Sequence[str],
        negatives: Sequence[str] | None = None,
        control: Tensor | None = None,
    ) -> Predictor:
        """What tells noise from picture in len(prompts) views, each with its own words."""
        options, size = self.options, self.view_size(backbone)
        guidance = self.guidance(backbone)
        most = min(len(prompts), AT_ONCE)
        return backbone.predictor(
            prompts,
            [self.negative(backbone)] * len(prompts) if negatives is None else negatives,
            control,
            guidance=guidance,
            control_scale=options.control_scale,
            chunk=options.chunk or backbone.chunk_that_fits(most, size, guided=guidance != 1),
        )

    def denoise_all(
        self,
        backbone: DiffusionBackbone,
        predict: Predictor,
        views: Views,
        coupling: Coupling,
        start: Callable[[int], Tensor] | None = None,
    ) -> list[Tensor]:
        """The clean latents (N, C, h, w) of every seed, on the model's device.

        start: seed to where its run begins, (N, C, h, w); None is `noise`.
        """
        from ..sample import sample
        from .mesh import Watched

        start = start or (lambda seed: self.noise(views, backbone.latent_channels, seed))
        spans = backbone.schedule.spans(self.steps(backbone))
        total, finals = len(spans) * self.options.count, []
        with self.stage("denoise", total):
            for seed in self.options.seeds:
                watched, final = Watched(predict), start(seed).to(backbone.device)
                for _, x, _ in sample(watched, views, coupling, spans, final):
                    final, clean = x, watched.clean
                    self.calls += 1
                    self.on_progress(
                        "denoise", self.calls, total, lambda clean=clean: backbone.decode(clean).cpu()
                    )
                finals.append(final)
        return finals

    def noise(self, views: Views, channels: int, seed: int) -> Tensor:
        """Where a run starts, (N, C, h, w): noise on the canvas seen by each view, or each view's own."""
        import torch

        from ..views import noise

        generator = torch.Generator().manual_seed(seed)
        if self.options.noise == "shared":
            return noise(views, channels, generator)
        count, height, width = views.shape
        return torch.randn(count, channels, height, width, generator=generator)

    def result(
        self, backbone: DiffusionBackbone, made: list[Made], titles: list[str], **used: Any
    ) -> Pictures:
        """Everything together; used: options that the task filled in."""
        from ..backbones.memory import DTYPES

        report = {
            "task": self.task,
            **self.options.arguments(),
            "steps": self.steps(backbone),
            "guidance": self.guidance(backbone),
            "negative": self.negative(backbone),
            "view_size": self.view_size(backbone),
            "device": str(backbone.device).removesuffix(":0"),
            "dtype": next(name for name, dtype in DTYPES.items() if dtype == backbone.dtype),
            **used,
            "backbone_calls": self.calls,
            "seconds": self.seconds,
        }
        return Pictures(self.task, made, titles, report)


def write_png(picture: Tensor, path: Path, parameters: dict[str, Any]) -> None:
    """An 8-bit PNG whose text chunk "parameters" holds `parameters` as JSON."""
    from PIL.PngImagePlugin import PngInfo

    from ..surface.preview import to_image
    from .outputs import dump

    info = PngInfo()
    info.add_text("parameters", dump(parameters))
    to_image(picture).save(path, pnginfo=info, optimize=True)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """What `write_png` put into a picture; an empty dict for other pictures."""
    from PIL import Image

    with Image.open(path) as picture:
        return json.loads(getattr(picture, "text", {}).get("parameters", "{}"))
