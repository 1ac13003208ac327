# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can set: texsync's own names, defaults and ranges.  Where texsync takes None, 0 stands for it here."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .preferences import preferences


def choices(*names: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    return list(names)


AXES = choices(
    ("auto", "Auto", "What Blender calls the front view"),
    *((axis, axis.upper(), f"The front looks along {axis.upper()}") for axis in ("x", "y", "-x", "-y")),
)
OWN = "0: the model's own"


class TexSyncSettings(bpy.types.PropertyGroup):
    """Kept with the scene."""

    prompt: StringProperty(
        name="Prompt", description="What the surface should look like, e.g. weathered copper"
    )
    negative: StringProperty(
        name="Negative", description="What it should not look like. Empty: the model's own"
    )
    seed: IntProperty(name="Seed", default=0, min=0, description="Same seed and settings, same texture")
    model: StringProperty(
        name="Model",
        default="mini",
        description="mini, a folder of a Stable Diffusion model, or a hub id owner/name",
    )
    steps: IntProperty(
        name="Steps", default=0, min=0, max=1000, description=f"Denoising steps. {OWN}, 30 for most"
    )
    strength: FloatProperty(
        name="Strength",
        default=5.0,
        min=0.0,
        soft_max=10.0,
        description="How hard later views are drawn to earlier ones; 0: every view paints for itself",
    )
    texture_size: IntProperty(
        name="Texture Size", default=1024, min=64, max=8192, description="Texels along a side"
    )
    uvs: EnumProperty(
        name="UVs",
        default="auto",
        items=choices(
            ("auto", "Auto", "Keep the active UV map if it can hold a texture, else make a new one"),
            ("keep", "Keep Mine", "Paint on the active UV map, whatever it is like"),
            ("unwrap", "New Map", "Add a UV map; yours stay as they are"),
        ),
    )
    texture_name: StringProperty(
        name="Name", description="Of the image and the material. Empty: the object's name and the prompt"
    )
    storage: EnumProperty(
        name="Image",
        default="pack",
        items=choices(
            ("pack", "Pack", "Keep the picture inside the .blend file"),
            ("file", "File", "Keep the picture as a file in the output folder"),
        ),
    )
    selected_only: BoolProperty(
        name="Selected Faces Only",
        description="Paint the selected faces; the rest of the texture stays as it is",
    )
    previews: BoolProperty(
        name="Previews", default=True, description="Show what is being painted; takes a fifth of the time"
    )
    coupling: EnumProperty(
        name="Coupling",
        default="syncsde",
        items=choices(
            ("syncsde", "SyncSDE", "Later views are drawn to what earlier ones show"),
            ("synctweedies", "SyncTweedies", "All views are averaged; smoother"),
            ("none", "None", "Every view for itself"),
        ),
    )
    integrator: EnumProperty(
        name="Integrator",
        default="exact",
        items=choices(
            ("exact", "Exact", "Stable with few steps"),
            ("paper", "Paper", "The published update"),
        ),
    )
    pick: EnumProperty(
        name="Heard View",
        default="best",
        items=choices(
            ("best", "Best", "Where several earlier views show a point, the one that faces it best is heard"),
            ("mean", "Mean", "All of them are heard; smoother"),
        ),
    )
    controlnet: StringProperty(name="ControlNet", description="Folder or hub id. Empty: the model's own")
    view_size: IntProperty(
        name="View Size", default=0, min=0, max=4096, description=f"Pixels along a side of each view. {OWN}"
    )
    guidance: FloatProperty(
        name="Guidance",
        default=0.0,
        min=0.0,
        max=100.0,
        description=f"How closely the prompt is followed; 1 is off. {OWN}",
    )
    own_control: BoolProperty(
        name="Depth Strength", description="Set how firmly depth is followed, instead of the model's own"
    )
    control_start: FloatProperty(name="At Start", default=0.7, min=0.0, max=2.0)
    control_end: FloatProperty(name="At End", default=0.9, min=0.0, max=2.0)
    view_order: EnumProperty(
        name="Views",
        default="alternate",
        items=choices(
            ("alternate", "Front First", "The front leads, then left and right in turn"),
            ("paper", "As Published", "The back leads"),
        ),
    )
    framing: EnumProperty(
        name="Framing",
        default="tight",
        items=choices(
            ("tight", "Tight", "The mesh fills the views"),
            ("paper", "As Published", "The sphere around the mesh fills the views"),
        ),
    )
    extra_views: EnumProperty(
        name="Extra Views",
        default="auto",
        items=choices(
            (
                "auto",
                "Auto",
                "Also from the top and from below, where the views around the mesh see too little",
            ),
            ("none", "None", "Only the views around the mesh"),
        ),
    )
    noise: EnumProperty(
        name="Noise",
        default="shared",
        items=choices(
            ("shared", "Shared", "Views start from noise on the surface"),
            ("independent", "Independent", "Each view starts from noise of its own"),
        ),
    )
    front: EnumProperty(name="Front", default="auto", items=AXES)
    device: StringProperty(name="Device", default="auto", description="auto, cpu, cuda, cuda:N or mps")
    dtype: EnumProperty(
        name="Number Format",
        default="auto",
        items=choices(
            ("auto", "Auto", "fp32 on a CPU, fp16 on a GPU"),
            ("fp32", "fp32", "Exact, twice the memory"),
            ("fp16", "fp16", "Half the memory"),
            ("bf16", "bf16", "Half the memory, coarser, no overflow"),
        ),
    )
    chunk: IntProperty(
        name="Views at Once",
        default=0,
        min=0,
        max=1000,
        description="Changes memory, not the result. 0: what fits",
    )

    def arguments(self) -> dict:
        """Arguments of texsync.texture_mesh, without mesh and uvs; what is left to the model is left out."""
        plain = (
            "prompt",
            "seed",
            "strength",
            "texture_size",
            "coupling",
            "integrator",
            "pick",
            "view_order",
            "framing",
            "extra_views",
            "noise",
        )
        asked = {name: getattr(self, name) for name in (*plain, "front", "device", "dtype")}
        asked["strength"] = round(self.strength, 6)  # Blender's numbers have 32 bits
        asked |= {
            name: getattr(self, name)
            for name in ("steps", "view_size", "chunk", "negative", "controlnet")
            if getattr(self, name)
        }
        if self.guidance:
            asked["guidance"] = round(self.guidance, 6)
        if self.own_control:
            asked["control_scale"] = [round(self.control_start, 6), round(self.control_end, 6)]
        return {**asked, "model": model_path(self.model.strip() or "mini")}


def model_path(name: str) -> str:
    """The folder of that name in the model folder, else the name itself."""
    base = preferences().models
    folder = Path(bpy.path.abspath(base)) / name if base else None
    return str(folder) if folder and (folder / "model_index.json").is_file() else name


def models() -> list[str]:
    """mini, and what is in the model folder."""
    base = preferences().models
    folder = Path(bpy.path.abspath(base)) if base else None
    try:
        found = sorted(path.parent.name for path in folder.glob("*/model_index.json")) if folder else []
    except OSError:
        found = []
    return ["mini", *found]
