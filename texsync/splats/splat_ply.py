"""Splats in PLY files, in the fields that INRIA's 3D Gaussian Splatting writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Refused, about, got
from ..ply_tables import Element, read_elements, read_header
from .gaussians import DEGREE_0, Splats

MEANS, COLOUR = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2")
SCALES, ROTATION = ("scale_0", "scale_1", "scale_2"), ("rot_0", "rot_1", "rot_2", "rot_3")
FIELDS = (*MEANS, *COLOUR, "opacity", *SCALES, *ROTATION)
OWN = {*COLOUR, *SCALES, *ROTATION}  # what no mesh has
PACKED = "packed_position"  # PlayCanvas's compressed kind


@dataclass(frozen=True)
class SplatPly:
    """See `SplatFile`."""

    data: bytes

    def painted(self, colour: np.ndarray) -> bytes:
        """Fields f_dc_* as said, f_rest_* zero."""
        coefficients = (colour - 0.5) / DEGREE_0
        elements, order, start = read_header(self.data)
        names = [name for name, _, _ in elements["vertex"].properties]
        new = dict(zip(COLOUR, coefficients.T, strict=True))
        new |= {name: np.zeros(len(colour)) for name in names if name.startswith("f_rest_")}
        if not order:
            return self.data[:start] + _text(self.data[start:], names, new)
        data = bytearray(self.data)
        table = read_elements(data)["vertex"].numbers
        for name, values in new.items():
            table[name][:] = values
        return bytes(data)


def _text(body: bytes, names: list[str], new: dict[str, np.ndarray]) -> bytes:
    """The lines of a text file, of which the first are the splats, with new values for some fields."""
    lines = body.split(b"\n")
    rows = [k for k, line in enumerate(lines) if line.strip()]
    places = {names.index(name): values.astype(np.float32) for name, values in new.items()}
    for splat in range(len(next(iter(new.values())))):
        words, k = lines[rows[splat]].split(), rows[splat]
        for place, values in places.items():
            words[place] = b"%.9g" % values[splat]
        lines[k] = b" ".join(words) + (b"\r" if lines[k].endswith(b"\r") else b"")
    return b"\n".join(lines)


def claims_ply(data: bytes) -> bool:
    """Whether the beginning of a file is that of splats, if perhaps not all fields are there; a mesh is none."""
    try:
        elements, _, _ = read_header(data)
    except (ValueError, KeyError, IndexError, UnboundLocalError):
        return False  # whatever is damaged is told by who reads meshes
    if elements.get("face", Element(0)).count or elements.get("tristrips", Element(0)).count:
        return False
    names = {name for name, _, _ in elements.get("vertex", Element(0)).properties}
    return bool(names & OWN) or PACKED in names


def count_ply(data: bytes, name: str) -> int:
    """How many splats a file announces; raises InputError unless all fields are there.  name: of the file."""
    elements, order, _ = read_header(data)
    vertex = elements.get("vertex", Element(0))
    fields = [field for field, _, _ in vertex.properties]
    if PACKED in fields:
        raise Refused.splats_kind(
            f"{about(name)} is a compressed PLY of splats", "export it as an uncompressed .ply or as .spz"
        )
    if missing := [field for field in FIELDS if field not in fields]:
        raise Refused.splats_damaged(
            f"{about(name)} lacks the splat fields {got(', '.join(missing))}",
            "export it again with all of them",
        )
    lists = any(count for _, count, _ in vertex.properties)
    if lists or (not order and next(iter(elements)) != "vertex"):
        raise Refused.splats_kind(
            f"{about(name)} has lists in its splats, or tables before them", "export it as a binary .ply"
        )
    return vertex.count


def read_splat_ply(data: bytes) -> Splats:
    """The splats; raises ValueError and the like for a damaged file, and gives what numbers are there."""
    vertex = read_elements(data)["vertex"]

    def columns(*names: str) -> np.ndarray:
        return np.stack([vertex.numbers[name] for name in names], axis=1).astype(np.float32)

    with np.errstate(over="ignore"):
        scales, opacity = np.exp(columns(*SCALES)), 1 / (1 + np.exp(-columns("opacity")[:, 0]))
    colour = 0.5 + DEGREE_0 * columns(*COLOUR)
    return Splats(columns(*MEANS), scales, columns(*ROTATION), opacity, colour, SplatPly(data))


def ply_bytes(splats: Splats) -> bytes:
    """Splats as a file of their own, as INRIA's viewer reads it."""
    names = [*MEANS, "nx", "ny", "nz", *COLOUR, "opacity", *SCALES, *ROTATION]
    table = np.zeros(len(splats), [(name, "<f4") for name in names])
    parts = {
        MEANS: splats.means,
        COLOUR: (splats.colour - 0.5) / DEGREE_0,
        ("opacity",): logit(splats.opacity)[:, None],
        SCALES: np.log(splats.scales),
        ROTATION: splats.rotations,
    }
    for fields, values in parts.items():
        for k, field in enumerate(fields):
            table[field] = values[:, k]
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}"]
    lines += [*(f"property float {name}" for name in names), "end_header", ""]
    return "\n".join(lines).encode() + table.tobytes()


def logit(opacity: np.ndarray) -> np.ndarray:
    """What the sigmoid makes opacity of, finite."""
    inside = np.clip(opacity.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(inside / (1 - inside))
