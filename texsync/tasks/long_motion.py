"""One human motion of any length: segments with a prompt each, denoised in step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Refused, about, got
from ..options.declared import takes
from ..options.motion_options import MotionOptions
from ..progress import with_bar
from . import parts
from .motion_result import Motion
from .stages import Stages

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.motion_model import MotionModel
    from ..couplings import Coupling
    from ..motion.plan import Segment

STEPS = 50
CONTEXT, SOFT = (
    30,
    10,
)  # frames beside a transition that DoubleTake's second take sees, and over which it fades
SKIPPED = 0.1  # of the steps, which the second take leaves out


@takes(MotionOptions)
@with_bar
def long_motion(asked: MotionOptions) -> Motion:
    """Make one continuous human motion of any length, a segment for each of PROMPTS.

    Each segment is drawn towards the one before it.
    Raises InputError on anything that the caller can put right.
    Source: SyncSDE (CVPR 2025), Eq. 20-22, section 4.2.6; the exact integrator instead of the paper's, which
    multiplies a difference by 92 at the first step of a model with 50 levels.
    """
    from ..backbones.motion_model import load_motion
    from ..motion.plan import plan

    run = LongRun(asked)
    with run.stage("model"):
        model = load_motion(asked.model, text_encoder=asked.text_encoder, statistics=asked.statistics,
                            device=asked.device)  # fmt: skip
    segments = plan([part.seconds for part in asked.parts], asked.seconds, asked.overlap, run.segment(model))
    with run.stage("denoise", run.steps(model)):
        x = run.denoise(model, segments)
    return run.result(model, segments, x)


class LongRun(Stages):
    """One long motion, stage by stage."""

    def __init__(self, options: MotionOptions):
        super().__init__("motion", options)

    def steps(self, model: MotionModel) -> int:
        return self.options.steps or min(STEPS, len(model.schedule.alphas))

    def segment(self, model: MotionModel) -> int:
        """Frames of a segment at most; raises InputError for more than the model makes."""
        from ..motion.plan import USUAL

        asked = self.options.segment or min(USUAL, model.longest)
        if asked > model.longest:
            raise Refused.motion_length(
                f"{about('segment')} {got(asked)} is longer than the model's {model.longest}",
                "use no more frames",
            )
        return asked

    def prompts(self, segments: tuple[Segment, ...]) -> list[str]:
        parts = self.options.parts
        return [parts[one.prompt].prompt for one in segments]

    def denoise(self, model: MotionModel, segments: tuple[Segment, ...]) -> Tensor:
        """Clean x (263, F) of the whole motion."""
        from ..couplings import SyncSDE
        from ..views import latest, unequal

        options, lengths, coupling = self.options, [one.length for one in segments], self.coupling()
        overlap = options.overlap if len(segments) > 1 else min(options.overlap, lengths[0] - 1)
        faded = unequal(lengths, overlap, fade=True)
        views = unequal(lengths, overlap)
        if options.coupling == "doubletake":
            views = faded
        elif isinstance(coupling, SyncSDE) and options.edges == "soft":
            views = replace(faded, shares=True)  # who holds half of a frame pulls with half the force
        predict = model.predictor(
            self.prompts(segments), lengths, guidance=options.guidance, chunk=self.chunk
        )
        spans = model.schedule.spans(self.steps(model))
        x = self.denoised(predict, views, coupling, spans, self.noise(views, 263))
        whole = (faded if options.assemble == "blend" else latest(views)).f_inv(x)[..., : segments[-1].end]
        if options.coupling == "doubletake" and len(segments) > 1:
            whole = self.second_take(model, segments, whole)
        return whole[:, 0]

    @property
    def chunk(self) -> int:
        from ..backbones.motion_model import CHUNK

        return self.options.chunk or CHUNK

    def coupling(self) -> Coupling:
        """The coupling asked for, acting on every step."""
        first_take = {"coupling": "multidiffusion"} if self.options.coupling == "doubletake" else {}
        return parts.coupling_of(replace(self.options, **first_take), {"memory": 1, "until": 0.0})

    def second_take(self, model: MotionModel, segments: tuple[Segment, ...], whole: Tensor) -> Tensor:
        """The same motion (C, 1, F) with transitions made anew, without a prompt (PriorMDM's DoubleTake)."""
        import torch

        from ..couplings.kept import Kept
        from ..loop import sample
        from ..views import identity

        overlap = self.options.overlap
        context = min(CONTEXT, min(one.end - one.start for one in segments) - overlap // 2)
        starts = [one.end - (overlap - overlap // 2) - context for one in segments[:-1]]
        width = overlap + 2 * context
        frames = torch.tensor(starts)[:, None] + torch.arange(width)
        beside = (torch.arange(width) - context).clamp(max=0) + (
            context + overlap - 1 - torch.arange(width)
        ).clamp(max=0)
        share = (
            (1 + beside / (min(SOFT, context) + 1))
            .clamp(min=0)[None, None, None]
            .expand(len(starts), 1, 1, width)
        )
        known = whole[:, 0, frames].permute(1, 0, 2)[:, :, None]
        draw = torch.Generator().manual_seed(self.options.seed + 1)
        noise = torch.randn(known.shape, generator=draw)
        predict = model.predictor(
            ["motion"] * len(starts), [width] * len(starts), guidance=0.0, chunk=self.chunk
        )
        spans = model.schedule.spans(self.steps(model))
        spans = spans[int(SKIPPED * len(spans)) :]
        x = spans[0].noised(known, noise)
        views = identity(1, width, count=len(starts))
        for _, now, _ in sample(predict, views, Kept(known, noise, share), spans, x):
            x = now
        made = whole.clone()
        for row, place in zip(x, frames, strict=True):
            inside = place[context - SOFT if context >= SOFT else 0 : width - context + min(SOFT, context)]
            made[:, 0, inside] = row[:, 0, inside - int(place[0])]
        return made

    def result(self, model: MotionModel, segments: tuple[Segment, ...], x: Tensor) -> Motion:
        from ..motion.feet import grounded, planted, skate
        from ..views.motion import joints

        features = model.features(x)
        with self.stage("decode"):
            raw = grounded(joints(features.double()).numpy())
            found = features.numpy()
            fixed = planted(raw, found[:, 259:263])
        options, made = self.options, self.options.coupling
        used = {**options.record(), "steps": self.steps(model), "segment": self.segment(model)}
        used |= {"device": str(model.device), "coupling": made if isinstance(made, str) else repr(made)}
        report = self.recorded(
            used,
            objects=[] if isinstance(made, str) else ["coupling"],
            frames=len(fixed),
            segments=[vars(one) for one in segments],
            foot_skate={"model": round(skate(raw), 4), "result": round(skate(fixed), 4)},
        )
        return Motion(fixed, found, segments, self.prompts(segments), report)
