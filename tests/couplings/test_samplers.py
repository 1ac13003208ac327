"""Every sampler under every coupling: alone it is itself, coupled it keeps what couplings promise."""

from __future__ import annotations

import pytest
import torch
from zoo import ALL_COUPLINGS, ALL_VIEWS, CHANNELS, alone, close, predictor_for, start_for

from texsync.couplings import make
from texsync.loop import sample
from texsync.samplers import SAMPLERS, named
from texsync.schedule import Schedule

LEVELS = Schedule.scaled_linear(spacing="trailing")
STEPS = 8
every_sampler = pytest.mark.parametrize("name", SAMPLERS)


def stream(views, which=slice(None)):
    """New noise per step, each view's own."""

    def renew(index):
        draw = torch.Generator().manual_seed(1000 + index)
        count, *size = views.shape
        return torch.randn(count, CHANNELS, *size, generator=draw, dtype=torch.float64)[which]

    return renew


def run(views, coupling, name, *, chunk=64, which=slice(None), of=None, x=None, steps=STEPS):
    sampler = named(name)
    predict = sampler.through(predictor_for(of or views, chunk, which))
    x = start_for(of or views)[which] if x is None else x
    renew = stream(of or views, which)
    *_, (_, x, _) = sample(predict, views, coupling, sampler.spans(LEVELS, steps), x, renew)
    return x


@every_sampler
@pytest.mark.parametrize("coupling", [c for c in ALL_COUPLINGS if c not in ("syncdiffusion", "csg")])
def test_one_view_alone_is_the_sampler_itself(coupling, name):
    """Every coupling, with a history or new noise or without."""
    views = ALL_VIEWS["uneven"]
    single = alone(views, 1)
    which = {"which": slice(1, 2), "of": views}
    coupled = run(single, ALL_COUPLINGS[coupling], name, **which)
    assert close(coupled, run(single, make("none"), name, **which), 1e-8)


@every_sampler
@pytest.mark.parametrize("view", ["windows", "surface"])
def test_chunks_do_not_matter(view, name):
    """Histories are kept per view, whatever the model sees at once."""
    views, coupling = ALL_VIEWS[view], make("syncsde")
    assert close(run(views, coupling, name, chunk=1), run(views, coupling, name), 1e-9)


@every_sampler
def test_no_strength_is_no_coupling(name):
    views = ALL_VIEWS["windows"]
    assert torch.equal(run(views, make("syncsde", strength=0.0), name), run(views, make("none"), name))


@pytest.mark.parametrize("name", ["dpm++", "unipc"])
def test_looking_back_is_nearer_to_the_limit(name):
    """Eight steps of second order end nearer to 500 of DDIM than eight of DDIM do, coupled as well as alone."""
    for coupling in (make("none"), make("syncsde", integrator="exact")):
        views = ALL_VIEWS["windows"]
        limit = run(views, coupling, "ddim", steps=500)
        far, near = (
            (run(views, coupling, one, steps=STEPS) - limit).pow(2).mean() ** 0.5 for one in ("ddim", name)
        )
        assert near < 0.8 * far, (name, coupling, near, far)


@pytest.mark.parametrize("name", ["ddpm", "euler-ancestral", "lcm"])
def test_new_noise_needs_a_source(name):
    with pytest.raises(AssertionError, match="renew"):
        views, sampler = ALL_VIEWS["windows"], named(name)
        spans = sampler.spans(LEVELS, STEPS)
        list(sample(predictor_for(views), views, make("none"), spans, start_for(views)))


@pytest.mark.parametrize("name", ["ddpm", "euler-ancestral"])
def test_ancestral_steps_end_at_the_level_and_keep_the_variance(name):
    """Deterministic noise and new noise together are the next level's noise; the paper's gamma is DDIM's."""
    plain, renewed = LEVELS.spans(STEPS), named(name).spans(LEVELS, STEPS)
    for one, other in zip(plain, renewed, strict=True):
        assert other.noise_next**2 + other.fresh**2 == pytest.approx(one.noise_next**2)
        assert other.signal_next == pytest.approx(one.signal_next)
        assert other.gamma == pytest.approx(one.gamma)
    assert renewed[-1].fresh == 0
