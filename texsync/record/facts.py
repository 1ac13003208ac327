"""What a run ran on, and how it is written down."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..options.output import MARK
from .inputs import seen_from

PACKAGES = ("torch", "easypytorch3d", "diffusers", "transformers", "trimesh", "xatlas", "numpy")


def origin(report: Mapping[str, Any]) -> dict[str, Any]:
    """What stands inside the files themselves, wherever they go: prompt, seed and version; no paths, no times."""
    said = {name: report[name] for name in ("prompt", "seed") if name in report}
    return {**said, "version": __version__}


def recorded(report: Mapping[str, Any], folder: Path | None = None, **more: Any) -> dict[str, Any]:
    """A run's report and what it ran on: what its `run.json` holds.

    folder: of its results, from which the way to its files is told.  more: what else is known of it.
    """
    seen = {"files": seen_from(report["files"], folder)} if folder and "files" in report else {}
    memory = {"peak_memory_mb": peak_memory_mb(), **peak_gpu_memory_mb()}
    return {**report, **seen, **memory, **more, "versions": versions()}


def write_record(content: Mapping[str, Any], place: Path) -> None:
    """Into a folder of results, which is one by this file."""
    (place / MARK).write_text(dump(content, indent=2) + "\n")


def versions() -> dict[str, str | None]:
    """What a run ran on; None for a package that is not installed."""
    own = {"python": platform.python_version(), "texsync": __version__}
    return own | {name: _version(name) for name in PACKAGES}


def dump(content: Mapping[str, Any], indent: int | None = None) -> str:
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


def peak_gpu_memory_mb() -> dict[str, float]:
    """The most memory of a GPU that this process has held, in MB, as a field of `run.json`; none where it used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20, 1)}


def _plain(value: Any) -> Any:
    """What JSON has no word for: numpy's numbers as numbers, paths as text, pictures and arrays by kind and size."""
    shape = getattr(value, "shape", ())
    if shape or hasattr(value, "getpixel"):
        return f"<{type(value).__name__} {' x '.join(map(str, shape or value.size))}>"
    return value.item() if hasattr(value, "item") else str(value)


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
