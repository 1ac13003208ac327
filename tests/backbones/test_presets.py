"""Short names of models, and the list of what is on this machine and of use."""

from __future__ import annotations

import json
import shutil

import pytest
import single
import tiny_if
import tiny_sd3
import tiny_upscaler
import torch
from safetensors.torch import save_file

from texsync import cli
from texsync.backbones import by_name, inventory, presets, single_file
from texsync.backbones.additions import Additions
from texsync.backbones.advice import Advice
from texsync.backbones.hub import MODEL_PARTS, parse
from texsync.backbones.layout import IF_SECOND_PARTS, UPSCALER_PARTS
from texsync.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub; called with a repository it makes its folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def make(repo, source=None):
        folder = tmp_path / f"models--{repo.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(COMMIT)
        place = folder / "snapshots" / COMMIT
        if source is None:
            place.mkdir(parents=True)
        else:
            shutil.copytree(source, place)
        return place

    return make


def test_every_preset_names_repositories_and_advice_that_there_can_be():
    for name, preset in presets.PRESETS.items():
        named = [
            preset.model,
            *preset.lora,
            *([] if preset.controlnet in (None, "none") else [preset.controlnet]),
        ]
        assert all(parse(repo) for repo in named), name
        assert Advice(**preset.advice).steps in (None, 4, 8)
        assert 1 < preset.gigabytes < preset.vram and preset.licence and preset.about


def test_a_short_name_brings_its_controlnet_and_the_users_wins(tmp_path, monkeypatch):
    asked = by_name.named("lcm", None, Additions(lora=("mine.safetensors",)))
    assert asked.model.endswith("stable-diffusion-v1-5") and asked.controlnet == presets.SD15_DEPTH
    assert asked.additions.lora == ("latent-consistency/lcm-lora-sdv1-5", "mine.safetensors")
    assert by_name.named("sd15", "none", Additions()).controlnet == "none"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd15").mkdir()
    assert by_name.named("sd15", None, Additions()).model == "sd15"  # a folder of that name


def test_a_preset_says_how_its_model_is_sampled(tiny_model, cache, monkeypatch):
    """Where the model's own folder says nothing; it says views of 32 pixels."""
    cache("some/quick", tiny_model)
    quick = presets.Preset("some/quick", None, "", 3, 6, "", advice=presets.ONE | {"view_size": 512})
    monkeypatch.setitem(presets.PRESETS, "quick", quick)
    backbone = by_name.load_model("quick")
    assert (backbone.advice.steps, backbone.advice.guidance, backbone.advice.view_size) == (4, 1.0, 32)
    assert backbone.source["model"] == "quick" and backbone.commits["model"] == COMMIT


def test_another_family_takes_no_lora():
    with pytest.raises(InputError, match="if-m takes no lora; leave it out"):
        by_name.check_model("if-m", additions=Additions(lora=("x.safetensors",)))


def write_index(place, **parts):
    (place / "model_index.json").write_text(json.dumps(parts))


OTHERS = {
    "a/sd3": (tiny_sd3.write_model, "Stable Diffusion 3"),
    "a/if": (tiny_if.write_stage_two, "DeepFloyd IF, stage II"),
    "a/x4": (tiny_upscaler.write_model, "Stable Diffusion's x4 upscaler"),
}


def test_the_list_says_what_can_be_used(cache, tiny_model, tmp_path, tmp_path_factory, monkeypatch, capsys):
    """A whole model, a partly fetched one, a ControlNet, one file, FLUX, a tokenizer of something else."""
    layouts = single.write_layouts(tmp_path_factory.mktemp("layouts"))
    monkeypatch.setattr(single_file, "LAYOUTS", layouts)
    cache("a/whole", tiny_model)
    (cache("a/part", tiny_model) / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    cache("a/depth", tiny_model / "controlnet")
    single.write_single(
        cache("a/one") / "x.safetensors", single.original("sd1", single.networks(layouts["sd1"]))
    )
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(2, 2)}, cache("a/lora") / "rust.safetensors")
    write_index(cache("a/flux"), transformer=["diffusers", "FluxTransformer2DModel"])
    (cache("a/bert") / "vocab.txt").write_text("a")
    binary = cache("a/binary", tiny_model)
    (binary / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, binary / "unet" / "diffusion_pytorch_model.bin")
    for name, write in (
        ("sd3", tiny_sd3.write_model),
        ("if", tiny_if.write_stage_two),
        ("x4", tiny_upscaler.write_model),
    ):
        cache(f"a/{name}", write(tmp_path / name))
    (cache("a/lost") / "rust.safetensors").symlink_to("gone")
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = dict(line.split(maxsplit=1) for line in lines if line.startswith(("a/", "m", "sd")))
    assert told["mini"].startswith("ready") and told["sd15"].startswith("not fetched")
    assert told["a/whole"] == "ready           Stable Diffusion" and told["a/binary"].startswith("ready ")
    assert (
        "partly fetched" in told["a/part"] and "texsync models get a/part fetches the rest" in told["a/part"]
    )
    assert told["a/depth"].endswith("a ControlNet") and told["a/one"].endswith(
        "x.safetensors: Stable Diffusion 1.x"
    )
    assert told["a/lora"].endswith("rust.safetensors: a LoRA")
    assert told["a/flux"].startswith("not usable") and "has a transformer" in told["a/flux"]
    assert told["a/bert"].startswith("not usable") and told["a/lost"].startswith("not usable")
    for name, what in (
        ("sd3", "Stable Diffusion 3"),
        ("if", "DeepFloyd IF, stage II"),
        ("x4", "Stable Diffusion's x4"),
    ):
        assert told[f"a/{name}"].startswith(f"ready           {what}")
    assert [one.name for one in inventory.cached() if one.state == inventory.READY][:2] == [
        "a/binary",
        "a/depth",
    ]


def test_models_get_names_what_there_is_not(cache, tiny_model, capsys):
    """A typo, and offline a model that is not there; what is there is there."""
    cache("a/whole", tiny_model)
    for name, code, said in (
        ("sd16", 2, "unknown model 'sd16'; known: mini, sd15, sd2, sd21, sdxl"),
        ("a/other", 2, "cannot fetch a/other from the hub (offline mode"),
        ("sd15", 2, "cannot fetch stable-diffusion-v1-5/stable-diffusion-v1-5 from the hub (offline"),
        ("a/whole", 0, "a/whole is there; use it with --model a/whole"),
    ):
        assert cli.main(["models", "get", name]) == code
        told = capsys.readouterr()
        assert said in told.out + told.err, told


@pytest.mark.parametrize(
    ("name", "option", "parts"),
    [
        ("a/x4", "upscaler", UPSCALER_PARTS),
        ("a/if", "upscaler", IF_SECOND_PARTS),
        ("a/depth", "controlnet", ("",)),
        ("a/whole", "model", MODEL_PARTS),
    ],
)
def test_models_get_takes_what_goes_with_a_model(
    cache, tiny_model, tmp_path, monkeypatch, capsys, name, option, parts
):
    """Only what is read of it, the configs that say what it is before the rest; and the option that it is for."""
    sources = {"a/whole": tiny_model, "a/depth": tiny_model / "controlnet"}
    for repo in ("a/x4", "a/if"):
        sources[repo] = OTHERS[repo][0](tmp_path / repo.replace("/", "-"))
    asked = []

    def download(repo, *, parts, check=None, **_):
        asked.append(tuple(parts))
        if check:
            check(sources[repo])
        return sources[repo]

    monkeypatch.setattr("texsync.backbones.download.download", download)
    assert cli.main(["models", "get", name]) == 0
    assert f"{name} is there; use it with --{option} {name}" in capsys.readouterr().out
    assert asked[0] == () and asked[1] == tuple(parts)
    asked.clear()
    fetched = cli.main(["models", "get", name, "--controlnet", "a/depth"])
    if option == "model":
        assert fetched == 0 and len(asked) > 1
    else:  # it is not left out unsaid
        assert fetched == 2 and asked == [()]
        assert f"{name} is no model, so --controlnet a/depth cannot go with it" in capsys.readouterr().err
