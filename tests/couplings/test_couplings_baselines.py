"""What each baseline promises beyond the laws."""

from __future__ import annotations

import math
import sys
import types
import warnings

import numpy as np
import pytest
import torch
from refusals import refused
from zoo import ALL_VIEWS, CHANNELS, close, predictor_for, start_for

import texsync
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
    flat_colours,
    make,
    names,
    perceptual,
    takes,
)
from texsync.errors import InputError
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.views import identity, masks, noise, windows

SPANS = Schedule.scaled_linear().spans(10)


def run(views, coupling, spans=SPANS, x=None, predict=None):
    """The pictures at the end of a run."""
    x = start_for(views) if x is None else x
    *_, (_, x, _) = sample(predict or predictor_for(views), views, coupling, spans, x)
    return x


def decode(latents):
    """Two channels are two colours."""
    return (latents + 2) / 4


@pytest.mark.parametrize("name", ["windows", "negated", "masks-soft", "surface", "surface-coarse"])
def test_three_methods_are_cases_of_synctweedies(name):
    for coupling, case in ((VisualAnagrams(0.3), 4), (SyncMVD(0.3), 5), (MultiDiffusion(0.3), 6)):
        assert close(run(ALL_VIEWS[name], coupling), run(ALL_VIEWS[name], SyncTweedies(0.3, case)), 1e-9)


def test_case_2_is_the_default():
    views, span = ALL_VIEWS["windows"], SPANS[2]
    x, predict = start_for(views), predictor_for(views)
    x0 = views.agree(span.tweedie(x, predict(x, span)))
    stepped, _ = SyncTweedies().step(x, None, predict, views, span)
    assert close(stepped, span.ddim(x0, span.eps_from(x, x0)))


@pytest.mark.parametrize(("case", "kind"), [(54, "e"), (55, "z"), (56, "x"), (57, "e"), (58, "z"), (59, "x")])
def test_joint_cases_share_half_and_half(case, kind):
    """Written out: 54 to 56 change the pictures, 57 to 59 the canvas."""
    views, span = ALL_VIEWS["windows"], SPANS[2]
    x, z, predict = start_for(views), torch.randn(CHANNELS, *views.canvas).double(), predictor_for(views)
    look, merge = views.f, views.f_inv
    shown = look(z)
    apart, together = predict(x, span), predict(shown, span)
    apart0, together0 = span.tweedie(x, apart), span.tweedie(shown, together)
    half = {
        "e": (merge(apart) + merge(together)) / 2,
        "z": (merge(apart0) + merge(together0)) / 2,
        "x": (merge(span.ddim(apart0, apart)) + merge(span.ddim(together0, together))) / 2,
    }[kind]
    x_next, z_next = SyncTweedies(case=case).step(x, z, predict, views, span)
    changed, mean, start = (x_next, look(half), x) if case < 57 else (z_next, half, z)
    x0 = mean if kind == "z" else span.tweedie(start, mean)
    assert close(changed, mean if kind == "x" else span.ddim(x0, span.eps_from(start, x0)), 1e-9)
    other = z_next if case < 57 else x_next
    own, eps = (z, merge(together)) if case < 57 else (x, apart)
    assert close(other, span.ddim(span.tweedie(own, eps), eps), 1e-9)


class Watched:
    """A predictor that keeps what it was given."""

    def __init__(self, views):
        self.predict, self.given = predictor_for(views), []

    def __call__(self, x, span):
        self.given.append(x)
        return self.predict(x, span)


def test_bootstrapping_puts_things_before_flat_colours():
    thing = torch.zeros(2, 6, 7)
    thing[0, 1:4, 1:4], thing[1, 3:6, 3:7] = 1.0, 1.0
    views = masks(thing)
    colours = torch.arange(1.0, 4.0)[:, None, None, None].expand(3, CHANNELS, 6, 7)
    x = noise(views, CHANNELS, torch.Generator().manual_seed(5)).double()
    seen = {}
    for made in (colours, None):
        watched = Watched(views)
        run(views, MultiDiffusion(colours=made, bootstrap=0.4, seed=5), x=x, predict=watched)
        seen[made is None] = watched.given
    own = views.blend_weight > 0
    first, plain = seen[False][0], seen[True][0]
    assert torch.equal(first[[0, 3]], plain[[0, 3]])  # the background and the whole are as they were
    for i in (1, 2):
        inside = own[i].expand_as(x[i])
        assert torch.equal(first[i][inside], plain[i][inside])
        behind = SPANS[0].tweedie(first[i], x[i])[~inside]  # the run's own noise over one flat colour
        assert close(behind, behind[0].round().expand_as(behind), 1e-6) and behind[0].round() in (1, 2, 3)
    early = [s for s, span in enumerate(SPANS) if span.frac > 0.6]
    for s, (given, agreed) in enumerate(zip(seen[False], seen[True], strict=True)):
        assert close(agreed[1], agreed[0]) or SPANS[s].frac <= 0.2
        assert close(given[1], given[0]) != (s in early) or SPANS[s].frac <= 0.2


def test_flat_colours_are_flat_and_many():
    made = flat_colours(lambda pictures: pictures, 4, 6, count=20, seed=1)
    assert made.shape == (20, 3, 4, 6) and len(made[:, :, 0, 0].unique(dim=0)) == 20
    assert torch.equal(made, made[..., :1, :1].expand_as(made)) and made.min() >= 0 and made.max() <= 1


def test_csg_holds_the_background_of_its_source():
    """Its pull written out, at a step where some soft pixels are let go."""
    views = ALL_VIEWS["masks-soft"]
    span, x, coupling = SPANS[4], start_for(views), CSG(strength=7.0)
    share = views.blend_weight[0].double()
    firm = 1 - math.cos(math.pi * 4 / (1.5 * 9))
    held = torch.where(share >= firm, share, 0.0)
    assert 0 < (held > 0).float().mean() < 1
    predict = predictor_for(views)
    stepped, _ = coupling.step(x, None, predict, views, span)
    plain, _ = Independent().step(x, None, predict, views, span)
    assert torch.equal(stepped[0], plain[0])
    assert close(stepped[1:], plain[1:] - span.gamma * 7.0 * held * (x[1:] - x[0]))


def test_csg_lets_go_at_last_of_all_that_is_not_the_source_s_alone():
    views, coupling = masks(torch.tensor([[[0.0, 0.1, 0.5, 1.0]]])), CSG()
    first, late = SPANS[0], SPANS[-2]
    assert (coupling.held(views, first)[1] > 0).flatten().tolist() == [True, True, True, False]
    assert (coupling.held(views, late)[1] > 0).flatten().tolist() == [True, False, False, False]
    assert not coupling.held(views, first)[0].any()


def test_an_edit_keeps_its_background():
    views = ALL_VIEWS["masks"]
    background = (views.blend_weight[0] == 1).expand(CHANNELS, -1, -1)
    spans = Schedule.scaled_linear().spans(40)

    def gap(coupling):
        end = run(views, coupling, spans)
        return (end[-1] - end[0])[background].square().mean().sqrt().item()

    for coupling in (CSG(), SyncSDE(until=0.0)):
        assert gap(coupling) < 0.3 * gap(Independent())


def test_syncdiffusion_without_weight_is_multidiffusion():
    views = ALL_VIEWS["windows"]
    assert torch.equal(run(views, SyncDiffusion(decode, weight=0.0)), run(views, MultiDiffusion()))
    assert torch.equal(run(views, SyncDiffusion(decode, first=0)), run(views, MultiDiffusion()))
    assert not torch.allclose(run(views, SyncDiffusion(decode)), run(views, MultiDiffusion()))


@pytest.mark.parametrize("through_model", [True, False])
def test_the_gradient_is_that_of_the_distance(through_model):
    views, span, coupling = ALL_VIEWS["windows"], SPANS[3], SyncDiffusion(decode, through_model=through_model)
    x, predict, middle = start_for(views), predictor_for(views), views.shape[0] // 2
    fixed = predict(x, span)

    def total(x):
        pictures = decode(span.tweedie(x, predict(x, span) if through_model else fixed))
        anchor = decode(span.tweedie(start_for(views), fixed))[middle : middle + 1]
        return perceptual.texture(pictures, anchor).sum()

    gradient = coupling.gradient(x, predict, span)
    assert not gradient[middle].any()
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    direction[middle] = 0
    slope = (total(x + 1e-6 * direction) - total(x - 1e-6 * direction)) / 2e-6
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)


def test_syncdiffusion_makes_windows_look_alike():
    views = windows(24, 8, 8, 2)
    start = run(views, MultiDiffusion(0.0)), run(views, SyncDiffusion(decode, weight=10.0, until=0.0))
    apart = [perceptual.texture(decode(end), decode(end[len(end) // 2][None])).mean().item() for end in start]
    assert apart[1] < 0.8 * apart[0]


def test_which_steps_descend():
    acts = [[SyncDiffusion(decode, **o).acts(span) for span in SPANS] for o in ({"first": 3}, {"every": 4})]
    assert acts[0] == [True] * 3 + [False] * 7
    assert [i for i, act in enumerate(acts[1]) if act] == [3, 7]


@pytest.mark.parametrize(
    ("name", "options", "views", "message"),
    [
        (
            "syncdiffusion",
            {},
            "windows",
            "syncdiffusion compares decoded pictures and has no decoder; hand it",
        ),
        ("csg", {}, "surface", "CSG is for masked pictures, and these views have no masks"),
        (
            "multidiffusion",
            {"colours": torch.zeros(1)},
            "windows",
            "multidiffusion has colours but the views",
        ),
    ],
)
def test_couplings_say_where_they_are_not_defined(name, options, views, message):
    """Before the model is asked anything."""
    with pytest.raises(InputError) as caught:
        next(sample(None, ALL_VIEWS[views], make(name, **options), SPANS, start_for(ALL_VIEWS[views])))
    assert str(caught.value).startswith(message)


def test_options_of_couplings_are_known():
    assert takes("none") == () and set(takes("csg")) == {"strength"}
    assert all("until" in takes(name) for name in names() if name not in ("none", "csg"))
    with refused("option-choice", thing="coupling", value="glue"):
        takes("glue")


def checked(period: int) -> torch.Tensor:
    """A red and blue chequerboard, (1, 3, 32, 32)."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    square = ((y // period + x // period) % 2).float()
    return torch.stack([square, 0.2 * torch.ones_like(square), 1 - square])[None]


@pytest.mark.parametrize("measure", ["texture", "style"])
def test_perceptual_distances_see_texture_and_not_place(measure):
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1) for i in range(6)]
    network = torch.nn.Sequential(
        *(part for layer in layers for part in (layer, torch.nn.ReLU(inplace=True)))
    )
    apart = perceptual.texture if measure == "texture" else perceptual.style_of(network)
    fine, coarse = checked(2), checked(8)
    with torch.no_grad():
        assert apart(fine, fine).item() == pytest.approx(0, abs=1e-9)
        assert apart(fine.roll(2, -1), fine).item() < 0.2 * apart(coarse, fine).item()
        assert apart(torch.cat([fine, coarse]), fine).shape == (2,)
    coarse.requires_grad_()
    assert torch.autograd.grad(apart(coarse, fine).sum(), coarse)[0].any()


def test_distances_with_trained_networks_never_download(monkeypatch, tmp_path):
    perceptual.lpips.cache_clear()
    perceptual.style.cache_clear()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "lpips", None)
    with refused("package-missing"):
        perceptual.distance("lpips")
    monkeypatch.setitem(sys.modules, "lpips", types.ModuleType("lpips"))
    with refused("package-missing", thing="lpips"):
        perceptual.distance("lpips")
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with refused("package-missing"):
        perceptual.distance("style")
    models = types.ModuleType("torchvision.models")
    models.vgg19 = lambda: None
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    with refused("package-missing", thing="style"):
        perceptual.distance("style")


def test_gradients_pass_through_a_real_model(tiny_model):
    from texsync.backbones.by_name import load_model

    backbone = load_model(str(tiny_model), None, device="cpu", dtype="fp32")
    views, span = windows(12, 8, 8, 4), backbone.schedule.spans(4)[1]
    predict, at_once = (
        backbone.predictor(Conditions(["a red object"] * 2, guidance=2.0), chunk) for chunk in (1, 2)
    )
    x = torch.randn(2, backbone.latent_channels, 8, 8, generator=torch.Generator().manual_seed(0))
    given, direct = (
        SyncDiffusion(backbone.decode, through_model=through).gradient(x, predict, span)
        for through in (True, False)
    )
    assert given[0].any() and direct[0].any() and not torch.allclose(given, direct)
    assert close(given, SyncDiffusion(backbone.decode).gradient(x, at_once, span), 1e-6)
    assert not predict(x, span).requires_grad and not backbone.decode(x).requires_grad
    *_, (_, end, _) = sample(predict, views, SyncDiffusion(backbone.decode), [span], x)
    assert end.isfinite().all() and not end.requires_grad


def test_everyone_identical_stays_identical():
    """Views that show the same from the same start have nothing to settle."""
    views = identity(5, 6, count=3)
    x = start_for(views)[:1].expand(3, -1, -1, -1)
    single = predictor_for(views)

    def predict(x, span):
        return single(x, span)[:1].expand_as(x)

    ends = [run(views, c, x=x, predict=predict) for c in (Independent(), SyncTweedies(case=12), SyncMVD())]
    assert all(close(end, ends[0], 1e-9) for end in ends)


def test_syncdiffusion_descends_through_a_network(tiny_model):
    """From the first step, where what the network predicts is checked too, which a recomputed pass does not."""
    options = dict(width=64, view_size=32, steps=25, model=tiny_model, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", texsync.TexsyncWarning)
        made = texsync.wide_image("copper", coupling="syncdiffusion", coupling_options=["first=1"], **options)
        plain = texsync.wide_image("copper", coupling="multidiffusion", **options)
    assert not np.array_equal(np.asarray(made.image), np.asarray(plain.image))
