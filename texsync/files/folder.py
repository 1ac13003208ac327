"""Results appear all at once or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..options import check_free
from ..options import path as as_path

NOT_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes it when the block ends well; otherwise nothing is left.

    overwrite: replace the folder of an earlier run; it goes only after the new one is complete.
    Raises InputError if the place is taken, is not a folder of results, cannot be written to or is full.
    """
    path = as_path("output folder", path).resolve()
    check_free(path, overwrite)
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        _remove_empty(made)
        raise unwritable(path, error) from error
    try:
        temporary.chmod(0o777 & ~_umask())  # mkdtemp's are private
        yield temporary
        _move(temporary, path)
        made = []
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


def unwritable(path: Path, error: OSError) -> InputError:
    """What to tell when the disk says no."""
    reason = error.strerror or error
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another place"
    return InputError(f"cannot write {path} ({reason})", remedy)


def _move(temporary: Path, path: Path) -> None:
    """Put the new folder in place; the old one is set aside first and comes back if that fails."""
    if not path.exists():
        temporary.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
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
