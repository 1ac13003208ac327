"""One picture seen in several ways: against the paper's formula, and what is refused."""

from __future__ import annotations

import pytest
import torch
from refusals import refused
from zoo import close, model

from texsync import InputError, ambiguous_image
from texsync.backbones.conditions import Conditions
from texsync.couplings import make
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.tasks.ambiguous import AmbiguousOptions, check_different, looks
from texsync.tasks.wide import assembled
from texsync.views.shuffle import NAMES, ambiguous, view_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]
PROMPTS = ["brick", "rust", "moss"]


@pytest.fixture
def paint(tiny_model):
    def run(prompts=("red copper", "a view"), **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 3}
        return ambiguous_image(prompts, **(few | options))

    return run


@pytest.mark.parametrize("name", [*NAMES, "rotate90+mirror", "negate+flip"])
def test_views_in_step_are_views_one_after_the_other(name):
    """Eq. 16-17 written out: each whole trajectory is pulled to the one before it, turned as it is seen."""
    names = ["identity", name, "rotate180"]
    size = 8
    views, spans = ambiguous(names, size, seed=2), Schedule.scaled_linear().spans(6)
    predict = model(size, size).predictor(Conditions(PROMPTS, guidance=1.5))
    start = torch.randn(3, 2, size, size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    coupling = make("syncsde", integrator="paper", memory=1, until=0.0)
    *_, (_, together, _) = sample(predict, views, coupling, spans, start)
    before = None
    for i, prompt in enumerate(PROMPTS):
        alone, x, path = model(size, size).predictor(Conditions([prompt], guidance=1.5)), start[i], []
        for k, span in enumerate(spans):
            path.append(x)
            eps = alone(x[None], span)[0]
            next_x = span.ddim(span.tweedie(x, eps), eps)
            if before is not None:
                next_x -= span.gamma * 5.0 * span.frac * (x - told(views, names, i, before[k]))
            x = next_x
        before = path
        assert close(x, together[i], 1e-10)


def told(views, names, i, x):
    """f_i(f_(i-1)^-1(x)), by the picture's own views and the inverse as a transpose."""
    _, _, size = views.shape
    canvas = torch.zeros_like(x)
    where = view_of(torch.arange(1, size * size + 1.0).view(1, size, size), names[i - 1], seed=2)[0]
    canvas.flatten(1)[:, where.abs().long().flatten() - 1] = (where.sign() * x).flatten(1)
    return view_of(canvas, names[i], seed=2)


def test_what_is_kept_is_the_last_views_picture_or_the_mean():
    views = ambiguous(["identity", "flip"], 4)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(assembled(views, x, "paste"), x[1].flip(-2))
    assert close(assembled(views, x, "blend"), (x[0] + x[1].flip(-2)) / 2, 1e-6)


def test_every_view_of_the_picture_is_handed_out(paint):
    made = paint(("a red object", "copper", "front view"), views=["rotate90", "flip+mirror"], count=2)
    images = made.made[1].images
    assert list(images) == ["picture", "view_1_identity", "view_2_rotate90", "view_3_flip_mirror"]
    assert torch.equal(images["picture"], images["view_1_identity"])
    assert close(images["view_2_rotate90"], torch.rot90(images["picture"], 1, (-2, -1)), 1e-6)
    assert made.titles == ["identity", "rotate90", "flip+mirror"] and made.made[0].views.shape == (
        3,
        3,
        32,
        32,
    )
    assert len(made.images) == 2 and made.image.size == (32, 32)


def test_a_negative_is_seen_in_pictures_too():
    picture = torch.rand(3, 16, 16)
    seen = looks(picture, ["identity", "negate"], 16, 0)
    assert close(seen["view_2_negate"], 1 - picture, 1e-6)


def test_each_view_hears_its_own_words(paint):
    one = paint(("red copper", "a view"), strength=0.0)
    other = paint(("red copper", "front"), strength=0.0)
    assert torch.equal(one.made[0].views[0], other.made[0].views[0])
    assert not torch.allclose(one.made[0].views[1], other.made[0].views[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompts": ["one"]}, "1 prompts; give two or more"),
        ({"prompts": "one two"}, "prompts must be a list of texts"),
        ({"prompts": ["one", ""]}, "the prompt '' is empty"),
        ({"views": []}, "0 views"),
        ({"views": ["flip", "rotate90", "mirror"]}, r"2 prompts for 3 views \(flip, rotate90, mirror\)"),
        ({"prompts": ["a", "b", "c"], "views": ["flip"]}, "3 prompts for 1 views"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        AmbiguousOptions(**{"prompts": ("a", "b"), **options})


@pytest.mark.parametrize("names", [["identity", "identity"], ["flip", "mirror+rotate180"]])
def test_two_prompts_for_one_view_are_refused(names):
    with refused("views-same"):
        check_different(names, 0)


def test_unknown_views_are_refused_before_the_model_loads(paint):
    with refused("option-choice", thing="view", value="sideways"):
        paint(views=["sideways"], model="/no/such/model")


@pytest.mark.parametrize("name", ["negate", "skew", "jigsaw", "rotate90+pixels", "inner_circle"])
def test_views_that_latents_do_not_survive_are_refused_with_those_that_do(paint, name):
    with refused("view-unfit", thing="view"):
        paint(views=[name])
