"""`like_paper`: every setting that differs from the paper's at once, and one that is given wins, at every door."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from zoo import blob_views

from texsync import Cancelled, cli
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.options.swept import swept
from texsync.tasks import FUNCTIONS
from texsync.tasks.ambiguous import AmbiguousOptions
from texsync.tasks.edit import EditOptions, Finder
from texsync.tasks.images import Run
from texsync.tasks.mask import MaskOptions
from texsync.tasks.mesh import Job, MeshOptions
from texsync.tasks.reading import mask_cells
from texsync.tasks.wide import WideOptions

PLANE = {"steps": 50, "integrator": "paper", "fade": "first", "noise": "independent", "clipping": "raw"}
MASKED = {**PLANE, "mask_cells": "nearest"}
KINDS = {
    "mesh": (
        MeshOptions,
        {"mesh": "a.obj", "prompt": "brick"},
        {**PLANE, "steps": 30, "strength": 5.0, "blend": "mean"},
    ),
    "wide": (WideOptions, {"prompt": "brick"}, {**PLANE, "assemble": "paste"}),
    "ambiguous": (AmbiguousOptions, {"prompts": ("a", "b")}, {**PLANE, "assemble": "paste"}),
    "mask": (MaskOptions, {"background": "a", "foregrounds": ("b",), "masks": ("m.png",)}, MASKED),
    "edit": (
        EditOptions,
        {"image": "p.png", "source": "a cat", "target": "a dog"},
        {**MASKED, "mask_scale": "raw", "outside": "model", "faithful": False},
    ),
}
del KINDS["mesh"][2]["fade"]  # by the noise level there, as ours
KINDS["mesh"][2].update(view_order="paper", framing="paper", extra_views="none")
KINDS["mesh"][2].update(sampler="ddpm", attention="neighbours")
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_like_paper_sets_all_that_is_not_given(kind):
    options, needed, paper = KINDS[kind]
    plain, papers = options(**needed), options(**needed, like_paper=True)
    assert {name: getattr(papers, name) for name in paper} == paper
    same = {name for name in plain.arguments() if name not in paper and name != "like_paper"}
    assert all(getattr(plain, name) == getattr(papers, name) for name in same)
    assert options(**papers.arguments()) == papers  # as the shell hands it on, and as run.json repeats it
    assert options(**needed, like_paper=False) == plain


OTHER = {
    "sampler": "unipc",
    "steps": 7,
    "fade": "none",
    "strength": 2.0,
    "integrator": "exact",
    "blend": "best-facing",
}


@every_kind
def test_what_is_given_wins_also_where_it_is_the_default(kind):
    options, needed, paper = KINDS[kind]
    plain = options(**needed)
    for name in paper:
        own = getattr(plain, name)
        own = OTHER.get(name) if own is None else own
        made = options(**needed, like_paper=True, **{name: own})
        assert getattr(made, name) == own
        assert all(getattr(made, other) == paper[other] for other in paper if other != name)
    assert options(**needed, like_paper=True, steps=None).steps == paper["steps"]


def test_like_paper_is_yes_or_no_and_not_swept():
    for wrong in ("yes", 1, np.ones(2)):
        with refused("option-type", thing="like paper"):
            MeshOptions("a.obj", "brick", like_paper=wrong)
    with refused("sweep", thing="sweep"):
        swept(MeshOptions("a.obj", "brick"), "like_paper=yes,no")


@pytest.mark.parametrize("extra", [[], ["--integrator", "exact", "--noise", "shared"]])
def test_the_shell_hands_on_what_was_typed(monkeypatch, tmp_path, extra):
    """Typing a default is typing it; click's own defaults are not."""
    monkeypatch.chdir(tmp_path)
    seen: list = []

    def stop(**options):
        seen.append(options)
        raise Cancelled("enough")

    for function in FUNCTIONS.values():
        monkeypatch.setattr(f"texsync.tasks.{function}", stop)
    for words in (
        ["bag.obj", "brick"],
        ["wide", "brick"],
        ["mask", "a", "--foreground", "b", "--mask", "m"],
        ["edit", "p.png", "a dog", "--source", "a cat"],
    ):
        cli.main([*words, "--like-paper", "--quiet", *extra])
    assert [one["steps"] for one in seen] == [30, 50, 50, 50]
    wanted = ("exact", "shared") if extra else ("paper", "independent")
    assert all((one["integrator"], one["noise"]) == wanted for one in seen)
    assert seen[1]["assemble"] == "paste" and seen[2]["mask_cells"] == "nearest"
    assert not seen[3]["faithful"] and seen[3]["outside"] == "model"


def test_the_preset_reaches_the_coupling(tiny_model):
    from texsync.views import windows

    backbone = load_model(tiny_model, "none", device="cpu")
    views = windows(8, 4, 4, 2)
    options = WideOptions("brick", model=str(tiny_model), like_paper=True)
    coupling = Run("wide", options).couplings(backbone, views, memory=1)(0)
    assert (coupling.strength, coupling.integrator, coupling.fade, coupling.until) == (
        5.0,
        "paper",
        "first",
        0.0,
    )
    own = Run("wide", WideOptions("brick", model=str(tiny_model), fade="none", strength=2.0))
    assert own.couplings(backbone, views)(0).fade == "none"


def test_a_cell_may_take_its_nearest_pixel():
    corner = np.zeros((8, 8))
    corner[0, 0] = corner[4:, 4:] = 1
    assert mask_cells(corner, 2, 2, "m", pick="nearest").tolist() == [[1, 0], [0, 1]]
    assert mask_cells(corner, 2, 2, "m").tolist() == [[0, 0], [0, 1]]


def test_attention_may_be_taken_as_it_is(tiny_model):
    """Stretched, the least attention in the picture is 0 and the most 1."""
    backbone = load_model(tiny_model, "none", device="cpu")
    x, span = torch.randn(1, 4, 8, 8), backbone.schedule.spans(3)[1]
    heats = []
    for scale in ("stretched", "raw"):
        options = EditOptions("p.png", "a red object", "a copper object", mask_scale=scale, find="attention")
        finder = Finder(Run("edit", options), backbone, options, None, (8, 8))
        with finder.recording(backbone.predictor(Conditions([options.source], guidance=1.0))) as heard:
            heard(x, span)
        heats.append(finder.heat(span, x))
    stretched, raw = heats
    assert stretched.min() == 0 and stretched.max() == 1 and raw.min() > 0
    again = (raw - raw.min()) / (raw.max() - raw.min())
    assert (again - stretched).abs().max() < 1e-5


def test_independent_noise_of_a_mesh_is_every_views_own():
    views = blob_views()
    shared, own = (
        Job(MeshOptions("a.obj", "brick", noise=noise)).noise(views, 4) for noise in ("shared", "independent")
    )
    known = views.prefix(None, "best-facing").mask > 0

    def likeness(x):
        told = views.prefix(None, "best-facing").reference(x)
        here = known.expand_as(x)
        return torch.corrcoef(torch.stack([x[here], told[here]]))[0, 1]

    assert likeness(shared) > 0.6 and abs(likeness(own)) < 0.1
    assert len(own.unique()) == own.numel()
