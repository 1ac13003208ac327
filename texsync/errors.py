"""The few errors that a user can meet, each with a remedy."""

from __future__ import annotations

import math
from typing import Any


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


NO_ROOM = (  # in what torch raises for want of memory, where it is no class of its own
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "status_alloc_failed",  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE
    "host_allocation_failed",
    "device_allocation_failed",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: Python's own error, or torch's or a GPU library's RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in NO_ROOM)
    )


def check_finite(values: Any, stage: str, remedy: str) -> None:
    """Raises InputError naming the stage if there is NaN or infinity in a tensor or array of at least 32 bits."""
    if not math.isfinite(float(values.sum())):  # one number to fetch from the device, not a mask
        raise InputError(f"NaN or infinity after {stage}", remedy)
