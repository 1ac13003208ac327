"""What a ControlNet follows in a picture of the user's own: the picture itself, or edges, depth and the like of it."""

from __future__ import annotations

import os
import warnings
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from ..errors import Refused, option
from .reading import to_tensor

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = (
    "lllyasviel/Annotators"  # on the hub; where all of these but canny and shuffle look for their networks
)
DETECTORS = {
    "canny": ("CannyDetector", False),
    "depth": ("MidasDetector", True),
    "hed": ("HEDdetector", True),
    "lineart": ("LineartDetector", True),
    "mlsd": ("MLSDdetector", True),
    "normal": ("NormalBaeDetector", True),
    "openpose": ("OpenposeDetector", True),
    "shuffle": ("ContentShuffleDetector", False),
    "softedge": ("PidiNetDetector", True),
}
"""Name to controlnet_aux's class, and whether it has weights to fetch."""


def control_picture(picture: Image.Image, name: str, width: int, height: int) -> Tensor:
    """What `name` finds in a picture, (3, height, width) in [0, 1]; the middle of it where shapes differ.

    name: "plain" for the picture as it is, or one of `DETECTORS`, which need the package controlnet_aux and some of
    them a download.  Raises InputError if either is missing.
    """
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    if name == "plain":
        return to_tensor(fitted)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        warnings.simplefilter("ignore")  # of a dozen libraries that it imports
        found = _detector(name)(
            fitted, detect_resolution=min(width, height), image_resolution=min(width, height)
        )
    return to_tensor(found.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def _detector(name: str) -> Any:
    kind, has_weights = DETECTORS[name]
    try:
        import controlnet_aux
    except ImportError:
        raise Refused.package_missing(
            f"{option('control', name)} needs the package controlnet_aux",
            f'pip install "texsync[annotators]", or give a finished condition with {option("control", "plain")}',
        ) from None
    detector = getattr(controlnet_aux, kind)
    if not has_weights:
        return detector()
    try:
        return detector.from_pretrained(WEIGHTS)
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Refused.hub(
            f"{option('control', name)} cannot fetch its network {WEIGHTS} ({line})",
            f"try again with network, or give a finished condition with {option('control', 'plain')}",
        ) from error
