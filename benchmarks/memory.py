"""What a call of a model takes beside its weights, measured on this CPU at Stable Diffusion 1.5's widths.

python benchmarks/memory.py          prints a table; weights are random, 6 GB of memory are wanted
Each row runs in a process of its own; "measured" is the peak of its resident memory over what it held before.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from pathlib import Path

import torch

from texsync.backbones.memory import decode_bytes, denoise_bytes, workspace_bytes

WIDTH, WORDS = 768, 77
CPU = torch.device("cpu")
ROWS = ("unet 256", "unet 512", "decoder 256", "decoder 512", "decoder 768", "encoder 512")


def networks(kind: str) -> list[torch.nn.Module]:
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    if kind != "unet":
        blocks = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
        return [AutoencoderKL(3, 3, *blocks, (128, 256, 512, 512), 2).eval()]
    unet = UNet2DConditionModel(cross_attention_dim=WIDTH).eval()
    return [unet, ControlNetModel.from_unet(unet).eval()]


@torch.no_grad()
def once(kind: str, size: int) -> tuple[int, int]:
    """(measured, planned) bytes of one guided view, or of one picture, of `size` pixels."""
    made, cells = networks(kind), size // 8
    largest = workspace_bytes(made[0])
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = held("VmRSS")
    if kind == "unet":
        x, words, t = torch.randn(2, 4, cells, cells), torch.randn(2, WORDS, WIDTH), torch.full((2,), 500)
        hint = torch.randn(2, 320, cells, cells)
        made[1].controlnet_cond_embedding = torch.nn.Identity()
        down, middle = made[1](x, t, words, controlnet_cond=hint, return_dict=False)
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        made[0](x, t, words, return_dict=False, **residuals)
        planned = denoise_bytes(made[0].config, (4, cells, cells), torch.float32, True, CPU, made[1].config)
    elif kind == "decoder":
        made[0].decode(torch.randn(1, 4, cells, cells))
        planned = decode_bytes(made[0].config, size, size, torch.float32, CPU)
    else:
        made[0].encode(torch.randn(1, 3, size, size))
        planned = decode_bytes(made[0].config, size, size, torch.float32, CPU)
    return held("VmHWM") - before, planned + largest


def held(name: str) -> int:
    """Bytes that /proc says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="*", default=ROWS, help='such as "unet 512"')
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        kind, size = asked.row[0].split()
        measured, planned = once(kind, int(size))
        first = 320 * (int(size) // 8) ** 2 * 8 if kind == "unet" else 128 * int(size) ** 2 * 4
        print(f"{asked.row[0]:<14}{measured / 2**20:>9.0f}{planned / 2**20:>9.0f}{measured / first:>7.1f}")
        return
    print(
        f"{'':<14}{'measured':>9}{'planned':>9}{'maps':>7}   MB, MB, measured in maps of the first level",
        flush=True,
    )
    for row in asked.row:
        subprocess.run([sys.executable, __file__, row, "--alone"], check=True)


if __name__ == "__main__":
    main()
