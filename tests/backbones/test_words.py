"""Prompts as users write them: long ones, weighed words, clip skip, names of files; against plain references."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from refusals import refused
from transformers import CLIPTextModel, CLIPTokenizer

from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.tokens import chunks_of
from texsync.couplings import make
from texsync.errors import TexsyncWarning
from texsync.loop import sample
from texsync.options.prompt_grammar import Tag, parse, plain, tags_of
from texsync.tasks.named_loras import warn_of_tags, weighed_loras
from texsync.tasks.wide import WideOptions
from texsync.views import identity

GRAMMAR = {
    "a (copper:1.4) bowl": [[("a ", 1), ("copper", 1.4), (" bowl", 1)]],
    "((a)) [b]": [[("a", 1.21), (" ", 1), ("b", 1 / 1.1)]],
    r"a \(c\) \[d\]": [[("a (c) [d]", 1)]],
    "(red [worn] paint:2)": [[("red ", 2), ("worn", 2 / 1.1), (" paint", 2)]],
    "(unclosed, and closed) too) ]": [[("unclosed, and closed", 1.1), (" too) ]", 1)]],
    ":( at 3:45": [[(":( at 3:45", 1)]],
    "(crossed [over) here]": [[("(crossed ", 1), ("over) here", 1 / 1.1)]],
    "red BREAK (blue BREAK old:0.5)": [[("red", 1)], [("blue", 0.5)], [("old", 0.5)]],
    "rust <lora:old metal:0.8>, copper": [[("rust , copper", 1)]],
    "BREAKFAST (x:-1)": [[("BREAKFAST ", 1), ("x", -1)]],
    "": [[]],
}


@pytest.mark.parametrize("prompt", GRAMMAR)
def test_the_grammar_of_weights(prompt):
    made = [[(piece.text, piece.weight) for piece in part] for part in parse(prompt)]
    assert [[text for text, _ in part] for part in made] == [[t for t, _ in part] for part in GRAMMAR[prompt]]
    for part, wanted in zip(made, GRAMMAR[prompt], strict=True):
        assert [weight for _, weight in part] == pytest.approx([weight for _, weight in wanted])


def test_tags_are_names_and_not_words():
    prompt = "a bowl <lora:rusty_v2:0.8> <LyCO: old metal > (old:1.2)"
    assert tags_of(prompt) == [Tag("lora", "rusty_v2", "0.8"), Tag("lyco", "old metal")]
    assert plain(prompt) == "a bowl old"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a (copper:9) bowl", "weighs 'copper' by 9; use -5 to 5"),
        ("((((((a:2):2):2)))))", "weighs 'a'"),
        ("a [cat:dog:0.5]", "change during a run"),
        ("a [cat|dog] here", "change during a run"),
        ("a [dog:0.5]", "change during a run"),
        ("<lora:rust:1>", "is empty"),
        ("copper <lora:rust:much>", "'<lora:rust:much>', whose weight is no number"),
    ],
)
@pytest.mark.parametrize("where", ["prompt", "negative"])
def test_prompts_that_cannot_be_read_are_told_before_weights_are(
    shell, no_weights, capsys, prompt, message, where
):
    if where == "negative" and "empty" in message:
        return
    words = [prompt] if where == "prompt" else ["red", "--negative", prompt]
    from texsync import cli

    assert cli.main(["wide", *words, "--steps", "1"]) == 2
    assert message in capsys.readouterr().err


def by_hand(model, *texts: str) -> torch.Tensor:
    """Each text alone through the text encoder, (n, 20, width)."""
    words, encoder = (
        CLIPTokenizer.from_pretrained(model / "tokenizer"),
        CLIPTextModel.from_pretrained(model / "text_encoder"),
    )
    ids = words(
        list(texts), padding="max_length", max_length=20, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        return encoder(ids)[0]


def test_a_long_prompt_is_its_chunks_one_after_another(backbone, tiny_model):
    """18 words, their marks, the next 18; a short one is filled up with chunks of no words."""
    words = ["red", "copper", "a", "view"] * 10
    long, short = " ".join(words), "red copper"
    made = backbone.text.embed([long, short]).words
    chunks = by_hand(tiny_model, *(" ".join(words[k : k + 18]) for k in (0, 18, 36)), short, "")
    torch.testing.assert_close(made[0], chunks[:3].flatten(0, 1))
    torch.testing.assert_close(made[1], chunks[[3, 4, 4]].flatten(0, 1))
    torch.testing.assert_close(backbone.text.embed([short]).words[0], chunks[3])
    apart = backbone.text.embed(["red BREAK copper"]).words[0]
    torch.testing.assert_close(apart, by_hand(tiny_model, "red", "copper").flatten(0, 1))


def test_a_weight_is_how_far_a_word_is_from_no_text(backbone, tiny_model):
    """Marks and words of weight 1 stay as they are, to the bit."""
    whole, empty = by_hand(tiny_model, "a red copper view", "")
    made = backbone.text.embed(["a (red copper:1.5) [view]"]).words[0]
    weights = torch.ones(20, 1)
    weights[2:4], weights[4] = 1.5, 1 / 1.1
    torch.testing.assert_close(made, empty + weights * (whole - empty), atol=1e-6, rtol=1e-5)
    assert torch.equal(made[[0, 1, 5]], backbone.text.embed(["a red copper view"]).words[0][[0, 1, 5]])
    both = backbone.text.embed(["", "a (red copper:1.5) [view]"]).words
    torch.testing.assert_close(both[0], empty)
    torch.testing.assert_close(both[1], made)
    nothing = backbone.text.embed(["a (red:0) view"]).words[0]
    torch.testing.assert_close(nothing[2], empty[2])


def test_prompt_and_negative_of_any_lengths_go_together(backbone, noise):
    """The longer one decides; nothing depends on which it is."""
    for prompts, negatives in ((["red " * 30] * 3, ["a"] * 3), (["a"] * 3, ["red " * 30, "", "copper"])):
        predict = backbone.predictor(Conditions(prompts, negatives, guidance=3.0))
        assert predict.said.words.shape[:3] == (2, 3, 40)
        assert predict(noise, backbone.schedule.spans(2)[0]).isfinite().all()


@pytest.mark.parametrize("skip", [1, 2])
def test_clip_skip_is_diffusers_own(backbone, tiny_model, skip):
    """Ours counts as model pages do: 1 is the last layer, diffusers' None; 2 its clip_skip of 1."""
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model, safety_checker=None)
    encoder = pipeline.text_encoder
    if not hasattr(
        encoder, "text_model"
    ):  # where diffusers 0.42 looks for the norm, transformers 5 has it above
        encoder.text_model = SimpleNamespace(final_layer_norm=encoder.final_layer_norm)
    wanted, _ = pipeline.encode_prompt(["red copper"], "cpu", 1, False, clip_skip=skip - 1 or None)
    torch.testing.assert_close(backbone.text.embed(["red copper"], clip_skip=skip).words, wanted)
    with refused("model-lacks"):
        backbone.text.embed(["red"], clip_skip=3)


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_guidance_rescale_ends_where_the_pipeline_ends(tiny_v_model, noise, rescale):
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_v_model, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    prompts, negatives = ["red copper", "a view", "a red object"], ["view", "", "copper"]
    how = {
        "latents": noise,
        "num_inference_steps": 3,
        "guidance_scale": 7.5,
        "eta": 0.0,
        "output_type": "latent",
    }
    expected = pipeline(prompts, negative_prompt=negatives, guidance_rescale=rescale, **how).images
    backbone = load_model(tiny_v_model)
    conditions = Conditions(prompts, negatives, guidance=7.5, guidance_rescale=rescale)
    steps = sample(
        backbone.predictor(conditions, 2),
        identity(8, 8, count=3),
        make("none"),
        backbone.schedule.spans(3),
        noise,
    )
    *_, (_, x, _) = steps
    torch.testing.assert_close(x, torch.as_tensor(expected), atol=1e-4, rtol=1e-4)


def test_embeddings_that_a_prompt_calls_and_files_that_it_names_are_no_words(backbone):
    with pytest.warns(
        TexsyncWarning, match=r"calls <old-metal>, embedding:bad, which the model has no embedding"
    ):
        backbone.text.warn(["red <old-metal>"], ["embedding:bad copper"])
    named, triggered, bare = backbone.text.embed(["red <lora:rust:0.8>", "red <old-metal>", "red"]).words
    assert torch.equal(named, bare) and torch.equal(triggered, bare)


def test_a_lora_that_a_prompt_names_has_its_weight_from_there(recwarn):
    """Where its file is given, without a weight of its own; what is not given is said."""
    asked = {
        "lora": ["loras/rust.safetensors", "old.safetensors:0.3", "owner/paint"],
        "negative": "<lora:old:0.9>",
    }
    options = WideOptions("copper <lora:rust:0.8> <lora:paint:0.5>", **asked)
    assert weighed_loras(options) == ("loras/rust.safetensors:0.8", "old.safetensors:0.3", "owner/paint")
    warn_of_tags(options)
    assert not recwarn.list
    with pytest.warns(
        TexsyncWarning, match="names <lora:moss:0.2>, which is not there; give its file with lora"
    ):
        warn_of_tags(WideOptions("stone <lora:moss:0.2>"))


def test_an_embedding_of_several_vectors_is_called_by_its_name(tiny_model):
    """`<old>` stands for all its tokens, whether as it is called here or as other programs call it."""
    text = load_model(tiny_model).text
    text.tokenizer.add_tokens(["<old>", "<old>_1", "<old>_2"])
    numbers = text.tokenizer.convert_tokens_to_ids(["<old>", "<old>_1", "<old>_2"])
    for prompt in ("a (<old>:1.2) view", "a embedding:old view"):
        (chunk,) = chunks_of(text.tokenizer, text.called(prompt), 18)
        assert [token.number for token in chunk[1:4]] == numbers
        assert text.places(prompt, "view") == [5]


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_options_reach_the_model(paint, monkeypatch):
    """Clip skip and guidance rescale as asked for, else as the model's folder says."""
    from painted import CRATE

    from texsync.backbones.families.diffusion import DiffusionBackbone

    told = []
    predictor = DiffusionBackbone.predictor

    def listen(self, conditions, chunk=None):
        told.append((conditions.clip_skip, conditions.guidance_rescale))
        return predictor(self, conditions, chunk)

    monkeypatch.setattr(DiffusionBackbone, "predictor", listen)
    plain, other = paint(CRATE), paint(CRATE, clip_skip=2, guidance_rescale=0.5)
    assert told == [(None, 0.0), (2, 0.5)]
    assert (plain.texture != other.texture).any()
    assert other.report["clip_skip"] == 2 and other.report["guidance_rescale"] == 0.5
