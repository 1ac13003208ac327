"""What the 2D tasks share: the model, and the loop over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..options.pictures import STEPS, ImageOptions
from . import parts
from .made import Made, Pictures
from .stages import Stages

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


class Run(Stages):
    """One run of a 2D task, stage by stage."""

    def __init__(
        self,
        task: str,
        options: ImageOptions,
        papers_guidance: float = GUIDANCE,
    ):
        super().__init__(task, options)
        self.papers_guidance = papers_guidance
        self._follow: Image | None = None

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
        return self.said(backbone.advice.for_pictures(), name, papers, asked)

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
        negatives = [self.negative(backbone)] * len(prompts) if negatives is None else negatives
        conditions = self.conditions(
            backbone,
            prompts=prompts,
            negatives=negatives,
            control=control,
            guidance=self.guidance(backbone) if guidance is None else guidance,
        )
        most, size = min(len(prompts), AT_ONCE), self.view_size(backbone)
        fits = backbone.chunk_that_fits(most, size, guided=conditions.guided)
        return backbone.predictor(conditions, self.options.chunk or fits)

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
        start = start or (lambda seed: self.noise(views, backbone.latent_channels, seed))
        spans, seeds = backbone.schedule.spans(self.steps(backbone)), self.options.seeds
        finals = []
        with self.stage("denoise", len(spans) * len(seeds)):
            for k, seed in enumerate(seeds):
                x, runs = start(seed).to(backbone.home), len(seeds)
                x = self.denoised(
                    predict, views, coupling(seed), spans, x, backbone=backbone, run=k, runs=runs
                )
                finals.append(x)
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

    def result(self, backbone: Backbone, made: list[Made], titles: list[str], **used: Any) -> Pictures:
        """Everything together; used: options that the task filled in."""
        report = self.report(
            backbone,
            steps=self.steps(backbone),
            guidance=self.guidance(backbone),
            negative=self.negative(backbone),
            view_size=self.view_size(backbone),
            **used,
        )
        return Pictures(self.task, made, titles, report)
