"""Parts are objects: models and couplings handed to tasks, found by name, and brought by other packages."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from refusals import refused
from zoo import BACKBONES

import texsync
from texsync import (
    Backbone,
    Coupling,
    Independent,
    InputError,
    SyncSDE,
    ambiguous_image,
    cli,
    edit_image,
    flags,
    load_model,
    masked_image,
    texture_mesh,
    wide_image,
)
from texsync.backbones.conditions import Conditions
from texsync.backbones.gaussian import Gaussian
from texsync.couplings import make, named, names
from texsync.tasks.mesh import MeshOptions

SIZE = 16
ROOT = Path(__file__).parents[2]
WHITE = np.full((SIZE, SIZE), 255, np.uint8)
LEFT = np.where(np.arange(SIZE) < SIZE // 2, WHITE, 0).astype(np.uint8)


@dataclass(frozen=True)
class Counted(Coupling):
    """Every view for itself; counts its steps in a list."""

    steps: list[int]

    def step(self, x, z, predict, views, span):
        self.steps.append(span.index)
        return Independent().step(x, z, predict, views, span)


def gaussian() -> Gaussian:
    """Smooth colours: rust is red, moss green; anything else grey."""
    y, x = (g.ravel() for g in torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij"))
    place = torch.stack([y, x], 1).double()
    cov = torch.kron(0.05 * torch.eye(3).double(), torch.exp(-torch.cdist(place, place) / 2))
    flat = {"rust": (1.5, -1.0, -1.0), "moss": (-1.0, 1.0, -1.0), "": (0.0, 0.0, 0.0)}
    means = {name: torch.tensor(c)[:, None, None].expand(3, SIZE, SIZE) for name, c in flat.items()}
    return Gaussian(means, cov)


TASKS = {
    "mesh": lambda **o: texture_mesh(
        trimesh.creation.icosphere(subdivisions=1), "rust", texture_size=64, **o
    ),
    "wide": lambda **o: wide_image("rust", width=24, **o),
    "ambiguous": lambda **o: ambiguous_image(["rust", "moss"], **o),
    "mask": lambda **o: masked_image("moss", "rust", LEFT, whole="rust", **o),
    "edit": lambda **o: edit_image(LEFT, "a rust wall", "a moss wall", **o),
}
every_task = pytest.mark.parametrize("task", TASKS)
calm = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")


# ---- objects ----------------------------------------------------------------------------------------------------


@calm
@every_task
def test_the_closed_form_model_runs_every_task(task):
    """It has no words, no ControlNet, no attention and no autoencoder, and one size."""
    coupling = Counted([])
    made = TASKS[task](model=gaussian(), coupling=coupling, steps=3)
    assert coupling.steps == [0, 1, 2] and made.report["view_size"] == SIZE
    assert (made.report["model"], made.report["dtype"]) == ("<Gaussian>", "float64")
    assert made.report["coupling"].startswith("Counted(") and made.report["objects"] == ["model", "coupling"]
    assert json.dumps(made.report["options"]["seed"]) == "0"


@calm
def test_what_it_paints_is_what_it_knows():
    """Red where the mask says rust, green around it."""
    made = masked_image("moss", "rust", LEFT, whole="moss", model=gaussian(), guidance=1.0, steps=20)
    inside, outside = (made.made[0].images["picture"][:, 8, x] for x in (3, 12))
    assert inside[0] > inside[1] + 0.2 and outside[1] > outside[0] + 0.2


@calm
@pytest.mark.parametrize("coupling", names())
def test_a_coupling_made_by_hand_is_the_one_named(coupling):
    """Settings that the task gives to a named one are the script's to give; the model is handed to both."""
    own = {"until": 0.0} if "until" in vars(named(coupling)) else {}
    own |= {"memory": 1} if coupling == "syncsde" else {}
    task = TASKS["mask" if coupling == "csg" else "wide"]
    if coupling == "csg":
        own = {}
    one, other = (
        task(model=gaussian(), coupling=c, steps=3).made[0].images["picture"]
        for c in (coupling, make(coupling, **own))
    )
    assert torch.equal(one, other)


@calm
def test_a_loaded_model_is_used_as_it_is_and_recorded_by_its_name(tiny_model, tmp_path):
    model = load_model(tiny_model, "none", device="cpu")
    made = wide_image("red copper", width=48, steps=1, model=model)
    named_ = wide_image("red copper", width=48, steps=1, model=str(tiny_model), device="cpu")
    assert torch.equal(made.made[0].images["picture"], named_.made[0].images["picture"])
    assert made.report["model"] == str(tiny_model) and made.report["objects"] == []
    assert made.report["options"]["controlnet"] is None  # a wide picture without control takes none
    again = texsync.repeat(made.save(tmp_path / "out"))
    assert torch.equal(again.made[0].images["picture"], made.made[0].images["picture"])


@calm
def test_a_run_with_objects_is_repeated_with_them_or_not_at_all(tmp_path):
    model, coupling = gaussian(), SyncSDE(until=0.0)
    made = wide_image("rust", width=24, steps=2, model=model, coupling=coupling)
    folder = made.save(tmp_path / "out")
    with refused("run-kind", thing="model and a coupling"):
        texsync.repeat(folder)
    again = texsync.repeat(folder, model=model, coupling=coupling)
    assert torch.equal(again.made[0].images["picture"], made.made[0].images["picture"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"coupling": SyncSDE(), "strength": 3.0}, "strength 3.0 for a coupling that is made already"),
        ({"coupling": Independent(), "coupling_options": ["a=1"]}, "coupling options .* made already"),
        ({"device": "cpu"}, "device cpu for a model that is loaded already; say it to load_model"),
        ({"dtype": "fp16"}, "dtype fp16 for a model that is loaded already"),
        ({"coupling": 3}, "unknown coupling 3; known: csg, "),
        ({"coupling": SyncSDE}, "unknown coupling <class"),
    ],
    ids=str,
)
def test_what_an_object_settles_is_not_said_twice(said, message):
    with pytest.raises(InputError, match=message):
        wide_image("rust", **{"model": gaussian(), **said})


# ---- the contract -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_keeps_the_contract(name):
    """Shapes, sizes, types; and neither chunks nor the other views change what a view is told."""
    model, prompts = BACKBONES[name]()
    assert isinstance(model, Backbone) and model.attention in ("none", "coarse", "fine")
    size = model.native_size
    channels, height, width = model.latent_shape(size)
    assert (channels, height * model.scale) == (model.latent_channels, size) and size % model.multiple == 0
    assert model.chunk_that_fits(3, size) in (1, 2, 3) and isinstance(model.dtype, torch.dtype)
    model.check_room(size)
    x = torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(0))
    span = model.schedule.spans(4)[1]
    whole, parts = (model.predictor(Conditions(prompts, guidance=2.0), chunk)(x, span) for chunk in (None, 1))
    assert whole.shape == x.shape and whole.dtype == x.dtype
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)
    pictures = model.decode(x)
    assert pictures.shape == (3, 3, size, size) and pictures.min() >= 0 and pictures.max() <= 1
    assert model.encode(pictures).shape == x.shape
    with refused("view-size", thing="view size"):
        model.latent_shape(0)
    if model.attention == "none":
        with refused("model-lacks"):
            model.word_attention("rust", "rust", (height, width))


# ---- other packages' parts --------------------------------------------------------------------------------------

MINE = """
from dataclasses import dataclass
import torch
from texsync import Backbone, Coupling, Schedule

@dataclass(frozen=True)
class HalfWay(Coupling):
    share: float = 0.5
    def step(self, x, z, predict, views, span):
        x0 = span.tweedie(x, predict(x, span))
        x0 = (1 - self.share) * x0 + self.share * views.agree(x0)
        return span.ddim(x0, span.eps_from(x, x0)), z

class Grey(Backbone):
    schedule, latent_channels, scale, native_size = Schedule.scaled_linear(), 3, 1, 16
    def predictor(self, conditions, chunk=None):
        return lambda x, span: span.eps_from(x, torch.zeros_like(x))
    def encode(self, images):
        return 2 * images - 1
    def decode(self, latents):
        return (latents / 2 + 0.5).clamp(0, 1)

class Greys:
    def claims(self, model):
        return model == "grey"
    def load(self, model, controlnet, *, device, dtype):
        return Grey()

greys = Greys()
not_one = 3
"""
ENTRIES = """[texsync.couplings]
half-way = mine:HalfWay
odd = mine:not_one
gone = nowhere:Nothing
syncsde = mine:HalfWay

[texsync.backbones]
greys = mine:greys
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with a coupling and a family of models, as pip would leave it."""
    site = tmp_path / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (site / "mine-1.0.dist-info" / "entry_points.txt").write_text(ENTRIES)
    (site / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("mine", None)


def test_an_installed_package_brings_a_coupling_and_a_model(installed):
    made = wide_image(
        "anything", width=24, steps=2, model="grey", coupling="half-way", coupling_options=["share=0.25"]
    )
    assert made.report["coupling"] == "half-way" and made.report["model"] == "grey"
    assert (made.made[0].images["picture"] - 0.5).abs().max() < 0.2
    assert type(make("half-way", share=0.25)).__name__ == "HalfWay" and "half-way" in names()
    assert named("syncsde") is SyncSDE  # texsync's own names cannot be taken


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("half-way", {"share": "much"}, "share is 'much'; give a number"),
        ("half-way", {"strength": 1}, "coupling 'half-way' has no strength; it takes share"),
        ("odd", {}, "coupling 'odd' is 3; it must be one class, derived from Coupling"),
        ("gone", {}, "coupling 'gone' of mine cannot be imported .*; mend or uninstall that package"),
    ],
)
def test_what_is_wrong_with_it_is_told_in_one_line(installed, name, options, message):
    with pytest.raises(InputError, match=message):
        make(name, **options)


def test_the_shell_knows_it_too(installed, tmp_path):
    code = "import sys; from texsync.cli import main; sys.exit(main(sys.argv[1:]))"
    line = ["wide", "sea", "--model", "grey", "--coupling", "half-way", "--coupling-option", "share=1"]
    environment = {"PYTHONPATH": f"{installed}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code, *line, "--width", "24", "--steps", "2", "--quiet", "--out", "out"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "out" / "picture.png").exists()


def test_a_view_a_coupling_and_a_model_of_ones_own_take_forty_lines(tmp_path):
    """The script of the docs, outside of texsync's folder."""
    page = (ROOT / "docs" / "own-parts.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = "".join(blocks)
    assert len("".join(blocks[:2]).splitlines()) <= 40 and len(blocks[1].splitlines()) <= 20
    (tmp_path / "own.py").write_text(script)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "own.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "halves" / "picture.png").exists()


# ---- names of an earlier edition ------------------------------------------------------------------------------


def test_options_by_their_old_names_work_and_say_the_new_ones():
    command = cli.texsync.commands["mesh"]
    context = command.make_context("mesh", ["jug.obj", "rust", "--pick", "best"])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = [
            MeshOptions("jug.obj", "rust", pick="best"),
            MeshOptions(**flags.values_of(MeshOptions, context.params)),
        ]
    assert [one.blend for one in made] == ["best-facing"] * 2
    said = ["pick is called blend now", "blend best is called blend best-facing now"] * 2
    assert [str(one.message).partition(";")[0] for one in told] == said
    assert "--pick" not in command.get_help(context)


# ---- public names -----------------------------------------------------------------------------------------------


def test_what_is_public_is_there_and_said_to_type_checkers_too():
    tree = ast.parse((ROOT / "texsync" / "__init__.py").read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {(f".{one.module}", name.name) for one in checked.body for name in one.names} - {(".tasks", "*")}
    assert told == {(module, name) for module, names in texsync.PUBLIC.items() for name in names.split()}
    assert all(getattr(texsync, name) is not None for name in texsync.__all__)
    assert {named(name).__name__ for name in names()} <= set(texsync.__all__)


SCRIPTS = {
    "right": ("", None),
    "model": ("texsync.load_model('mini', devise='cpu')", "devise"),
    "step": ("texsync.SyncSDE(strenght=3.0)", "strenght"),
    "type": ("texsync.SyncSDE(memory='two')", 'expected "int | None"'),
    "loop": ("texsync.sample(lambda x, span: x, 3, texsync.SyncSDE(), [], x)", 'expected "Views"'),
    "views": ("texsync.windows(64, 64, 32, 16, lop=True)", "lop"),
    "result": ("texsync.flip(8).f(x).no_such_method()", "no_such_method"),
}


def test_a_users_script_with_a_wrong_keyword_or_type_fails_mypy(tmp_path):
    """py.typed is there; one run over all scripts, as users of the package see it."""
    assert (ROOT / "texsync" / "py.typed").exists()
    start = "import torch\nimport texsync\n\nx = torch.zeros(1, 1, 8, 8)\nmodel: texsync.Backbone\n"
    for name, (line, _) in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(f"{start}{line}\n")
    quiet = ["--follow-imports=silent", "--ignore-missing-imports", "--no-error-summary"]
    files = [f"{name}.py" for name in SCRIPTS]
    cache = ["--cache-dir", str(tmp_path / "cache"), "--config-file", ""]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *quiet, *cache, *files],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    told = {
        name: [line for line in run.stdout.splitlines() if line.startswith(f"{name}.py")] for name in SCRIPTS
    }
    for name, (_, said) in SCRIPTS.items():
        assert (not told[name]) if said is None else (told[name] and said in told[name][0]), run.stdout
