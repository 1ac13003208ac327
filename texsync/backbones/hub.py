"""Model folders from the Hugging Face hub: only the files that are needed, kept in the hub's own cache."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from .weights import STEMS

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
SECONDS = 10.0  # to wait for the hub's answer
SMALL = (".json", ".txt", ".model")  # configs and vocabularies
MODEL_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "controlnet")


def fetch(repo: str, *, half: bool, parts: Iterable[str] = MODEL_PARTS) -> Path:
    """Download what texsync reads of a hub repository, or find it in the cache; returns the folder.

    half: take fp16 weights where the repository has them.  parts: subfolders, "" for the top.
    Raises InputError if there is no such repository, or neither network nor cache has it.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        # not list_repo_files: it retries for half a minute where there is no network
        names = [file.rfilename for file in HfApi().model_info(repo, timeout=SECONDS).siblings or []]
        wanted = choose_files(names, half=half, parts=tuple(parts))
        return Path(snapshot_download(repo, allow_patterns=wanted))
    except GatedRepoError:
        raise InputError(
            f"the hub wants you to accept the terms of {repo}", "do so, then `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"the hub has no public model {repo}", "check its name, or `hf auth login`"
        ) from None
    except Exception as error:  # the client has a class of its own for every way to have no network
        return _cached(repo, str(error).partition("\n")[0] or type(error).__name__)


def _cached(repo: str, reason: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except OSError:
        raise InputError(
            f"cannot fetch {repo} from the hub ({reason})",
            "go online once, give --model the path of a folder, or use --model mini",
        ) from None


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
