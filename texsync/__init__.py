"""Textures and pictures from several diffusion views of one canvas that denoise in step.

from texsync import texture_mesh
texture_mesh("bottle.obj", "weathered copper").save("bottle_textured")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backbones.warm import warm_model
    from .errors import Cancelled, InputError, TexsyncError, TexsyncWarning
    from .tasks.ambiguous import ambiguous_image
    from .tasks.edit import edit_image
    from .tasks.long_motion import long_motion
    from .tasks.made import Pictures
    from .tasks.mask import masked_image
    from .tasks.mesh import TexturedMesh, texture_mesh
    from .tasks.motion_result import Motion
    from .tasks.repeat import repeat
    from .tasks.wide import wide_image

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
    "ambiguous_image",
    "edit_image",
    "long_motion",
    "masked_image",
    "repeat",
    "texture_mesh",
    "warm_model",
    "wide_image",
]

_HOME = {name: ".tasks.mesh" for name in ("TexturedMesh", "texture_mesh")} | {
    name: ".errors" for name in ("Cancelled", "InputError", "TexsyncError", "TexsyncWarning")
}
_HOME |= {f"{task}_image": f".tasks.{task}" for task in ("wide", "ambiguous", "edit")}
_HOME |= {"long_motion": ".tasks.long_motion", "Motion": ".tasks.motion_result"}
_HOME["masked_image"] = ".tasks.mask"
_HOME["repeat"] = ".tasks.repeat"
_HOME["Pictures"] = ".tasks.made"
_HOME["warm_model"] = ".backbones.warm"


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import texsync` and `texsync --help` stay instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'texsync' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
