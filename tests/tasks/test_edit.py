"""Editing: the way to noise and back, words to tokens, attention to a mask, and the coupling itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from zoo import CHANNELS, close, model

from texsync import InputError, edit_image
from texsync.backbones.attention import AttentionRecorder, spread_by_self
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.difference import disagreement, rescaled
from texsync.backbones.inversion import Replay, invert, path
from texsync.couplings import make
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.tasks.edit import EditOptions
from texsync.views.masks import masks

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]
SPANS = Schedule.scaled_linear().spans(20)
SOURCE, TARGET = "a red object", "a copper object"


def predictor(prompts, guidance=1.0):
    return model(6, 6).predictor(Conditions(prompts, guidance=guidance))


def clean(count=1):
    draw = torch.Generator().manual_seed(5)
    return model(6, 6).means["brick"] + 0.5 * torch.randn(count, CHANNELS, 6, 6, generator=draw).double()


@pytest.fixture(scope="module")
def backbone(tiny_model):
    return load_model(tiny_model, "none", device="cpu")


@pytest.fixture
def picture():
    array = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    return Image.fromarray(array).resize((40, 24), Image.Resampling.BICUBIC)


@pytest.fixture
def change(tiny_model, picture):
    def run(source=SOURCE, target=TARGET, **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 4}
        return edit_image(options.pop("image", picture), source, target, **(few | options))

    return run


# ---- inversion --------------------------------------------------------------------------------------------------


def test_inversion_is_undone_by_denoising():
    """From the run's last level to its first and back: the same picture, nearer with every refinement."""
    predict, x = predictor(["brick"]), clean()
    errors = []
    for refinements in (0, 2, 6, 20):
        states = invert(predict, SPANS, x, refinements)
        assert len(states) == len(SPANS) + 1 and torch.equal(states[-1], x)
        errors.append(float((path(predict, SPANS, states[0])[-1] - x).abs().max()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3 < errors[0]


def test_the_noise_that_is_found_is_the_noise_it_came_from():
    """Its first state lies at the level that a run starts from, not beside it."""
    predict = predictor(["brick"])
    noise = torch.randn(1, CHANNELS, 6, 6, generator=torch.Generator().manual_seed(1)).double()
    forth = path(predict, SPANS, noise)
    back = invert(predict, SPANS, forth[-1], 30)
    assert all(close(a, b, 1e-3) for a, b in zip(forth, back, strict=True))


def test_a_replayed_picture_follows_its_path_whatever_the_others_do():
    states = invert(predictor(["brick"]), SPANS, clean(), 2)
    asked = []

    def others(x, span):
        asked.append(len(x))
        return predictor(["rust", "moss"])(x, span)

    x = torch.cat([states[0], *[torch.randn_like(states[0])] * 2])
    for k, span in enumerate(SPANS):
        assert close(x[:1], states[k], 1e-6)
        eps = Replay(others, SPANS, states)(x, span)
        x = span.ddim(span.tweedie(x, eps), eps)
    assert close(x[:1], states[-1], 1e-6) and set(asked) == {2}


@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_a_run_that_ends_where_it_stands_is_replayed(spacing):
    """Both spacings can reach t = 0; with SD's final level, that of t = 0, the last step then leads nowhere."""
    spans = Schedule.scaled_linear(spacing=spacing, offset=0).spans(5)
    assert spans[-1].gamma == 0
    states = invert(predictor(["brick"]), spans, clean(), 2)
    x = torch.cat([states[0], states[0]])
    for span in spans:
        eps = Replay(predictor(["rust"]), spans, states)(x, span)
        x = span.ddim(span.tweedie(x, eps), eps)
    assert close(x[:1], states[-1], 1e-6)


def test_the_edit_in_step_is_the_paper_one_after_the_other():
    """Eq. 8-11 with the source's path as the background, which is a table and not a third run."""
    draw = torch.Generator().manual_seed(2)
    foreground = torch.rand(6, 6, generator=draw, dtype=torch.float64).round()
    b = 1 - foreground
    states = invert(predictor(["brick"]), SPANS, clean(), 2)
    start = torch.cat([states[0], torch.randn(1, CHANNELS, 6, 6, generator=draw).double(), states[0]])
    predict = Replay(predictor(["rust", "rust"], 1.5), SPANS, states)
    coupling = make("syncsde", integrator="paper", until=0.0)
    *_, (_, together, _) = sample(predict, masks(foreground[None]), coupling, SPANS, start)
    alone, paths = predictor(["rust"], 1.5), [[state[0] for state in states]]
    for i in (1, 2):
        x, steps = start[i], []
        for k, span in enumerate(SPANS):
            steps.append(x)
            eps = alone(x[None], span)[0]
            gap = b * (x - paths[0][k])
            gap = gap + (1 - b) * (x - paths[1][k]) if i == 2 else gap
            x = span.ddim(span.tweedie(x, eps), eps) - span.gamma * 5.0 * span.frac * gap
        paths.append(steps)
        assert close(x, together[i], 1e-10)
    assert close(together[0], states[-1][0], 1e-10)


def test_a_pull_that_holds_keeps_the_background():
    """Noise levels near the end are where a pull that fades lets an edit drift from its original."""
    foreground = torch.zeros(6, 6, dtype=torch.float64)
    foreground[:, :3] = 1
    states = invert(predictor(["brick"]), SPANS, clean(), 2)
    fresh = torch.randn(states[0].shape, generator=torch.Generator().manual_seed(2)).double()
    predict = Replay(predictor(["rust", "rust"], 1.5), SPANS, states)
    drift = []
    for fade in ("level", "none"):
        start = torch.cat([states[0], fresh, states[0]])
        coupling = make("syncsde", until=0.0, fade=fade)
        *_, (_, x, _) = sample(predict, masks(foreground[None]), coupling, SPANS, start)
        drift.append(float((x[2] - states[-1][0])[..., 3:].abs().mean()))
    assert drift[1] < 0.3 * drift[0]


# ---- words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "word", "read"),
    [
        ("a red object", "red", ["red"]),
        ("a red object", "RED", ["red"]),
        ("weathered, red copper", "red copper", ["red", "copper"]),
        ("deed a red object", "red", ["red"]),  # "deed" is split into letters and shifts what follows
        ("a wed object", "wed", ["we", "d"]),
        ("a redo red", "red", ["red"]),
    ],
)
def test_words_are_found_by_their_letters_not_by_counting(backbone, prompt, word, read):
    tokenizer = backbone.text.tokenizer
    places = backbone.text.places(prompt, word)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(prompt)["input_ids"])
    assert [tokens[i].replace("</w>", "") for i in places] == read


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("blue", "the word 'blue' is not in the prompt .*; use one of a, red, object"),
        ("ed", "'ed' is not"),
        ("!", "'!'"),
    ],
)
def test_words_that_are_not_there_are_refused(backbone, word, message):
    with pytest.raises(InputError, match=message):
        backbone.text.places("a red object", word)


def test_words_of_a_long_or_weighed_prompt_are_found_too(backbone):
    """The second chunk of 20 places begins with its own start mark; brackets and weights are no places."""
    assert backbone.text.places("a " * 20 + "red", "red") == [20 + 1 + 2]
    assert backbone.text.places("a (red:1.4) [object]", "red object") == [2, 3]


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        ("a photo of a white cat", "a photo of a white dog", "cat"),
        ("a red ball", "A blue ball", "red"),
        ("a small red ball", "a large blue ball", "small red"),
        ("a (red:1.4) ball <lora:rust:0.3>", "a [blue] (ball:1.2)", "red"),
    ],
)
def test_what_changes_is_what_the_target_lacks(source, target, word):
    assert EditOptions("x.png", source, target).changing == word


# ---- where the change goes --------------------------------------------------------------------------------------


def test_even_attention_spreads_the_mean_and_attention_to_oneself_nothing():
    cross = torch.rand(6, 8)
    even = torch.full((48, 48), 1 / 48)
    assert close(spread_by_self(cross, even), cross.mean().expand(6, 8), 1e-6)
    assert close(spread_by_self(cross, torch.eye(48)), cross, 1e-6)
    blocks = cross.view(3, 2, 4, 2).mean(dim=(1, 3)).repeat_interleave(2, 0).repeat_interleave(2, 1)
    coarse = spread_by_self(cross, torch.eye(12))
    assert coarse.shape == (6, 8) and (coarse - blocks).abs().mean() < (cross - blocks).abs().mean()


def test_what_is_heard_is_the_networks_own_attention(backbone):
    """Rows of all heads add up to 1, the network's answer stays as it was, and afterwards nothing listens."""
    predict = backbone.predictor(Conditions([SOURCE], guidance=1.0))
    x, span = (
        torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)),
        backbone.schedule.spans(3)[1],
    )
    plain, before = predict(x, span), dict(backbone.parts.unet.attn_processors)
    recorder = AttentionRecorder(backbone.parts.unet, backbone.text.places(SOURCE, "red"), (8, 8))
    with recorder.recording():
        assert torch.equal(recorder.through(predict)(x, span), plain)
        recorder.through(predict)(x, span)
    assert recorder.steps == 2 and dict(backbone.parts.unet.attn_processors) == before
    mean = recorder._self / recorder.steps
    assert mean.shape == (64, 64) and close(mean.sum(1), torch.ones(64), 1e-5)
    assert recorder.foreground().shape == (8, 8) and 0 <= recorder.foreground().min() <= 1


def test_all_tokens_together_get_all_the_attention(backbone):
    """Every coarse map is then the same everywhere, and so is their mean over its largest value."""
    recorder = AttentionRecorder(backbone.parts.unet, range(20), (8, 8))
    predict = backbone.predictor(Conditions([SOURCE], guidance=1.0))
    with recorder.recording():
        recorder.through(predict)(torch.randn(1, 4, 8, 8), backbone.schedule.spans(3)[1])
    assert close(recorder.foreground(), torch.ones(8, 8), 1e-5)


def test_two_prompts_disagree_where_their_means_do():
    """On the closed-form model with white covariance the difference is exactly that of the means."""
    from texsync.backbones.gaussian import Gaussian

    mean = torch.zeros(2, 16, 16)
    mean[:, 4:10, 4:10] = 1
    two = Gaussian({"one": torch.zeros(2, 16, 16), "other": mean, "": mean * 0}, torch.eye(2 * 16 * 16))
    predict = two.predictor(Conditions(["one"] * 8 + ["other"] * 8, guidance=1.0))
    heat = disagreement(predict, SPANS[10], torch.zeros(1, 2, 16, 16))
    assert heat[5:9, 5:9].min() > 0.999 and heat[:3].max() < 1e-3 and heat.shape == (16, 16)


def test_rescaling_is_safe_for_what_is_even():
    assert rescaled(torch.full((3, 3), 0.7)).max() == 0
    assert rescaled(torch.tensor([1.0, 3.0, 2.0])).tolist() == [0, 1, 0.5]


# ---- the task ---------------------------------------------------------------------------------------------------


def test_nan_on_the_way_back_to_noise_is_named(picture, tiny_model):
    spoilt = load_model(tiny_model, "none", device="cpu")
    with torch.no_grad():
        spoilt.parts.unet.conv_out.weight[0] = torch.nan
    with pytest.raises(InputError, match="NaN or infinity after following the picture back to its noise"):
        edit_image(picture, SOURCE, TARGET, model=spoilt, steps=4)


@pytest.mark.parametrize("find", ["attention", "difference"])
def test_an_edit_comes_with_its_reconstruction_and_mask(change, find):
    made = change(find=find, count=2)
    assert list(made.made[0].images) == ["edit", "reconstruction", "mask"]
    assert made.image.size == (40, 24) and made.titles == ["source", TARGET, "edit"]
    mask = made.made[0].images["mask"]
    assert set(mask.unique().tolist()) == {0.0, 1.0} and mask.shape == (3, 24, 40)
    assert made.report["find"] == find and made.report["word"] == "red"
    assert not torch.equal(made.made[0].images["edit"], made.made[1].images["edit"])


def test_stable_diffusion_takes_attention_and_what_has_none_difference(change, tiny_model):
    assert change().report["find"] == "attention"
    mini = load_model("mini", "none", device="cpu")
    from texsync.backbones.attention import is_fine

    assert not is_fine(mini.parts.unet)


def test_the_background_is_the_pictures_own(change):
    """Held hard, what lies outside the user's mask ends as the picture's latents decoded; inside it does not."""
    mask = np.zeros((24, 40), np.uint8)
    mask[4:20, 8:24] = 255
    made = change(mask=mask, strength=200.0, integrator="exact", steps=20)
    source, _, edited = made.made[0].views
    apart = (edited - source).abs().mean(0)
    assert apart[:, 36:].mean() < 0.2 * apart[8:16, 12:20].mean()
    assert made.report["found_by"] == "mask" and made.report["word"] is None


def test_the_reconstruction_can_be_the_background(change):
    faithful, resampled = (change(find="difference", faithful=choice) for choice in (True, False))
    assert close(resampled.made[0].views[0], resampled.made[0].images["reconstruction"], 1e-3)
    assert not close(faithful.made[0].views[0], faithful.made[0].images["reconstruction"], 3e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": ""}, 'no source prompt; say what the picture shows, e.g. source="a photo'),
        ({"target": " "}, "the prompt ' ' is empty"),
        ({"target": SOURCE}, "every word of the source .* is in the target .*; say with word"),
        ({"word": "blue"}, "'blue' is not in the prompt 'a red object'; use one of a, red, object"),
        ({"mask_threshold": 1.5}, "mask threshold 1.5 is out of range"),
        ({"find": "luck"}, "unknown way to find the change 'luck'"),
        (
            {"mask": np.zeros((64, 64), np.uint8)},
            "the mask is 64 x 64 pixels, the picture 40 x 24",
        ),
        ({"mask": np.zeros((24, 40), np.uint8)}, "the mask is empty"),
        ({"mask": np.full((24, 40), 255, np.uint8)}, "the mask is full"),
        ({"image": "/no/such.png"}, "there is no file /no/such.png"),
        ({"image": Image.new("RGB", (1, 1))}, "the picture is only 1 x 1 pixels"),
        ({"image": Image.new("RGB", (900, 20))}, "the picture is 900 x 20 pixels; crop it to at most 4 : 1"),
    ],
)
def test_wrong_input_is_refused(change, values, message):
    with pytest.raises(InputError, match=message):
        change(**values)
