"""Results appear all at once or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where what a killed run leaves stays
    fcntl = None  # type: ignore[assignment]

from ..errors import InputError, Refused, about
from ..options.kinds import PathName
from ..options.output import check_free

OURS, ASIDE = (
    "-texsync-",
    "-texsync-old-",
)  # in the names of temporary folders: new results; old ones, set aside
RANDOM = 8  # letters that tempfile adds
NOT_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes it when the block ends well; otherwise nothing is left.

    overwrite: replace the folder of an earlier run; it goes only after the new one is complete.
    What killed runs left beside it is removed.
    Raises InputError if the place is taken, is not a folder of results, cannot be written to or is full.
    """
    path = PathName()("output folder", path).resolve()
    check_free(path, overwrite)
    _tidy(path, OURS)
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _held_folder(path, OURS)
    except OSError as error:
        _remove_empty(made)
        raise unwritable(path, error) from error
    try:
        temporary.chmod(0o777 & ~_umask())  # mkdtemp's are private
        yield temporary
        _move(temporary, path)
        made = []
        if overwrite:
            _tidy(path, ASIDE)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _let_go(lock)
        _remove_empty(made)


def _held_folder(path: Path, kind: str) -> tuple[Path, int | None]:
    """A new temporary folder beside `path`, locked while this process lives, and its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}{kind}", dir=path.parent))
        lock = _locked(folder, wait=True)
        if folder.exists():  # else a run that tidies up was faster than the lock
            return folder, lock
        _let_go(lock)


def _tidy(path: Path, kind: str) -> None:
    """Remove the temporary folders of runs that were killed; those of runs that live are locked."""
    start = f".{path.name}{kind}"
    try:
        beside = list(path.parent.iterdir())
    except OSError:  # not there yet, or not ours to look at
        return
    for folder in [
        one for one in beside if one.name.startswith(start) and len(one.name) == len(start) + RANDOM
    ]:
        lock = None if folder.is_symlink() else _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _let_go(lock)


def _locked(folder: Path, wait: bool = False) -> int | None:
    """A lock on a folder, which the system ends with the process; None if another has it, or there are no locks."""
    if fcntl is None:
        return None
    descriptor = None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        _let_go(descriptor)
        return None
    return descriptor


def _let_go(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def unwritable(path: Path, error: OSError) -> InputError:
    """What to tell when the disk says no."""
    reason = error.strerror or error
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another place"
    return Refused.output_place(f"cannot write {about(path)} ({reason})", remedy)


def _move(temporary: Path, path: Path) -> None:
    """Put the new folder in place; the old one is set aside first and comes back if that fails."""
    if not path.exists():
        temporary.rename(path)
        return
    old, lock = _held_folder(path, ASIDE)
    try:
        path.rename(old / path.name)
        temporary.rename(path)
    except BaseException:
        if (old / path.name).exists() and not path.exists():
            (old / path.name).rename(path)
        raise
    finally:
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        _let_go(lock)


def _remove_empty(folders: list[Path]) -> None:
    """Innermost first; one that somebody else has put something into stays."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
