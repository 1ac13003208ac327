"""Train mini's UNet, ControlNet and text encoder together:

    python -m texsync.mini.train --work DIR --minutes 60 --whole 0 --scenes 0    crops first: materials are local
    python -m texsync.mini.train --work DIR --minutes 60                         then whole views and scenes too

DIR holds the autoencoder (train_vae) and is a diffusers folder at every moment: each run resumes from the
weights in it and writes an averaged copy of its own every few minutes (benchmarks/mini_sheet.py draws with it).
Under `torchrun --nproc-per-node N` the batch is N times as large, on N cores.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from .data import Sample, material_samples, scene_samples, swatch_samples
from .models import (
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_tokenizer,
    build_unet,
    load_parts,
    save_folder,
)
from .near import regrow
from .shapes import Shot, shots
from .together import furthest, join, share_gradients

WORDS_FASTER = 2.5
START = 930  # the first of 30 steps, and of most other numbers, is noisier than this


class Learner(nn.Module):
    """The three parts that learn, as one module so that averaging and saving see them together."""

    def __init__(self, work: Path):
        super().__init__()
        self.tokenizer = build_tokenizer()
        text_encoder = build_text_encoder(self.tokenizer)
        if (work / "unet").exists():
            parts = load_parts(work, ("unet", "controlnet", "text_encoder"))
            file = work / "tokenizer" / "tokenizer.json"
            vocabulary = self.tokenizer.get_vocab()
            parts["text_encoder"] = regrow(parts["text_encoder"], text_encoder, file, vocabulary)
        else:
            unet = build_unet()
            parts = {"unet": unet, "controlnet": build_controlnet(unet), "text_encoder": text_encoder}
        self.parts = nn.ModuleDict(parts)

    def tokens(self, captions: list[str]) -> Tensor:
        """(B, 24) token ids."""
        return self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids

    def forward(
        self, latent: Tensor, t: Tensor, tokens: Tensor, condition: Tensor, steered: Tensor
    ) -> Tensor:
        """latent (B, 4, h, w), t (B,), condition (B, 3, 8h, 8w) -> v (B, 4, h, w).

        steered: (B,) bool, which of the pictures the ControlNet has a say in.
        """
        text = self.parts["text_encoder"](tokens)[0]
        down, middle = None, None
        if steered.any():
            said = self.parts["controlnet"](
                latent[steered], t[steered], text[steered], condition[steered], return_dict=False
            )
            down = [spread(residual, steered) for residual in said[0]]
            middle = spread(said[1], steered)
        return self.parts["unet"](
            latent, t, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample


def spread(some: Tensor, where: Tensor) -> Tensor:
    """The rows of `some` at the places that `where` (B,) marks, zeros at the others."""
    full = some.new_zeros(len(where), *some.shape[1:])
    full[where] = some
    return full


@dataclass
class Item:
    """A training picture, encoded.  latent: (4, h, w) half; condition: (8h, 8w) bytes, None for no depth."""

    latent: Tensor
    condition: Tensor | None
    sample: Sample


@dataclass(frozen=True)
class PoolKind:
    """name: "swatches", "crops", "views" (whole things) or "scenes".  size: pixels, 128 for swatches and crops, 256 for
    the others.  batch: pictures in a step, of which `fresh` are made for it.  capacity: pictures kept."""

    name: str
    size: int
    batch: int
    fresh: int
    capacity: int


class Pool:
    """Encoded training pictures; a few are replaced at every step, so each is seen a few times, each time with
    other words and perhaps mirrored."""

    def __init__(self, vae, learner: Learner, views: list[Shot], kind: PoolKind, seed: int):
        self.vae, self.learner, self.shots, self.kind = vae, learner, views, kind
        self.rng, self.device = random.Random(seed + time.time_ns() % 10**6), next(vae.parameters()).device
        self.slots: list[Item] = []

    @torch.no_grad()
    def add(self, count: int) -> None:
        """Make `count` new pictures; they push out old ones once the pool is full."""
        samples = self.samples(count)
        pictures = torch.stack([sample.picture for sample in samples]).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            latents = self.vae.encode(pictures * 2 - 1).latent_dist.mean
        latents = (latents * self.vae.config.scaling_factor).half()
        for latent, sample in zip(latents, samples, strict=True):
            condition = None if sample.condition is None else (sample.condition * 255).byte()
            sample = Sample(torch.empty(0), None, sample.subject, sample.view)  # the latent says the rest
            item = Item(latent, condition, sample)
            if len(self.slots) < self.kind.capacity:
                self.slots.append(item)
            else:
                self.slots[self.rng.randrange(len(self.slots))] = item

    def samples(self, count: int) -> list[Sample]:
        size, rng = self.kind.size, self.rng
        if self.kind.name == "swatches":
            return swatch_samples(count, size, rng)
        if self.kind.name == "scenes":
            return scene_samples(count, size, rng)
        return material_samples(self.shots, count, size, rng)

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(latent, tokens, condition, steered) of a batch, as Learner takes them."""
        self.add(self.kind.fresh if len(self.slots) > 4 * self.kind.batch else 2 * self.kind.batch)
        items, size = self.rng.choices(self.slots, k=self.kind.batch), self.kind.size
        blank = torch.zeros(size, size, dtype=torch.uint8)
        latent = torch.stack([item.latent for item in items]).float()
        condition = torch.stack([blank if item.condition is None else item.condition for item in items])
        mirrored = torch.tensor([self.rng.random() < 0.5 for _ in items], device=latent.device)
        latent = torch.where(mirrored[:, None, None, None], latent.flip(-1), latent)
        condition = torch.where(mirrored[:, None, None].cpu(), condition.flip(-1), condition).to(self.device)
        # now and then without the ControlNet, so that the UNet alone can paint too
        steered = [item.condition is not None and self.rng.random() > 0.1 for item in items]
        tokens = self.learner.tokens([self.words(item.sample) for item in items]).to(self.device)
        condition = (condition / 255.0)[:, None].expand(-1, 3, -1, -1)
        return latent, tokens, condition, torch.tensor(steered, device=self.device)

    def words(self, sample: Sample) -> str:
        """A caption or, as guidance compares with, none at all or the name of the front view alone."""
        return (
            self.rng.choice(("", "", "front view.")) if self.rng.random() < 0.12 else sample.caption(self.rng)
        )


def loss_of(learner: Learner, batch: tuple[Tensor, ...], alphas: Tensor) -> Tensor:
    """Mean squared error of v = sqrt(alpha) eps - sqrt(1 - alpha) x0 (Salimans and Ho 2022)."""
    latent, *rest = batch
    # more of the high noise levels, where pictures get their layout
    evenly = (torch.arange(len(latent)) + torch.rand(len(latent))) / len(latent)
    t = (len(alphas) * evenly.to(latent.device) ** 0.5).long().clamp(max=len(alphas) - 1)
    alpha = alphas[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(latent)
    noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * eps
    target = alpha.sqrt() * eps - (1 - alpha).sqrt() * latent
    # sampling starts from noise without the trace of a picture that this schedule leaves even at its end
    blind = (t > START) & (torch.rand(len(t), device=t.device) < 0.5)
    noisy = torch.where(blind.view(-1, 1, 1, 1), eps, noisy)
    # torch's fused attention takes longer than the rest of the network to go backwards on a CPU
    with torch.autocast(latent.device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        answer = learner(noisy, t, *rest)
    return functional.mse_loss(answer.float(), target)


def average(ema: Learner, learner: Learner, step: int, decay: float = 0.999) -> None:
    """Exponential moving average; short-sighted at first so that it forgets the start."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for old, new in zip(ema.parameters(), learner.parameters(), strict=True):
            old.lerp_(new, weight)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--whole", type=float, default=0.4, help="share of steps on whole views")
    parser.add_argument("--flat", type=float, default=0.2, help="share of steps on swatches, flat and quick")
    parser.add_argument(
        "--scenes", type=float, default=0.2, help="share of steps on scenes; crops have the rest"
    )
    parser.add_argument("--batch", type=int, default=24, help="crops in a step; of whole views a third of it")
    parser.add_argument("--pool", type=int, default=6000, help="pictures kept, of each kind")
    parser.add_argument("--shots", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--last-lr", type=float, default=0.05, help="of lr, at the end of this run")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def pools(options: argparse.Namespace, vae, learner: Learner, rank: int) -> dict[Pool, float]:
    """The kinds of pictures and the share of steps that each gets.  Scenes go without the ControlNet, which leaves
    time for more of them."""
    views = shots(options.shots, 256, seed=options.seed + 1 + 1000 * rank)
    batch, kept = options.batch, options.pool
    kinds = {
        PoolKind("views", 256, max(2, batch // 3), 2, kept): options.whole,
        PoolKind("scenes", 256, max(2, batch // 2), 2, kept): options.scenes,
        PoolKind("swatches", 128, 2 * batch, 5, kept): options.flat,
        PoolKind("crops", 128, batch, 5, kept): 1 - options.whole - options.scenes - options.flat,
    }
    return {
        Pool(vae, learner, views, kind, options.seed + rank): share
        for kind, share in kinds.items()
        if share > 0
    }


def optimizer_of(learner: Learner, rate: float) -> torch.optim.Optimizer:
    """AdamW; each word is in few captions, so what it learns from one counts for more."""
    groups = [
        {"params": part.parameters(), "share": WORDS_FASTER if name == "text_encoder" else 1.0}
        for name, part in learner.parts.items()
    ]
    return torch.optim.AdamW(groups, rate, betas=(0.9, 0.98), weight_decay=0.01)


def set_rate(optimizer: torch.optim.Optimizer, options: argparse.Namespace, done: float, step: int) -> None:
    """A cosine from lr down to last_lr of it at done = 1, after a short climb."""
    fade = options.last_lr + (1 - options.last_lr) * 0.5 * (1 + math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = group["share"] * options.lr * fade * min(1.0, (step + 1) / 60)


def learn(learner: Learner, optimizer: torch.optim.Optimizer, pool: Pool, alphas: Tensor) -> float:
    """One step on a batch of `pool`; its loss."""
    loss = loss_of(learner, pool.draw(), alphas)
    loss.backward()
    share_gradients(list(learner.parameters()))
    torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def main() -> None:
    options = arguments()
    rank, device = join(), "cuda" if torch.cuda.is_available() else "cpu"
    # every process and every resumed run draws noise of its own
    torch.manual_seed(options.seed + rank + time.time_ns() % 10**6)
    learner = Learner(options.work).to(device)
    ema = copy.deepcopy(learner).requires_grad_(False)
    vae = load_parts(options.work, ("vae",))["vae"].to(device).requires_grad_(False)
    alphas = build_scheduler().alphas_cumprod.to(device)
    optimizer, shares = optimizer_of(learner, options.lr), pools(options, vae, learner, rank)
    turns = random.Random(options.seed)  # the same in all processes
    losses: dict[str, float] = {}
    start = saved = time.time()
    step = 0
    while (done := furthest((time.time() - start) / (60 * options.minutes))) < 1:
        set_rate(optimizer, options, done, step)
        pool = turns.choices(list(shares), list(shares.values()))[0]
        loss, name = learn(learner, optimizer, pool, alphas), pool.kind.name
        average(ema, learner, step)
        losses[name] = 0.98 * losses.get(name, 1.0) + 0.02 * loss
        step += 1
        if step % 50 == 0 and rank == 0:
            said = ", ".join(f"{value:.4f} on {kind}" for kind, value in sorted(losses.items()))
            print(f"{time.time() - start:6.0f}s step {step} loss {said}", flush=True)
        if time.time() - saved > 300 and rank == 0:
            saved = time.time()
            save_folder(options.work, dict(ema.parts), torch.float32)
    if rank == 0:
        save_folder(options.work, dict(ema.parts), torch.float32)


if __name__ == "__main__":
    main()
