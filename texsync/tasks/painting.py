"""What every run with a model of pictures is: what user, model and paper say, conditions, coupling, seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from . import parts
from .named_loras import warn_of_tags
from .stages import Stages

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.advice import Advice
    from ..backbones.base import Backbone, Predictor
    from ..backbones.conditions import Conditions
    from ..couplings import Coupling
    from ..known import Known
    from ..samplers import Sampler
    from ..views import Views

OPTIONS = {"negative_prompt": "negative"}  # what advice is called among options, where names differ


class Painting(Stages):
    """One run of a task that paints.

    papers: what counts where neither user nor model says anything, by name of `Advice`.
    settings: the task's own, for couplings that have them.
    sent: prompts and negatives, one each per view.  used: the coupling, from when it is made.
    """

    papers: Mapping[str, Any] = {}
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, task: str, options: Any):
        super().__init__(task, options)
        self.sent: dict[str, list[str]] = {}
        self.used: Coupling

    @property
    def controlnet(self) -> str | Path | None:
        """The ControlNet asked for; None: the model's own."""
        return self.options.controlnet

    def backbone(self) -> Backbone:
        """The model, downloaded and loaded where it is not there; raises InputError for what it cannot do."""
        parts.picture_of(self.options)  # before gigabytes move
        warn_of_tags(self.options)
        parts.fetch_model(self.options, self.controlnet, self.on_progress)
        with self.stage("model"):
            backbone = parts.model_of(self.options, self.controlnet)
            self.check_model(backbone)
        return backbone

    def check_model(self, backbone: Backbone) -> None:
        """Raises InputError for step counts and view sizes that this model, or the memory, cannot do."""
        self.sampler(backbone).spans(backbone.schedule, self.steps(backbone))
        backbone.latent_shape(self.view_size(backbone))
        backbone.check_room(self.view_size(backbone))

    def advice(self, backbone: Backbone) -> Advice:
        """What the model's folder says for this task."""
        return backbone.advice

    def said(self, backbone: Backbone, name: str, usual: Any = None) -> Any:
        """What the user asks for, else what the model's folder says, else what is usual, else the paper's value."""
        asked = getattr(self.options, OPTIONS.get(name, name), None)
        values = (asked, getattr(self.advice(backbone), name), usual, self.papers.get(name))
        return next(value for value in values if value is not None)

    def steps(self, backbone: Backbone) -> int:
        return self.said(backbone, "steps")

    def guidance(self, backbone: Backbone) -> float:
        return self.said(backbone, "guidance")

    def negative(self, backbone: Backbone) -> str:
        return self.said(backbone, "negative_prompt")

    def view_size(self, backbone: Backbone) -> int:
        """Pixels a side that the model sees at once.

        Where nobody says any, what it was trained at, or the paper's if that is more and the model can do it.
        """
        usual = max(backbone.native_size, self.papers.get("view_size", 0) if backbone.resizable else 0)
        return self.said(backbone, "view_size", usual)

    def sampler(self, backbone: Backbone) -> Sampler:
        """The one asked for, else what the model's folder says, else what its scheduler is."""
        from ..samplers import named

        return named(self.said(backbone, "sampler", backbone.schedule.sampler))

    def conditions(self, backbone: Backbone, **wanted: Any) -> Conditions:
        """Those that the task wants, and those that options and model decide in every task."""
        from ..backbones.conditions import Conditions

        usual = parts.control_of(self.options, backbone) | parts.words_of(self.options, backbone)
        usual |= parts.picture_of(self.options)
        made = Conditions(**{**usual, "guidance": self.guidance(backbone), **wanted})
        self.sent = {"prompts": list(made.prompts), "negatives": list(made.negatives)}
        return made

    def coupling(self, **task: Any) -> Coupling:
        """The coupling asked for, or a new one; raises InputError for settings that it does not have."""
        return parts.coupling_of(self.options, {**self.settings, **task})

    def couplings(self, backbone: Backbone, views: Views, **task: Any) -> Callable[[int], Coupling]:
        """Seed to the coupling asked for.

        task: more settings of the task's own.  Raises InputError if the coupling is not defined on these views.
        """
        self.used = self.fitting(backbone, views, **task)
        return lambda seed: self.used.ready(backbone, views, seed)

    def fitting(self, backbone: Backbone, views: Views, **task: Any) -> Coupling:
        """The coupling asked for, ready for these views; see `couplings`."""
        usual = {"strength": parts.strength_of(self.options, self.task, backbone)}
        made = self.coupling(**usual | task).ready(backbone, views, self.options.seed)
        made.check(views)
        return made

    def denoise_all(
        self,
        backbone: Backbone,
        predict: Predictor,
        views: Views,
        coupling: Callable[[int], Coupling],
        start: Callable[[int], Tensor] | None = None,
        known: Known | None = None,
    ) -> list[Tensor]:
        """The clean latents (N, C, h, w) of every seed, on the model's device.

        coupling: by seed, see `couplings`.  start: seed to where its run begins, (N, C, h, w); None is `noise`.
        known: what the pictures are known to be.
        """
        start = start or (lambda seed: self.noise(views, backbone.latent_channels, seed))
        sampler, seeds, finals = self.sampler(backbone), self.options.seeds, []
        spans = sampler.spans(backbone.schedule, self.steps(backbone))
        if known is not None:
            spans, predict, views = known.spans(spans), known.through(predict), known.views(views)
        with self.stage("denoise", len(spans) * len(seeds)):
            for k, seed in enumerate(seeds):
                x, where = start(seed).to(backbone.home), {"run": k, "runs": len(seeds), "seed": seed}
                x = x if known is None else known.begin(spans[0], x)
                more: dict[str, Any] = {"backbone": backbone, "sampler": sampler}
                finals.append(self.denoised(predict, views, coupling(seed), spans, x, **more, **where))
        return finals

    def source(self, backbone: Backbone) -> Mapping[str, Any]:
        """The arguments of `load_model` that load a model again that was loaded already."""
        return backbone.source

    def report(self, backbone: Backbone, **filled: Any) -> dict[str, Any]:
        """See `Stages.recorded`, with what user, model and paper said.  filled: options that the task has filled in."""
        said = {
            name: getattr(self, name)(backbone) for name in ("steps", "guidance", "negative", "view_size")
        }
        said["sampler"] = self.sampler(backbone).name
        said |= parts.words_of(self.options, backbone)
        source = self.source(backbone)
        used = parts.recorded({**self.options.record(), **said, **filled}, backbone, self.used, source)
        objects = parts.objects(self.options, backbone)
        known = {"sent": self.sent, "commits": backbone.commits, "additions": parts.added_files(self.options)}
        return self.recorded(used, objects=objects, **known)
