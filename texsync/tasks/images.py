"""What the 2D tasks share: the model, and the loop over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options.pictures import STEPS, ImageOptions
from .made import Made, Pictures
from .painting import Painting

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..backbones.advice import Advice
    from ..backbones.base import Backbone, Predictor
    from ..known import Known
    from ..schedule import Span

GUIDANCE = 7.5  # the paper's, for a model that recommends nothing (SyncSDE, supplement A.1)
AT_ONCE = 16  # views per model call at most, so that memory does not grow with the picture


class Run(Painting):
    """One run of a 2D task, stage by stage."""

    papers = {"steps": STEPS, "guidance": GUIDANCE, "negative_prompt": ""}
    settings = {"until": 0.0}

    def __init__(self, task: str, options: ImageOptions, **papers: Any):
        super().__init__(task, options)
        self.papers = {**self.papers, **papers}
        self._follow: Image | None = None
        self._start: Image | None = None

    @property
    def controlnet(self) -> str | Path | None:
        return "none" if self.options.control is None else self.options.controlnet

    def advice(self, backbone: Backbone) -> Advice:
        return backbone.advice.for_pictures()

    def backbone(self) -> Backbone:
        from .reading import read_picture

        self.coupling()  # what is wrong with it is said first
        if self.options.control_image is not None:
            self._follow = read_picture(self.options.control_image)
        if getattr(self.options, "start", None) is not None:
            self._start = read_picture(self.options.start)
        return super().backbone()

    def control(self, width: int, height: int) -> Tensor | None:
        """What the user wants followed, (3, height, width) in [0, 1], in pixels of the canvas; None: nothing."""
        from .control import control_picture

        if self._follow is None or self.options.control is None:
            return None
        return control_picture(self._follow, self.options.control, width, height)

    def known(
        self, backbone: Backbone, size: tuple[int, int], look: Callable[[Tensor], Tensor]
    ) -> Known | None:
        """The picture that the run starts from, as its views (N) have it; None: it starts from noise alone.

        size: (width, height) of the canvas in pixels; the picture is cut to its shape.  look: the picture
        (3, height, width) to what the views show of it, (N, 3, s, s).
        """
        from PIL import Image, ImageOps

        from ..known import Known
        from .reading import to_tensor

        if self._start is None:
            return None
        fitted = ImageOps.fit(self._start, size, Image.Resampling.LANCZOS)
        x0 = backbone.encode(look(to_tensor(fitted)).to(backbone.home)).float()
        return Known(x0, x0.new_zeros(len(x0), 1, *x0.shape[2:]), self.options.level)

    def predictor(
        self,
        backbone: Backbone,
        prompts: Sequence[str],
        negatives: Sequence[str] | None = None,
        control: Tensor | None = None,
        **more: Any,
    ) -> Predictor:
        """What tells noise from picture in len(prompts) views, each with its own words.  more: other conditions."""
        negatives = [self.negative(backbone)] * len(prompts) if negatives is None else negatives
        conditions = self.conditions(backbone, prompts=prompts, negatives=negatives, control=control, **more)
        most, size = min(len(prompts), AT_ONCE), self.view_size(backbone)
        fits = backbone.chunk_that_fits(most, size, guided=conditions.guided)
        return backbone.predictor(conditions, self.options.chunk or fits)

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
        return Pictures(self.task, made, titles, self.report(backbone, **used))
