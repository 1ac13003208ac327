"""Textures and pictures from several diffusion views of one canvas that denoise in step.

from texsync import texture_mesh
texture_mesh("bottle.obj", "weathered copper").save("bottle_textured")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import tasks

if TYPE_CHECKING:
    from .backbones.warm import warm_model
    from .errors import Cancelled, InputError, TexsyncError, TexsyncWarning
    from .tasks import *  # noqa: F403
    from .tasks.made import Pictures
    from .tasks.motion_result import Motion
    from .tasks.repeat import repeat
    from .tasks.textured import TexturedMesh

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "InputError",
    "Motion",
    "Pictures",
    "TexsyncError",
    "TexsyncWarning",
    "TexturedMesh",
    "__version__",
    "repeat",
    "warm_model",
]

__all__ += tasks.__all__

_HOME = {one.partition(".")[2]: f".tasks.{one.partition('.')[0]}" for one in tasks.FUNCTIONS.values()}
_HOME |= {name: ".errors" for name in ("Cancelled", "InputError", "TexsyncError", "TexsyncWarning")}
_HOME |= {"Pictures": ".tasks.made", "TexturedMesh": ".tasks.textured", "repeat": ".tasks.repeat"}
_HOME["Motion"] = ".tasks.motion_result"
_HOME["warm_model"] = ".backbones.warm"


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import texsync` and `texsync --help` stay instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'texsync' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
