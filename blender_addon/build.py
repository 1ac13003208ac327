# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the zip that Blender installs, as an add-on (3.4 and later) or as an extension (4.2 and later):

python blender_addon/build.py [folder]

It asks texsync, which has to be importable, for the options that the panel shows.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
# one folder in the zip: a legacy install would scatter files that lie at its top
TOP = "texsync_addon"
NOT_SHIPPED = ("build.py",)
MODEL = HERE.parent / "texsync" / "mini" / "weights"
DATE = (2026, 1, 1, 0, 0, 0)  # the same files make the same zip


def build(folder: Path) -> Path:
    """Write texsync_blender-<version>.zip into a folder and return its path."""
    describe()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"texsync_blender-{version()}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in shipped():
            entry = zipfile.ZipInfo(f"{TOP}/{file.name}", DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return path


def describe() -> Path:
    """Write options.json, what texsync declares of the options that the panel shows, and words.json, what the model
    inside texsync knows.  Not kept in git."""
    sys.path.insert(0, str(HERE.parent))
    try:
        from texsync.mini import words
        from texsync.options.declared import described
        from texsync.tasks import options_of
    finally:
        sys.path.pop(0)
    kinds = {
        "Materials": [*words.MATERIALS],
        "Colours": [*words.COLOURS],
        "Patterns": [*words.PATTERNS],
        "How it looks": [*words.MODIFIERS],
        "On top": [f"with {name}" for name in words.OVERLAYS],
    }
    _write("words.json", {"mini": _words(MODEL, kinds)})
    return _write("options.json", described(options_of("mesh")))


def _words(model: Path, kinds: dict[str, list[str]]) -> dict:
    """What a model with a vocabulary of whole words knows, by kind, and what it reads other words as."""
    tokens = json.loads((model / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    near = json.loads((model / "tokenizer" / "near.json").read_text(encoding="utf-8"))
    known = [word for word in tokens["model"]["vocab"] if word.isalpha() and word not in near]
    likes = {word: ", ".join(list(parts)[:2]) for word, parts in near.items()}
    return {"kinds": kinds, "known": " ".join(known), "near": likes}


def _write(name: str, content) -> Path:
    path = HERE / name
    path.write_text(f"{json.dumps(content, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    return path


def shipped() -> list[Path]:
    """Python files, what texsync declares, the manifest and the licence."""
    files = [
        *HERE.glob("*.py"),
        HERE / "options.json",
        HERE / "words.json",
        HERE / "blender_manifest.toml",
        HERE / "LICENSE",
    ]
    return sorted(file for file in files if file.name not in NOT_SHIPPED)


def version() -> str:
    """As in bl_info; read, not imported, because that takes Blender."""
    for node in ast.parse((HERE / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "bl_info":
            return ".".join(map(str, ast.literal_eval(node.value)["version"]))
    raise LookupError("bl_info has no version")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "dist"
    sys.stdout.write(f"{build(target)}\n")
