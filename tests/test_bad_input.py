"""What bad input gets: exit code 2, one line that names the thing and the remedy, and nothing on disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh

from texsync import cli, options
from texsync.backbones import loading, memory
from texsync.files import save as saving
from texsync.surface import preview

ROOT = Path(__file__).parents[1]
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
FACE = "f 1 2 3\n"
PROSE = "Dear all,\n\nplease find the mesh attached.\n" * 9


def exported(mesh, ending: str) -> bytes:
    file = BytesIO()
    mesh.export(file, file_type=ending)
    return file.getvalue()


BALL = trimesh.creation.icosphere(subdivisions=1)
GLB = exported(BALL, "glb")
CLOUD = exported(trimesh.PointCloud(np.eye(3)), "ply")
WIRE = exported(trimesh.Scene(trimesh.load_path(np.eye(3))), "glb")
BAD_INDEX = exported(trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False), "glb").replace(
    struct.pack("<3I", 0, 1, 2), struct.pack("<3I", 0, 1, 9)
)

# name of the file, what is in it (None: nothing is there), what the line must say
MESHES = {
    "missing": ("gone.obj", None, "gone.obj does not exist", "check the path"),
    "folder": ("done", None, "done is a folder", "name a mesh file"),
    "empty": ("jug.glb", b"", "jug.glb is empty", "export it again"),
    "truncated glb": ("jug.glb", GLB[: len(GLB) // 2], "jug.glb", "export it again"),
    "glb header only": ("jug.glb", GLB[:20], "jug.glb", "export it again"),
    "text named obj": ("jug.obj", PROSE, "jug.obj", "export it"),
    "text named glb": ("jug.glb", PROSE, "jug.glb", "export it again"),
    "bytes named stl": ("jug.stl", bytes(range(256)), "jug.stl", "export it as a mesh"),
    "unknown ending": ("jug.blend", b"BLENDER", "'.blend'", "obj, glb, gltf, ply, stl, off"),
    "no ending": ("jug", b"x", "unknown ending ''", "known: obj"),
    "no faces": ("jug.obj", TRIANGLE, "jug.obj has no faces", "as a mesh with triangles"),
    "only points": ("jug.ply", CLOUD, "jug.ply has no faces", "not as points or lines"),
    "only lines": ("jug.obj", TRIANGLE + "l 1 2 3\n", "jug.obj has no faces", "not as points or lines"),
    "only lines, glb": ("jug.glb", WIRE, "jug.glb has no faces", "not as points or lines"),
    "nan": ("jug.obj", TRIANGLE.replace("1", "nan", 1) + FACE, "1 vertices at NaN", "repair or remove"),
    "inf": ("jug.obj", TRIANGLE.replace("1", "inf", 1) + FACE, "NaN or infinity", "repair or remove"),
    "degenerate": (
        "jug.obj",
        TRIANGLE + "f 1 1 2\nf 3 3 3\n",
        "none of the 2 faces of jug.obj",
        "check that",
    ),
    "one place": ("jug.obj", 3 * "v 4 4 4\n" + FACE, "jug.obj has an area", "scaled to zero"),
    "index too high": ("jug.obj", TRIANGLE + "f 1 2 4\n", "vertex 4 of 3", "export it again"),
    "index too low": ("jug.obj", TRIANGLE + "f 1 2 -9\n", "jug.obj", "export it again"),
    "index in glb": ("jug.glb", BAD_INDEX, "vertex 9 of 3", "export it again"),
    "too large": ("jug.obj", TRIANGLE.replace("1", "1e200") + FACE, "1e+200 units", "scale it"),
    "too small": ("jug.obj", TRIANGLE.replace("1", "1e-200") + FACE, "1e-200 units", "scale it"),
}

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
    "coupling": ("--coupling glue", "'glue'", "'syncsde', 'synctweedies', "),
    "integrator": ("--integrator euler", "'euler'", "'paper', 'exact'"),
    "model": ("--model maxi", "unknown model 'maxi'", "known: mini, the path of a folder, or a hub id"),
    "model offline": ("--model nobody/nothing", "nobody/nothing", "use --model mini"),
    "model a mesh": ("--model jug.obj", "jug.obj is a file", "a folder in the diffusers layout"),
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
    "the mesh": ("--out jug.obj --overwrite", "jug.obj is a file", "another output folder"),
    "below a file": ("--out jug.obj/deep/out", "jug.obj cannot be written to", "another output folder"),
    "read-only": ("--out /proc/texsync/out", "cannot be written to", "another output folder"),
}

PROMPTS = {"empty": "", "blank": " ", "dots": "...", "tab": "\t"}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder: a mesh, a result of an earlier run, and somebody's work."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jug.obj").write_text(exported(BALL, "obj").decode())
    for folder, file in (("done", "run.json"), ("thesis", "chapter.tex")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("{}")
    return tmp_path


@pytest.fixture
def no_weights(monkeypatch):
    """Whatever is wrong must be found before weights are read."""

    def load(path, *_):
        pytest.fail(f"weights were read from {path}")  # not an Exception: the shell door lets it through

    monkeypatch.setattr(loading, "load_network", load)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden things included."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def refused(arguments: list[str], capsys, *said: str) -> str:
    """Run the shell door, which must refuse in one line and leave everything as it was; returns the line."""
    before = tree(Path.cwd())
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    check_line(told.err, *said)
    assert tree(Path.cwd()) == before
    return told.err


def check_line(told: str, *said: str) -> None:
    """One line, with the thing, the value and the remedy in it."""
    assert told.startswith("texsync: ") and told.count("\n") == 1 and told.endswith("\n"), told
    assert "Traceback" not in told and "internal error" not in told
    for words in said:
        assert words in told


def put(folder: Path, name: str, content: bytes | str | None) -> None:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


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
    refused(["jug.obj", PROMPTS[case]], capsys, f"the prompt {PROMPTS[case]!r} says nothing", "describe")


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
    "a pickle": (lambda m: (m / UNET).rename(m / "unet/diffusion_pytorch_model.bin"), "is a pickle"),
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
        (memory, 10**6, "a texture of 1024 texels a side needs about 0.2 GB; lower --texture-size"),
        (loading, 10**5, "the model takes 0.0 GB; smaller --model"),
    ],
    ids=["texture", "weights"],
)
def test_too_little_memory(room, free, said, place, tiny_model, no_weights, monkeypatch, capsys):
    monkeypatch.setattr(room, "free_bytes", lambda device: free)
    refused(["jug.obj", "rust", "--model", str(tiny_model)], capsys, *said.split("; "), "are free on cpu")


def test_too_little_memory_for_the_views(place, tiny_model, monkeypatch, capsys):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**9)
    arguments = ["jug.obj", "rust", "--model", str(tiny_model), "--view-size", "1024"]
    refused(arguments, capsys, "10 views of 1024 pixels needs about 1.3 GB, 0.9 GB are free", "--view-size")


def small(model, *more: str) -> list[str]:
    """Arguments of a run of a second or two."""
    return ["jug.obj", "red object", "--model", str(model), "--steps", "1", "--view-size", "64"] + [
        "--texture-size",
        "64",
        *more,
    ]


@pytest.fixture
def still(monkeypatch):
    """A turntable of one frame."""
    turntable = preview.turntable
    monkeypatch.setattr(preview, "turntable", lambda *a: turntable(*a, frames=1, size=32))


def test_a_full_disk_is_told_before_the_work(place, monkeypatch, capsys, no_weights):
    usage = shutil.disk_usage(place)
    monkeypatch.setattr(options.shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    refused(["jug.obj", "rust"], capsys, "less than 64 MB are free", "free some space")


@pytest.mark.parametrize(
    ("number", "out"),
    [(errno.ENOSPC, []), (errno.EROFS, ["--out", "done", "--overwrite"])],
    ids=["new", "over"],
)
def test_a_disk_that_fills_up_leaves_nothing(number, out, place, tiny_model, monkeypatch, capsys):
    """The last thing that is written fails: no half a folder, and the earlier result stays."""

    def write(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(preview, "turntable", write)
    refused(small(tiny_model, "--quiet", *out), capsys, "cannot write", os.strerror(number), "; ")


def test_torch_out_of_memory_is_no_bug_of_ours(place, tiny_model, monkeypatch, capsys):
    def decode(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr("texsync.surface.texture.BakeTables.apply", decode)
    refused(small(tiny_model, "--quiet"), capsys, "not enough memory", "lower --texture-size")


@pytest.mark.parametrize("out", [[], ["--out", "done", "--overwrite"]], ids=["new", "over"])
def test_ctrl_c_while_files_are_written(out, place, tiny_model, monkeypatch, capsys):
    before = tree(place)

    def press(*_):
        assert len(tree(place)) > len(before)  # something is half written
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(preview, "turntable", press)
    assert cli.main(small(tiny_model, "--quiet", *out)) == 130
    assert capsys.readouterr().err.splitlines() == ["", "texsync: interrupted; nothing was written"]
    assert tree(place) == before


def test_a_bug_leaves_nothing_either(place, tiny_model, monkeypatch, capsys):
    before = tree(place)
    monkeypatch.setattr(saving, "obj_text", lambda *_: 1 / 0)
    assert cli.main(small(tiny_model, "--quiet")) == 1
    assert capsys.readouterr().err.startswith("texsync: internal error: ZeroDivisionError")
    assert tree(place) == before


# ---- what is taken after all ------------------------------------------------------------------------------------


def test_a_prompt_too_long_is_cut_and_told(place, tiny_model, still, capsys):
    """The run goes on; the note says which words were not read."""
    arguments = small(tiny_model)
    arguments[1] = "weathered copper " * 9 + "with a red object"
    assert cli.main(arguments) == 0
    told = capsys.readouterr()
    notes = [line for line in told.err.splitlines() if "longer than the 20 tokens" in line]
    assert len(notes) == 1 and notes[0].startswith("note: ") and "with a red object" in notes[0]
    assert (place / "jug_textured" / "jug.glb").is_file()


def test_one_triangle_is_painted(place, tiny_model, still, capsys):
    put(place, "jug.obj", TRIANGLE + FACE)
    assert cli.main(small(tiny_model, "--quiet")) == 0
    assert capsys.readouterr() == ("", "")
    assert len(trimesh.load(place / "jug_textured" / "jug.glb", force="mesh").faces) == 1


def test_overwrite_replaces_a_result_and_only_that(place, tiny_model, still, capsys):
    assert cli.main(small(tiny_model, "--out", "done", "--overwrite", "--quiet")) == 0
    assert json.loads((place / "done" / "run.json").read_text())["prompt"] == "red object"
    assert {path.name for path in place.iterdir()} == {"jug.obj", "done", "thesis"}


# ---- a real process ---------------------------------------------------------------------------------------------

MARK = "=== "
EACH = f"""
import sys
from texsync.cli import main
for name in sys.argv[1:]:
    code = main([name, "rust"])
    print("{MARK}", name, code, file=sys.stderr, flush=True)
"""


def process(*arguments: str, **more) -> subprocess.Popen:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def test_other_libraries_say_nothing_on_bad_meshes(place):
    """All of them in one process of its own: no log line, warning or progress bar slips through."""
    names = []
    for number, (name, content, *_) in enumerate(MESHES.values()):
        names.append(f"{number}-{name}" if content is not None else name)
        put(place, names[-1], content)
    before = tree(place)
    out, told = process("-c", EACH, *names).communicate(timeout=120)
    assert out == "" and tree(place) == before
    lines = told.splitlines()
    assert lines[1::2] == [f"{MARK} {name} 2" for name in names]
    assert len(lines) == 2 * len(names) and all(line.startswith("texsync: ") for line in lines[::2])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["jug.obj", ""], "the prompt '' says nothing"),
        (["jug.obj", "rust", "--texture-size", "100000"], "texture size 100000"),
        (["jug.obj", "rust", "--model", "done"], "done/model_index.json is missing"),
    ],
    ids=["prompt", "size", "model"],
)
def test_a_real_shell_sees_the_same(flags, said, place):
    before = tree(place)
    door = process("-m", "texsync", *flags)
    out, told = door.communicate(timeout=120)
    assert (door.returncode, out) == (2, "") and tree(place) == before
    check_line(told, said)


def test_a_real_ctrl_c_leaves_nothing(place, tiny_model):
    """While it paints: the exit code of an interrupt, one last line, no traceback and no file."""
    before = tree(place)
    door = process("-m", "texsync", *small(tiny_model, "--steps", "900"))
    assert door.stderr is not None
    seen = []
    for line in door.stderr:
        seen.append(line)
        if line == "painting\n":
            time.sleep(0.2)
            door.send_signal(signal.SIGINT)
            break
    out, rest = door.communicate(timeout=120)
    assert (door.returncode, out) == (130, ""), seen
    assert rest.splitlines()[-1] == "texsync: interrupted; nothing was written" and "Traceback" not in rest
    assert tree(place) == before
