"""One small random model in every shape that users have models in: the same weights, the same pictures."""

from __future__ import annotations

import pytest
import single
import torch
from safetensors.torch import load_file

from texsync.backbones import single_file
from texsync.backbones.by_name import load_model
from texsync.errors import TexsyncWarning

FAMILIES = ("sd1", "sd2", "sdxl")
PROMPTS, NEGATIVES = ["weathered copper, front view.", "Mossy stone; 12 bricks!"], ["blurry", "glowing"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    return single.write_layouts(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def made(layouts):
    return {kind: single.networks(layouts[kind]) for kind in FAMILIES}


@pytest.fixture(autouse=True)
def small(layouts, monkeypatch):
    """The single files here are of the small layouts."""
    monkeypatch.setattr(single_file, "LAYOUTS", layouts)


# ---- the shapes: each writes a model, and says what to give to --model and --controlnet


def folder(place, kind, layout, made):
    return single.write_folder(place / "model", layout, made), None


def old_names(place, kind, layout, made):
    """As most of the hub's folders were saved: other names in the autoencoder's attention, a table of positions."""
    model = single.write_folder(place / "model", layout, made)
    for part, rename in (("vae", single.old_vae), ("text_encoder", single.old_text)):
        (file,) = (model / part).glob("*.safetensors")
        single.write_single(file, rename(load_file(file)), format="pt")
    return model, None


def one_file(ending, control_ending=".safetensors", control="original", **notes):
    def write(place, kind, layout, made):
        file = single.write_single(place / f"model{ending}", single.original(kind, made), **notes)
        theirs = {f"control_model.{n}": t for n, t in single.original_unet(made["controlnet"]).items()}
        names = {
            "original": theirs,
            "bare": {n.removeprefix("control_model."): t for n, t in theirs.items()},
            "diffusers": made["controlnet"].state_dict(),
        }
        # SDXL's ControlNets have diffusers' names wherever they come from
        chosen = names["diffusers" if kind == "sdxl" else control]
        return file, single.write_single(place / f"control_depth{control_ending}", chosen)

    return write


def half_file(place, kind, layout, made):
    tensors = {name: tensor.half() for name, tensor in single.original(kind, made).items()}
    _, control = one_file(".safetensors")(place, kind, layout, made)
    return single.write_single(place / "half.safetensors", tensors), control


SHAPES = {
    "folder": folder,
    "old names in a folder": old_names,
    "one file": one_file(".safetensors"),
    "one file in fp16": half_file,
    "control in diffusers' names": one_file(".safetensors", control="diffusers"),
    "control without a prefix": one_file(".safetensors", control="bare"),
    "ckpt and pth": one_file(".ckpt", ".pth", global_step=1000),
}


def loaded(shape, kind, place, layouts, made):
    model, control = SHAPES[shape](place, kind, layouts[kind], made[kind])
    if shape != "ckpt and pth":
        return load_model(model, control)
    with pytest.warns(TexsyncWarning, match="is a pickle; only its weights are read") as told:
        backbone = load_model(model, control)
    assert len(told) == 2
    return backbone


@pytest.mark.parametrize(
    ("shape", "kind"),
    [*((shape, "sd1") for shape in SHAPES), ("folder", "sd2"), ("one file", "sd2"), ("one file", "sdxl")],
)
def test_every_shape_holds_the_same_weights(shape, kind, tmp_path, layouts, made):
    """Bit for bit, with nothing missing; in half precision to its rounding."""
    parts = loaded(shape, kind, tmp_path, layouts, made).parts
    tolerance = 1e-2 if shape == "one file in fp16" else 0
    for part, network in made[kind].items():
        if part == "controlnet":
            network = single.networks(layouts[kind])["controlnet"]
            network.controlnet_cond_embedding = torch.nn.Identity()
        there = (parts.controls[0].network if part == "controlnet" else getattr(parts, part)).state_dict()
        assert there.keys() == network.state_dict().keys()
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(there[name], tensor, atol=tolerance, rtol=tolerance)
    tokens = parts.tokenizer("a photo of a cat", padding="max_length", max_length=77).input_ids
    assert tokens[:7] == [49406, 320, 1125, 539, 320, 2368, 49407]  # as OpenAI's CLIP has it
    assert tokens[-1] == {"sd1": 49407, "sd2": 0, "sdxl": 49407}[kind]
