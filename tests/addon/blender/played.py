"""A worker that is played: `texsync worker` in words, but it paints one colour, at once.  Standard library only.

What it does beside that, the prompt says: "held" goes on when there is a file named `go` in the working folder, "fail"
is an error, "null" a line that makes no sense, "crash" the end of the process.
"""

import json
import os
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

cancelled = set()


def say(**event):
    sys.stdout.write(f"{json.dumps(event)}\n")
    sys.stdout.flush()


def png(path, size, colour):
    width, height = size if isinstance(size, list) else (size, size)
    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    blocks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(blocks))


def look(ident, asked):
    """A preview, and a texture in pink."""
    seed = asked.get("seed", 0)
    png(Path("preview.png"), 96, (50, (40 * seed) % 256, 200))
    flat = struct.pack("<4f", 0.8, 0.3, 0.5, 1.0) * 16
    Path("look.bin").write_bytes(flat)
    texture = {"path": str(Path("look.bin").absolute()), "width": 4, "height": 4, "uvs": None}
    say(
        event="preview", id=ident, path=str(Path("preview.png").absolute()), texture=texture, step=1, total=10
    )


def paint(ident, task, asked, shows):
    say(event="progress", id=ident, stage="denoise", step=0, total=10)
    if shows["textures"]:
        look(ident, asked)
    prompt = asked.get("prompt", "")
    while "held" in prompt and ident not in cancelled and not Path("go").exists():
        time.sleep(0.02)
    if ident in cancelled:
        return say(event="cancelled", id=ident)
    if "null" in prompt:
        say(event="progress", id=ident, stage=None, step=None, total=None)
    if "crash" in prompt:
        os._exit(3)
    if "fail" in prompt:
        return say(
            event="error", id=ident, kind="input", code="x", message=["it failed"], remedy=["try another"]
        )
    out = Path(asked["out"])
    out.mkdir(parents=True)
    header = json.loads(Path(asked["mesh"]).read_bytes().partition(b"\n")[0])
    corners = sum(part["corner_vertex"]["count"] for part in header["parts"])
    seed = asked.get("seed", 0)
    if task == "mesh":
        png(out / "texture.png", asked["texture_size"], (200, (40 * seed) % 256, 50))
        png(out / "look.png", 96, (200, (40 * seed) % 256, 50))
    if asked["uvs"] == "unwrap" or not all("uv" in part for part in header["parts"]):
        square = struct.pack("<8f", 0, 0, 1, 0, 1, 1, 0, 1) * (corners // 4 + 1)
        (out / "uvs.bin").write_bytes(square[: 8 * corners])
    told = {"asked": asked, "header": header, "shows": shows, "offline": os.environ.get("HF_HUB_OFFLINE", "")}
    (out / "run.json").write_text(json.dumps(told))
    return say(event="done", id=ident, files={path.name: str(path) for path in out.iterdir()})


def main():
    if sys.argv[1:2] == ["doctor"]:
        return say(texsync="0", ok=True, checks=[])
    say(event="hello", protocol=2, texsync="0", tasks=["mesh", "unwrap"], pid=os.getpid())
    for line in sys.stdin:
        told = json.loads(line)
        if told["command"] == "quit":
            break
        if told["command"] == "cancel":
            cancelled.add(told["id"])
        if told["command"] == "run":
            shows = {name: told[name] for name in ("previews", "textures")}
            job = (told["id"], told["task"], told["arguments"], shows)
            threading.Thread(target=paint, args=job, daemon=True).start()
    return None


if __name__ == "__main__":
    main()
