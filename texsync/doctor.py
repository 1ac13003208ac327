"""Does texsync run here?  One line per part: what was found, and what to do about it if it is wrong."""

from __future__ import annotations

import importlib
import json
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import __version__
from .errors import TexsyncError

PYTHON = (3, 10)
TORCH = (2, 12)  # the only minor version that PyTorch3D's wheel was built for
MEMORY = 2 * 2**30  # bytes; mini takes about half of it
DISK = 256 * 2**20
LIBRARIES = ("diffusers", "transformers", "safetensors", "trimesh", "xatlas", "scipy", "PIL", "rich")
VIEWS = 12  # of a mesh, at most
REINSTALL = "install texsync again in a fresh environment: pip install texsync"


@dataclass(frozen=True)
class Check:
    """One line of the report.  needed: texturing cannot run while this one is not ok."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True


def examine(checks: Sequence[Callable[[], Check]] | None = None) -> list[Check]:
    """Run every check; one that breaks is a finding, not a crash."""
    return [_guarded(check) for check in (CHECKS if checks is None else checks)]


def report(checks: Sequence[Check], *, as_json: bool = False) -> str:
    """The findings as lines for people, or as one JSON object: {"texsync", "ok", "checks": [...]}."""
    fine = all(check.ok for check in checks if check.needed)
    if as_json:
        content = {"texsync": __version__, "ok": fine, "checks": [asdict(check) for check in checks]}
        return json.dumps(content, indent=2)
    width = max(len(check.name) for check in checks)
    lines = [_line(check, width) for check in checks]
    end = "texsync can run here" if fine else "texsync cannot run here until the problems are solved"
    return "\n".join([f"texsync {__version__}", *lines, end])


def _line(check: Check, width: int) -> str:
    word = "ok     " if check.ok else "PROBLEM" if check.needed else "note   "
    return f"{word}  {check.name:<{width}}  {check.found}" + (f"; {check.remedy}" if check.remedy else "")


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # whatever a broken installation throws is what the user came here to see
        name = check.__name__.removeprefix("check_").replace("_", " ")
        return Check(name, False, _why(error), REINSTALL)


def _why(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def foresee(
    mesh: str, *, model: str, controlnet: str | None, vram: float | None, view_size: int | None, dtype: str
) -> list[str]:
    """What painting a mesh takes of a GPU's memory, or of the CPU's where there is none; raises InputError.

    vram: GB of the GPU, which need not be here.
    """
    import torch

    from .backbones.foreseen import plan_for
    from .backbones.memory import choose_device, choose_dtype, free_bytes
    from .files.load import load
    from .tasks.around import PAPERS

    load(mesh)
    device = torch.device("cuda") if vram is not None else choose_device()
    free = int(vram * 2**30) if vram is not None else free_bytes(device)
    number = choose_dtype(dtype, device)
    sizes = {"size": view_size, "least": PAPERS["view_size"], "views": VIEWS}
    return plan_for(model, controlnet, device=device, dtype=number, free=free, **sizes).lines(model)


def check_python() -> Check:
    """The interpreter is new enough."""
    found = f"{platform.python_version()} at {sys.executable}"
    wanted = ".".join(map(str, PYTHON))
    fine = sys.version_info >= PYTHON
    return Check("python", fine, found, "" if fine else f"use Python {wanted} or newer")


def check_torch() -> Check:
    """PyTorch imports and has the version that PyTorch3D was built for."""
    import torch

    fine = tuple(int(part) for part in torch.__version__.split(".")[:2]) == TORCH
    wanted = ".".join(map(str, TORCH))
    return Check("torch", fine, torch.__version__, "" if fine else f"pip install 'torch=={wanted}.*'")


def check_pytorch3d() -> Check:
    """PyTorch3D's compiled part loads."""
    remedy = "pip install 'torch==2.12.*' easypytorch3d==0.7.9.post1; torch must be a CUDA build, also without a GPU"
    try:
        import pytorch3d

        importlib.import_module("pytorch3d._C")
    except (ImportError, OSError) as error:
        return Check("pytorch3d", False, _why(error), remedy)
    return Check("pytorch3d", True, pytorch3d.__version__)


def check_embree() -> Check:
    """A ray hits a triangle."""
    import numpy as np
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, np.array([[[-1, -1, 0], [1, -1, 0], [0, 1, 0]]], np.float32))
    hit = scene.run(np.array([[0, 0, 1]], np.float32), np.array([[0, 0, -1]], np.float32))
    fine = int(hit[0]) == 0
    return Check("embree", fine, "traces rays" if fine else "misses a triangle", "" if fine else REINSTALL)


def check_libraries() -> Check:
    """The other libraries import."""
    broken = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except Exception as error:  # see _guarded
            broken.append(f"{name} ({_why(error)})")
    found = ", ".join(broken) if broken else f"{len(LIBRARIES)} import"
    return Check("libraries", not broken, found, REINSTALL if broken else "")


def check_gpu() -> Check:
    """A GPU helps with large models; mini does without."""
    import torch

    if not torch.cuda.is_available():
        remedy = (
            "mini is made for the CPU; for Stable Diffusion use a machine with an NVIDIA GPU and its driver"
        )
        return Check("gpu", False, "torch sees no CUDA GPU", remedy, needed=False)
    properties = torch.cuda.get_device_properties(0)
    return Check("gpu", True, f"{properties.name}, {properties.total_memory / 2**30:.0f} GB", needed=False)


def check_memory() -> Check:
    """Enough for mini; larger models are checked when they load."""
    import torch

    from .backbones.memory import free_bytes

    free = free_bytes(torch.device("cpu"))
    remedy = "" if free >= MEMORY else f"close programs: mini wants {MEMORY >> 30} GB"
    return Check("memory", free >= MEMORY, f"{free / 2**30:.1f} GB free", remedy)


def check_disk() -> Check:
    """Results go to the current folder by default."""
    free = shutil.disk_usage(Path.cwd()).free
    remedy = "" if free >= DISK else "free some space or write elsewhere with --out"
    return Check("disk", free >= DISK, f"{free / 2**30:.1f} GB free in {Path.cwd()}", remedy)


def check_mini() -> Check:
    """The embedded model's files are all there and whole."""
    from .backbones.folder import read_control, read_model
    from .backbones.locate import EMBEDDED

    try:
        folder = read_model(EMBEDDED["mini"])
        control = read_control(folder.path / "controlnet", folder)
    except TexsyncError as error:
        return Check("mini", False, error.message, "reinstall texsync, whose wheel holds the embedded model")
    numbers = sum(weights.numbers for weights in (*folder.weights.values(), control.weights))
    return Check("mini", True, f"{numbers / 1e6:.1f} million weights in {folder.path}")


def check_hub_models() -> Check:
    """Models that were fetched before and work without a network."""
    from .backbones.inventory import NO, READY, cached

    found = cached()
    told = [entry.name for entry in found if entry.state == READY]
    told += [f"{entry.name} ({entry.state})" for entry in found if entry.state not in (READY, NO)]
    return Check("hub models", True, ", ".join(told) or "none fetched yet", needed=False)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_torch,
    check_pytorch3d,
    check_embree,
    check_libraries,
    check_gpu,
    check_memory,
    check_disk,
    check_mini,
    check_hub_models,
)
