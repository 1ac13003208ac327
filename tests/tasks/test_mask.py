"""Things inside masks: against the paper's formulas; and pictures and masks of every kind that users have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from zoo import close, model

from texsync import InputError, cli, masked_image
from texsync.backbones.conditions import Conditions
from texsync.couplings import make, named, names
from texsync.errors import TexsyncWarning
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.tasks.mask import MaskOptions
from texsync.tasks.reading import fitted_size, mask_cells, read_mask, read_picture
from texsync.views.masks import masks

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]
RED = (200, 30, 40)


def square(size=64, low=16, high=48) -> np.ndarray:
    """White inside, black outside."""
    array = np.zeros((size, size), np.uint8)
    array[low:high, low:high] = 255
    return array


@pytest.fixture
def paint(tiny_model):
    def run(masks, foregrounds="a red object", **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 3}
        return masked_image("copper", foregrounds, masks, **(few | options))

    return run


# ---- coupling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True])
def test_parts_in_step_are_parts_one_after_the_other(soft):
    """Eq. 8-11 written out in their two-term form, B the background: whole trajectories in turn."""
    draw = torch.Generator().manual_seed(3)
    foreground = torch.rand(6, 6, generator=draw, dtype=torch.float64)
    foreground = foreground if soft else foreground.round()
    b = 1 - foreground
    prompts, spans = ["brick", "rust", "moss"], Schedule.scaled_linear().spans(10)
    start = torch.randn(3, 2, 6, 6, generator=draw, dtype=torch.float64)
    predict = model(6, 6).predictor(Conditions(prompts, guidance=1.5))
    *_, (_, together, _) = sample(
        predict, masks(foreground[None]), make("syncsde", integrator="paper", until=0.0), spans, start
    )
    paths: list = []
    for i, prompt in enumerate(prompts):
        alone, x, path = model(6, 6).predictor(Conditions([prompt], guidance=1.5)), start[i], []
        for k, span in enumerate(spans):
            path.append(x)
            eps = alone(x[None], span)[0]
            gap = b * (x - paths[0][k]) if i else 0
            gap = gap + (1 - b) * (x - paths[1][k]) if i == 2 else gap
            x = span.ddim(span.tweedie(x, eps), eps) - span.gamma * 5.0 * span.frac * gap
        paths.append(path)
        assert close(x, together[i], 1e-10)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", ["multidiffusion", "synctweedies"])
def test_baselines_put_masks_together_as_their_papers_do(name, soft):
    """MultiDiffusion: one picture, each part's next step in its mask.  SyncTweedies: SyncSDE's Eq. 23, a mean."""
    draw = torch.Generator().manual_seed(3)
    m = torch.rand(6, 6, generator=draw, dtype=torch.float64)
    m = m if soft else m.round()
    spans, words = Schedule.scaled_linear().spans(10), ["brick", "rust"]
    predict = model(6, 6).predictor(Conditions(words, guidance=1.5))
    start = torch.randn(2, 2, 6, 6, generator=draw, dtype=torch.float64)
    views = masks(m[None], named(name).composition)
    *_, (_, together, _) = sample(predict, views, make(name, until=0.0), spans, start)
    x = start if name == "synctweedies" else ((1 - m) * start[0] + m * start[1]).expand(2, -1, -1, -1)
    for span in spans:
        eps = predict(x, span)
        x0 = span.tweedie(x, eps)
        if name == "multidiffusion":
            back, thing = span.ddim(x0, eps)
            x = ((1 - m) * back + m * thing).expand(2, -1, -1, -1)
        else:
            agreed = (x0[0] + m * x0[1]) / (1 + m)
            assert soft or close(agreed, (1 - m) * x0[0] + m * (x0[0] + x0[1]) / 2)
            x = span.ddim(agreed, span.eps_from(x, agreed))
    assert close(together, x, 1e-9)


@pytest.mark.parametrize("name", names())
def test_only_who_has_a_whole_paints_one(paint, name):
    """The others' picture is the canvas of the parts."""
    options = {"coupling_options": ("weight=0",)} if name == "syncdiffusion" else {}
    made = paint(square(), coupling=name, **options)
    whole = name in ("syncsde", "csg", "none")
    assert made.report["composition"] == named(name).composition
    assert (made.report["whole"] is not None) == whole
    assert made.titles == ["background", "a red object", "whole"]
    assert torch.equal(made.made[0].images["picture"], made.made[0].views[-1])
    if not whole:
        with pytest.warns(TexsyncWarning, match=f"{name} puts .* whole is not used"):
            paint(square(), coupling=name, whole="a red object on copper", **options)


def test_the_pictures_are_the_background_the_things_and_the_whole(paint):
    made = paint([square(), square(64, 40, 60)], ["a red object", "front"], count=2)
    assert made.titles == ["background", "a red object", "front", "whole"]
    assert made.made[1].views.shape == (4, 3, 32, 32)
    assert torch.equal(made.made[1].images["picture"], made.made[1].views[-1])
    assert made.report["whole"] == "copper with a red object and front"


def test_outside_the_mask_the_thing_shows_the_background(paint):
    """Pulled hard, all three agree outside; inside, the thing keeps its own words."""
    views = paint(square(), strength=50.0, integrator="exact", steps=10).made[0].views
    apart = (views[1] - views[0]).abs().mean(0)
    assert apart[:4].mean() < 0.3 * apart[12:20, 12:20].mean()


# ---- options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"background": ""}, "the prompt '' is empty"),
        ({"foregrounds": ()}, "0 foregrounds; say what is inside"),
        ({"foregrounds": ("a", " ")}, "the prompt ' ' is empty"),
        ({"foregrounds": ("a", "b")}, "2 foreground prompts for 1 masks"),
        ({"masks": ("a.png", "b.png")}, "1 foreground prompts for 2 masks"),
        ({"whole": "!"}, "the prompt '!' is empty"),
    ],
)
def test_wrong_options_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        MaskOptions(**{"background": "a", "foregrounds": ("b",), "masks": ("m.png",), **values})


# ---- masks ------------------------------------------------------------------------------------------------------


def test_white_is_foreground_and_cells_take_shares():
    mask = np.zeros((4, 8))
    mask[:, :3] = 1
    mask[:2, 3] = 1
    assert mask_cells(mask, 2, 4, "m").tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert mask_cells(mask, 2, 4, "m", soft=True).tolist() == [[1, 1, 0, 0], [1, 0.5, 0, 0]]


def test_greys_are_rounded_unless_soft():
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(1, -1).repeat(64, 0)
    assert set(np.unique(read_mask(grey))) == {0.0, 1.0}
    assert len(np.unique(read_mask(grey, soft=True))) > 50


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((64, 64), np.uint8), "the mask is empty; paint white"),
        (np.full((64, 64), 255, np.uint8), "the mask is full; leave black"),
        (np.zeros((64, 90), np.uint8), "the mask is 90 x 64 pixels, the picture 32 x 32; crop or pad"),
        (square(64, 30, 31), "the mask is empty"),
    ],
)
def test_masks_that_mask_nothing_are_refused(paint, mask, message):
    with pytest.raises(InputError, match=message):
        paint(mask)


def test_masks_of_two_sizes_are_refused_before_the_model_loads(paint):
    with refused("mask-size"):
        paint([square(), square(32, 4, 20)], ["a", "b"], model="/nowhere")


# ---- pictures of every kind -------------------------------------------------------------------------------------


def saved(tmp_path, picture, name="p.png", **details):
    picture.save(tmp_path / name, **details)
    return tmp_path / name


def colour(picture) -> tuple:
    return picture.getpixel((5, 5))


def test_alpha_shows_the_backdrop(tmp_path):
    clear = Image.new("RGBA", (20, 20), (*RED, 0))
    assert colour(read_picture(saved(tmp_path, clear))) == (255, 255, 255)
    assert colour(read_picture(saved(tmp_path, clear), backdrop="black")) == (0, 0, 0)
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([*RED] * 256)
    assert colour(read_picture(saved(tmp_path, palette, transparency=0))) == (255, 255, 255)
    assert colour(read_picture(saved(tmp_path, palette))) == RED


def test_sixteen_bit_and_grey(tmp_path):
    deep = Image.fromarray(np.full((20, 20), 100 * 257, np.uint16))
    assert colour(read_picture(saved(tmp_path, deep))) == (100, 100, 100)
    assert colour(read_picture(saved(tmp_path, Image.new("L", (20, 20), 77)))) == (77, 77, 77)
    assert colour(read_picture(saved(tmp_path, Image.new("1", (20, 20), 1)))) == (255, 255, 255)
    assert colour(read_picture(saved(tmp_path, Image.new("CMYK", (20, 20)), "p.jpg"))) == (255, 255, 255)


def test_exif_turns_the_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying = Image.new("RGB", (40, 20))
    lying.paste(RED, (0, 0, 40, 10))
    upright = read_picture(saved(tmp_path, lying, "p.jpg", exif=exif, quality=95))
    assert upright.size == (20, 40) and upright.getpixel((17, 20))[0] > 150 > upright.getpixel((3, 20))[0]


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    whole = saved(tmp_path, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    frames = [Image.new("RGB", (20, 20), c) for c in ("red", "blue")]
    moving = saved(tmp_path, frames[0], "moving.webp", save_all=True, append_images=frames[1:])
    for source, message in {
        tmp_path / "text.png": "text.png is not a picture",
        tmp_path / "empty.png": "empty.png is not a picture",
        tmp_path / "cut.png": "cut.png cannot be read",
        tmp_path: "there is no file",
        tmp_path / "none.png": "there is no file .*none.png",
        moving: "moving.webp is an animation or has several pages; save one",
        saved(tmp_path, Image.new("RGB", (1, 1)), "dot.png"): "dot.png is only 1 x 1 pixels",
        saved(tmp_path, Image.new("F", (20, 20)), "float.tiff"): "floating point",
        saved(tmp_path, Image.new("1", (20000, 9000)), "vast.png"): "has too many pixels",
        7: "7 is not a picture",
    }.items():
        with pytest.raises(InputError, match=message):
            read_picture(source)


def test_very_wide_pictures_are_read_but_not_edited_whole(tmp_path):
    assert read_picture(saved(tmp_path, Image.new("1", (20000, 100)))).size == (20000, 100)
    with refused("picture-size", thing="picture", value=20000):
        fitted_size((20000, 100), 256, 32)


@pytest.mark.parametrize("size", [(256, 256), (400, 300), (20000, 6000), (33, 100)])
def test_pictures_keep_their_shape_and_get_the_models_size(size):
    width, height = fitted_size(size, 256, 32)
    assert width % 32 == height % 32 == 0
    assert 0.6 < width * height / 256**2 < 1.5 and 0.7 < (width / height) / (size[0] / size[1]) < 1.4


# ---- the shell --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty.png", "mask empty.png is empty"),
        ("full.png", "mask full.png is full"),
        ("oblong.png", "mask oblong.png is 40 x 20 pixels"),
        ("text.png", "text.png is not a picture"),
        ("none.png", "there is no file none.png"),
    ],
)
def test_wrong_masks_are_one_line_and_code_2(name, message, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (32, 32)).save("empty.png")
    Image.new("L", (32, 32), 255).save("full.png")
    Image.new("L", (40, 20), 255).save("oblong.png")
    (tmp_path / "text.png").write_text("no picture")
    before = set(tmp_path.iterdir())
    few = ["--model", str(tiny_model), "--steps", "2", "--device", "cpu"]
    assert cli.main(["mask", "copper", "--foreground", "a red object", "--mask", name, *few]) == 2
    told = capsys.readouterr()
    assert message in told.err and told.err.count("\n") == 1 and told.out == ""
    assert set(tmp_path.iterdir()) == before
