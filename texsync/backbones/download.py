"""Downloads from the Hugging Face hub: how far they are, and in one line why they do not go on."""

from __future__ import annotations

import errno
import hashlib
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import InputError, Refused, TexsyncError, TexsyncWarning, about, got, option
from . import hub
from .hub import MODEL_PARTS, SMALL, OnBytes, choose_files

SECONDS = 10.0  # to wait for the hub's answer
EVERY = 0.2  # seconds between two looks at how far a download is
SPARE = 64 * 2**20  # bytes that are left free on the disk
OTHERWISE = f"give {option('model')} the path of a folder, or use {option('model', 'mini')}"
FULL = (errno.ENOSPC, errno.EDQUOT)
ANSWERS = {
    401: ("private, renamed or not there", "check its name on the hub, or `hf auth login`"),
    403: ("not given to everybody", "accept its terms on the hub, then `hf auth login`"),
    404: ("not there: renamed or removed", "check its name on the hub"),
}


def fetch(
    name: str,
    *,
    half: bool,
    parts: Iterable[str] = MODEL_PARTS,
    on_bytes: OnBytes | None = None,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """The folder of a hub repository: from the cache if all that texsync reads is there, else downloaded.

    name: see `hub.parse`.  half: take fp16 weights where the repository has them; weights of either kind that are in
    the cache do.  parts: subfolders, "" for the top.  check: called with the folder when its configs are there and its
    weights are not; what it raises spares their download.
    A repository in the cache makes no request, so it stays at its commit.
    Raises InputError if the hub does not give it, the disk is full, or neither network nor cache has it.
    """
    found = hub.cached(name, tuple(parts))
    return found or download(name, half=half, parts=tuple(parts), on_bytes=on_bytes, check=check)


def download(
    name: str,
    *,
    half: bool,
    parts: tuple[str, ...],
    on_bytes: OnBytes | None = None,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """The folder in the hub's cache, its files fetched where they are not there; see `fetch`.

    Raises InputError if the hub does not answer or not give it, or the disk is full; and what `on_bytes` raises.
    """
    ref = hub.parse(name) or hub.HubName(name)
    with _told(str(ref)):
        files = _files_of(ref)
        wanted = choose_files(files, half=half, parts=parts)
        small = [file for file in wanted if file.endswith(SMALL)]
        if check is not None and small:
            check(_got(ref, small, files, None))
        return _got(ref, wanted, files, on_bytes)


def fetch_file(ref: hub.HubName, on_bytes: OnBytes | None = None) -> Path:
    """One file of a repository, from the cache or downloaded; raises InputError like `fetch`."""
    found = hub.cached_file(ref)
    if found is not None or ref.file is None:
        return found or Path()
    with _told(str(ref)):
        files = _files_of(ref)
        if ref.file not in files:
            close = get_close_matches(ref.file, list(files), 1)
            hint = f"did you mean {close[0]}?" if close else "see the hub's page for its files"
            raise Refused.hub(f"{about(ref.repo)} has no file {ref.file}", hint)
        return _got(ref, [ref.file], files, on_bytes) / ref.file


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever the hub's client raises becomes one line; offline, it is not even asked."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise Refused.hub(
            f"cannot fetch {about(name)} from the hub (offline mode: HF_HUB_OFFLINE is set)",
            f"go online once, {OTHERWISE}",
        )
    try:
        yield
    except TexsyncError:
        raise
    except Exception as error:  # the client has a class of its own for every way to have no network
        raise explained(name, error) from error


def _files_of(ref: hub.HubName) -> dict[str, Any]:
    """What the hub says of each file of a repository, by name."""
    from huggingface_hub import HfApi

    # not list_repo_files: it retries for half a minute where there is no network
    info = HfApi().model_info(ref.repo, revision=ref.revision, timeout=SECONDS, files_metadata=True)
    if info.id and info.id != ref.repo:
        warnings.warn(TexsyncWarning(f"{ref.repo} is called {info.id} on the hub now"), stacklevel=4)
    return {file.rfilename: file for file in info.siblings or []}


def _got(ref: hub.HubName, wanted: list[str], files: Mapping[str, Any], on_bytes: OnBytes | None) -> Path:
    """The repository's folder with these files in it; a download that was broken off goes on where it stopped."""
    from huggingface_hub import snapshot_download

    missing = [name for name in wanted if hub.cached_file(hub.HubName(ref.repo, ref.revision, name)) is None]
    total, lacking = (sum(files[name].size or 0 for name in names) for names in (wanted, missing))
    check_disk(ref.repo, lacking)
    tell = on_bytes or (lambda done, total: None)
    folder = watched(
        lambda meter: Path(
            snapshot_download(ref.repo, revision=ref.revision, allow_patterns=wanted, tqdm_class=meter)
        ),
        lacking,
        lambda done, _: tell(total - lacking + done, total),
    )
    for name in missing:
        check_hash(folder / name, getattr(files[name].lfs, "sha256", None))
    return folder


def check_hash(file: Path, sha256: str | None) -> None:
    """Raises InputError for a file that is not what the hub says, and removes it.  None: the hub says nothing."""
    if sha256 is None or sha256_of(file) == sha256:
        return
    file.resolve().unlink()
    file.unlink(missing_ok=True)
    raise Refused.model_damaged(
        f"{about(file.name)} came other than the hub has it", "fetch it again; it was removed"
    )


def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        digest = hashlib.sha256()
        while block := content.read(2**22):
            digest.update(block)
        return digest.hexdigest()


def in_megabytes(on_progress: Callable[[str, int, int, None], None]) -> OnBytes:
    """Tells a task's `on_progress` of a download: a stage "download", whose steps are megabytes."""

    def tell(done: int, total: int) -> None:
        whole = max(1, -(-total // 10**6))
        on_progress("download", whole if done >= total else done // 10**6, whole, None)

    return tell


def check_disk(repo: str, total: int) -> None:
    """Raises InputError if the cache's disk has no room for `total` bytes."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE).absolute()
    there = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if total + SPARE > free:
        raise Refused.output_full(
            f"{about(repo)} takes {got(gigabytes(total))} of disk, {gigabytes(free)} are free in {there}",
            "free some space, or name another folder in the environment variable HF_HOME",
        )


def watched(job: Callable[[type], Path], total: int, on_bytes: OnBytes) -> Path:
    """What job(a tqdm class) returns; meanwhile `on_bytes` hears in this thread how many of `total` bytes are there."""
    meter = make_meter()
    with ThreadPoolExecutor(1) as pool:
        future: Future[Path] = pool.submit(job, meter)
        try:
            while not future.done():
                wait([future], EVERY)
                on_bytes(min(meter.done(), total), total)
        except BaseException:
            meter.stopped = True  # the next bytes that come end the download
            raise
        return future.result()


def make_meter() -> Any:
    """A progress bar class that shows nothing and counts bytes; whoever set `stopped` ends what it counts."""
    from tqdm import tqdm

    class Meter(tqdm):
        stopped = False
        bars: list[Meter] = []

        def __init__(self, *args: Any, **options: Any):
            options.pop("name", None)
            super().__init__(*args, **options)
            if self.unit == "B":
                self.bars.append(self)

        def display(self, *_: Any, **__: Any) -> None:
            """Nowhere."""

        def update(self, n: float | None = 1) -> bool | None:
            if Meter.stopped:
                raise InterruptedError
            return super().update(n)

        @classmethod
        def done(cls) -> int:
            """Bytes; what comes over the network and what is written to disk are counted by bars of their own."""
            return int(max((bar.n for bar in cls.bars), default=0))

    return Meter


def explained(repo: str, error: Exception) -> InputError:
    """What to tell of whatever the hub's client raised."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError

    for cause in _causes(error):
        text = str(cause).lower()
        if (isinstance(cause, OSError) and cause.errno in FULL) or "no space left" in text:
            return Refused.output_full(
                f"the disk is full: {about(repo)} does not fit in {constants.HF_HUB_CACHE}",
                "free some space, or name another folder in the environment variable HF_HOME",
            )
        if isinstance(cause, PermissionError):
            return Refused.output_place(
                f"{about(constants.HF_HUB_CACHE)} cannot be written to ({cause.strerror})",
                "name another folder in the environment variable HF_HOME",
            )
        if isinstance(cause, GatedRepoError):
            return Refused.hub(
                f"the hub wants you to accept the terms of {got(about(repo))}",
                "do so there, then `hf auth login`",
            )
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status is not None:
            what, remedy = ANSWERS.get(status, ("not to be had now", f"try again later, {OTHERWISE}"))
            return Refused.hub(f"the hub answers {got(status)} for {about(repo)}, which is {what}", remedy)
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return Refused.hub(f"cannot fetch {about(repo)} from the hub ({reason})", f"go online once, {OTHERWISE}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
