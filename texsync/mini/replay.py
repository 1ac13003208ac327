"""What keeps the host from holding a GPU up in training: compiled layers, and a step's kernels replayed as one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import traceback
from collections.abc import Callable

import torch
from torch import Tensor

from .learner import Learner
from .pool import Batch

WARM = 3  # steps before one is recorded: an optimizer's state and chosen kernels must be there


class Compiling:
    """Compiles in a process of its own, whose code torch keeps on disk, so that training need not wait for it: that
    takes minutes, or does not end where other processes want the processor."""

    def __init__(self, asked: bool):
        command = [sys.executable, "-m", "texsync.mini.train", *sys.argv[1:], "--warm"]
        self.process = subprocess.Popen(command) if asked else None

    def ready(self) -> bool:
        """Whether it has ended well; true once."""
        if self.process is None or self.process.poll() is None:
            return False
        well, self.process = self.process.returncode == 0, None
        return well


def compile_layers(learner: Learner) -> None:
    """Compile the layers at the two finest sizes, where the time goes, each by itself: blocks of one shape share their
    code, and the whole network at once had not compiled after 200 s on 16 cores."""
    torch._dynamo.config.cache_size_limit = 64
    unet, controlnet = learner.parts["unet"], learner.parts["controlnet"]
    for block in (*unet.down_blocks[:2], *unet.up_blocks[-2:], *controlnet.down_blocks[:2]):
        for layer in (*block.resnets, *getattr(block, "attentions", ())):
            layer.compile(dynamic=False)


class Replayed:
    """A function of batches whose kernels are recorded as one CUDA graph and then replayed: some thousands of them,
    each launched by the host, take it longer than they take the GPU.

    work: (*batches) -> Tensor.  What else it reads or writes stays where it is in memory, between calls too; it asks
    nothing of the GPU (no `item`), and is the same however often it runs.
    on: whether to record; else each call is one of `work`, as after a recording that failed, which is said.
    """

    def __init__(self, work: Callable[..., Tensor], on: bool):
        self.work, self.on = work, on
        self.begin_again()

    def begin_again(self) -> None:
        """Record anew, as `work` runs other kernels now."""
        self.calls, self.graph = 0, None

    def __call__(self, *batches: Batch) -> Tensor:
        if self.on and self.graph is None and self.calls == WARM:
            self._record(batches)
        self.calls += 1
        if self.graph is None:
            return self.work(*batches)
        for mine, given in zip(self.batches, batches, strict=True):
            fill(mine, given)
        self.graph.replay()
        return self.answer.clone()

    def _record(self, batches: tuple[Batch, ...]) -> None:
        """Nothing runs while it is recorded."""
        self.batches = [copied(batch) for batch in batches]
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        torch.cuda.synchronize()
        try:
            # another thread allocates memory for pictures that come
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self.answer = self.work(*self.batches)
        except RuntimeError:
            print(f"a step cannot be replayed, and is run as before: {traceback.format_exc()}", flush=True)
            self.on = False
        else:
            self.graph = graph


def own_stream() -> None:
    """From now on the GPU works on a stream that can be recorded: the usual one cannot."""
    torch.cuda.set_stream(torch.cuda.Stream())


def copied(batch: Batch) -> Batch:
    """Tensors of its own."""
    return Batch(
        *(
            None if (value := getattr(batch, field.name)) is None else value.clone()
            for field in dataclasses.fields(batch)
        )
    )


def fill(mine: Batch, given: Batch) -> None:
    """Copy what was given into the tensors of another batch of the same shapes."""
    for field in dataclasses.fields(mine):
        value = getattr(mine, field.name)
        if value is not None:
            value.copy_(getattr(given, field.name))
