"""What the 2D tasks share: the model, and the loop over seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..options.declared import declared
from ..options.pictures import STEPS, ImageOptions
from ..progress import Progress
from ..record.inputs import input_files
from . import parts
from .made import Made, Pictures
from .preview import Preview, Watched

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor
    from ..couplings import Coupling
    from ..schedule import Span
    from ..views import Views

GUIDANCE = 7.5  # the paper's, for a model that recommends nothing (SyncSDE, supplement A.1)
COUPLING = {"until": 0.0}
AT_ONCE = 16  # views per model call at most, so that memory does not grow with the picture


class Run:
    """One run of a 2D task, stage by stage."""

    def __init__(
        self,
        task: str,
        options: ImageOptions,
        papers_guidance: float = GUIDANCE,
    ):
        self.task, self.options, self.papers_guidance = task, options, papers_guidance
        self.on_progress: Progress = options.heard
        self.seconds: dict[str, float] = {}
        self.calls = 0  # of the model
        self.sent: dict[str, list[str]] = {}  # prompts and negatives, one each per view
        self.files = input_files(**{name: getattr(options, name) for name in self.inputs})
        self._follow: Image | None = None
        self.used: Coupling  # once `couplings` has made it

    @property
    def inputs(self) -> list[str]:
        """Options that are files, or pictures from memory."""
        return [name for name, said in declared(type(self.options)).items() if said.file]

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[None]:
        """Announce a stage of `total` steps and time it."""
        start = time.perf_counter()
        self.on_progress(name, 0, total, None)
        yield
        self.on_progress(name, total, total, None)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

    def backbone(self) -> Backbone:
        """The model, and its ControlNet if one is asked for.  Raises InputError for what it cannot do."""
        from .reading import read_picture

        options = self.options
        parts.coupling_of(options, COUPLING)
        if options.control_image is not None:
            self._follow = read_picture(options.control_image)
        controlnet = "none" if options.control is None else options.controlnet
        parts.fetch_model(options, controlnet, self.on_progress)
        with self.stage("model"):
            backbone = parts.model_of(options, controlnet)
            backbone.schedule.spans(self.steps(backbone))
            backbone.latent_shape(self.view_size(backbone))
            backbone.check_room(self.view_size(backbone))
        return backbone

    def control(self, width: int, height: int) -> Tensor | None:
        """What the user wants followed, (3, height, width) in [0, 1], in pixels of the canvas; None: nothing."""
        from .control import control_picture

        if self._follow is None or self.options.control is None:
            return None
        return control_picture(self._follow, self.options.control, width, height)

    def steps(self, backbone: Backbone) -> int:
        """The step count asked for, else the model's own, else the paper's."""
        return self._said(backbone, "steps", STEPS)

    def guidance(self, backbone: Backbone) -> float:
        return self._said(backbone, "guidance", self.papers_guidance)

    def negative(self, backbone: Backbone) -> str:
        return self._said(backbone, "negative_prompt", "", asked=self.options.negative)

    def view_size(self, backbone: Backbone) -> int:
        """Pixels a side of what the model sees at once: as asked for, else what it was trained at."""
        return self._said(backbone, "view_size", backbone.native_size)

    def _said(self, backbone: Backbone, name: str, papers: Any, asked: Any = None) -> Any:
        """What the user asks for, else what the model's folder says, else the paper's value for this task."""
        asked = getattr(self.options, name, None) if asked is None else asked
        said = getattr(backbone.advice.for_pictures(), name)
        return next(value for value in (asked, said, papers) if value is not None)

    def couplings(self, backbone: Backbone, views: Views, **task: Any) -> Callable[[int], Coupling]:
        """Seed to the coupling asked for, acting on every step.

        task: the task's own settings, for couplings that have them.  Raises InputError if the coupling is not
        defined on these views.
        """
        strength = parts.strength_of(self.options, self.task, backbone)
        made = parts.coupling_of(self.options, {**COUPLING, "strength": strength, **task})
        self.used = made.ready(backbone, views, self.options.seed)
        self.used.check(views)
        return lambda seed: self.used.ready(backbone, views, seed)

    def predictor(
        self,
        backbone: Backbone,
        prompts: Sequence[str],
        negatives: Sequence[str] | None = None,
        control: Tensor | None = None,
        guidance: float | None = None,
    ) -> Predictor:
        """What tells noise from picture in len(prompts) views, each with its own words."""
        options, size = self.options, self.view_size(backbone)
        guidance = self.guidance(backbone) if guidance is None else guidance
        negatives = [self.negative(backbone)] * len(prompts) if negatives is None else negatives
        self.sent = {"prompts": list(prompts), "negatives": list(negatives)}
        most = min(len(prompts), AT_ONCE)
        return backbone.predictor(
            prompts,
            negatives,
            control,
            guidance=guidance,
            chunk=options.chunk or backbone.chunk_that_fits(most, size, guided=guidance != 1),
            **parts.control_of(options, backbone),
        )

    def denoise_all(
        self,
        backbone: Backbone,
        predict: Predictor,
        views: Views,
        coupling: Callable[[int], Coupling],
        start: Callable[[int], Tensor] | None = None,
    ) -> list[Tensor]:
        """The clean latents (N, C, h, w) of every seed, on the model's device.

        coupling: by seed, see `couplings`.  start: seed to where its run begins, (N, C, h, w); None is `noise`.
        """
        from ..loop import sample

        start = start or (lambda seed: self.noise(views, backbone.latent_channels, seed))
        spans = backbone.schedule.spans(self.steps(backbone))
        total, done, finals = len(spans) * self.options.count, 0, []
        with self.stage("denoise", total):
            for seed in self.options.seeds:
                watched, final = Watched(predict), start(seed).to(backbone.home)
                for _, x, _ in sample(watched, views, coupling(seed), spans, final):
                    final, done, self.calls = x, done + 1, self.calls + 1
                    self.on_progress("denoise", done, total, Preview(backbone, watched))
                finals.append(final)
        return finals

    def counted(self, stage: str, total: int, predict: Predictor) -> Predictor:
        """The same predictor; every call of it is a step of a stage."""
        done = 0

        def step(x: Tensor, span: Span) -> Tensor:
            nonlocal done
            eps = predict(x, span)
            done, self.calls = done + 1, self.calls + 1
            self.on_progress(stage, done, total, None)
            return eps

        return step

    def noise(self, views: Views, channels: int, seed: int) -> Tensor:
        """Where a run starts, (N, C, h, w): noise on the canvas seen by each view, or each view's own."""
        import torch

        from ..views import noise

        generator = torch.Generator().manual_seed(seed)
        if self.options.noise == "shared":
            return noise(views, channels, generator)
        count, height, width = views.shape
        return torch.randn(count, channels, height, width, generator=generator)

    def result(self, backbone: Backbone, made: list[Made], titles: list[str], **used: Any) -> Pictures:
        """Everything together; used: options that the task filled in."""
        asked = self.options.record()
        filled = {
            "steps": self.steps(backbone),
            "guidance": self.guidance(backbone),
            "negative": self.negative(backbone),
            "view_size": self.view_size(backbone),
            **used,
        }
        report = {"task": self.task, **parts.recorded({**asked, **filled}, backbone, self.used)}
        report |= {
            "options": self.repeatable({name: report[name] for name in asked}),
            "sent": self.sent,
            "files": self.files,
            "objects": parts.objects(self.options, backbone),
            "commits": backbone.commits,
            "backbone_calls": self.calls,
            "seconds": self.seconds,
        }
        return Pictures(self.task, made, titles, report)

    def repeatable(self, used: dict[str, Any]) -> dict[str, Any]:
        """Options that the task takes again: what is no file and no plain value is left out."""
        files = {file["option"] for file in self.files}
        return {
            name: value
            for name, value in used.items()
            if name in files or name not in self.inputs or value is None
        }
