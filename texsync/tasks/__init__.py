"""A recipe each: views + backbone + coupling.

A task is one file, with a class of options and a function that takes it, and its name here; `texsync NAME`, the worker,
`repeat` and the public Python name follow from these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..options.shared import RunOptions
    from .ambiguous import ambiguous_image as ambiguous_image
    from .edit import edit_image as edit_image
    from .long_motion import long_motion as long_motion
    from .mask import masked_image as masked_image
    from .mesh import texture_mesh as texture_mesh
    from .mesh_views import mesh_views as mesh_views
    from .panorama import panorama_image as panorama_image
    from .project import project_pictures as project_pictures
    from .splats import texture_splats as texture_splats
    from .wide import wide_image as wide_image

FUNCTIONS = {  # the task's name; its file and function
    "mesh": "mesh.texture_mesh",
    "splats": "splats.texture_splats",
    "wide": "wide.wide_image",
    "ambiguous": "ambiguous.ambiguous_image",
    "mask": "mask.masked_image",
    "edit": "edit.edit_image",
    "motion": "long_motion.long_motion",
    "panorama": "panorama.panorama_image",
    "views": "mesh_views.mesh_views",
    "project": "project.project_pictures",
}
__all__ = [
    "ambiguous_image",
    "edit_image",
    "long_motion",
    "masked_image",
    "mesh_views",
    "panorama_image",
    "project_pictures",
    "texture_mesh",
    "texture_splats",
    "wide_image",
]


def function_of(task: str) -> Callable[..., Any]:
    """A task's function."""
    file, _, name = FUNCTIONS[task].partition(".")
    return getattr(import_module(f".{file}", __package__), name)


@cache
def options_of(task: str) -> type[RunOptions]:
    """A task's class of options."""
    return function_of(task).takes  # type: ignore[attr-defined]
