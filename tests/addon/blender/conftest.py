"""Run inside a Python that has bpy: the add-on is installed from its zip, and drives the real worker.

tests/test_addon_blender.py sets BLENDER_USER_RESOURCES, TEXSYNC_ZIP, TEXSYNC_PROGRAM, TEXSYNC_DEFAULTS, and
TEXSYNC_TINY, a model that is quick and cannot paint.  The worker stays warm from test to test.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

import bpy
import pytest

FORBIDDEN = {"torch", "diffusers", "transformers", "texsync", "trimesh", "scipy", "PIL"}
AS_EXTENSION = os.environ.get("TEXSYNC_INSTALL") == "extension"
WAIT = 240  # seconds for one job, on a machine that does other things too


class Blocker:
    """Refuses, and remembers, whatever must not be imported into Blender."""

    asked: list[str] = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            cls.asked.append(name)
            raise ImportError(f"{name} does not belong into Blender")


sys.meta_path.insert(0, Blocker)


@pytest.fixture(scope="session")
def module() -> str:
    return install(os.environ["TEXSYNC_ZIP"])


def install(path: str) -> str:
    """The add-on's name once it is installed, legacy or as an extension."""
    if AS_EXTENSION:
        bpy.ops.extensions.package_install_files(filepath=path, repo="user_default", enable_on_install=True)
        return "bl_ext.user_default.texsync"
    bpy.ops.preferences.addon_install(filepath=path)
    bpy.ops.preferences.addon_enable(module="texsync_addon")
    return "texsync_addon"


@pytest.fixture
def ui(module, tmp_path):
    """An empty scene, and hands for the add-on."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    hands = Hands(module, tmp_path)
    yield hands
    if hands.busy:
        hands.state.another_file()
    hands.session.problem = None


@pytest.fixture
def played(ui, tmp_path):
    ui.put_aside()
    ui.play(tmp_path)
    return ui


class Hands:
    """What a user does with the add-on.

    kept: the real worker and its hello, while a check needs none or another; its start takes most of the time.
    """

    kept: tuple = ()

    def __init__(self, module: str, folder: Path):
        self.state = importlib.import_module(f"{module}.state")
        self.pump = importlib.import_module(f"{module}.pump")
        self.module = module
        self.folder = folder / "results"
        self.preferences = bpy.context.preferences.addons[module].preferences
        self.preferences.program = os.environ["TEXSYNC_PROGRAM"]
        self.preferences.output = str(self.folder)
        self.preferences.keep_warm = True
        self.session = self.state.session
        self.take_back()
        self.set(prompt="mossy stone", steps=2, texture_size=128, model=os.environ["TEXSYNC_TINY"])

    @property
    def busy(self) -> bool:
        return self.state.busy() or bool(self.state.outcome.ready)

    def put_aside(self) -> None:
        """The session has no worker now."""
        if self.session.client and self.session.client.command == [os.environ["TEXSYNC_PROGRAM"]]:
            Hands.kept = self.session.client, self.session.hello
            self.session.client, self.session.hello = None, {}
        self.session.close()

    def take_back(self) -> None:
        if Hands.kept and Hands.kept[0].alive:
            self.session.close()
            self.session.client, self.session.hello = Hands.kept
        Hands.kept = ()

    def play(self, folder: Path) -> None:
        """A worker that paints one colour at once instead of the real one."""
        path = folder / "played_texsync"
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -S "{Path(__file__).with_name("played.py")}" "$@"\n'
        )
        path.chmod(0o755)
        self.preferences.program = str(path)

    @property
    def settings(self):
        return bpy.context.scene.texsync

    def set(self, **values) -> None:
        for name, value in values.items():
            setattr(self.settings, name, value)

    def start(self, **values) -> None:
        self.set(**values)
        assert bpy.ops.texsync.generate() == {"FINISHED"}

    def wait(self, until=lambda: False) -> None:
        """Turn the pump by hand, as nothing else does in the background."""
        end = time.monotonic() + WAIT
        while self.busy and not until():
            assert time.monotonic() < end, f"{self.session.phase}: {self.session.status()}"
            self.pump.pump()
            time.sleep(0.02)

    def generate(self, **values) -> None:
        """Generate, wait, and insist on success."""
        self.start(**values)
        self.wait()
        assert self.session.problem is None, self.session.problem

    def problem(self) -> str:
        return self.session.problem.text() if self.session.problem else ""


def cube(name: str = "Box", uvs: bool = True, location=(0, 0, 0)):
    """A cube with Blender's own UVs, or none; selected and active."""
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.mesh.primitive_cube_add(location=location)
    item = bpy.context.object
    item.name = name
    if not uvs:
        item.data.uv_layers.remove(item.data.uv_layers[0])
    return item


def snapshot() -> dict:
    """What must not change before a result is there."""
    return {
        "images": [image.name for image in bpy.data.images],
        "materials": [material.name for material in bpy.data.materials],
        "meshes": {mesh.name: (len(mesh.uv_layers), len(mesh.materials)) for mesh in bpy.data.meshes},
        "objects": [item.name for item in bpy.data.objects],
    }
