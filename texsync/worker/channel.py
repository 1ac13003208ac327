"""JSON lines over two file descriptors; nothing else in the process can read or write them."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

LONGEST = 2**20  # bytes of one line; a job names files, so real lines have a few kilobytes
CHUNK = 2**16


class Channel:
    """The worker's end.  Use `claim()`; `send` may be called from any thread."""

    def __init__(self, source: int, sink: int):
        self._source, self._sink = source, sink
        self._lock = threading.Lock()

    @classmethod
    def claim(cls) -> Channel:
        """Take stdin and stdout away from everybody else.

        From here on whatever a library prints, from Python or from C, lands on stderr, and whoever reads stdin
        finds it empty.
        """
        sys.stdout.flush()
        source, sink = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        if sys.platform == "win32":
            import msvcrt

            for descriptor in (source, sink):
                msvcrt.setmode(descriptor, os.O_BINARY)
        return cls(source, sink)

    def send(self, event: str, **fields: Any) -> None:
        """One line: {"event": event, ...}.  Silent when nobody listens any more; the end of stdin tells that too."""
        line = json.dumps({"event": event, **fields}, default=str).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._sink, line) :]
            except OSError:
                return

    def lines(self) -> Iterator[bytes | None]:
        """Every line that comes in, without its end; None for one that is too long.  Ends when stdin does."""
        pending, skipping = bytearray(), False
        while chunk := self._read():
            *whole, rest = chunk.split(b"\n")
            for piece in whole:
                line = None if skipping or len(pending) + len(piece) > LONGEST else bytes(pending + piece)
                pending.clear()
                skipping = False
                yield line
            skipping = skipping or len(pending) + len(rest) > LONGEST
            if skipping:
                pending.clear()
            else:
                pending += rest

    def _read(self) -> bytes:
        try:
            return os.read(self._source, CHUNK)
        except OSError:
            return b""


def parse(line: bytes | None) -> dict[str, Any]:
    """The JSON object in a line; raises ValueError in words for anything else."""
    if line is None:
        raise ValueError(f"a line has more than {LONGEST} bytes")
    try:
        content = json.loads(line)
    except RecursionError:
        raise ValueError("a line is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"a line is not JSON ({' '.join(str(error).split())[:80]})") from None
    if not isinstance(content, dict):
        raise ValueError(f"a line holds a {type(content).__name__}, not an object")
    return content
