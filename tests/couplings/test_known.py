"""What is known takes part: it stays where it is kept, whatever couples and samples, and else a run starts from it."""

from __future__ import annotations

import pytest
import torch
from test_samplers import stream
from zoo import ALL_COUPLINGS, ALL_VIEWS, PAIRS, alone, close, predictor_for, start_for

from texsync.couplings import SyncSDE, make
from texsync.known import Known
from texsync.loop import sample
from texsync.samplers import SAMPLERS, named
from texsync.schedule import Flow, Schedule

CLEAN = Schedule.scaled_linear(spacing="trailing", final_alpha=1.0)
LEVELS = {"sd": CLEAN, "flow": Flow.straight(shift=3.0)}
STEPS = 8


def known_for(views, keep=1.0, level=1.0) -> Known:
    """Pictures that do not agree about their canvas, as encoded renders never do."""
    x0 = start_for(views, seed=11)
    keep = keep if torch.is_tensor(keep) else torch.full_like(x0[:, :1], keep)
    return Known(x0, keep, level)


def run(views, coupling, known=None, *, name="ddim", levels=CLEAN, steps=STEPS, which=slice(None), of=None):
    """The pictures at the end, and after each step, as `Painting.denoise_all` has it."""
    sampler, predict, x = named(name), predictor_for(of or views, which=which), start_for(of or views)[which]
    spans = sampler.spans(levels, steps)
    if known is not None:
        spans, predict, views = known.spans(spans), known.through(predict), known.views(views)
        x = known.begin(spans[0], x)
    renew = stream(of or views, which)
    return [now for _, now, _ in sample(sampler.through(predict), views, coupling, spans, x, renew)]


@pytest.mark.parametrize(("view", "name"), PAIRS)
def test_what_is_kept_everywhere_comes_back(view, name):
    """Under every coupling, although the known pictures of the views disagree."""
    views = ALL_VIEWS[view]
    known = known_for(views)
    for level in (1.0, 0.5):
        end = run(views, ALL_COUPLINGS[name], known_for(views, level=level))[-1]
        assert close(end, known.x0, 1e-9)


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_with_every_sampler(sampler, levels):
    """Also on the straight path, where x has no signal at first.  LCM's boundary lets a little of x in at the end."""
    views = ALL_VIEWS["windows"]
    end = run(views, make("syncsde"), known_for(views), name=sampler, levels=LEVELS[levels])[-1]
    assert close(end, known_for(views).x0, 1e-4 if sampler == "lcm" else 1e-7)


@pytest.mark.parametrize("view", ["windows", "surface"])
def test_a_kept_part_stays_on_its_path_and_the_rest_is_painted(view):
    """At every step it is the known picture with the run's own noise; the rest is informed by it, and new."""
    views = ALL_VIEWS[view]
    keep = torch.zeros(len(start_for(views)), 1, *views.shape[1:])
    keep[..., : views.shape[2] // 2] = 1
    known, free = known_for(views, keep.double()), run(views, make("syncsde"))[-1]
    steps = run(views, make("syncsde"), known)
    mask = keep.bool().expand_as(known.x0)
    for span, now in zip(CLEAN.spans(STEPS), steps, strict=True):
        assert close(now[mask], span.ddim(known.x0, start_for(views))[mask], 1e-9)
    assert close(steps[-1][mask], known.x0[mask], 1e-9)
    assert (steps[-1] - free)[~mask].abs().max() > 1e-3 and not close(steps[-1][~mask], known.x0[~mask], 0.1)


def test_a_soft_precision_lies_between():
    views = ALL_VIEWS["windows"]
    gaps = []
    for keep in (0.0, 0.1, 0.4, 1.0):
        known = known_for(views, keep)
        gaps.append((run(views, make("syncsde"), known)[-1] - known.x0).pow(2).mean().item())
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-12


@pytest.mark.parametrize("name", ALL_COUPLINGS)
def test_from_all_noise_with_nothing_kept_it_is_the_run_from_scratch(name):
    """To the bit."""
    views = ALL_VIEWS["masks" if name == "csg" else "surface"]
    plain, started = (
        run(views, ALL_COUPLINGS[name], known, steps=4) for known in (None, known_for(views, 0.0))
    )
    assert all(map(torch.equal, plain, started))


def test_a_run_from_a_level_takes_the_last_steps_only():
    spans = CLEAN.spans(10)
    for level, count in ((1.0, 10), (0.5, 5), (1e-6, 1)):
        left = known_for(ALL_VIEWS["windows"], 0.0, level).spans(spans)
        assert len(left) == count and left[-1].t == spans[-1].t
        assert [(span.index, span.count) for span in left] == [(k, count) for k in range(count)]
        assert left[0].start == left[0].frac


def test_the_less_noise_the_nearer_the_result():
    views = ALL_VIEWS["windows"]
    gaps = []
    for level in (1.0, 0.6, 0.3, 0.1):
        known = known_for(views, 0.0, level)
        gaps.append((run(views, make("syncsde"), known, steps=30)[-1] - known.x0).pow(2).mean().item())
    assert gaps == sorted(gaps, reverse=True)


def test_lock_step_is_one_after_the_other():
    """A later view, kept in part and started midway, never changes an earlier one: the paper's own order."""
    views, coupling = ALL_VIEWS["surface"], SyncSDE(until=0.0)
    keep = (start_for(views, seed=3)[:, :1] > 0).double()
    known = Known(start_for(views, seed=11), keep, 0.7)
    other = Known(torch.cat([known.x0[:-1], -known.x0[-1:]]), keep, 0.7)
    one, two = (run(views, coupling, which)[-1] for which in (known, other))
    assert torch.equal(one[:-1], two[:-1]) and not torch.equal(one, two)
    first = Known(known.x0[:1], keep[:1], 0.7)
    single = run(alone(views), coupling, first, which=slice(0, 1), of=views)[-1]
    assert close(single, one[:1])


def test_kept_pixels_tell_others_but_follow_none():
    """What is painted around them follows them: that is how a patch hears its surroundings in other views."""
    views = ALL_VIEWS["windows"]
    keep = torch.zeros(views.shape[0], 1, *views.shape[1:], dtype=torch.float64)
    keep[0] = 1
    heard = views.listening(1 - keep)
    for key in ((None, "mean"), (1, "best-facing")):
        mask = heard.prefix(*key).mask
        assert not mask[0].any() and torch.equal(mask[1:], views.prefix(*key).mask[1:])
    x = start_for(views)
    assert torch.equal(heard.agree(x)[0], x[0]) and close(heard.agree(x)[1:], views.agree(x)[1:])
