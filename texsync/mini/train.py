"""Train mini's UNet, ControlNet and text encoder together:

    python -m texsync.mini.train --work DIR --minutes 60 --processes N

DIR holds the autoencoder (train_vae) and is a diffusers folder at every moment: each run resumes from the weights in it
and writes averaged weights every few minutes (benchmarks/mini_sheet.py draws with it).  N processes make the pictures
(spool).  A CUDA GPU is used where there is one.
"""

from __future__ import annotations

import argparse
import copy
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .models import (
    LATENT,
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_tokenizer,
    build_unet,
    load_parts,
    save_folder,
)
from .muon import Muon
from .near import regrow
from .pool import CELL, Batch, Chunk, Pool, chunks, halves, take

WORDS_FASTER = 2.5  # than the rest
MATRICES_FASTER = 2.0
PARTS = ("unet", "controlnet", "text_encoder")


class Learner(nn.Module):
    """The three parts that learn, as one module so that averaging and saving see them together."""

    def __init__(self, work: Path):
        super().__init__()
        self.tokenizer = build_tokenizer()
        text_encoder = build_text_encoder(self.tokenizer)
        if (work / "text_encoder").exists():
            file, vocabulary = work / "tokenizer" / "tokenizer.json", self.tokenizer.get_vocab()
            text_encoder = regrow(
                load_parts(work, ("text_encoder",))["text_encoder"], text_encoder, file, vocabulary
            )
        if (work / "unet").exists():
            parts = load_parts(work, ("unet", "controlnet"))
        else:
            unet = build_unet()
            parts = {"unet": unet, "controlnet": build_controlnet(unet)}
        self.parts = nn.ModuleDict({**parts, "text_encoder": text_encoder})

    def tokens(self, captions: list[str]) -> Tensor:
        """(B, 24) token ids."""
        return self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids

    def forward(self, latent: Tensor, t: Tensor, text: Tensor, condition: Tensor, steered: Tensor) -> Tensor:
        """latent (B, 4, h, w), t (B,), text (B, T, W) -> v (B, 4, h, w).  condition (V, 8h, 8w) bytes and steered (V,)
        belong to the first V of them."""
        views = len(condition)
        hint = (condition[:, None] / 255.0).to(text.dtype).expand(-1, 3, -1, -1)
        hint = hint.contiguous(memory_format=torch.channels_last)
        down, middle = self.parts["controlnet"](
            latent[:views], t[:views], text[:views], hint, return_dict=False
        )
        share = steered.view(-1, 1, 1, 1)
        rest = (0, 0, 0, 0, 0, 0, 0, len(latent) - views)
        down, middle = (
            [functional.pad(share * each, rest) for each in down],
            functional.pad(share * middle, rest),
        )
        return self.parts["unet"](
            latent, t, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample

    def freeze(self, learn: Sequence[str] = PARTS) -> None:
        """Parts that are not to learn stay as they are, and always the ControlNet's layers at the picture's full size:
        depth is smooth, any filters do, and their gradients would take a fifth of a step."""
        for name, part in self.parts.items():
            part.requires_grad_(name in learn)
        embedding = self.parts["controlnet"].controlnet_cond_embedding
        for layer in (embedding.conv_in, *embedding.blocks[:2]):
            layer.requires_grad_(False)


def noised(batch: Batch, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(noisy, t, target): latents at noise levels of their own, and v = sqrt(alpha) eps - sqrt(1 - alpha) x0 (Salimans
    and Ho 2022)."""
    latent, device = batch.latent, batch.latent.device
    # more of the high noise levels, where pictures get their layout
    evenly = (torch.arange(len(latent), device=device) + torch.rand(len(latent), device=device)) / len(latent)
    t = (len(alphas) * evenly**0.7).long().clamp(max=len(alphas) - 1)
    alpha = alphas[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(latent)
    noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * eps
    return noisy, t, alpha.sqrt() * eps - (1 - alpha).sqrt() * latent


def errors(learner: Learner, views: Batch, scenes: Batch, alphas: Tensor) -> Tensor:
    """(B,) mean squared errors of v, those of the views first."""
    device = views.latent.device
    noisy, t, target = (
        torch.cat(pair) for pair in zip(noised(views, alphas), noised(scenes, alphas), strict=True)
    )
    noisy, tokens = (
        noisy.contiguous(memory_format=torch.channels_last),
        torch.cat([views.tokens, scenes.tokens]),
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=halves(device.type)):
        text = learner.parts["text_encoder"](tokens)[0]
        answer = learner(noisy, t, text, views.condition, views.steered)
    return (answer.float() - target).square().mean(dim=(1, 2, 3))


class Averages:
    """An exponential moving average of the learner; short-sighted at first so that it forgets the start."""

    def __init__(self, learner: Learner, decay: float):
        self.decay, self.steps = decay, 0
        self.learner = copy.deepcopy(learner).requires_grad_(False)

    @torch.no_grad()
    def follow(self, learner: Learner) -> None:
        self.steps += 1
        weight = 1 - min(self.decay, self.steps / (self.steps + 9))
        torch._foreach_lerp_(list(self.learner.parameters()), list(learner.parameters()), weight)


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
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)  # Compiling's own process
    parser.add_argument("--steps", type=int, default=10**9, help="end after so many")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def optimizers_of(learner: Learner, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for what is a matrix inside the networks; AdamW for the rest, and for the words: each is in few captions, so
    what it learns from one counts for more."""
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
    adam = torch.optim.AdamW(groups, rate, betas=(0.9, 0.98), weight_decay=0.01)
    muon = Muon(matrices, rate)
    muon.param_groups[0]["share"] = MATRICES_FASTER
    return [muon, adam]


def set_rate(
    optimizers: list[torch.optim.Optimizer], options: argparse.Namespace, done: float, step: int
) -> None:
    """lr after a short climb; from `constant` on a cosine down to last_lr of it at done = 1."""
    falling = max(0.0, (done - options.constant) / (1 - options.constant))
    fade = options.last_lr + (1 - options.last_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, falling)))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * options.lr * fade * min(1.0, (step + 1) / 100)


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
        width = self.learner.tokens([""]).shape[1]
        # what guidance compares with: no words at all or the name of a view alone
        self.empty = self.learner.tokens(["", "", "front view."]).to(self.device)
        self.pools = {
            kind: Pool(options.pool, LATENT, width, kind == "views", self.device)
            for kind in ("views", "scenes")
        }

    def compile(self) -> None:
        """Compile the layers at the two finest sizes, where the time goes, each by itself: blocks of one shape share
        their code, and the whole network at once had not compiled after 200 s on 16 cores."""
        torch._dynamo.config.cache_size_limit = 64
        unet, controlnet = self.learner.parts["unet"], self.learner.parts["controlnet"]
        for block in (*unet.down_blocks[:2], *unet.up_blocks[-2:], *controlnet.down_blocks[:2]):
            for layer in (*block.resnets, *getattr(block, "attentions", ())):
                layer.compile(dynamic=False)

    def warm(self) -> None:
        """Compile, by a step on nothing whose gradients are dropped."""
        self.compile()
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
        loss = errors(self.learner, views, scenes, self.alphas)
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.learnt, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.averages.follow(self.learner)
        loss = loss.detach()
        return {"views": loss[: options.views].mean(), "scenes": loss[options.views :].mean()}

    def save(self) -> None:
        save_folder(self.options.work, dict(self.averages.learner.parts), torch.float32)


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


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed + time.time_ns() % 10**6)  # every resumed run draws noise of its own
    torch.set_float32_matmul_precision("high")
    start = time.time()
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
