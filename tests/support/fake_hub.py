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
    """repos: "owner/name" -> a folder, or the HTTP status that is answered.  asked: every request's path."""

    def __init__(self, repos: dict[str, Path | int]):
        self.repos, self.asked = repos, []  # type: dict[str, Path | int], list[str]
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
        folder = self.fake.repos.get("/".join(words[:2]), 404)
        if isinstance(folder, int):
            self.answer(b"{}", status=folder)
        elif not api:
            self.answer((folder / "/".join(words[4:])).read_bytes())
        else:
            content = tree(folder) if "tree" in words else about("/".join(words[:2]), folder)
            self.answer(json.dumps(content).encode(), kind="application/json")

    def answer(self, body: bytes, status: int = 200, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nowhere."""


def files(folder: Path) -> list[tuple[str, bytes]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in found]


def about(repo: str, folder: Path) -> dict:
    siblings = [{"rfilename": name, "size": len(content)} for name, content in files(folder)]
    return {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}


def tree(folder: Path) -> list[dict]:
    return [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in files(folder)
    ]
