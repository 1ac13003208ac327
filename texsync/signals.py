"""What to do when the system asks the process to end: as after Ctrl-C, nothing half-written stays behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TERMINATED = 143  # exit code: 128 + SIGTERM


class Terminated(SystemExit):
    """SIGTERM came.  Like SystemExit it passes by whoever catches Exception, and `finally` blocks tidy up."""


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Inside it SIGTERM raises Terminated in the main thread, once; a handler of the caller's own stays as it is."""
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the rest is tidying up
        raise Terminated(TERMINATED)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
