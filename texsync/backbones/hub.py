"""Model folders from the Hugging Face hub: only the files that are needed, kept in the hub's own cache."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import InputError
from .weights import STEMS, find_weights

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
SMALL = (".json", ".txt", ".model")  # configs and vocabularies
ENCODERS, TOKENIZERS = ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")
MODEL_PARTS = ("unet", "vae", *ENCODERS, *TOKENIZERS, "scheduler", "controlnet")
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",))

OnBytes = Callable[[int, int], None]
"""(bytes that are there, bytes in all) -> None; what it raises stops the download."""


def cached(repo: str, parts: tuple[str, ...] = MODEL_PARTS) -> Path | None:
    """The repository's folder in the hub's cache if every part that texsync reads of it is whole there, else None.

    The client's own answer is of no use: to it a snapshot without the files that texsync leaves out is incomplete.
    """
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(repo, "config.json" if "" in parts else "model_index.json")
    if not isinstance(file, str):
        return None
    folder = Path(file).parent
    return folder if all(_is_whole(folder, part) for part in parts) else None


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache stands for; None for other folders."""
    return folder.name if folder.parent.name == "snapshots" else None


def _is_whole(folder: Path, part: str) -> bool:
    place = folder / part
    if part and not place.is_dir():
        return not _is_named(folder, part)
    if part in TOKENIZERS:
        return any(all((place / name).is_file() for name in names) for names in TOKENIZER_FILES)
    if part.endswith("scheduler"):
        return (place / "scheduler_config.json").is_file()
    try:
        find_weights(place)
    except InputError:
        return False
    return (place / "config.json").is_file()


def _is_named(folder: Path, part: str) -> bool:
    """Whether the model's index has such a part."""
    try:
        entry = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get(part)
    except (OSError, ValueError, AttributeError):
        return False
    return isinstance(entry, list) and entry != [None, None]


def choose_files(names: Iterable[str], *, half: bool, parts: tuple[str, ...] = MODEL_PARTS) -> list[str]:
    """The files of a repository that texsync reads: configs, vocabularies and one set of safetensors a part."""
    names = sorted(names)
    chosen = [name for name in names if _part(name) in ("", *parts) and name.endswith(SMALL)]
    for part in parts:
        chosen += _weights([name for name in names if _part(name) == part], half)
    return chosen


def _part(name: str) -> str:
    """The folder of a file that lies at the top or one below; "?" for deeper ones."""
    return name.rpartition("/")[0] if name.count("/") < 2 else "?"


def _weights(names: list[str], half: bool) -> list[str]:
    plain, fp16 = [], []
    for name in names:
        stem, _, rest = name.rpartition("/")[2].partition(".")
        if name.endswith(".safetensors") and re.sub(r"-\d+-of-\d+$", "", stem) in STEMS:
            if rest == "safetensors":
                plain.append(name)
            elif rest.startswith("fp16"):
                fp16.append(name)
    return (fp16 or plain) if half else (plain or fp16)
