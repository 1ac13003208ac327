"""The few errors that a user can meet, each with a remedy."""

from __future__ import annotations


class TexsyncError(Exception):
    """Something that a person must be told in one line.

    message: names the thing and the value got.  remedy: what to do about it.
    `exit_code` is what the shell returns: 1 our fault, 2 wrong input, 130 interrupted.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = ""):
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}" if remedy else message)


class InputError(TexsyncError):
    """The input is wrong and the user can put it right."""

    exit_code = 2


class Cancelled(TexsyncError):
    """The user stopped the run; nothing was written."""

    exit_code = 130


class TexsyncWarning(UserWarning):
    """Worth a line to the user, but the run goes on."""


def out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: Python's own error, or torch's on a GPU and, a bare one, on a CPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )
