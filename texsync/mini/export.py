"""Ship what was trained: `python -m texsync.mini.export --work DIR` writes texsync/mini/weights in half precision."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from torch import nn

from .models import load_parts, save_folder

WEIGHTS = Path(__file__).parent / "weights"
PARTS = ("unet", "controlnet", "vae", "text_encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    parts = load_parts(options.work, PARTS)
    round_as_trained(parts["vae"])
    if options.out.exists():
        shutil.rmtree(options.out)
    save_folder(options.out, parts)
    size = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file())
    count = sum(p.numel() for part in parts.values() for p in part.parameters())
    print(f"{options.out}: {size / 1e6:.1f} MB, {count / 1e6:.2f} M parameters")


@torch.no_grad()
def round_as_trained(part: nn.Module) -> None:
    """Weights as bf16 has them.  Autocast trained with those, and an autoencoder settles on them: as they are in 32
    bits its pictures are 0.3 to 0.6 dB worse in any number format.  (The networks' losses do not change.)"""
    for weight in part.parameters():
        weight.copy_(weight.bfloat16())


if __name__ == "__main__":
    main()
