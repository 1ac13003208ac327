"""What a texturing run leaves on disk: model, pictures and `run.json`, all of it or nothing."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..options import USUAL_FORMATS
from .inputs import seen_from

if TYPE_CHECKING:
    from PIL.Image import Image

    from .mesh import TexturedMesh

PACKAGES = ("torch", "easypytorch3d", "diffusers", "transformers", "trimesh", "xatlas", "numpy")


def save_result(
    result: TexturedMesh, folder: Path, *, overwrite: bool = False, formats: Collection[str] = USUAL_FORMATS
) -> Path:
    """Write `run.json` and what `formats` says: glb, `<stem>.glb`; obj, `<stem>.obj` with `.mtl` and texture; png,
    `<stem>_texture.png`; sheet, `views.png`; turntable, `turntable.gif`; viewer, `viewer.html`.

    Everything goes to a temporary folder beside `folder` and is moved when complete.
    Raises InputError if `folder` exists and `overwrite` is False, or cannot be written.
    """
    from ..files.save import atomic_folder, save_model
    from ..surface.preview import turntable, viewer

    stem = result.loaded.stem
    with atomic_folder(folder, overwrite=overwrite) as place:
        made, about = (result.loaded, result.surface, result.baked), origin(result.report)
        save_model(*made, place, stem, formats=formats, about=about)
        if "sheet" in formats:
            sheet(result).save(place / "views.png", optimize=True)
        if "turntable" in formats:
            turntable(result.surface, result.texture, place / "turntable.gif")
        if "viewer" in formats:
            viewer(result.mesh, place / "viewer.html")
        whole = record(result)
        whole["files"] = seen_from(whole["files"], folder)
        (place / "run.json").write_text(dump(whole, indent=2) + "\n")
    return folder


def sheet(result: TexturedMesh):
    """The contact sheet (PIL): what the model was told, what it painted, and the mesh with its texture, lit.

    Views go round the object by azimuth, those at eye level first, in two lines; what is painted beside the object
    is left out.
    """
    import torch

    from ..surface.preview import BACKDROP, SHADE, contact_sheet, render, view_titles

    cameras, mask = result.pixels.cameras, result.pixels.mask.cpu()[:, None]
    order = sorted(range(len(cameras)), key=lambda i: (abs(cameras[i].elevation_deg), cameras[i].azimuth_deg))
    rows = {
        "condition": result.condition,
        "generated": torch.where(mask, result.views, BACKDROP),
        "textured": render(result.surface, result.texture, cameras, result.views.shape[-1], SHADE),
    }
    return contact_sheet(
        {title: pictures[order] for title, pictures in rows.items()},
        view_titles([cameras[i] for i in order]),
        across=(len(order) + 1) // 2,
        caption=caption(result.report),
    )


def caption(report: dict[str, Any]) -> str:
    """What a run was told, in one line."""
    said = {
        "seed": "seed",
        "coupling": "coupling",
        "model": "model",
        "steps": "steps",
        "view_size": "view size",
    }
    return " · ".join([f'"{report["prompt"]}"', *(f"{word} {report[name]}" for name, word in said.items())])


def origin(report: Mapping[str, Any]) -> dict[str, Any]:
    """What stands inside the files themselves, wherever they go: prompt, seed and version; no paths, no times."""
    return {"prompt": report["prompt"], "seed": report["seed"], "version": __version__}


def png(image: Image) -> bytes:
    """A picture as PNG: what a notebook shows of a result."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def record(result: TexturedMesh) -> dict[str, Any]:
    """Every parameter, and what it ran on; enough to make the same texture again."""
    return {
        **result.report,
        "peak_memory_mb": peak_memory_mb(),
        "mesh": {"name": result.loaded.stem, "faces": len(result.surface.faces)},
        "texture_seen": round(float(result.baked.seen.sum() / result.baked.covered.sum()), 4),
        "versions": versions(),
    }


def versions() -> dict[str, str | None]:
    """What a run ran on; None for a package that is not installed."""
    own = {"python": platform.python_version(), "texsync": __version__}
    return own | {name: _version(name) for name in PACKAGES}


def dump(content: dict[str, Any], indent: int | None = None) -> str:
    """As JSON, whatever numbers and paths are in it."""
    return json.dumps(content, indent=indent, default=_plain)


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def _plain(value: Any) -> Any:
    """What JSON has no word for: numpy's numbers as numbers, paths as text, pictures and arrays by kind and size."""
    shape = getattr(value, "shape", ())
    if shape or hasattr(value, "getpixel"):
        return f"<{type(value).__name__} {' x '.join(map(str, shape or value.size))}>"
    return value.item() if hasattr(value, "item") else str(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
