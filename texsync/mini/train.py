"""Train mini's UNet, ControlNet and text encoder together:

    python -m texsync.mini.train --work DIR --minutes 60 --processes N

DIR holds the autoencoder (train_vae) and is a diffusers folder at every moment: each run resumes from the weights in it
and writes averaged weights every few minutes (benchmarks/mini_sheet.py draws with it).  N processes make the pictures
(spool).  A CUDA GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from .learner import PARTS, Averages, Learner, errors
from .models import LATENT, build_scheduler, load_parts, save_folder
from .muon import Muon
from .pool import CELL, Batch, Chunk, Pool, chunks, halves, take
from .replay import Compiling, Replayed, compile_layers, own_stream

WORDS_FASTER = 2.5  # than the rest
MATRICES_FASTER = 2.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spool", type=Path, help="default: DIR/spool")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--processes", type=int, default=0, help="that fill the spool; 0: others do")
    parser.add_argument("--views", type=int, default=96, help="views in a step")
    parser.add_argument("--scenes", type=int, default=40, help="scenes in a step")
    parser.add_argument("--pool", type=int, default=30000, help="pictures kept, of each kind")
    parser.add_argument("--wait", type=int, default=2000, help="pictures of each kind before it starts")
    parser.add_argument(
        "--every", type=int, default=1, help="steps from some chunks of new pictures to the next"
    )
    parser.add_argument("--chunks", type=int, default=1, help="taken at most then")
    parser.add_argument("--learn", nargs="+", choices=PARTS, default=PARTS, help="else they stay as they are")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--constant", type=float, default=0.3, help="share of the time before lr falls")
    parser.add_argument("--last-lr", type=float, default=0.02, help="of lr, at the end of this run")
    parser.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights, a step")
    parser.add_argument("--save", type=float, default=240, help="seconds between two saves")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the networks beside the training"
    )
    parser.add_argument("--replay", action="store_true", help="the kernels of a step as one CUDA graph")
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)  # Compiling's own process
    parser.add_argument("--steps", type=int, default=10**9, help="end after so many")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def optimizers_of(learner: Learner, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for what is a matrix inside the networks; AdamW for the rest, and for the words: each is in few captions, so
    what it learns from one counts for more.  Each group's lr is a tensor of its own, so that a replayed step sees it
    change."""
    matrices, rest = list[nn.Parameter](), list[nn.Parameter]()
    for name in ("unet", "controlnet"):
        for key, p in learner.parts[name].named_parameters():
            if not p.requires_grad:
                continue
            inner = (
                p.ndim >= 2
                and min(len(p), p[0].numel()) >= 16
                and not key.startswith(("conv_in", "conv_out"))
            )
            (matrices if inner else rest).append(p)
    words = [p for p in learner.parts["text_encoder"].parameters() if p.requires_grad]
    groups = [{"params": rest, "share": 1.0}, {"params": words, "share": WORDS_FASTER}]
    on_gpu = rest[0].is_cuda
    adam = torch.optim.AdamW(
        groups, rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True, capturable=on_gpu
    )
    muon = Muon(matrices, rate)
    muon.param_groups[0]["share"] = MATRICES_FASTER
    for group in (*muon.param_groups, *adam.param_groups):
        group["lr"] = torch.tensor(rate, device=rest[0].device)
    return [muon, adam]


def set_rate(
    optimizers: list[torch.optim.Optimizer], options: argparse.Namespace, done: float, step: int
) -> None:
    """lr after a short climb; from `constant` on a cosine down to last_lr of it at done = 1."""
    falling = max(0.0, (done - options.constant) / max(1e-6, 1 - options.constant))
    fade = options.last_lr + (1 - options.last_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, falling)))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"].fill_(group["share"] * options.lr * fade * min(1.0, (step + 1) / 100))


class Trainer:
    """Pools, networks and optimizers of one run."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.learner = Learner(options.work).to(self.device)
        self.learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learner.freeze(options.learn)
        self.learnt = [p for p in self.learner.parameters() if p.requires_grad]
        self.averages = Averages(self.learner, options.average)
        vae = load_parts(options.work, ("vae",))["vae"].to(self.device)
        self.vae = vae.requires_grad_(False)
        self.alphas = build_scheduler().alphas_cumprod.to(self.device)
        self.optimizers = optimizers_of(self.learner, options.lr)
        self.learn = Replayed(self._learn, on=options.replay and self.device == "cuda")
        width = self.learner.tokens([""]).shape[1]
        # what guidance compares with: no words at all or the name of a view alone
        self.empty = self.learner.tokens(["", "", "front view."]).to(self.device)
        self.pools = {
            kind: Pool(options.pool, LATENT, width, kind == "views", self.device)
            for kind in ("views", "scenes")
        }

    def compile(self) -> None:
        compile_layers(self.learner)
        self.learn.begin_again()

    def warm(self) -> None:
        """Compile, by a step on nothing whose gradients are dropped."""
        compile_layers(self.learner)
        options = self.options
        blank = [
            torch.zeros(count, 4, LATENT, LATENT, device=self.device)
            for count in (options.views, options.scenes)
        ]
        tokens = [self.empty[:1].expand(len(each), -1) for each in blank]
        condition = torch.zeros(
            options.views, CELL * LATENT, CELL * LATENT, dtype=torch.uint8, device=self.device
        )
        steered = torch.ones(options.views, dtype=torch.bool, device=self.device)
        views, scenes = (
            Batch(blank[0], tokens[0], condition, steered),
            Batch(blank[1], tokens[1], None, steered[:0]),
        )
        errors(self.learner, views, scenes, self.alphas).mean().backward()

    def begin(self) -> None:
        """Let pictures come."""
        self.line = chunks(self.spool())

    def spool(self) -> Path:
        """The folder that pictures come from; begins to fill it where that was asked for."""
        folder = self.options.spool or self.options.work / "spool"
        if self.options.processes:
            count = str(self.options.processes)
            command = [sys.executable, "-m", "texsync.mini.spool", "--out", str(folder), "--processes", count]
            subprocess.Popen([*command, "--seed", str(1000 * self.options.seed)])
        return folder

    def close(self) -> None:
        """Save, and end the processes that were started."""
        self.save()
        if self.options.processes:
            ((self.options.spool or self.options.work / "spool") / "stop").touch()

    @torch.no_grad()
    def add(self, chunk: Chunk) -> None:
        """Encode a chunk of pictures into its pool."""
        kind, tensors, captions = chunk
        picture = tensors["picture"].to(self.device, non_blocking=True)
        picture = (picture / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=halves(self.device)):
            latents = self.vae.encode(picture).latent_dist.mean.float() * self.vae.config.scaling_factor
        tokens = self.learner.tokens([text for each in captions for text in each])
        condition = tensors.get("condition")
        if condition is not None:
            condition = condition.to(self.device, non_blocking=True)
        self.pools[kind].add(latents, tokens.view(len(captions), -1, tokens.shape[1]), condition)

    def step(self) -> dict[str, Tensor]:
        """One step on a batch of each kind; their losses."""
        options, pools = self.options, self.pools
        views, scenes = (
            pools[kind].draw(count, self.empty)
            for kind, count in (("views", options.views), ("scenes", options.scenes))
        )
        loss = self.learn(views, scenes)
        self.averages.follow(self.learner)
        return {"views": loss[: options.views].mean(), "scenes": loss[options.views :].mean()}

    def _learn(self, views: Batch, scenes: Batch) -> Tensor:
        """Errors of a batch of each kind, views' first, and one step of the optimizers along their gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = errors(self.learner, views, scenes, self.alphas)
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.learnt, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.detach()

    def save(self) -> None:
        save_folder(self.options.work, dict(self.averages.learner.parts), torch.float32)


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed + time.time_ns() % 10**6)  # every resumed run draws noise of its own
    torch.set_float32_matmul_precision("high")
    start = time.time()
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        own_stream()
    trainer, sums, step, seen = Trainer(options), dict[str, Tensor](), 0, 0
    if options.warm:
        return trainer.warm()
    compiling = Compiling(options.compile)
    trainer.begin()
    while min(pool.count for pool in trainer.pools.values()) < options.wait:
        seen += take(trainer.line, 4, trainer.add)
    first = saved = shown = time.time()
    print(f"{first - start:6.0f}s {seen} chunks to begin with", flush=True)
    end = max(first + 1, start + 60 * options.minutes)
    while (done := (time.time() - first) / (end - first)) < 1 and step < options.steps:
        set_rate(trainer.optimizers, options, done, step)
        if compiling.ready():
            trainer.compile()
            print(f"{time.time() - start:6.0f}s compiled", flush=True)
        losses = trainer.step()
        if step % options.every == 0:
            seen += take(trainer.line, options.chunks, trainer.add)
        for name, loss in losses.items():
            sums[name] = torch.lerp(sums.get(name, loss), loss, 0.02)
        step += 1
        if time.time() - shown > 10:
            shown = time.time()
            said = ", ".join(f"{value.item():.4f} on {kind}" for kind, value in sorted(sums.items()))
            print(f"{shown - start:6.0f}s step {step} chunks {seen} loss {said}", flush=True)
        if time.time() - saved > options.save:
            saved = time.time()
            trainer.save()
    trainer.close()
    print(f"{time.time() - start:6.0f}s {step} steps", flush=True)


if __name__ == "__main__":
    main()
