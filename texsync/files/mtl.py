"""Materials of an OBJ file, line by line, and what becomes of them: colour is ours now, all other channels stay.

Source of the keywords: Alias/Wavefront's MTL format and the extension for physically based rendering (Pr, Pm, norm).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from trimesh.resolvers import FilePathResolver

from ..errors import TexsyncWarning
from .encoding import Reading, find_file, lines_of_text, read_text, shown_name
from .pbr import Finish, readable

PICTURES = ("map_", "bump", "disp", "decal", "norm", "refl")
OURS = {"newmtl", "kd", "ka", "d", "tr", "tf", "illum", "map_kd", "map_ka", "map_d", "map_tr"}
ARGUMENTS = {"-mm": 2, "-o": 3, "-s": 3, "-t": 3}  # options of pictures; all others have one argument
GLOW, PBR_PICTURES = "map_ke", {"map_pm", "map_pr"}
BLACK = 0.05  # a diffuse colour below is none
OPAQUE = 3  # the highest way to light a surface that knows no transparency


@dataclass
class Library:
    """The materials of the result.

    picture: name of the texture's file.  pictures: those of single nodes' materials, by node and name, where they
    differ.  default: name of a material that has none.  files: new names of other
    pictures, by the names in the file; those that are not there do not come along.
    """

    picture: str
    default: str
    files: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    pictures: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def picture_of(self, node: str, material: str | None) -> str:
        """The texture's file for what has a material at a node."""
        return self.pictures.get((node, material), self.picture)

    def name(self, wanted: str | None, lines: list[str], blank: str = "_") -> str:
        """The name to use for a material of these lines: the one wanted unless another has it.

        blank: instead of blanks, which not all readers of OBJ files take in a name.
        """
        wanted = blank.join((wanted or self.default).split())
        name, k = wanted, 1
        while self.lines.setdefault(name, lines) != lines:
            name, k = f"{wanted}_{k}", k + 1
        return name

    def text(self) -> str:
        return "\n".join("\n".join([f"newmtl {name}", *lines, ""]) for name, lines in self.lines.items())


@dataclass(frozen=True)
class Mtl:
    """One material.  lines: (keyword, rest) of all its lines but the first.  beside: the OBJ file it belongs to."""

    lines: tuple[tuple[str, str], ...]
    beside: Path

    def numbers(self, keyword: str) -> list[float]:
        """The numbers of the first line with a keyword; [] if there is none, or none that is numbers."""
        for word, rest in self.lines:
            if word.lower() == keyword.lower():
                try:
                    return [float(x) for x in rest.split()]
                except ValueError:
                    return []
        return []

    def is_opaque(self) -> bool:
        """Whether nothing can be seen through it."""
        solid = (self.numbers("d") or [1.0])[-1] >= 1 and (self.numbers("Tr") or [0.0])[-1] <= 0
        return solid and not any(word.lower() == "map_d" for word, _ in self.lines)

    def pictures(self) -> list[tuple[str, str, str]]:
        """(keyword, options, file) of every channel, other than colour and transparency, that is a picture."""
        said = [(word, *_options(rest)) for word, rest in self.lines if is_picture(word)]
        gone = OURS | ({GLOW} if self.glows else set())
        return [line for line in said if line[0].lower() not in gone]

    @property
    def glows(self) -> bool:
        """Whether what glows is its colour: the same picture, or one on a black surface ("shadeless")."""
        files = {word.lower(): _options(rest)[1] for word, rest in self.lines if is_picture(word)}
        black = max(self.numbers("Kd"), default=1.0) < BLACK
        return GLOW in files and (black or files[GLOW] == files.get("map_kd"))

    def picture(self, keyword: str) -> Any:
        """The PIL image of a channel; None if there is none, or, with a warning, if it cannot be read."""
        for word, _, file in self.pictures():
            data = self.read(file) if word.lower() == keyword.lower() else None
            if data is not None:
                return readable(data, file)
        return None

    def colour_picture(self) -> Any:
        """The PIL image of the colour; None if there is none, or, with a warning, if it cannot be read."""
        for word, rest in self.lines:
            if word.lower() == "map_kd" or (self.glows and word.lower() == GLOW):
                file = _options(rest)[1]
                data = self.read(file)
                return None if data is None else readable(data, file)
        return None

    def read(self, file: str) -> bytes | None:
        """The bytes of a file that it names; None if that is missing or outside the OBJ's folder."""
        try:
            name = find_file(self.beside.parent, file)
            data: bytes | None = FilePathResolver(str(self.beside)).get(name) if name else None
        except (OSError, ValueError):
            return None
        return data


def is_picture(keyword: str) -> bool:
    return keyword.lower().startswith(PICTURES)


def _options(rest: str) -> tuple[str, str]:
    """'-bm 0.5 a b.png' as ('-bm 0.5', 'a b.png'); file names may have spaces."""
    words = rest.split()
    at = 0
    while at < len(words) - 1 and words[at].startswith("-"):
        most = ARGUMENTS.get(words[at].lower(), 1)
        at += 1
        for k in range(most):
            if at < len(words) - 1 and (k == 0 or _is_number(words[at])):
                at += 1
    return " ".join(words[:at]), " ".join(words[at:])


def _is_no_number(word: str, rest: str) -> bool:
    """Whether a line of numbers holds NaN or infinity, which no reader expects."""
    return not is_picture(word) and any(_is_number(x) and not isfinite(float(x)) for x in rest.split())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def read_mtl(path: Path, libraries: tuple[str, ...], other: Reading | None = None) -> dict[str, Mtl]:
    """All materials of the libraries of an OBJ file, by name; a library outside its folder or missing has none.

    other: how the OBJ file was read, for libraries that do not say it themselves.
    Warns (TexsyncWarning) of libraries that are missing.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for text in _library_texts(path, libraries):
        name = ""
        for line in lines_of_text(read_text(text, other).replace("\t", " ")):
            word, _, rest = line.strip().partition(" ")
            if word.lower() == "newmtl":
                name = rest.strip()
                found[name] = []
            elif name in found and word and not word.startswith("#") and not _is_no_number(word, rest):
                found[name].append((word, rest.strip()))
    return {name: Mtl(tuple(lines), path) for name, lines in found.items()}


def _library_texts(path: Path, libraries: tuple[str, ...]) -> list[bytes]:
    there: list[bytes] = []
    missing: list[str] = []
    for library in libraries:
        whole = Mtl((), path).read(library)  # a name may have spaces, and a line several names
        names = library.split() if whole is None else [library]
        found = {name: Mtl((), path).read(name) for name in names}
        there += [text for text in found.values() if text is not None]
        if all(text is None for text in found.values()):
            missing.append(library)
        else:
            missing += [name for name, text in found.items() if text is None]
    if any(missing):
        gone = ", ".join(filter(None, dict.fromkeys(missing)))
        message = f"{shown_name(path.name)}: the material library {gone} is not there"
        message += ", so metal, roughness and other channels are unknown"
        warnings.warn(message, TexsyncWarning, stacklevel=2)
    return there


def channels(material: Mtl) -> dict[str, Any]:
    """What glTF can say of a material too, as keywords of trimesh's PBRMaterial."""
    found: dict[str, Any] = {"normalTexture": material.picture("norm")}
    found["emissiveTexture"] = material.picture("map_Ke")
    for word, key in (("Pm", "metallicFactor"), ("Pr", "roughnessFactor")):
        if material.numbers(word):
            found[key] = min(max(material.numbers(word)[0], 0.0), 1.0)
    glow = material.numbers("Ke")[:3] or [1.0, 1.0, 1.0]
    if material.glows:  # the new colour is shown by light alone: here it has no picture yet that could glow
        return {key: value for key, value in found.items() if value is not None}
    if len(glow) == 3 and (material.numbers("Ke") or found["emissiveTexture"] is not None):
        found["emissiveFactor"] = [min(max(x, 0.0), 1.0) for x in glow]
    return {key: value for key, value in found.items() if value is not None}


def lines_of(material: Mtl, picture: str, files: dict[str, str], finish: Finish | None = None) -> list[str]:
    """Its lines with the new colour.  files: new names of pictures that come along; channels with others go.

    finish: instead of its own metal and roughness, unless those are pictures.
    """
    way = int((material.numbers("illum") or [2])[0])
    lines = ["Ka 1 1 1", "Kd 1 1 1"]
    if finish and {word.lower() for word, _, file in material.pictures() if file in files} & PBR_PICTURES:
        finish = None
    ours = OURS | ({"pm", "pr"} if finish else set())
    lines += [
        f"{word} {rest}" for word, rest in material.lines if not is_picture(word) and word.lower() not in ours
    ]
    lines += [f"Pm {finish.metallic:g}", f"Pr {finish.roughness:g}"] if finish else []
    if material.glows:
        lines.append(f"map_Ke {picture}")
    for word, options, file in material.pictures():
        if file in files:
            lines.append(" ".join(filter(None, (word, options, files[file]))))
    return [*lines, "d 1", f"illum {way if 0 < way <= OPAQUE else 2}", f"map_Kd {picture}"]
