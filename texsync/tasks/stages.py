"""What a run of any task is: stages that are told and timed, the loop, where it starts, what `run.json` keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..options.declared import declared
from ..progress import Progress
from ..record.inputs import input_files
from .preview import Preview, SmallBake, Watched

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..backbones.base import Backbone, Predictor
    from ..couplings import Coupling
    from ..samplers import Sampler
    from ..schedule import Span
    from ..views import Views


class Stages:
    """One run of a task.

    seconds: how long each stage took.  calls: of the model.  files: what it was made from.
    bake: what previews make a mesh's texture with.
    """

    def __init__(self, task: str, options: Any):
        self.task, self.options = task, options
        self.on_progress: Progress = options.heard
        self.seconds: dict[str, float] = {}
        self.calls = 0
        self.bake: SmallBake | None = None
        self.files = input_files(**{name: getattr(options, name) for name in self.inputs})

    @property
    def inputs(self) -> list[str]:
        """Options that are files, or pictures and meshes from memory."""
        return [name for name, said in declared(type(self.options)).items() if said.file]

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[None]:
        """Announce a stage of `total` steps and time it."""
        start = time.perf_counter()
        self.on_progress(name, 0, total, None)
        yield
        self.on_progress(name, total, total, None)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

    def told(self, name: str, total: int) -> Callable[[int], None]:
        """Tells that so many of a stage's steps are done."""
        return lambda done: self.on_progress(name, done, total, None)

    def noise(self, views: Views, channels: int, seed: int | None = None) -> Tensor:
        """Where a run starts, (N, C, h, w), unit normal: noise that views share, or each view's own.

        One explicit generator on the CPU, so that every device starts from the same numbers.
        """
        import torch

        draw = torch.Generator().manual_seed(self.options.seed if seed is None else seed)
        if self.options.noise == "shared":
            return self.shared_noise(views, channels, draw)
        count, height, width = views.shape
        return torch.randn(count, channels, height, width, generator=draw)

    def renewal(self, views: Views, channels: int, seed: int | None = None) -> Callable[[int], Tensor]:
        """Index of a step to the new noise that follows it: drawn as that of the start, so views agree about it too."""
        own = self.options.seed if seed is None else seed
        return lambda index: self.noise(views, channels, stream(own, index))

    def shared_noise(self, views: Views, channels: int, draw: Generator) -> Tensor:
        """Noise on the canvas, as each view sees it."""
        from ..views import noise

        return noise(views, channels, draw)

    def denoised(
        self,
        predict: Predictor,
        views: Views,
        coupling: Coupling,
        spans: Sequence[Span],
        x: Tensor,
        *,
        backbone: Backbone | None = None,
        sampler: Sampler | None = None,
        seed: int | None = None,
        run: int = 0,
        runs: int = 1,
        stage: str = "denoise",
    ) -> Tensor:
        """All views from x down to clean latents, (N, C, h, w); every step is one of the stage.

        backbone: what decodes previews.  sampler: whose spans these are; None: DDIM's.  seed: of new noise, if not
        that of the options.  run: of `runs` with as many steps each, counted from 0.
        """
        from ..loop import sample

        watched = Watched(predict)
        bake = self.bake if stage == "denoise" else None  # other stages paint other views
        preview = None if backbone is None else Preview(backbone, watched, bake)
        answers = watched if sampler is None else sampler.through(watched)
        renew = self.renewal(views, x.shape[1], seed)
        for span, now, _ in sample(answers, views, coupling, spans, x, renew):
            x, self.calls = now, self.calls + 1
            self.on_progress(stage, run * span.count + span.index + 1, runs * span.count, preview)
        return x

    def recorded(self, used: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What `run.json` keeps: every option as it was used, so that the same options make the same result."""
        return {
            "task": self.task,
            **used,
            "options": self.repeatable({name: used[name] for name in self.options.record()}),
            **more,
            "files": self.files,
            "backbone_calls": self.calls,
            "seconds": self.seconds,
        }

    def repeatable(self, used: dict[str, Any]) -> dict[str, Any]:
        """Options that the task takes again: what is no file and no plain value is left out."""
        files = {file["option"] for file in self.files}
        return {
            name: value
            for name, value in used.items()
            if name in files or name not in self.inputs or value is None or isinstance(value, str)
        }


def stream(seed: int, index: int) -> int:
    """The seed of the noise after a step: a stream of its own, in which no run starts."""
    return (seed * 0x9E3779B97F4A7C15 + (index + 1) * 0xBF58476D1CE4E5B9) % 2**63
