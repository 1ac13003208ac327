"""What bad input gets: exit code 2, one line that names the thing and the remedy, and nothing on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from doors import MESHES, PROSE, put, refused

from texsync.backbones import autoencoder, loading, memory


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


# what follows mesh and prompt, and what the line must say
OPTIONS = {
    "steps zero": ("--steps 0", "steps 0 is out of range", "use 1 to 1000"),
    "steps negative": ("--steps -3", "steps -3 is out of range", "use 1 to 1000"),
    "steps many": ("--steps 1001", "steps 1001 is out of range", "use 1 to 1000"),
    "steps half": ("--steps 2.5", "'2.5' is not a valid integer", "--help"),
    "texture nothing": ("--texture-size 0", "texture size 0", "use 64 to 8192"),
    "texture endless": ("--texture-size 100000", "texture size 100000", "use 64 to 8192"),
    "strength negative": ("--strength -1", "strength -1", "at least 0"),
    "strength nan": ("--strength nan", "strength nan", "at least 0"),
    "strength inf": ("--strength inf", "strength inf", "at least 0"),
    "coupling": ("--coupling glue", "'glue'", "syncsde, synctweedies, "),
    "integrator": ("--integrator euler", "'euler'", "'exact', 'paper'"),
    "model": ("--model maxi", "unknown model 'maxi'", "known: mini, sd15, "),
    "model offline": ("--model nobody/nothing", "nobody/nothing", "use --model mini"),
    "model a mesh": (
        "--model jug.obj",
        "jug.obj is a file without weights",
        "a folder in the diffusers layout",
    ),
    "model not one": ("--model done", "done/model_index.json is missing", "is this a model"),
    "controlnet": ("--controlnet nowhere", "no ControlNet folder nowhere", "a folder or a hub id"),
    "no gpu": ("--device cuda", "torch sees no CUDA GPU", "use --device cpu"),
    "no such device": ("--device tpu", "unknown device 'tpu'", "known: auto, cpu, cuda"),
    "guidance": ("--guidance nan", "guidance nan", "use 0 to 100"),
    "control scale": ("--control-scale 0.5 9", "control scale end 9", "use 0 to 2"),
    "chunk": ("--chunk 0", "chunk 0", "use 1 to 1000"),
    "seed": ("--seed -1", "seed -1", "use 0"),
    "axes": ("--up y --front -y", "lie on one axis", "two different axes"),
    "uvs both": ("--keep-uvs --unwrap", "exclude each other", "one of them"),
    "uvs none": ("--keep-uvs", "jug cannot keep its UVs: there are none", "use --unwrap"),
    "typo": ("--stepz 3", "No such option '--stepz'", "--help"),
}

OUTPUTS = {
    "earlier result": ("--out done", "done already exists", "pass --overwrite"),
    "not a result": (
        "--out thesis --overwrite",
        "thesis already exists and is not a texsync result",
        "another",
    ),
    "the mesh": ("--out jug.obj --overwrite", "jug.obj is a file", "choose another --out"),
    "below a file": ("--out jug.obj/deep/out", "jug.obj cannot be written to", "choose another --out"),
    "read-only": ("--out /proc/texsync/out", "cannot be written to", "choose another --out"),
}

PROMPTS = {"empty": "", "blank": " ", "dots": "...", "tab": "\t"}


# ---- the list ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", MESHES)
@pytest.mark.parametrize("out", [[], ["--out", "done", "--overwrite"]], ids=["new", "over"])
def test_meshes(case, out, place, no_weights, capsys):
    name, content, *said = MESHES[case]
    put(place, name, content)
    refused([name, "rust", *out], capsys, *said)


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("out", [[], ["--out", "done", "--overwrite"]], ids=["new", "over"])
def test_options(case, out, place, no_weights, capsys):
    flags, *said = OPTIONS[case]
    refused(["jug.obj", "rust", *flags.split(), *out], capsys, *said)


@pytest.mark.parametrize("case", PROMPTS)
def test_prompts(case, place, no_weights, capsys):
    refused(["jug.obj", PROMPTS[case]], capsys, f"the prompt {PROMPTS[case]!r} is empty", "describe")


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs(case, place, monkeypatch, capsys):
    """Told before the mesh is even read."""
    monkeypatch.setattr("texsync.tasks.mesh.texture_mesh", lambda *_, **__: pytest.fail("work began"))
    flags, *said = OUTPUTS[case]
    refused(["jug.obj", "rust", *flags.split()], capsys, *said)


def test_nothing_to_do(place, capsys):
    refused(["jug.obj"], capsys, "Missing argument 'PROMPT'", "--help")
    refused(["jug.obj", "rust", "moss"], capsys, "unexpected extra argument", "moss")


# ---- model folders ----------------------------------------------------------------------------------------------


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


UNET = "unet/diffusion_pytorch_model.safetensors"
MODELS = {
    "no unet": (lambda m: (m / UNET).unlink(), "unet/diffusion_pytorch_model.safetensors is missing"),
    "unet cut": (lambda m: cut(m / UNET), "unet/diffusion_pytorch_model.safetensors is cut short"),
    "unet is prose": (lambda m: (m / UNET).write_text(PROSE), "is not a readable safetensors file"),
    "a pickle by name": (
        lambda m: (m / UNET).rename(m / "unet/diffusion_pytorch_model.bin"),
        "under another name; rename",
    ),
    "no config": (lambda m: (m / "vae/config.json").unlink(), "vae/config.json is missing"),
    "config is prose": (lambda m: (m / "vae/config.json").write_text(PROSE), "config.json cannot be read"),
    "no vocabulary": (lambda m: shutil.rmtree(m / "tokenizer"), "tokenizer holds no vocabulary"),
    "no controlnet": (lambda m: shutil.rmtree(m / "controlnet"), "no controlnet folder"),
    "other controlnet": (
        lambda m: edit(m / "controlnet/config.json", cross_attention_dim=9),
        "has cross_attention_dim 9",
    ),
    "other family": (lambda m: edit(m / "model_index.json", prior=["diffusers", "X"]), "has a prior"),
    "advice": (lambda m: edit(m / "texsync.json", guidence=3), "says 'guidence'"),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(case, place, tiny_model, tmp_path_factory, no_weights, capsys):
    """A missing or wrong file is named before any weights are read."""
    model = tmp_path_factory.mktemp("model") / "mine"
    shutil.copytree(tiny_model, model)
    spoil, said = MODELS[case]
    spoil(model)
    line = refused(["jug.obj", "rust", "--model", str(model)], capsys, said, "; ")
    assert str(model) in line


def test_weights_of_another_model(place, tiny_model, tmp_path_factory, capsys):
    """What only loading can tell is told in one line too."""
    model = tmp_path_factory.mktemp("model") / "mine"
    shutil.copytree(tiny_model, model)
    shutil.copy(model / "vae/diffusion_pytorch_model.safetensors", model / UNET)
    refused(["jug.obj", "rust", "--model", str(model)], capsys, f"{model}/unet", "fetch the model again")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--steps 1000", "take one step less"),  # this model's first step is number 1
        ("--view-size 100", "view size 100 is not a multiple of 8; use e.g. 96"),
    ],
)
def test_what_this_model_cannot_do(flags, said, place, tiny_model, monkeypatch, capsys):
    monkeypatch.setattr("texsync.surface.pixels.look", lambda *_: pytest.fail("work began"))
    refused(["jug.obj", "rust", "--model", str(tiny_model), *flags.split()], capsys, said)


# ---- the machine's limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "free", "said"),
    [
        (memory, 10**6, "a texture of 1024 x 1024 texels needs about 0.2 GB; lower --texture-size"),
        (loading, 10**5, "the model takes 0.0 GB; smaller --model"),
    ],
    ids=["texture", "weights"],
)
def test_too_little_memory(room, free, said, place, tiny_model, no_weights, monkeypatch, capsys):
    monkeypatch.setattr(room, "free_bytes", lambda device: free)
    refused(["jug.obj", "rust", "--model", str(tiny_model)], capsys, *said.split("; "), "are free on cpu")


def test_too_little_memory_for_the_views(place, tiny_model, monkeypatch, capsys):
    assert autoencoder.free_bytes is memory.free_bytes  # imported before, so no patch of another test is kept
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**9)
    arguments = ["jug.obj", "rust", "--model", str(tiny_model), "--view-size", "1024"]
    refused(arguments, capsys, "12 views of 1024 pixels needs about 1.5 GB, 0.9 GB are free", "--view-size")
