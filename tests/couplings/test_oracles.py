"""Facts about the method that need no weights, most of them from the paper's and its baselines' arithmetic.

The twelfth, on masks from attention, is with the edits that use it, in test_edit.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from zoo import ALL_COUPLINGS, ALL_VIEWS, AVERAGING, ONE_TO_ONE, close, model, predictor_for, start_for

from texsync.backbones.conditions import Conditions
from texsync.couplings import (
    CSG,
    Independent,
    MultiDiffusion,
    SyncDiffusion,
    SyncMVD,
    SyncSDE,
    SyncTweedies,
    VisualAnagrams,
)
from texsync.couplings.cases import CASES
from texsync.loop import sample
from texsync.schedule import Schedule, Span
from texsync.views import ambiguous, identity, latest, masks, noise, segments, windows
from texsync.views.motion import joints
from texsync.views.shuffle import NAMES, view_of

CHANNELS = 2
SD = Schedule.scaled_linear()
TASKS = {
    "mask": masks(torch.tensor(np.add.outer(np.arange(6), np.arange(7)) % 5 > 2).double()[None]),
    "wide": windows(14, 6, 6, 2),
    "ambiguous": ambiguous(("identity", "rotate90", "flip+negate"), 6),
    "motion": segments(4, 12, 3),
}
every_task = pytest.mark.parametrize("task", TASKS)


def cosine(length: int, **options) -> Schedule:
    """The levels of DeepFloyd IF and MDM: betas from a squared cosine, at most 0.999."""
    bend = [math.cos((i / length + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(length + 1)]
    kept = [max(1 - 0.999, there / here) for here, there in zip(bend, bend[1:], strict=False)]
    return Schedule(tuple(np.cumprod(kept)), final_alpha=1.0, offset=0, **options)


SPAN_AT_0 = cosine(1000).spans(50)[-1]


def mixture(shape, which=slice(None)):
    """Exact noise in pictures that are one of three, give or take: not linear, and other pictures for each view."""
    draw = torch.Generator().manual_seed(3)
    count, height, width = shape
    means = torch.randn(count, 3, CHANNELS * height * width, generator=draw, dtype=torch.float64)[which]

    def predict(x, span):
        spread = 0.1 * span.alpha + 1 - span.alpha
        off = x.flatten(1)[:, None] - math.sqrt(span.alpha) * means
        likely = torch.softmax(-off.square().sum(-1) / (2 * spread), dim=1)
        return (math.sqrt(1 - span.alpha) / spread * (likely[..., None] * off).sum(1)).view(x.shape)

    return predict


def run(views, coupling, spans, x, predict=None):
    predict = mixture(views.shape) if predict is None else predict
    return list(sample(predict, views, coupling, spans, x))


@every_task
def test_1_no_strength_is_plain_ddim_bit_for_bit(task):
    views = TASKS[task]
    x, spans = start_for(views), SD.spans(50)
    plain = run(views, Independent(), spans, x)[-1][1]
    for integrator in ("paper", "exact"):
        assert torch.equal(run(views, SyncSDE(0.0, integrator, until=0.0), spans, x)[-1][1], plain)


def told(task, i, y):
    """What the paper says view i is drawn to, and how firmly, from the pictures y of the earlier views."""
    everywhere = torch.ones_like(y[0][:1])
    if task == "mask":  # Eq. 8-11
        b = TASKS[task].blend_weight[:1, :1].double()[0]
        return (y[0], b) if i == 1 else (b * y[0] + (1 - b) * y[1], everywhere)
    if task == "ambiguous":  # Eq. 16-17
        return (y[0].rot90(1, (-2, -1)) if i == 1 else -y[1].rot90(-1, (-2, -1)).flip(-2)), everywhere
    overlap = {"wide": 4, "motion": 3}[task]  # Eq. 13-14 and 20-21 with the mask the right way round
    shifted = torch.zeros_like(y[0])
    shifted[..., :overlap] = y[i - 1][..., -overlap:]
    return shifted, (torch.arange(shifted.shape[-1]) < overlap).double().expand_as(everywhere)


def one_after_the_other(task, spans, strength):
    """Eq. 7 as printed: whole trajectories, one after the other."""
    start, paths = start_for(TASKS[task]), []
    for i, y in enumerate(start):
        predict, path = mixture(TASKS[task].shape, slice(i, i + 1)), [y]
        for s, span in enumerate(spans):
            a, b = span.alpha, span.alpha_next
            gamma = math.sqrt(b / a) - math.sqrt((1 - b) / (1 - a))
            y_next = math.sqrt(b / a) * y - math.sqrt(1 - a) * gamma * predict(y[None], span)[0]
            if i:
                x, precision = told(task, i, [earlier[s] for earlier in paths])
                y_next = y_next + gamma * strength * span.t / 1000 * precision * (x - y)
            y = y_next
            path.append(y)
        paths.append(path)
    return torch.stack([path[-1] for path in paths])


@every_task
def test_2_lock_step_is_the_paper_s_order(task):
    spans = SD.spans(50)
    memory = None if task == "mask" else 1
    lock_step = run(
        TASKS[task], SyncSDE(integrator="paper", memory=memory, until=0.0), spans, start_for(TASKS[task])
    )
    assert close(lock_step[-1][1], one_after_the_other(task, spans, 5.0), 1e-12)


def test_3_the_size_of_the_pull():
    """With the strength meant at the first step, as the authors' code for pictures has it."""

    def pulls(schedule, strength, fade="first"):
        coupling = SyncSDE(strength, "paper", until=0.0, fade=fade)
        return {span.t: coupling.pull(span) for span in schedule.spans(50)}

    sd, floyd, mdm = pulls(SD, 5.0), pulls(cosine(1000), 5.0), pulls(cosine(50), 3.0)
    assert sd[981] == pytest.approx(0.6180, abs=1e-4) and sd[1] == pytest.approx(0.0015, abs=1e-4)
    assert floyd[980] == pytest.approx(5.2654, abs=1e-3)
    assert mdm[49] == pytest.approx(91.87, abs=0.02)
    assert pulls(SD, 5.0, "level")[981] == pytest.approx(0.6180 * 0.981, abs=1e-4)
    assert pulls(cosine(1000), 5.0, "none")[0] == pytest.approx(5.0 * SPAN_AT_0.gamma)


def test_4_a_soft_mask_is_the_two_pulls_of_eq_10():
    soft = torch.rand(1, 6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    views, span, b = masks(soft), SD.spans(50)[3], 1 - soft
    x, coupling = start_for(views), SyncSDE(integrator="paper", until=0.0)
    (_, y, _), *_ = run(views, coupling, [span], x)
    (_, plain, _), *_ = run(views, Independent(), [span], x)
    pull = coupling.pull(span)
    assert close(y[2], plain[2] - pull * (b * (x[2] - x[0]) + (1 - b) * (x[2] - x[1])))
    assert close(y[1], plain[1] - pull * b * (x[1] - x[0]))
    assert torch.equal(y[0], plain[0])


def test_5_thirteen_windows_make_2048_pixels():
    views = windows(2048 // 8, 512 // 8, 64, 16)
    assert views.shape[0] == 13
    x = torch.randn(13, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    wide = latest(views).f_inv(x)
    for i, picture in enumerate(x):
        seen = 64 if i == 12 else 16
        assert torch.equal(wide[..., 16 * i : 16 * i + seen], picture[..., :seen])


def test_6_the_mask_of_eq_13_the_right_way_round():
    """As printed it pulls what is new to zero and never couples the overlap."""
    views = windows(44, 8, 8, 4)
    x, prefix = start_for(views), views.prefix(1)
    known = prefix.mask.expand_as(x) > 0
    words = [""] * len(x)
    predict = model(8, 8).predictor(Conditions(words, words, guidance=1.0))
    spread, seam = [], []
    for coupling in (Independent(), SyncSDE(integrator="paper", memory=1, until=0.0)):
        end = run(views, coupling, SD.spans(50), x, predict)[-1][1]
        spread.append(end[~known].std().item())
        seam.append((end - prefix.reference(end))[known].square().mean().sqrt().item())
    assert spread[1] > 0.5 and spread[1] == pytest.approx(spread[0], rel=0.3)
    assert seam[0] > 0.8 and seam[1] < 0.15 * seam[0]


@pytest.mark.parametrize("size", [64, 256])
def test_7_every_view_of_an_ambiguous_image_is_undone_exactly(size):
    views = ambiguous(NAMES, size)
    z = torch.randn(1, size, size, generator=torch.Generator().manual_seed(0)).mul(100).round()
    x = views.f(z)
    for i, name in enumerate(NAMES):
        assert torch.equal(x[i], view_of(z, name))
        assert torch.equal(x[i].abs().flatten().sort().values, z.abs().flatten().sort().values)
    assert torch.equal(views.spread(x), len(NAMES) * z)  # whole numbers, so to the last bit


@pytest.mark.parametrize("name", ONE_TO_ONE)
def test_8_on_one_to_one_views_averaging_is_averaging(name):
    """Cases 1 to 6 from one noise on the canvas, and the three methods that are 4, 5 and 6."""
    views, spans = ALL_VIEWS[name], SD.spans(10)
    x = noise(views, CHANNELS, torch.Generator().manual_seed(0)).double()
    couplings = [SyncTweedies(0.0, case) for case in range(1, 7)]
    couplings += [VisualAnagrams(0.0), SyncMVD(0.0), MultiDiffusion(0.0)]
    ends = [run(views, c, spans, x, predictor_for(views))[-1] for c in couplings]
    assert all(close(end[1], ends[0][1], 1e-9) for end in ends)
    assert not torch.allclose(ends[0][1], run(views, Independent(), spans, x, predictor_for(views))[-1][1])


@pytest.mark.parametrize("name", ["windows", "loop", "masks-soft"])
def test_8_on_crops_noise_guesses_and_next_pictures_average_alike(name):
    """But agreeing on the canvas' own noise is more than agreeing on guesses from noises of one's own."""
    views, spans = ALL_VIEWS[name], SD.spans(10)
    ends = [run(views, c, spans, start_for(views), predictor_for(views))[-1][1] for c in AVERAGING.values()]
    tweedies, multi, anagrams, mvd, _ = ends
    assert close(multi, anagrams, 1e-9) and close(multi, mvd, 1e-9)
    assert not torch.allclose(multi, tweedies, atol=1e-3)


def test_8_the_sixty_cases_are_sixty_programs():
    """Two of them give the same pictures only where averaging is linear and so may be done earlier or later."""
    assert len(CASES) == len(set(CASES)) == 60
    views, spans = ALL_VIEWS["surface"], SD.spans(10)[:3]
    alike: list[list[int]] = []
    ends = []
    for case in range(60):
        _, x, z = run(views, SyncTweedies(0.0, case), spans, start_for(views), predictor_for(views))[-1]
        ends.append(views.f(z) if case >= 57 else x)
        same = next((group for group in alike if close(ends[group[0]], ends[case], 1e-9)), None)
        alike.append([case]) if same is None else same.append(case)
    written_twice = [group for group in alike if len(group) > 1]
    assert written_twice[:4] == [[2, 11, 35], [3, 25, 27, 37, 39, 41], [12, 13, 36], [26, 28, 38, 40, 42]]
    assert written_twice[4:] == [[29, 43], [30, 44], [31, 45], [32, 46], [33, 47], [34, 48], [50, 53]]


def test_9_averaging_noise_shrinks_it():
    count = 8
    views, span = identity(40, 40, count=count), SD.spans(50)[0]
    x = torch.randn(count, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def only_noise(x, span):
        return x / math.sqrt(1 - span.alpha)

    grown = (1 - span.alpha_next) / (1 - span.alpha)
    for case, left in ((2, 1.0), (3, 1 / count), (6, 1 / count)):
        (_, end, _), *_ = run(views, SyncTweedies(0.0, case), [span], x, only_noise)
        assert end.var().item() == pytest.approx(grown * left, rel=0.05)


def test_10_integrators_agree_to_first_order():
    views = TASKS["wide"]
    x = start_for(views)

    def gap(step):
        span = Span(500, 0.3, 0.3 + step, 0.5)
        ends = [run(views, SyncSDE(integrator=i), [span], x)[-1][1] for i in ("paper", "exact")]
        return (ends[0] - ends[1]).abs().max().item()

    assert gap(0.01) / gap(0.005) == pytest.approx(4, rel=0.05)


def test_10_the_exact_integrator_survives_the_schedule_of_mdm():
    views, spans = TASKS["motion"], cosine(50).spans(50)
    largest = {
        integrator: max(
            x.abs().max().item()
            for _, x, _ in run(views, SyncSDE(3.0, integrator, memory=1, until=0.0), spans, start_for(views))
        )
        for integrator in ("paper", "exact")
    }
    assert largest["paper"] > 50 and largest["exact"] < 6


@pytest.mark.parametrize("name", [*AVERAGING, "syncsde-held"])
def test_14_every_step_is_coupled_also_the_one_that_starts_at_t_0(name):
    """DeepFloyd IF's schedule reaches t = 0; `until` above 0 still leaves the last steps alone, its own level too."""
    views, x = TASKS["mask"], start_for(TASKS["mask"])
    coupling = ALL_COUPLINGS[name]
    assert SPAN_AT_0.t == 0 and SPAN_AT_0.alpha_next == 1.0
    free, coupled = (run(views, c, [SPAN_AT_0], x)[-1][1] for c in (Independent(), coupling))
    assert not close(coupled, free, 1e-3)
    until = replace(coupling, until=SPAN_AT_0.frac + 1e-9)
    assert close(run(views, until, [SPAN_AT_0], x)[-1][1], free)


@pytest.mark.parametrize("steps", [10, 50])
def test_15_gates_of_the_baselines_go_by_the_number_of_the_step(steps):
    """CSG opens by cos(pi i / (1.5 (n - 1))), whatever t the schedule visits; "every 5" is steps 4, 9, 14."""
    share = torch.linspace(0, 1, 65, dtype=torch.float64)
    views = masks(1 - share[None, None])
    for spacing in ("leading", "trailing", "linspace"):
        spans = Schedule.scaled_linear(spacing=spacing).spans(steps)
        for i, span in enumerate(spans):
            gate = 1 - max(math.cos(math.pi * i / (1.5 * (steps - 1))), 0)
            held = CSG().held(views, span)[1].flatten().double()
            assert close(held, share * (share.float() >= gate), 1e-6)
    acts = [i for i, span in enumerate(spans) if SyncDiffusion(every=5).acts(span)]
    assert acts == list(range(4, steps, 5))


def walk(frames: int, turn: float) -> torch.Tensor:
    """Features of somebody who walks ahead, a tenth of a metre a frame, and stands 0.9 m tall; one arm points ahead."""
    features = torch.zeros(frames, 263, dtype=torch.float64)
    features[:, 0], features[:, 2], features[:, 3] = turn, 0.1, 0.9
    features[:, 4:7] = torch.tensor([0.0, 0.5, 1.0])
    return features


def test_11_motion_features_walk_where_they_say():
    straight = joints(walk(30, 0.0))
    assert straight.shape == (30, 22, 3)
    along = torch.stack([torch.zeros(30), torch.full((30,), 0.9), 0.1 * torch.arange(30)], dim=1)
    assert close(straight[:, 0], along.double(), 1e-6)
    rate = 0.02
    round_about = joints(walk(30, rate))
    ahead = round_about[:, 1] - round_about[:, 0]
    heading = torch.atan2(-ahead[:, 0], ahead[:, 2])
    assert close(heading, 2 * rate * torch.arange(30).double())
    steps = round_about[1:, 0] - round_about[:-1, 0]
    assert close(steps.norm(dim=1), torch.full((29,), 0.1, dtype=torch.float64), 1e-8)
    pasted = joints(torch.cat([walk(20, 0.0), walk(20, rate)]))
    assert (pasted[1:] - pasted[:-1]).norm(dim=-1).max() < 0.1 + 2 * rate * 1.1
