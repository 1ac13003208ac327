"""Does a batch survive being killed, and does a cluster give what one process gives?

    python benchmarks/batch.py killed [--count 200] [--model mini]
    python benchmarks/batch.py ray [--count 40] [--model mini]

killed: `count` jobs, of which one in seventeen is faulty; killed with SIGKILL at five random moments and started
again, beside a run that is left alone: the same files, jobs done twice, failures by line.
ray: the same jobs by one process and by a Ray cluster of two nodes on this machine, of which one is killed in the
middle: are pixels equal to the bit, and how long did each take.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from coupling import MESHES
from PIL import Image

FAULTY = ({"steps": "0"}, {"mesh": "gone.obj"}, {"prompt": ""}, {"model": "nowhere"})


def write_table(place: Path, count: int, model: str) -> Path:
    """Small mesh and picture jobs; one in seventeen cannot be done."""
    meshes = [str(MESHES / "crate.glb"), str(MESHES / "rabbit.obj")]
    path = place / "jobs.csv"
    columns = [
        "task",
        "mesh",
        "prompt",
        "seed",
        "steps",
        "view_size",
        "texture_size",
        "width",
        "height",
        "model",
        "formats",
    ]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for number in range(count):
            row = {
                "prompt": f"red stone {number}",
                "seed": number,
                "steps": "1",
                "view_size": "64",
                "model": model,
            }
            if number % 4 == 0:
                row |= {"mesh": meshes[number // 4 % 2], "texture_size": "128", "formats": "png"}
            else:
                row |= {"task": "wide", "width": "96", "height": "64"}
            if number % 17 == 5:
                fault = FAULTY[number // 17 % len(FAULTY)]
                row |= (
                    {"mesh": "gone.obj", "task": "mesh", "texture_size": "128", "width": "", "height": ""}
                    if "mesh" in fault
                    else fault
                )
            table.writerow(row)
    return path


def command(table: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "texsync", "batch", str(table), "--out", str(out), "--jobs", "2", *more]


def pictures(home: Path) -> dict[str, str]:
    """Path to hash of every picture's pixels, hidden folders included; its file tells how long it took, too."""
    files = [path for path in sorted(home.rglob("*")) if path.suffix == ".png"]
    return {
        str(path.relative_to(home)): hashlib.sha256(Image.open(path).tobytes()).hexdigest() for path in files
    }


def done(home: Path) -> dict[str, float]:
    """Folder to when its run.json was written."""
    return {path.parent.name: path.stat().st_mtime for path in home.glob("*/run.json")}


def killed(place: Path, count: int, model: str) -> None:
    table = write_table(place, count, model)
    start = time.perf_counter()
    left = subprocess.run(command(table, place / "whole"), capture_output=True, text=True)
    whole = time.perf_counter() - start
    print(f"left alone: exit code {left.returncode}, {whole:.0f} s, {left.stdout.strip()}", flush=True)
    dice, first = random.Random(0), dict[str, float]()
    for enough in sorted(
        dice.sample(range(count * 4 // 5), 5)
    ):  # jobs, since a machine is not always equally fast
        process = subprocess.Popen(
            command(table, place / "killed"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while process.poll() is None and len(done(place / "killed")) < enough:
            time.sleep(0.1)
        time.sleep(dice.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(2)
        now = done(place / "killed")
        again = [name for name in first if now.get(name) != first[name]]
        print(f"killed with {len(now)} done; done twice: {len(again)}", flush=True)
        first = now
    last = subprocess.run(command(table, place / "killed"), capture_output=True, text=True)
    now = done(place / "killed")
    print(f"to its end: exit code {last.returncode}, {last.stdout.strip()}")
    print(f"done twice: {sum(now.get(name) != when for name, when in first.items())}")
    one, other = pictures(place / "whole"), pictures(place / "killed")
    print(f"same pictures: {one == other}, {len(other)} files")
    rows = [list(csv.reader((place / name / "failed.csv").open())) for name in ("whole", "killed")]
    print(f"failed lines: {len(rows[0]) - 1}, the same: {sorted(rows[0]) == sorted(rows[1])}")
    hidden = [str(path) for path in (place / "killed").glob(".*")]
    print(f"left over: {hidden}")


def on_ray(place: Path, count: int, model: str) -> None:
    import ray
    from ray.cluster_utils import Cluster

    from texsync import run_batch

    table = write_table(place, count, model)
    start = time.perf_counter()
    alone = run_batch(table, out=place / "alone", jobs=1, threads=1)
    first = time.perf_counter() - start
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    other = cluster.add_node(num_cpus=1)
    gone = []

    def kill(number: int, _: int, outcome) -> None:
        if number == count // 2 and not gone:
            gone.append(number)
            cluster.remove_node(other)
            cluster.add_node(num_cpus=1)

    start = time.perf_counter()
    both = run_batch(table, out=place / "ray", jobs=2, threads=1, ray=cluster.address, on_job=kill)
    second = time.perf_counter() - start
    ray.shutdown()
    cluster.shutdown()
    print(
        f"one process: {alone}, {first:.0f} s; Ray, two nodes, one killed in the middle: {both}, {second:.0f} s"
    )
    here, there = pictures(place / "alone"), pictures(place / "ray")
    print(f"same pixels to the bit: {here == there}, {len(there)} files")
    print(f"same failures: {[one.code for one in alone.failed] == [one.code for one in both.failed]}")
    records = [json.loads(path.read_text()) for path in (place / "ray").glob("*/run.json")]
    print(f"files it remembers: {sorted({file['path'] for one in records for file in one['files']})}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["killed", "ray"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", default="mini")
    asked = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as scratch:
        (killed if asked.what == "killed" else on_ray)(Path(scratch), asked.count, asked.model)


if __name__ == "__main__":
    main()
