"""What every coupling promises, on a model whose answers are exact."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import rebaked
from refusals import refused
from zoo import (
    ALL_COUPLINGS,
    ALL_VIEWS,
    AVERAGING,
    CHANNELS,
    PAIRS,
    PROMPTS,
    SYNC_SDES,
    alone,
    close,
    defined,
    model,
    predictor_for,
    start_for,
)

from texsync.backbones.conditions import Conditions
from texsync.couplings import Independent, SyncSDE, SyncTweedies, make, named, names
from texsync.known import Known
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.views import identity, noise, shared_noise, windows

every_view = pytest.mark.parametrize("views", ALL_VIEWS.values(), ids=ALL_VIEWS)
every_coupling = pytest.mark.parametrize("coupling", ALL_COUPLINGS.values(), ids=ALL_COUPLINGS)
every_pair = pytest.mark.parametrize(("view", "name"), PAIRS)
every_sync_sde = pytest.mark.parametrize("coupling", SYNC_SDES.values(), ids=SYNC_SDES)
SPANS = Schedule.scaled_linear().spans(10)


def run(views, coupling, *, spans=SPANS, x=None, chunk=64):
    """The pictures at the end of a run."""
    x = start_for(views) if x is None else x
    *_, (_, x, _) = sample(predictor_for(views, chunk), views, coupling, spans, x)
    return x


@pytest.mark.parametrize(
    ("view", "name"), [(v, c) for v, c in PAIRS if v != "surface-coarse" or c not in AVERAGING]
)
def test_one_view_alone_is_plain_ddim(view, name):
    views = ALL_VIEWS[view]
    for i in range(views.shape[0]):
        predict, start = predictor_for(views, which=slice(i, i + 1)), start_for(views)[i : i + 1]
        *_, (_, coupled, _) = sample(predict, alone(views, i), ALL_COUPLINGS[name], SPANS, start)
        assert close(coupled, plain_ddim(predict, start), 1e-9)


def plain_ddim(predict, x):
    for span in SPANS:
        eps = predict(x, span)
        x = span.ddim(span.tweedie(x, eps), eps)
    return x


def test_pixels_that_share_a_texel_average_their_clean_guesses():
    """The one exception: texels coarser than pixels make SyncTweedies average within one view too."""
    views = alone(ALL_VIEWS["surface-coarse"])
    predict, x = predictor_for(views), start_for(views)
    span = SPANS[0]
    eps = predict(x, span)
    x0 = views.agree(span.tweedie(x, eps))
    assert not torch.allclose(x0, span.tweedie(x, eps))
    stepped, _ = SyncTweedies().step(x, None, predict, views, span)
    assert close(stepped, span.ddim(x0, span.eps_from(x, x0)))


@every_view
@pytest.mark.parametrize("integrator", ["paper", "exact"])
def test_strength_zero_is_independent(views, integrator):
    assert torch.equal(run(views, SyncSDE(0.0, integrator)), run(views, Independent()))


@every_view
def test_nearly_no_strength_is_nearly_independent(views):
    for integrator in ("paper", "exact"):
        assert close(run(views, SyncSDE(1e-9, integrator)), run(views, Independent()), 1e-7)


def one_after_the_other(views, coupling, spans, start, known=None):
    """The paper's own order: each view's whole trajectory, reading the stored trajectories of the earlier views."""
    stored: list[list] = []
    for i in range(len(start)):
        predict = predictor_for(views, which=slice(i, i + 1))
        if known:
            predict = Known(known.x0[i : i + 1], known.keep[i : i + 1]).through(predict)
        steps = [(start[i], None, None)]
        for s, span in enumerate(spans):
            y = steps[s][0]
            eps = predict(y[None], span)[0]
            x0 = span.tweedie(y, eps)
            steps[s] = (y, x0, eps)
            y_next = span.ddim(x0, eps)
            w = (
                coupling.strength
                * {"level": span.frac, "first": span.frac / span.start, "none": 1.0}[coupling.fade]
            )
            if i and span.frac > coupling.until:
                memory = (s, coupling.memory, coupling.blend)
                told, heard = told_from(views, stored, i, 0, *memory)
                heard = heard * (1 - known.keep[i]) if known else heard
                if coupling.integrator == "paper":
                    y_next = y_next + span.gamma * w * heard * (told - y)
                else:
                    told_x0, told_eps = (told_from(views, stored, i, part, *memory)[0] for part in (1, 2))
                    r = math.sqrt((1 - span.alpha_next) / (1 - span.alpha) * span.alpha / span.alpha_next)
                    rate = 1 + w * heard
                    q = r**rate
                    gap = q * (y - told) / math.sqrt(span.alpha) + (1 - q) / rate * (x0 - told_x0)
                    pulled = span.ddim(told_x0, told_eps) + math.sqrt(span.alpha_next) * gap
                    y_next = torch.where(heard > 0, pulled, y_next)
            steps.append((y_next, None, None))
        stored.append(steps)
    return torch.stack([steps[-1][0] for steps in stored])


def told_from(views, stored, i, part, s, memory, blend):
    """What the stored trajectories tell view i at step s; later views do not exist yet."""
    missing = torch.zeros(
        len(views.f(torch.zeros(1, *views.canvas))) - len(stored), *stored[0][s][part].shape
    )
    return rebaked(views, torch.cat([torch.stack([t[s][part] for t in stored]), missing]), i, memory, blend)


@every_view
@every_sync_sde
def test_lock_step_is_one_after_the_other(views, coupling):
    spans = SPANS[:4] + SPANS[-3:-1]
    assert close(
        run(views, coupling, spans=spans), one_after_the_other(views, coupling, spans, start_for(views))
    )


@every_view
@every_sync_sde
def test_so_it_is_with_what_is_known(views, coupling):
    """A start midway, and pixels that are kept, in part or wholly."""
    x0 = start_for(views, seed=11)
    known = Known(x0, start_for(views, seed=3)[:, :1].clamp(0, 1), 0.7)
    heard, spans = known.views(views), known.spans(SPANS)[:4]
    start = known.begin(spans[0], start_for(views))
    *_, (_, made, _) = sample(known.through(predictor_for(views)), heard, coupling, spans, start)
    assert close(made, one_after_the_other(heard, coupling, spans, start, known))


@every_view
@every_sync_sde
def test_earlier_views_never_hear_later_ones(views, coupling):
    x = start_for(views)
    changed = torch.cat([x[:-1], -x[-1:]])
    assert torch.equal(run(views, coupling, x=x)[:-1], run(views, coupling, x=changed)[:-1])


@every_pair
def test_chunks_do_not_matter(view, name):
    views, coupling = ALL_VIEWS[view], ALL_COUPLINGS[name]
    assert close(run(views, coupling, chunk=1), run(views, coupling, chunk=3))


@every_coupling
def test_same_seed_same_pictures(coupling):
    views = home(coupling)
    for draw in (noise, shared_noise):
        first, again = (run(views, coupling, x=draw(views, CHANNELS, seeded(5))) for _ in range(2))
        other = run(views, coupling, x=draw(views, CHANNELS, seeded(6)))
        assert torch.equal(first, again)
        assert not torch.allclose(first, other)


def home(coupling):
    """Views that the coupling is defined on."""
    return next(ALL_VIEWS[v] for v in ("surface", "masks") if defined(ALL_VIEWS[v], coupling))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every_coupling
def test_half_precision_is_widened(coupling):
    views = home(coupling)
    for _, x, _ in sample(predictor_for(views), views, coupling, SPANS, start_for(views).half()):
        assert x.dtype == torch.float32


def disagreement(views, x, memory=None, blend="mean") -> float:
    """Root mean square of what pictures show against what they are told."""
    prefix = views.prefix(memory, blend)
    return (((x - prefix.reference(x)) ** 2 * prefix.mask).sum() / prefix.mask.sum() / CHANNELS).sqrt().item()


@pytest.mark.parametrize(("view", "name"), [(v, c) for v, c in PAIRS if c not in ("none", "csg")])
def test_coupled_pictures_agree_more(view, name):
    """Prompts differ from view to view, so pictures that do not listen disagree."""
    views, coupling = ALL_VIEWS[view], ALL_COUPLINGS[name]
    heard = getattr(coupling, "memory", None), getattr(coupling, "blend", "mean")
    spans = [span for span in Schedule.scaled_linear().spans(40) if span.frac > 0.2]
    free, coupled = (
        disagreement(views, run(views, c, spans=spans), *heard) for c in (Independent(), coupling)
    )
    # texels take noise from views that do not show them, so averaging it leaves some of it in (case 4 of section 3.4)
    assert (
        coupled
        < (1.0 if view.startswith(("surface", "points")) and name == "visual-anagrams" else 0.6) * free
    )


def test_the_last_levels_are_left_alone():
    """Once frac <= until, every coupling is plain DDIM."""
    views = ALL_VIEWS["windows"]
    late = [span for span in SPANS if span.frac <= 0.45]
    for coupling in (
        SyncSDE(until=0.45, integrator="paper"),
        SyncSDE(until=0.45, integrator="exact"),
        SyncTweedies(until=0.45),
    ):
        assert torch.equal(run(views, coupling, spans=late), run(views, Independent(), spans=late))
        assert not torch.allclose(run(views, coupling), run(views, Independent()))
    assert SyncSDE(until=1.0).pull(SPANS[0]) == 0


def test_what_nobody_else_sees_is_left_free():
    """The paper's Eq. 13 as printed would pull new columns to zero; its authors' code, and this, leaves them alone."""
    views = windows(14, 6, 6, 4)
    names = [""] * len(start_for(views))
    predict = model(6, 6).predictor(Conditions(names, names, guidance=1.0))
    prefix = views.prefix(1)
    known = prefix.mask.expand(-1, CHANNELS, -1, -1) > 0

    def steps(coupling):
        return [
            x
            for _, x, _ in sample(
                predict, views, coupling, Schedule.scaled_linear().spans(50), start_for(views)
            )
        ]

    free, coupled = steps(Independent()), steps(SyncSDE(until=0.0, memory=1))
    assert torch.equal(free[0][~known], coupled[0][~known])
    assert coupled[-1][~known].std() > 0.7 * free[-1][~known].std()
    gaps = [(x - prefix.reference(x))[known].square().mean().sqrt() for x in (free[-1], coupled[-1])]
    assert gaps[1] < 0.2 * gaps[0]


def test_everyone_with_one_prompt_and_one_start_stays_one():
    views = identity(5, 6, count=3)
    x = start_for(views)[:1].expand(3, -1, -1, -1)
    predict = model(5, 6).predictor(Conditions([PROMPTS[0]] * 3, guidance=1.0))
    couplings = [c for c in ALL_COUPLINGS.values() if defined(views, c)]
    runs = [list(sample(predict, views, c, SPANS, x))[-1][1] for c in couplings]
    assert all(close(end, runs[0], 1e-9) for end in runs)


def test_the_pull_of_the_paper():
    """gamma / lambda at 30 and 50 steps of Stable Diffusion, strength 5: first, middle and last coupled step."""
    coupling = SyncSDE()
    for steps, expected in (
        (30, {958: 0.969, 496: 0.277, 232: 0.149, 199: 0}),
        (50, {981: 0.606, 501: 0.169, 201: 0.084}),
    ):
        pulls = {span.t: coupling.pull(span) for span in Schedule.scaled_linear().spans(steps)}
        for t, pull in expected.items():
            assert pulls[t] == pytest.approx(pull, abs=6e-4)


@every_view
def test_integrators_meet_as_steps_grow(views):
    def gap(steps):
        spans = Schedule.scaled_linear().spans(steps)
        ends = [run(views, SyncSDE(integrator=i, until=0.0), spans=spans) for i in ("paper", "exact")]
        return (ends[0] - ends[1]).square().mean().sqrt().item()

    coarse, fine = gap(50), gap(250)
    assert fine < 0.35 * coarse


@every_view
def test_the_exact_integrator_stays_bounded_with_four_steps(views):
    spans = Schedule.scaled_linear().spans(4)

    def size(coupling):
        steps = list(sample(predictor_for(views), views, coupling, spans, start_for(views)))
        return max(x.abs().max().item() for _, x, _ in steps)

    assert size(SyncSDE(integrator="exact", strength=50.0)) < 1.3 * size(Independent())
    assert size(SyncSDE(integrator="paper", strength=50.0)) > 5 * size(Independent())


def test_the_exact_integrator_with_endless_strength_takes_the_told_step():
    views = identity(4, 4, count=2)
    span = SPANS[0]
    x = start_for(views)
    eps = predictor_for(views)(x, span)
    stepped, _ = SyncSDE(1e9, "exact").step(x, None, predictor_for(views), views, span)
    assert close(stepped[1], span.ddim(span.tweedie(x, eps), eps)[0], 1e-6)


def pushed(steps: int) -> tuple[float, float]:
    """Largest errors of mean and covariance after an uncoupled run from the model's own noisy law, in closed form.

    A run is affine in its start, so its end on the zero picture and on each unit picture says everything.
    """
    gauss, spans = model(3, 2), Schedule.scaled_linear().spans(steps)
    size = 6 * CHANNELS
    x = torch.cat([torch.zeros(1, size), torch.eye(size)]).double().view(-1, CHANNELS, 3, 2)
    names = [PROMPTS[0]] * len(x)
    predict = gauss.predictor(Conditions(names, names, guidance=3.0))
    *_, (_, end, _) = sample(predict, identity(3, 2, count=len(x)), Independent(), spans, x)
    offset, push = end[0].flatten(), (end[1:] - end[0]).flatten(1).T
    first, last = spans[0].alpha, spans[-1].alpha_next
    mean, cov = gauss.means[PROMPTS[0]].flatten(), gauss.axes @ gauss.variances.diag() @ gauss.axes.T
    noisy = first * cov + (1 - first) * torch.eye(size)
    return (
        (offset + push @ mean * math.sqrt(first) - math.sqrt(last) * mean).abs().max().item(),
        (push @ noisy @ push.T - last * cov - (1 - last) * torch.eye(size)).abs().max().item(),
    )


def test_uncoupled_runs_end_with_the_models_mean_and_covariance():
    coarse, fine = pushed(20), pushed(500)
    assert fine[0] < 1e-10 and fine[1] < 5e-3
    assert fine[1] < 0.2 * coarse[1]


def test_many_samples_have_the_models_mean_and_covariance():
    gauss, count = model(2, 2), 4000
    x = torch.randn(count, CHANNELS, 2, 2, generator=seeded(0))
    names = [PROMPTS[1]] * count
    predict = gauss.predictor(Conditions(names, names, guidance=1.0))
    *_, (_, end, _) = sample(
        predict, identity(2, 2, count=count), Independent(), Schedule.scaled_linear().spans(100), x
    )
    cov = gauss.axes @ gauss.variances.diag() @ gauss.axes.T
    assert close(end.double().mean(0), gauss.means[PROMPTS[1]], 0.1)
    assert close(torch.cov(end.double().flatten(1).T), cov, 0.06)


def test_guidance_moves_away_from_the_negative_prompt():
    gauss, span = model(3, 3), SPANS[2]
    x = torch.randn(2, CHANNELS, 3, 3, generator=seeded(0), dtype=torch.float64)

    def eps(prompt, negative, guidance):
        return gauss.predictor(Conditions([prompt] * 2, [negative] * 2, guidance=guidance), chunk=1)(x, span)

    wanted, unwanted = eps("rust", "rust", 9.0), eps("moss", "moss", 9.0)
    assert close(eps("rust", "moss", 1.0), wanted)
    assert close(eps("rust", "moss", 2.5), unwanted + 2.5 * (wanted - unwanted))
    with refused("option-choice", thing="prompt", value="gold"):
        eps("gold", "moss", 1.0)


def test_pictures_survive_the_closed_form_model():
    gauss, pictures = model(3, 3), torch.rand(2, 3, 3, 3, generator=seeded(1), dtype=torch.float64)
    assert close(gauss.decode(gauss.encode(pictures)), pictures)


def test_couplings_go_by_name():
    assert all(type(make(name)) is named(name) for name in names())
    assert make("syncsde", strength=2.0, integrator="exact") == SyncSDE(2.0, "exact")


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("syncsde", "strength", -1),
        ("syncsde", "strength", math.inf),
        ("syncsde", "strength", math.nan),
        ("syncsde", "integrator", "euler"),
        ("syncsde", "fade", "slowly"),
        ("syncsde", "memory", 0),
        ("syncsde", "blend", "first"),
        ("syncsde", "until", 1.5),
        ("synctweedies", "until", math.nan),
        ("synctweedies", "case", 60),
        ("synctweedies", "case", -1),
        ("multidiffusion", "bootstrap", 2),
        ("multidiffusion", "until", -1),
        ("visual-anagrams", "until", 3),
        ("syncmvd", "until", math.nan),
        ("csg", "strength", -2),
        ("syncdiffusion", "distance", "l2"),
        ("syncdiffusion", "weight", math.inf),
        ("syncdiffusion", "every", 0),
        ("syncdiffusion", "decay", 0),
    ],
)
def test_bad_settings_are_refused(name, setting, value):
    with refused("coupling-option", thing=setting) as told:
        make(name, **{setting: value})
    assert told.value.value == value or value != value and told.value.remedy.startswith("give")


@pytest.mark.parametrize("name", ["none", "synctweedies"])
def test_a_setting_that_a_coupling_does_not_have_is_refused(name):
    with refused("coupling-option", thing="coupling") as told:
        make(name, strength=1)
    assert told.value.value == name and "has no strength" in told.value.message
    with refused("option-choice", thing="coupling"):
        make("syncsd")
