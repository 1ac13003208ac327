"""Model folders from the Hugging Face hub: only the files that are needed, kept in the hub's own cache."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .tensors import FILES
from .weights import PICKLES, STEMS, find_weights

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
URL = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<rest>.+)")
IN_URL = ("tree", "blob", "resolve", "raw")  # before the revision
SMALL = (".json", ".txt", ".model")  # configs and vocabularies
ENCODERS, TOKENIZERS = ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")
MODEL_PARTS = ("unet", "vae", *ENCODERS, *TOKENIZERS, "scheduler", "controlnet")
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",))


@dataclass(frozen=True)
class HubName:
    """What a name on the hub stands for.  revision: a branch, tag or commit.  file: one file of the repository."""

    repo: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        """As it is named: "owner/name@revision/file"."""
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.repo}{at}{'/' + self.file if self.file else ''}"


def parse(name: str) -> HubName | None:
    """What "owner/name", "owner/name@revision", "owner/name/file.safetensors" or a page of the hub stands for.

    None for a text that is none of these.
    """
    page = URL.fullmatch(name)
    path, _, revision = (page["rest"].partition("?")[0] if page else name).strip("/").partition("@")
    words = path.split("/")
    if page and len(words) > 3 and words[2] in IN_URL:
        revision, words = words[3], [*words[:2], *words[4:]]
    repo, file = "/".join(words[:2]), "/".join(words[2:])
    if not HUB_ID.fullmatch(repo) or repo.endswith(FILES) or (file and not file.endswith(FILES)):
        return None
    return HubName(repo, revision or None, file or None)


OnBytes = Callable[[int, int], None]
"""(bytes that are there, bytes in all) -> None; what it raises stops the download."""


def cached(name: str, parts: tuple[str, ...] = MODEL_PARTS) -> Path | None:
    """A repository's folder in the hub's cache if every part that texsync reads of it is whole there, else None.

    The client's own answer is of no use: to it a snapshot without the files that texsync leaves out is incomplete.
    """
    from huggingface_hub import try_to_load_from_cache

    ref = parse(name)
    if ref is None:
        return None
    first = "config.json" if "" in parts else "model_index.json"
    file = try_to_load_from_cache(ref.repo, first, revision=ref.revision)
    if not isinstance(file, str):
        return None
    folder = Path(file).parent
    return folder if all(_is_whole(folder, part) for part in parts) else None


def cached_file(ref: HubName) -> Path | None:
    """One file of a repository in the hub's cache, else None."""
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(ref.repo, ref.file or "", revision=ref.revision)
    return Path(file) if isinstance(file, str) else None


def commit_of(place: Path) -> str | None:
    """The commit that a folder of the hub's cache, or a file in it, stands for; None for others."""
    return next((one.name for one in (place, *place.parents) if one.parent.name == "snapshots"), None)


def newest_snapshot(folder: Path) -> Path:
    """The snapshot that a folder models--owner--name of the hub's cache stands for; other folders as they are."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    main = folder / "refs" / "main"
    named = snapshots / (main.read_text(encoding="utf-8").strip() if main.is_file() else "")
    found = sorted((one for one in snapshots.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
    return named if main.is_file() and named.is_dir() else found[-1] if found else folder


def _is_whole(folder: Path, part: str) -> bool:
    place = folder / part
    if part and not place.is_dir():
        return not _is_named(folder, part)
    if part.startswith("tokenizer"):
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
    pickles = [name for name in names if name.rpartition("/")[2] in PICKLES]
    return ((fp16 or plain) if half else (plain or fp16)) or pickles
