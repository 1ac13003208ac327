"""Where a model runs, in which number format, and how many views at a time."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, Refused, TexsyncWarning, about, got, option, out_of_memory
from .traced import decode_peak, denoise_peak

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SHARE = 0.7  # of the free memory; the rest is for convolution workspaces and fragmentation
MARGIN = {"cuda": 1.05, "other": 1.0}  # beyond what is counted: an allocator's rounding and gaps
RELAID = {"cpu": 1.5}  # of its weights that a convolution lays out anew, as seen by benchmarks/memory.py
LEAST_TILE = 16  # latent cells a side; what is decoded in smaller tiles shows their borders
CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def choose_device(name: str = "auto") -> torch.device:
    """auto takes a CUDA GPU if torch sees one, else the CPU; raises InputError for one that is not there.

    A CUDA device has its number, also where none was said: torch's memory limits take no other.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" or (name == "mps" and torch.backends.mps.is_available()):
        return torch.device(name)
    if name.startswith("cuda") and torch.cuda.is_available():
        index = torch.device(name).index
        index = torch.cuda.current_device() if index is None else index
        if index < torch.cuda.device_count():
            return torch.device("cuda", index)
        raise Refused.device(
            f"there is no GPU {about(name)}", f"cuda:0 to cuda:{torch.cuda.device_count() - 1} are there"
        )
    if name.startswith("cuda"):
        raise Refused.device(
            f"{about('device')} cuda: torch sees no CUDA GPU",
            f"use {option('device', 'cpu')}, or see `texsync doctor`",
        )
    if name == "mps":
        raise Refused.device(
            f"{about('device')} mps: this torch has no Metal GPU", f"use {option('device', 'cpu')}"
        )
    raise Refused.device(f"unknown {about('device')} {got(name)!r}", "known: auto, cpu, cuda, cuda:N, mps")


def home_of(device: torch.device) -> torch.device:
    """Where views and latents live while a model computes on `device`: there if it is a CUDA GPU, else on the CPU.

    Looking at meshes wants CUDA or a CPU, and couplings want float64, which Apple's GPUs do not have.
    """
    return device if device.type == "cuda" else torch.device("cpu")


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """auto is fp32 on a CPU and fp16 elsewhere; raises InputError for an unknown name."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if name not in DTYPES:
        raise Refused.option_choice(
            f"unknown {about('dtype')} {got(name)!r}", f"known: auto, {', '.join(DTYPES)}"
        )
    return DTYPES[name]


def warn_of_slow(dtype: torch.dtype, device: torch.device) -> None:
    """Say that a CPU has no arithmetic of 16 bits (TexsyncWarning), which it then imitates."""
    slow = {torch.bfloat16: not torch.cpu._is_avx512_bf16_supported(), torch.float16: True}
    if device.type == "cpu" and slow.get(dtype) and platform.machine() in ("x86_64", "AMD64"):
        told = f"this CPU has no {dtype_name(dtype)} arithmetic and is many times slower with it"
        warnings.warn(
            TexsyncWarning(f"{told}; leave out {option('dtype')}, or use {option('dtype', 'fp32')}"),
            stacklevel=3,
        )


def dtype_name(dtype: torch.dtype) -> str:
    """What `choose_dtype` calls a number format; torch's own name for one that it does not know."""
    return next((name for name, known in DTYPES.items() if known == dtype), str(dtype).removeprefix("torch."))


def free_bytes(device: torch.device) -> int:
    """Memory that may still be taken on a device."""
    if device.type == "cuda":
        held = torch.cuda.memory_allocated(device)
        free, whole = torch.cuda.mem_get_info(device)
        may = int(torch.cuda.get_per_process_memory_fraction(device) * whole)  # see `limit`
        return min(free + torch.cuda.memory_reserved(device) - held, may - held)
    import psutil

    return min([psutil.virtual_memory().available, *_container_room()])


def limit(vram: float | None, device: torch.device) -> None:
    """Let this process hold at most `vram` GB of a GPU's memory, by torch's own allocator; None: all of it."""
    if device.type == "cuda":
        whole = torch.cuda.mem_get_info(device)[1]
        share = 1.0 if vram is None else min(1.0, vram * 2**30 / whole)
        torch.cuda.set_per_process_memory_fraction(share, device)
    elif vram is not None:
        told = f"{option('vram')} is for a GPU, and the model runs on {device}; its memory is not limited"
        warnings.warn(TexsyncWarning(told), stacklevel=3)


def _container_room() -> list[int]:
    """What a container's own limit leaves; psutil sees only the whole machine."""
    room = []
    for limit, usage in CGROUP_LIMITS:
        try:
            room.append(max(0, int(Path(limit).read_text()) - int(Path(usage).read_text())))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return room


def denoise_bytes(
    unet: Mapping[str, Any],
    latent: Sequence[int],
    dtype: torch.dtype,
    guided: bool,
    device: torch.device,
    control: Mapping[str, Any] | None = None,
) -> int:
    """What UNet and ControlNet take for one view, weights apart, by `traced`.

    unet, control: their configs.  latent: (C, h, w).
    """
    relayout, margin = _habits(device)
    return int(margin * denoise_peak(unet, control, tuple(latent), dtype, 2 if guided else 1, relayout))


def decode_bytes(
    vae: Mapping[str, Any], height: int, width: int, dtype: torch.dtype, device: torch.device
) -> int:
    """What the decoder takes for one picture of height x width pixels, weights apart, by `traced`."""
    relayout, margin = _habits(device)
    return int(margin * decode_peak(vae, height, width, dtype, relayout))


def _habits(device: torch.device) -> tuple[bool, float]:
    """Whether a device's convolutions copy what they read and write, and how much is added to what is counted."""
    on_gpu = device.type in MARGIN
    return not on_gpu, MARGIN[device.type if on_gpu else "other"]


def workspace_bytes(network: nn.Module) -> int:
    """What a call takes whatever the pictures' size: a convolution may lay out its weights anew."""
    sizes = [(p.numel() * p.element_size(), p.device.type) for p in network.parameters()]
    largest, where = max(sizes, default=(0, "cpu"))
    return int(RELAID.get(where, 1.0) * largest)


def fitting(each: int, device: torch.device, wanted: int, what: str, fixed: int = 0) -> int:
    """How many of `wanted` fit at once at `each` bytes and `fixed` ones; raises InputError when not even one does."""
    free = require(each + fixed, device, what, f"lower {option('view_size')}, or close other programs")
    return views_that_fit(each, free, wanted, fixed)


def views_that_fit(each: int, free: int, wanted: int, fixed: int = 0) -> int:
    """How many of `wanted` views at `each` bytes go with `fixed` ones into `free`; 0 if not even one does."""
    if each + fixed > free:
        return 0
    return max(1, min(wanted, int((SHARE * free - fixed) / each)))


def require(needed: int, device: torch.device, what: str, remedy: str) -> int:
    """How many bytes are free on a device; raises InputError if `what` needs more than that."""
    free = free_bytes(device)
    if needed > free:
        raise Refused.memory(
            f"{about(what)} needs about {got(needed / 2**30):.1f} GB, {free / 2**30:.1f} GB are free on {device}",
            remedy,
        )
    return free


def tile_that_fits(each: int, cells: int, free: int) -> int:
    """Latent cells a side of what is decoded at once: all of `cells`, or a half, a quarter ...; 0 if none fits.

    each: bytes for all of a picture of cells x cells, see `decode_bytes`.
    """
    side = cells
    while each * (side / cells) ** 2 > SHARE * free:
        side = -(-side // 2)
        if side < min(LEAST_TILE, cells):
            return 0
    return side


class TooLittle(InputError):
    """Not even one view or picture fits the memory."""


@dataclass
class Chunks:
    """Runs a job over N views, at most `size` at a time, and halves `size` where memory runs out."""

    size: int

    def run(self, job: Callable[[slice], Tensor], count: int) -> Tensor:
        """job(slice of views) -> (views, ...); returns (count, ...).  Raises InputError if one is too many."""
        done: list[Tensor] = []
        start = 0
        while start < count:
            try:
                done.append(job(slice(start, min(start + self.size, count))))
            except RuntimeError as error:
                self._halve(error)
            else:
                start += self.size
        return torch.cat(done)

    def together(
        self, job: Callable[[Sequence[slice]], Tensor], count: int, *, whole: bool = False
    ) -> Tensor:
        """job(all slices of views) -> (count, ...), for jobs whose chunks wait for each other; whole: in one slice."""
        while True:
            size = count if whole else self.size
            try:
                return job([slice(i, min(i + size, count)) for i in range(0, count, size)])
            except RuntimeError as error:
                self._halve(error)

    def _halve(self, error: Exception) -> None:
        if not out_of_memory(error):
            raise error
        if self.size == 1:
            remedy = (
                f"lower {option('view_size')}, or use {option('dtype', 'fp16')} or {option('device', 'cpu')}"
            )
            raise TooLittle("not enough memory for a single view", remedy) from error
        self.size = max(1, self.size // 2)
        message = f"out of memory; going on with {self.size} views at a time ({option('chunk', self.size)})"
        warnings.warn(message, TexsyncWarning, stacklevel=3)
