"""Model folders: every way one can be wrong, hub names, shards, and parts that are left out."""

from __future__ import annotations

import json
import resource
import shutil

import pytest
import torch
from diffusers import (
    UNet2DConditionModel,
)
from refusals import refused

from texsync.backbones import download, hub, locate
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.locate import EMBEDDED, find_model
from texsync.errors import InputError
from texsync.schedule import Span

PROMPTS = ["weathered copper, front view.", "a red object", "a red copper, front view."]
NEGATIVES = ["red", "a copper", "red"]
SPAN = Span(t=501, alpha=0.3, alpha_next=0.5, frac=0.501)


def copy(folder, place):
    return shutil.copytree(folder, place / "copy", dirs_exist_ok=True)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rename_to_pickle(folder):
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


SAFE = "diffusion_pytorch_model.safetensors"
HALF = "diffusion_pytorch_model.fp16.safetensors"
WRONG = {
    "no index": (lambda f: (f / "model_index.json").unlink(), r"model_index\.json is missing"),
    "index not json": (
        lambda f: (f / "model_index.json").write_text("{"),
        r"model_index\.json cannot be read",
    ),
    "index without unet": (lambda f: edit(f / "model_index.json", unet=None), "names no unet"),
    "remote code": (
        lambda f: edit(f / "model_index.json", unet=["mine", "Evil"]),
        "takes its unet from 'mine'",
    ),
    "wrong unet": (lambda f: edit(f / "model_index.json", unet=["diffusers", "UNet1DModel"]), "UNet1DModel"),
    "unknown class": (
        lambda f: edit(f / "model_index.json", text_encoder=["transformers", "NoModel"]),
        "NoModel, which transformers",
    ),
    "two encoders": (
        lambda f: edit(f / "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"]),
        "text_encoder_2",
    ),
    "no config": (lambda f: (f / "unet" / "config.json").unlink(), r"unet.config\.json is missing"),
    "no scheduler": (lambda f: shutil.rmtree(f / "scheduler"), r"scheduler_config\.json is missing"),
    "no vocabulary": (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer holds no vocabulary"),
    "bad vocabulary": (
        lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{"),
        "tokenizer cannot be loaded",
    ),
    "no weights": (
        lambda f: (f / "unet" / SAFE).unlink(),
        r"unet.diffusion_pytorch_model.safetensors is missing",
    ),
    "pickle": (rename_to_pickle, r"diffusion_pytorch_model\.bin is a safetensors file under another name"),
    "cut weights": (lambda f: cut(f / "vae" / SAFE), "cut short"),
    "text as weights": (lambda f: (f / "vae" / SAFE).write_text("hello there"), "not a readable safetensors"),
    "weights of another": (
        lambda f: shutil.copy(f / "vae" / SAFE, f / "unet" / SAFE),
        "unet (lacks|cannot be loaded)",
    ),
    "latent channels": (lambda f: edit(f / "vae" / "config.json", latent_channels=16), "16 latent channels"),
    "text width": (lambda f: edit(f / "text_encoder" / "config.json", hidden_size=32), "gives 32 channels"),
    "xl": (
        lambda f: edit(f / "unet" / "config.json", addition_embed_type="text_time"),
        "addition_embed_type",
    ),
    "control width": (
        lambda f: edit(f / "controlnet" / "config.json", cross_attention_dim=8),
        "dim 8, the UNet has 16",
    ),
    "control channels": (
        lambda f: edit(f / "controlnet" / "config.json", conditioning_channels=1),
        "RGB pictures",
    ),
    "no controlnet": (lambda f: shutil.rmtree(f / "controlnet"), "with controlnet"),
    "prediction": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", prediction_type="flow"),
        "prediction_type 'flow'",
    ),
}


ODD = {  # file, changes, what is said
    "more layers than tensors": (
        "vae/config.json",
        {"layers_per_block": 10**9},
        "has layers_per_block 10+, its",
    ),
    "4 TB of words": ("text_encoder/config.json", {"vocab_size": 10**9}, r"would be \(1000000000, 16\)"),
    "wider": ("vae/config.json", {"block_out_channels": [8, 8, 65536]}, "does not fit its weights"),
    "transformers' own check": ("text_encoder/config.json", {"vocab_size": None}, "vocab_size"),
    "an activation": ("unet/config.json", {"act_fn": 7}, "unet cannot be loaded"),
    "groups": ("unet/config.json", {"norm_num_groups": 0}, "unet"),
    "padding": ("controlnet/config.json", {"downsample_padding": 2}, "unet|controlnet"),
    "blocks": ("vae/config.json", {"block_out_channels": "x"}, "block_out_channels 'x'"),
    "scale of latents": ("vae/config.json", {"scaling_factor": [1]}, r"scaling_factor \[1\]"),
    "no scale of latents": ("vae/config.json", {"scaling_factor": 0}, "scaling_factor 0; expected 1e-06"),
    "a beta": ("scheduler/scheduler_config.json", {"beta_start": "x"}, "beta_start 'x'; expected a number"),
    "betas": ("scheduler/scheduler_config.json", {"trained_betas": [0.1, float("nan")]}, "a beta nan"),
    "no betas": ("scheduler/scheduler_config.json", {"trained_betas": []}, "a list of 1 to"),
    "levels": ("scheduler/scheduler_config.json", {"num_train_timesteps": 1e9}, "num_train_timesteps"),
    "offset": ("scheduler/scheduler_config.json", {"steps_offset": "../.."}, "steps_offset"),
    "no padding": ("tokenizer/tokenizer_config.json", {"pad_token": None}, "no padding token"),
    "length": ("tokenizer/tokenizer_config.json", {"model_max_length": "x"}, "model_max_length 'x'"),
    "a word list": (
        "tokenizer/tokenizer.json",
        {"model": {"type": "BPE", "vocab": {}, "merges": [["a", "b"]]}},
        "tok",
    ),
    "paints NaN": ("texsync.json", {"control_scale": [1e308, 1]}, r"control_scale \[1e.308, 1\]; use 0 to 2"),
    "guidance": ("texsync.json", {"guidance": -1}, "guidance -1; use 0 to 100"),
    "no number": ("texsync.json", {"strength": {"wide": float("inf")}}, "strength .*inf"),
    "2D": ("texsync.json", {"pictures": {"steps": 0}}, "under pictures has steps 0; use 1 to 1000"),
    "2D name": (
        "texsync.json",
        {"pictures": {"strength": {}}},
        "under pictures says 'strength'; known: guidance",
    ),
    "2D kind": ("texsync.json", {"pictures": {"view_size": "256"}}, "view_size '256'; use 16 to 4096"),
    "2D all": ("texsync.json", {"pictures": 256}, "pictures 256"),
    "a novel": ("texsync.json", {"prompt_prefix": "a" * 5000}, "1000 characters at most"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_value_is_named_before_it_costs_anything(case, tiny_model, tmp_path):
    """One line for each, in little time and memory, whatever the libraries beneath would say or do."""
    file, changes, message = ODD[case]
    folder = copy(tiny_model, tmp_path)
    edit(folder / file, **changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=message) as told:
        load_model(folder)
    assert "\n" not in str(told.value) and told.value.remedy
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KB


def test_a_token_that_the_network_does_not_know_is_told(tiny_model, tmp_path):
    """A tokenizer with more words than the text encoder has rows."""
    folder = copy(tiny_model, tmp_path)
    path = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    token = content["model"]["vocab"]["copper</w>"]
    content["model"]["vocab"]["copper</w>"] = 10**6
    assert token < 10**6
    path.write_text(json.dumps(content))
    with refused("model-config", thing="tokenizer", value=1000000):
        load_model(folder).text(["copper"])


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_named(case, tiny_model, tmp_path):
    """One line that names the file and a remedy, for each thing that can be wrong."""
    spoil, message = WRONG[case]
    folder = copy(tiny_model, tmp_path)
    spoil(folder)
    with pytest.raises(InputError, match=message) as told:
        load_model(folder)
    assert "\n" not in str(told.value) and told.value.remedy


def test_names_that_stand_for_no_model(tmp_path, tiny_model):
    """A typo, a file that is not there, a ControlNet that is not there."""
    with refused("model-unknown", thing="model", value="minni"):
        find_model("minni")
    with refused("model-unknown"):
        find_model("sd.safetensors")
    with refused("controlnet"):
        load_model(tiny_model, controlnet=tmp_path / "absent")


def test_the_hub_is_not_reached_but_told(tiny_model):
    """Offline, a hub id for the model or the ControlNet ends in one line."""
    with refused("hub"):
        load_model("someone/something")
    with refused("hub"):
        load_model(tiny_model, controlnet="someone/depth")


def test_a_hub_model_gets_its_usual_controlnet(tiny_model, tmp_path, monkeypatch):
    """Stable Diffusion 1.5 by hub id takes the depth ControlNet that belongs to it."""
    folder = copy(tiny_model, tmp_path)
    shutil.move(folder / "controlnet", tmp_path / "depth")
    asked = []

    def fetch(repo, **options):
        asked.append(repo)
        return folder if repo == "owner/sd15" else tmp_path / "depth"

    monkeypatch.setattr(download, "fetch", fetch)
    monkeypatch.setitem(locate.USUAL_DEPTH, 16, locate.USUAL_DEPTH[768])
    assert load_model("owner/sd15").control_kinds == ("depth",)
    assert asked == ["owner/sd15", "lllyasviel/control_v11f1p_sd15_depth"]


def test_only_needed_files_are_fetched():
    """One set of safetensors a part, no pickles, no safety checker, no single-file checkpoint."""
    names = [
        *(
            "README.md",
            "model_index.json",
            "v1-5.ckpt",
            "v1-5.safetensors",
            "safety_checker/model.safetensors",
        ),
        *("unet/config.json", "unet/diffusion_pytorch_model.bin", f"unet/{SAFE}", f"unet/{HALF}"),
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "vae/diffusion_pytorch_model-00001-of-00002.safetensors",
        "vae/diffusion_pytorch_model-00002-of-00002.safetensors",
        *("text_encoder/model.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt"),
    ]
    full = hub.choose_files(names, half=False)
    small = hub.choose_files(names, half=True)
    assert {name for name in full if name.startswith("unet")} == {"unet/config.json", f"unet/{SAFE}"}
    assert f"unet/{HALF}" in small and f"unet/{SAFE}" not in small
    assert sum(name.startswith("vae") for name in full) == 2
    assert "tokenizer/merges.txt" in full and "model_index.json" in full
    assert not [name for name in full if "checker" in name or name.startswith("v1-5") or name.endswith("bin")]


def test_without_a_controlnet(tiny_model, tmp_path, noise, control):
    """Other tasks do without; a control picture is then refused."""
    folder = copy(tiny_model, tmp_path)
    shutil.rmtree(folder / "controlnet")
    backbone = load_model(folder, controlnet="none")
    assert backbone.predictor(Conditions(PROMPTS, NEGATIVES, guidance=2.0))(noise, SPAN).shape == noise.shape
    with refused("controlnet"):
        backbone.predictor(Conditions(PROMPTS, NEGATIVES, control))


def test_fp16_variants_and_shards_are_read(tiny_model, tmp_path, noise):
    """`.fp16.safetensors` alone, and weights in several files."""
    folder = copy(tiny_model, tmp_path)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    (folder / "unet" / SAFE).unlink()
    unet.save_pretrained(folder / "unet", max_shard_size="40KB")
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    file = folder / "vae" / SAFE
    file.rename(file.with_name("diffusion_pytorch_model.fp16.safetensors"))
    whole = load_model(tiny_model, controlnet="none").predictor(Conditions(PROMPTS, NEGATIVES))(noise, SPAN)
    shards = load_model(folder, controlnet="none").predictor(Conditions(PROMPTS, NEGATIVES))(noise, SPAN)
    assert torch.equal(whole, shards)
    next((folder / "unet").glob("*.safetensors")).unlink()
    with refused("model-missing"):
        load_model(folder)


def test_bgr_controlnets_see_their_own_order(tiny_model, tmp_path, noise, control):
    """A ControlNet that wants blue first is given the picture reversed, once."""
    folder = copy(tiny_model, tmp_path)
    edit(folder / "controlnet" / "config.json", controlnet_conditioning_channel_order="bgr")
    options = {"guidance": 1.0, "control_scale": 1.0}
    reverse = load_model(folder).predictor(Conditions(PROMPTS, NEGATIVES, control.flip(1), **options))(
        noise, SPAN
    )
    straight = load_model(tiny_model).predictor(Conditions(PROMPTS, NEGATIVES, control, **options))(
        noise, SPAN
    )
    torch.testing.assert_close(reverse, straight, atol=1e-5, rtol=1e-4)


def test_mini_is_a_name_for_a_folder(tiny_model, monkeypatch):
    """Nothing but the table knows the embedded model."""
    monkeypatch.setitem(EMBEDDED, "mini", tiny_model)
    assert find_model("mini") == tiny_model
