"""What the 2D tasks share: the model, and the loop over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options.control_kinds import KNOWN, said_kinds
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
    """One run of a 2D task, stage by stage.  seen: the picture that is there before it; None: there is none."""

    papers = {"steps": STEPS, "guidance": GUIDANCE, "negative_prompt": ""}
    settings = {"until": 0.0}

    def __init__(self, task: str, options: ImageOptions, **papers: Any):
        super().__init__(task, options)
        self.papers = {**self.papers, **papers}
        self.seen: Image | None = None
        self._followed: list[Image] = []

    @property
    def controlnet(self) -> str | Path | None:
        asked = self.options.controlnet
        return asked if self.options.follows(said_kinds(asked)) else "none"

    def advice(self, backbone: Backbone) -> Advice:
        return backbone.advice.for_pictures()

    def backbone(self) -> Backbone:
        from .reading import read_picture

        self.coupling()  # what is wrong with it is said first
        self._followed = [read_picture(picture) for picture in self.options.control_image or ()]
        if getattr(self.options, "start", None) is not None:
            self.seen = read_picture(self.options.start)
        return super().backbone()

    def kinds(self, backbone: Backbone) -> Sequence[str | None]:
        """What each ControlNet follows: of a model that is loaded already as it says, else as options say."""
        named = isinstance(self.options.model, str)
        return said_kinds(self.options.controlnet) if named else backbone.control_kinds or (None,)

    def follows(self, backbone: Backbone) -> bool:
        """Whether ControlNets are to follow anything."""
        kinds = self.kinds(backbone)
        known = self.seen is not None and all(kind in KNOWN for kind in kinds)
        return self.options.control is not None or (known and self.options.follows(kinds))

    def control(
        self, backbone: Backbone, size: tuple[int, int], look: Callable[[Tensor], Tensor]
    ) -> list[Tensor] | None:
        """What the views (N) show of what ControlNets follow, (N, 3, s, s) for each of several; None: nothing.

        size, look: see `known`.  Raises InputError where there is not one picture for each.
        """
        from .control import control_picture

        if not self.follows(backbone):
            return None
        which, count = self.options.shared(self.kinds(backbone)), self.options.pictures_followed
        each = zip(several(self._followed, count), several(self.options.control or (), count), strict=True)
        pictures = [control_picture(picture, name, *size) for picture, name in each]
        if self.seen is not None:
            pictures.append(control_picture(self.seen, "plain", *size))
        return [look(pictures[-1 if one is None else one]) for one in which]

    def source(self, backbone: Backbone) -> Mapping[str, Any]:
        """Without a ControlNet that nothing was asked of."""
        source = super().source(backbone)
        return source if self.follows(backbone) else {**source, "controlnet": None}

    def known(
        self, backbone: Backbone, size: tuple[int, int], look: Callable[[Tensor], Tensor]
    ) -> Known | None:
        """The picture that the run starts from, as its views (N) have it; None: it starts from noise alone.

        size: (width, height) of the canvas in pixels; the picture is cut to its shape.  look: a picture
        (3, height, width) to what the views show of it, (N, 3, s, s).
        """
        from PIL import Image, ImageOps

        from ..known import Known
        from .reading import to_tensor

        if self.seen is None:
            return None
        fitted = ImageOps.fit(self.seen, size, Image.Resampling.LANCZOS)
        x0 = backbone.encode(look(to_tensor(fitted)).to(backbone.home)).float()
        return Known(x0, x0.new_zeros(len(x0), 1, *x0.shape[2:]), self.options.level)

    def predictor(
        self,
        backbone: Backbone,
        prompts: Sequence[str],
        negatives: Sequence[str] | None = None,
        control: Sequence[Tensor] | None = None,
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


def several(values: Sequence[Any], count: int) -> list[Any]:
    """As many as `count`: one stands for all of them."""
    return list(values) * count if len(values) == 1 else list(values)
