"""One step is diffusers' DDIM step, and the levels are the published ones."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler
from refusals import refused

from texsync.errors import InputError
from texsync.schedule import Schedule, Span

STABLE = Schedule.scaled_linear()


def theirs(**options) -> DDIMScheduler:
    betas = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    return DDIMScheduler(**betas, **{"steps_offset": 1, "set_alpha_to_one": False, **options})


@pytest.mark.parametrize("steps", [1, 3, 10, 20, 30, 50, 999])
def test_timesteps_are_diffusers(steps):
    other = theirs()
    other.set_timesteps(steps)
    assert [span.t for span in STABLE.spans(steps)] == other.timesteps.tolist()


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize("steps", [2, 10, 30, 50])
def test_other_spacings_are_diffusers(spacing, steps):
    other = theirs(timestep_spacing=spacing)
    other.set_timesteps(steps)
    assert Schedule(STABLE.alphas, spacing=spacing).timesteps(steps) == other.timesteps.tolist()


@pytest.mark.parametrize("steps", [1, 10, 20, 30, 50])
@pytest.mark.parametrize("to_one", [False, True])
def test_steps_are_diffusers(steps, to_one):
    other = theirs(set_alpha_to_one=to_one)
    other.set_timesteps(steps)
    ours = Schedule(tuple(other.alphas_cumprod.tolist()), final_alpha=1.0 if to_one else None)
    draw = torch.Generator().manual_seed(steps)
    x = torch.randn(2, 4, 3, 3, generator=draw, dtype=torch.float64)
    for span in ours.spans(steps):
        eps = torch.randn(x.shape, generator=draw, dtype=torch.float64)
        expected = other.step(eps, span.t, x).prev_sample
        x = span.ddim(span.tweedie(x, eps), eps)
        assert torch.allclose(x, expected, rtol=2e-6, atol=2e-6)  # theirs keeps its levels in float32
        x = expected


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [1, 7, 30])
def test_each_step_begins_where_the_last_one_ended(spacing, steps):
    spans = Schedule(STABLE.alphas, spacing=spacing).spans(steps)
    assert [s.alpha_next for s in spans[:-1]] == [s.alpha for s in spans[1:]]
    assert spans[-1].alpha_next == STABLE.alphas[0]
    assert all(s.alpha < s.alpha_next for s in spans if s.t > 0)
    assert all(s.frac == s.t / 1000 for s in spans)


@pytest.mark.parametrize(
    ("t", "alpha"), [(981, 0.005776), (961, 0.007282), (958, 0.007535), (481, 0.302296), (1, 0.998296)]
)
def test_levels_of_stable_diffusion(t, alpha):
    assert STABLE.alphas[t] == pytest.approx(alpha, abs=6e-7)


@pytest.mark.parametrize(
    ("steps", "i", "t", "gamma"),
    [
        (50, 0, 981, 0.1236),
        (50, 10, 781, 0.0913),
        (50, 25, 481, 0.0668),
        (50, 45, 81, 0.1598),
        (50, 48, 21, 0.7144),
    ]
    + [(30, 0, 958, 0.2022), (30, 28, 34, 0.7853), (20, 0, 951, 0.3134)],
)
def test_gamma(steps, i, t, gamma):
    span = STABLE.spans(steps)[i]
    assert span.t == t
    assert span.gamma == pytest.approx(gamma, abs=6e-5)


def test_ratio_is_the_share_of_noise_that_a_step_leaves():
    span = STABLE.spans(50)[0]
    assert math.sqrt(span.alpha_next / span.alpha) * (1 - span.ratio) == pytest.approx(span.gamma)
    assert Span(1, 0.9, 1.0, 0.1).ratio == 0


def test_picture_and_noise_determine_each_other():
    x, eps = torch.randn(2, 1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for span in STABLE.spans(10):
        assert torch.allclose(span.eps_from(x, span.tweedie(x, eps)), eps, atol=1e-11)


@pytest.mark.parametrize("steps", [0, -1, 1001, 2.5])
def test_bad_step_counts_are_refused(steps):
    with pytest.raises(InputError, match=rf"steps is {steps}.*1 to 1000"):
        STABLE.spans(steps)


def test_a_run_that_would_start_past_the_last_level_is_refused():
    with refused("steps", thing="steps", value=1000):
        STABLE.spans(1000)
    assert Schedule(STABLE.alphas, offset=0).spans(1000)[0].t == 999


def test_bad_schedules_are_refused():
    with refused("model-config"):
        Schedule((0.9, 0.0))
    with refused("model-config", thing="timestep spacing", value="leadign"):
        Schedule((0.9, 0.5), spacing="leadign")
