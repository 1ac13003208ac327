"""Textures and pictures from several diffusion views of one canvas that denoise in step.

from texsync import texture_mesh
texture_mesh("bottle.obj", "weathered copper").save("bottle_textured")

What it is made of is public too: views, couplings and models, and the loop that they meet in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import tasks

if TYPE_CHECKING:
    from .backbones.base import Backbone as Backbone
    from .backbones.by_name import load_model as load_model
    from .backbones.conditions import Conditions as Conditions
    from .backbones.warm import warm_model as warm_model
    from .batch.run import BatchResult as BatchResult
    from .batch.run import run_batch as run_batch
    from .couplings import CSG as CSG
    from .couplings import Coupling as Coupling
    from .couplings import Independent as Independent
    from .couplings import MultiDiffusion as MultiDiffusion
    from .couplings import SyncDiffusion as SyncDiffusion
    from .couplings import SyncMVD as SyncMVD
    from .couplings import SyncSDE as SyncSDE
    from .couplings import SyncTweedies as SyncTweedies
    from .couplings import VisualAnagrams as VisualAnagrams
    from .errors import Cancelled as Cancelled
    from .errors import InputError as InputError
    from .errors import TexsyncError as TexsyncError
    from .errors import TexsyncWarning as TexsyncWarning
    from .loop import sample as sample
    from .paper.reproduce import PaperTable as PaperTable
    from .paper.reproduce import paper_table as paper_table
    from .schedule import Schedule as Schedule
    from .schedule import Span as Span
    from .tasks import *  # noqa: F403
    from .tasks.made import Pictures as Pictures
    from .tasks.motion_result import Motion as Motion
    from .tasks.repeat import repeat as repeat
    from .tasks.textured import TexturedMesh as TexturedMesh
    from .tasks.textured_splats import TexturedSplats as TexturedSplats
    from .tasks.variants import Variants as Variants
    from .views import Views as Views
    from .views import ambiguous as ambiguous
    from .views import feathered as feathered
    from .views import flip as flip
    from .views import identity as identity
    from .views import latest as latest
    from .views import lookup as lookup
    from .views import masks as masks
    from .views import noise as noise
    from .views import point_views as point_views
    from .views import rotations as rotations
    from .views import segments as segments
    from .views import shared_noise as shared_noise
    from .views import stack as stack
    from .views import surface_views as surface_views
    from .views import windows as windows

__version__ = "0.1.0"

PUBLIC = {
    ".backbones.base": "Backbone",
    ".backbones.by_name": "load_model",
    ".backbones.conditions": "Conditions",
    ".backbones.warm": "warm_model",
    ".batch.run": "BatchResult run_batch",
    ".couplings": (
        "CSG Coupling Independent MultiDiffusion SyncDiffusion SyncMVD SyncSDE SyncTweedies VisualAnagrams"
    ),
    ".errors": "Cancelled InputError TexsyncError TexsyncWarning",
    ".loop": "sample",
    ".paper.reproduce": "PaperTable paper_table",
    ".schedule": "Schedule Span",
    ".tasks.made": "Pictures",
    ".tasks.motion_result": "Motion",
    ".tasks.repeat": "repeat",
    ".tasks.textured": "TexturedMesh",
    ".tasks.textured_splats": "TexturedSplats",
    ".tasks.variants": "Variants",
    ".views": (
        "Views ambiguous feathered flip identity latest lookup masks noise point_views rotations "
        "segments shared_noise stack surface_views windows"
    ),
}
"""Module to the names that it gives; the same again above, for type checkers and editors."""

_HOME = {name: module for module, names in PUBLIC.items() for name in names.split()}
_HOME |= {one.partition(".")[2]: f".tasks.{one.partition('.')[0]}" for one in tasks.FUNCTIONS.values()}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import texsync` and `texsync --help` stay instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'texsync' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
