"""Ship what was trained: `python -m texsync.mini.export --work DIR` writes texsync/mini/weights in half precision."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from .models import load_parts, save_folder

WEIGHTS = Path(__file__).parent / "weights"
PARTS = ("unet", "controlnet", "vae", "text_encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    parts = load_parts(options.work, PARTS)
    if options.out.exists():
        shutil.rmtree(options.out)
    save_folder(options.out, parts)
    size = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file())
    count = sum(p.numel() for part in parts.values() for p in part.parameters())
    print(f"{options.out}: {size / 1e6:.1f} MB, {count / 1e6:.2f} M parameters")


if __name__ == "__main__":
    main()
