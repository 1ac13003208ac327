"""A model's folder in the other layouts that users have it in: variants, shards, pickles, the hub's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PICKLES = {"diffusion_pytorch_model": "diffusion_pytorch_model.bin", "model": "pytorch_model.bin"}


def weights(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def as_folder(folder: Path, place: Path) -> Path:
    return shutil.copytree(folder, place / folder.name)


def as_variant(folder: Path, place: Path) -> Path:
    """Numbers of 16 bits, under names that say so."""
    made = as_folder(folder, place)
    for file in weights(made):
        table = {
            name: one.half() if one.is_floating_point() else one for name, one in load_file(file).items()
        }
        save_file(table, file.with_name(f"{file.stem}.fp16.safetensors"), {"format": "pt"})
        file.unlink()
    return made


def as_shards(folder: Path, place: Path) -> Path:
    """Two files for each network, and an index of which weight is where."""
    made = as_folder(folder, place)
    for file in weights(made):
        table = load_file(file)
        names = sorted(table)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        index = {}
        for number, half in enumerate(halves, 1):
            shard = f"{file.stem}-{number:05}-of-00002.safetensors"
            save_file({name: table[name] for name in half}, file.with_name(shard), {"format": "pt"})
            index |= dict.fromkeys(half, shard)
        total = {"total_size": sum(one.nbytes for one in table.values())}
        text = json.dumps({"metadata": total, "weight_map": index})
        file.with_name(f"{file.stem}.safetensors.index.json").write_text(text)
        file.unlink()
    return made


def as_pickles(folder: Path, place: Path) -> Path:
    made = as_folder(folder, place)
    for file in weights(made):
        torch.save(load_file(file), file.with_name(PICKLES[file.stem]))
        file.unlink()
    return made


def as_cache(folder: Path, place: Path) -> Path:
    """As the hub's client keeps it: files by their hashes, and a commit's names that point at them."""
    repo = place / f"models--owner--{folder.name}"
    for part in ("refs", "blobs"):
        (repo / part).mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    for file in (one for one in folder.rglob("*") if one.is_file()):
        blob = repo / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        there = repo / "snapshots" / COMMIT / file.relative_to(folder)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(os.path.relpath(blob, there.parent))
    return repo


SHAPES = {
    "folder": as_folder,
    "fp16 variant": as_variant,
    "shards": as_shards,
    "bin in a folder": as_pickles,
    "hub cache folder": as_cache,
}
