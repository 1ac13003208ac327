"""Training pictures as latents, on the device that trains: taken from a spool's files, drawn from at random."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .spool import CAPTIONS, read

CELL = 8  # pixels along one side of a latent cell
EMPTY = 0.12  # share of pictures that are trained on without their words
BLIND = 0.1  # share of conditions that the ControlNet does not see, so that the UNet alone can paint too


def halves(device: str) -> bool:
    """Whether bf16 is the faster format on a device; CPUs without instructions for it take many times as long."""
    return device == "cuda" or torch.cpu._is_avx512_bf16_supported()


@dataclass(frozen=True)
class Batch:
    """latent: (B, 4, h, w).  tokens: (B, T).  condition: (B, 8h, 8w) in bytes, or None where no picture of the kind has
    one.  steered: (B,) bool, which of them the ControlNet has a say in."""

    latent: Tensor
    tokens: Tensor
    condition: Tensor | None
    steered: Tensor


class Pool:
    """The latest `capacity` pictures of one kind; each is drawn a few times, with other words and mirrored.

    cells: along one side of a whole latent.  tokens: the width of a caption.  steered: whether it keeps conditions.
    """

    def __init__(self, capacity: int, cells: int, tokens: int, steered: bool, device: str):
        side = cells * CELL if steered else CELL
        self.latents = torch.zeros(capacity, 4, cells, cells, dtype=torch.half, device=device)
        self.conditions = torch.zeros(capacity, side, side, dtype=torch.uint8, device=device)
        self.captions = torch.zeros(capacity, CAPTIONS, tokens, dtype=torch.long, device=device)
        self.count = self.next = 0
        self.steered, self.device = steered, device

    def add(self, latents: Tensor, captions: Tensor, conditions: Tensor | None) -> None:
        """(n, 4, c, c), (n, CAPTIONS, T) and (n, 8c, 8c) bytes; the oldest go."""
        capacity = len(self.latents)
        where = torch.arange(self.next, self.next + len(latents), device=self.device) % capacity
        self.latents[where] = latents.half()
        self.captions[where] = captions.to(self.device)
        if self.steered:
            self.conditions[where] = 0 if conditions is None else conditions
        self.next = (self.next + len(latents)) % capacity
        self.count = min(self.count + len(latents), capacity)

    def draw(self, batch: int, empty: Tensor) -> Batch:
        """`batch` pictures, some mirrored.  empty: (K, T) ways to say nothing."""
        device = self.device
        which = torch.randint(self.count, (batch,), device=device)
        mirrored = (torch.rand(batch, device=device) < 0.5).view(-1, 1, 1)
        latent = self.latents[which].float()
        latent = torch.where(mirrored[..., None], latent.flip(-1), latent)
        chance = torch.rand(2, batch, device=device)
        tokens = self.captions[which, torch.randint(CAPTIONS, (batch,), device=device)]
        nothing = empty[torch.randint(len(empty), (batch,), device=device)]
        tokens = torch.where((chance[0] < EMPTY)[:, None], nothing, tokens)
        if not self.steered:
            return Batch(latent, tokens, None, torch.zeros(batch, dtype=torch.bool, device=device))
        condition = self.conditions[which]
        condition = torch.where(mirrored, condition.flip(-1), condition)
        steered = (condition.amax(dim=(1, 2)) > 0) & (chance[1] >= BLIND)
        return Batch(latent, tokens, condition, steered)


Chunk = tuple[str, dict[str, Tensor], list[list[str]]]


def chunks(spool: Path, keep: bool = False, waiting: int = 6) -> queue.Queue[Chunk]:
    """A queue that a thread fills with (kind, tensors, captions) of a spool's files, which are then removed.

    keep: read files in random order instead, over and over, and leave them.
    """
    line: queue.Queue[Chunk] = queue.Queue(waiting)
    threading.Thread(target=_fill, args=(spool, line, keep), daemon=True).start()
    return line


def _fill(spool: Path, line: queue.Queue[Chunk], keep: bool) -> None:
    for file in _files(spool, keep):
        try:
            tensors, captions = read(file)
        except FileNotFoundError:  # another trainer was faster
            continue
        if torch.cuda.is_available():
            tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        line.put((file.name.split("-")[0], tensors, captions))
        if not keep:
            file.unlink(missing_ok=True)


def _files(spool: Path, keep: bool) -> Iterator[Path]:
    while True:
        found = list(spool.glob("*.safetensors"))
        random.shuffle(found)
        yield from found
        if not found or not keep:
            time.sleep(0.2)


def take(line: queue.Queue[Chunk], most: int, use: Callable[[Chunk], None]) -> int:
    """Hand at most so many waiting chunks to `use`; how many there were."""
    for count in range(most):
        try:
            use(line.get_nowait())
        except queue.Empty:
            return count
    return most
