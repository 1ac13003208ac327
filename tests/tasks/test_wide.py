"""A picture of several windows: its geometry, its coupling against the paper's formulas, its decoding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from zoo import close, model

from texsync import InputError, wide_image
from texsync.backbones.conditions import Conditions
from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.backbones.tiled import decode_tiled, tile_starts
from texsync.couplings import make
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.tasks.wide import Frame, WideOptions, assembled

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


def frame(width, height=6, window=6, overlap=4, loop=False) -> Frame:
    """One latent cell is 16 pixels here."""
    options = WideOptions("x", width=16 * width, height=16 * height, overlap=16 * overlap, loop=loop)
    return Frame.of(options, 16 * window, 16)


@pytest.fixture
def paint(tiny_model):
    def run(prompt="red copper", **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 3}
        return wide_image(prompt, **(few | options))

    return run


# ---- words ------------------------------------------------------------------------------------------------------


def test_each_window_has_the_prompt_of_the_stretch_that_its_middle_lies_in():
    across, down = frame(16, overlap=1), frame(6, 16, overlap=1)
    for made in (across, down):
        views = made.views()
        middles = [sum(made.corner(views, i)) + 3 for i in range(views.shape[0])]
        said = made.prompts(views, "forest | beach")
        assert said == ["forest" if middle < 8 else "beach" for middle in middles] and len({*said}) == 2
        assert {*made.prompts(views, "forest")} == {"forest"}


def test_two_prompts_paint_what_each_paints_alone_at_its_end(paint):
    """Far from the border; uncoupled, so that nothing else could carry one prompt to the other's end."""
    options = {"width": 384, "overlap": 16, "coupling": "none", "seed": 3}
    pictures = [
        paint(words, **options).image for words in ("red copper | blue marble", "red copper", "blue marble")
    ]
    both, left, right = (np.asarray(picture, float) for picture in pictures)
    assert close_to(both[:, :90], left[:, :90]) and close_to(both[:, -90:], right[:, -90:])
    assert not close_to(both[:, :90], right[:, :90]) and not close_to(left, right)


def close_to(one, other) -> bool:
    return bool(np.abs(one - other).max() <= 1)


@pytest.mark.parametrize("prompt", ["forest |", "| forest", "forest | ... | beach"])
def test_an_empty_stretch_is_refused(prompt):
    with pytest.raises(InputError, match="is empty"):
        WideOptions(prompt)


def test_windows_fade_into_each_other_unless_one_asks_for_the_papers_pasting():
    assert WideOptions("x").assemble == "blend" and WideOptions("x", like_paper=True).assemble == "paste"


# ---- geometry ---------------------------------------------------------------------------------------------------


def test_the_papers_wide_image_has_thirteen_windows():
    views = Frame.of(WideOptions("x"), 512, 8).views()
    assert views.shape == (13, 64, 64) and views.canvas == (64, 256)


@pytest.mark.parametrize("width", [6, 7, 9, 13, 20])
@pytest.mark.parametrize("overlap", [1, 3, 5])
@pytest.mark.parametrize("loop", [False, True])
def test_any_width_and_overlap_is_covered(width, overlap, loop):
    """Neighbours share at least the overlap asked for, the last ends flush, a loop runs on over the edge."""
    made = frame(width, overlap=overlap, loop=loop)
    views = made.views()
    assert views.covered.all() and views.canvas == (6, width)
    lefts = sorted(made.corner(views, i)[1] for i in range(views.shape[0]))
    gaps = np.diff([*lefts, lefts[0] + width]) if loop else np.diff(lefts)
    assert lefts[0] == 0 and all(0 < gap <= 6 - overlap for gap in gaps)
    assert loop or lefts[-1] + 6 == width


def test_high_and_large_pictures():
    assert frame(6, 12).views().shape[0] == 4 and frame(12, 12).views().shape[0] == 16
    assert frame(12, 6, loop=True).loops == (False, True) and frame(6, 12, loop=True).loops == (True, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 205}, "width 205 is not reachable.*nearest is 208"),
        ({"width": 80}, "width 80 is less than one view of 96 pixels; use at least 96"),
        ({"height": 80}, "height 80 is less"),
        ({"overlap": 96}, "overlap 96 does not fit windows of 96 .*nearest that does is 80"),
        ({"overlap": 500}, "overlap 500 .*nearest that does is 80"),
        ({"overlap": 20}, "overlap 20 .*nearest that does is 16"),
    ],
)
def test_sizes_that_cannot_be_are_refused_with_the_nearest(options, message):
    with pytest.raises(InputError, match=message):
        Frame.of(WideOptions("x", **options), 96, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 0}, "overlap 0 is out of range"),
        ({"overlap": -8}, "overlap -8"),
        ({"width": 10**6}, "width 1000000"),
        ({"width": 1.5}, "width must be a whole number"),
        ({"assemble": "glue"}, "unknown assembly 'glue'; known: paste, blend"),
        ({"prompt": " "}, "is empty; describe the picture"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        WideOptions(**{"prompt": "x", **options})


# ---- coupling ---------------------------------------------------------------------------------------------------


def test_windows_in_step_are_windows_one_after_the_other():
    """Eq. 13-15 written out: whole trajectories in turn, each pulled to the one before it on the overlap only."""
    views, spans = frame(14).views(), Schedule.scaled_linear().spans(12)
    count, draw = views.shape[0], torch.Generator().manual_seed(3)
    start = torch.randn(count, 2, 6, 6, generator=draw, dtype=torch.float64)
    predict = model(6, 6).predictor(Conditions(["brick"] * count, guidance=1.5))
    *_, (_, together, _) = sample(
        predict, views, make("syncsde", integrator="paper", memory=1, until=0.0, strength=5.0), spans, start
    )
    alone, before = model(6, 6).predictor(Conditions(["brick"], guidance=1.5)), None
    for i in range(count):
        x, path = start[i], []
        for k, span in enumerate(spans):
            path.append(x)
            eps = alone(x[None], span)[0]
            next_x = span.ddim(span.tweedie(x, eps), eps)
            if before is not None:
                pull = span.gamma * 5.0 * span.frac
                next_x[..., :4] -= pull * (x[..., :4] - before[k][..., 2:])
            x = next_x
        before = path
        assert close(x, together[i], 1e-10)


def test_pasting_shows_each_windows_own_columns():
    """Every window but the last shows the columns that no later one touches; the last shows all of its own."""
    views = frame(14).views()
    x = torch.randn(views.shape[0], 2, 6, 6)
    canvas = assembled(views, x, "paste")
    for i in range(len(x) - 1):
        assert torch.equal(canvas[..., 2 * i : 2 * i + 2], x[i][..., :2])
    assert torch.equal(canvas[..., -6:], x[-1])


def test_blending_windows_that_agree_changes_nothing_and_fades_where_they_do_not():
    views = frame(8, overlap=4).views()
    canvas = torch.randn(2, 6, 8)
    assert close(assembled(views, views.f(canvas), "blend"), canvas, 1e-5)
    two = torch.stack([torch.zeros(1, 6, 6), torch.ones(1, 6, 6)])
    row = assembled(views, two, "blend")[0, 0]
    assert row[0] == 0 and row[-1] == 1 and (row.diff() >= 0).all() and row.diff().max() < 0.5


# ---- decoding ---------------------------------------------------------------------------------------------------


class Wide:
    """A decoder whose pixel sums a 3 x 3 neighbourhood, so that it needs surroundings; counts its cells."""

    scale = 2

    def __init__(self):
        self.largest = 0

    def decode(self, latents):
        self.largest = max(self.largest, latents.shape[-1] * latents.shape[-2])
        blurred = torch.nn.functional.avg_pool2d(latents, 3, 1, 1)
        return blurred.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("length", [8, 9, 20, 31])
def test_tiles_reach_everywhere(length, loop):
    starts = tile_starts(length, 8, loop)
    steps = np.diff([*starts, length] if loop else starts)
    assert starts[0] == 0 and all(0 < step <= 4 for step in steps)
    assert loop or starts[-1] + 8 == length


def test_tiled_decoding_is_decoding_but_for_the_tiles_borders():
    z, backbone = torch.randn(3, 8, 40), Wide()
    picture = decode_tiled(backbone, z, 8)
    assert backbone.largest == 64 and picture.shape == (3, 16, 80)
    assert (picture - Wide().decode(z[None])[0]).abs().mean() < 0.05
    flat = torch.ones(3, 8, 40)
    assert close(decode_tiled(backbone, flat, 8)[:, 4:-4, 4:-4], torch.ones(3, 8, 72), 0.12)


def test_a_loop_is_decoded_without_an_edge():
    """Where the loop is cut does not matter."""
    z = torch.randn(3, 8, 40)
    one = decode_tiled(Wide(), z, 8, loop=(False, True))
    other = decode_tiled(Wide(), z.roll(12, -1), 8, loop=(False, True))
    assert close(one.roll(24, -1), other, 1e-6)


def test_memory_of_decoding_does_not_grow_with_the_width(paint, monkeypatch):
    seen, decode = [], DiffusionBackbone.decode
    monkeypatch.setattr(
        DiffusionBackbone, "decode", lambda self, z: (seen.append(z.shape[-2:].numel()), decode(self, z))[1]
    )
    paint(width=256)
    assert max(seen) == 8 * 8


# ---- the task ---------------------------------------------------------------------------------------------------


def test_the_picture_has_the_size_asked_for(paint):
    made = paint(width=100, height=40, overlap=8, count=2, seed=5)
    assert [image.size for image in made.images] == [(100, 40)] * 2
    assert [one.seed for one in made.made] == [5, 6] and made.report["overlap"] == 8
    assert made.made[1].views.shape[0] == len(made.titles) == 8
    again = paint(width=100, height=40, overlap=8, seed=6)
    assert torch.equal(made.made[1].images["picture"], again.made[0].images["picture"])


@pytest.mark.parametrize("loop", [False, True])
def test_chunks_do_not_matter(paint, loop):
    one, other = (paint(width=88, loop=loop, chunk=chunk).made[0].images["picture"] for chunk in (1, 7))
    assert close(one, other, 1e-4)


def test_a_loop_meets_itself():
    """Across the edge a smooth model's canvas changes as little as inside; without --loop it does not."""

    def jump(loop):
        views = frame(20, overlap=4, loop=loop).views()
        count, draw = views.shape[0], torch.Generator().manual_seed(1)
        predict = model(6, 6).predictor(Conditions([""] * count, guidance=1))
        spans, coupling = (
            Schedule.scaled_linear().spans(10),
            make("syncsde", integrator="paper", memory=1, until=0.0),
        )
        canvases = []
        for _ in range(12):
            start = views.f(torch.randn(2, 6, 20, generator=draw, dtype=torch.float64))
            *_, (_, x, _) = sample(predict, views, coupling, spans, start)
            canvases.append(assembled(views, x, "paste"))
        z = torch.stack(canvases)
        return float((z[..., 0] - z[..., -1]).abs().mean() / z.diff(dim=-1).abs().mean())

    assert jump(True) < 1.3 < 1.6 < jump(False)
