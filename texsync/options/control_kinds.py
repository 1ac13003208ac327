"""What may be asked of ControlNets: what each follows, and how depth looks."""

from __future__ import annotations

CONTROL_KINDS = {
    "depth": "how near things are, nearest white",
    "normal": "which way the surface faces, as the v1.1 normalbae ControlNet has it",
    "softedge": "broad grey lines, as HED and PiDiNet draw them",
    "canny": "thin white lines",
    "lineart": "white lines on black",
}
"""What texsync can render of a mesh for a ControlNet, each with a line on it."""
DEPTH_STYLES = {
    "official": "blurred, the object's far end as dark as the background, as the authors' code gives it",
    "sharp": "sharp, and the object's far end brighter than the background",
}
