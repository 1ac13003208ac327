"""A hub on 127.0.0.1 that serves folders as the Hugging Face hub does, and counts what it is asked for."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """repos: "owner/name" -> a folder, the HTTP status that is answered, or the name that it has now.

    asked: every request's path.  sent: (path, bytes) of every file that was asked for in whole or from some byte on.
    spoilt: files that come with one byte changed.  most: bytes of a file after which the connection breaks, once.
    """

    def __init__(self, repos: dict[str, Path | int | str]):
        self.repos, self.asked, self.sent = repos, [], []  # type: dict, list[str], list[tuple[str, int]]
        self.spoilt: set[str] = set()
        self.most: int | None = None
        hub = self

        class Handler(Answer):
            fake = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> FakeHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Answer(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.fake.asked.append(self.path)
        words = unquote(urlsplit(self.path).path).strip("/").split("/")
        api = words[:2] == ["api", "models"]
        words = words[2:] if api else words
        repo = "/".join(words[:2])
        folder = self.fake.repos.get(repo, 404)
        if isinstance(folder, str):
            self.send_response(307)
            self.send_header("Location", self.path.replace(repo, folder, 1))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif isinstance(folder, int):
            self.answer(b"{}", status=folder)
        elif not api:
            self.give(folder / "/".join(words[4:]))
        else:
            content = tree(folder) if "tree" in words else about(repo, folder)
            self.answer(json.dumps(content).encode(), kind="application/json")

    def give(self, file: Path) -> None:
        """A file, or what of it is asked for."""
        whole = file.read_bytes()
        tag = digest(file, whole)
        if file.name in self.fake.spoilt:
            whole = whole[:-1] + bytes([whole[-1] ^ 1])
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        status = 206 if "Range" in self.headers else 200
        if self.command == "GET":
            self.fake.sent.append((self.path, len(whole) - start))
        self.answer(whole[start:], status=status, tag=tag, length=len(whole))

    def answer(
        self,
        body: bytes,
        status: int = 200,
        kind: str = "application/octet-stream",
        tag: str | None = None,
        length: int = 0,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        if status == 206:
            self.send_header("Content-Range", f"bytes {length - len(body)}-{length - 1}/{length}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{tag or hashlib.sha1(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            most = self.fake.most
            if tag and most is not None and len(body) > most:
                self.fake.most, body, self.close_connection = None, body[:most], True
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nowhere."""


def files(folder: Path) -> list[tuple[str, bytes]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in found]


def digest(file: Path, content: bytes) -> str:
    """What the hub calls a file by: large ones by their sha256, others by a shorter sum."""
    large = file.suffix in (".safetensors", ".bin")
    return (hashlib.sha256 if large else hashlib.sha1)(content).hexdigest()


def about(repo: str, folder: Path) -> dict:
    siblings = []
    for name, content in files(folder):
        sum_ = digest(Path(name), content)
        lfs = {"lfs": {"sha256": sum_, "size": len(content), "pointerSize": 100}} if len(sum_) == 64 else {}
        siblings.append({"rfilename": name, "size": len(content), **lfs})
    return {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}


def tree(folder: Path) -> list[dict]:
    return [
        {"type": "file", "path": name, "size": len(content), "oid": digest(Path(name), content)}
        for name, content in files(folder)
    ]
