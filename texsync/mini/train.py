"""Train mini's UNet, ControlNet and text encoder together:

    python -m texsync.mini.train --work DIR --size 128 --minutes 60     crops first: materials are local
    python -m texsync.mini.train --work DIR --size 256 --minutes 30     then whole views

DIR holds the autoencoder (train_vae) and is a diffusers folder at every moment: each run resumes from the
weights in it and writes an averaged copy of its own every few minutes (benchmarks/mini_sheet.py draws with it).
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

from .data import Sample, material_samples, scene_samples
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
from .shapes import shots


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


class Pool:
    """Encoded training pictures; a few are replaced at every step, so each is seen a few times, each time with
    other words and perhaps mirrored."""

    def __init__(self, vae, learner: Learner, options: argparse.Namespace, device: str):
        self.vae, self.learner, self.options, self.device = vae, learner, options, device
        self.rng = random.Random(options.seed + time.time_ns() % 10**6)
        self.shots = shots(options.shots, 256, seed=options.seed + 1)
        self.slots: list[Item] = []

    @torch.no_grad()
    def add(self, count: int) -> None:
        """Make `count` new pictures; they push out old ones once the pool is full."""
        scenes = sum(self.rng.random() < self.options.scenes for _ in range(count))
        samples = material_samples(self.shots, count - scenes, self.options.size, self.rng)
        samples += scene_samples(scenes, self.options.size, self.rng)
        pictures = torch.stack([sample.picture for sample in samples]).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            latents = self.vae.encode(pictures * 2 - 1).latent_dist.mean.half()
        for latent, sample in zip(latents, samples, strict=True):
            condition = None if sample.condition is None else (sample.condition * 255).byte()
            sample = Sample(torch.empty(0), None, sample.subject, sample.view)  # the latent says the rest
            item = Item(latent, condition, sample)
            if len(self.slots) < self.options.pool:
                self.slots.append(item)
            else:
                self.slots[self.rng.randrange(len(self.slots))] = item

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(latent, tokens, condition, steered) of a batch, as Learner takes them."""
        self.add(self.options.fresh if len(self.slots) > 256 else 64)
        items = self.rng.choices(self.slots, k=count)
        size = self.options.size
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
    # a little more of the high noise levels, where pictures get their layout
    t = (len(alphas) * torch.rand(len(latent), device=latent.device) ** 0.75).long()
    alpha = alphas[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(latent)
    noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * eps
    target = alpha.sqrt() * eps - (1 - alpha).sqrt() * latent
    with torch.autocast(latent.device.type, torch.bfloat16):
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
    parser.add_argument(
        "--size", type=int, default=128, help="pixels: 128 trains on crops, 256 on whole views"
    )
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--fresh", type=int, default=5, help="new pictures at each step")
    parser.add_argument("--scenes", type=float, default=0.22, help="share of scenes")
    parser.add_argument("--pool", type=int, default=6000)
    parser.add_argument("--shots", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--last-lr", type=float, default=0.05, help="of lr, at the end of this run")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    learner = Learner(options.work).to(device)
    ema = copy.deepcopy(learner).requires_grad_(False)
    vae = load_parts(options.work, ("vae",))["vae"].to(device).requires_grad_(False)
    alphas = build_scheduler().alphas_cumprod.to(device)
    optimizer = torch.optim.AdamW(learner.parameters(), options.lr, betas=(0.9, 0.98), weight_decay=0.01)
    pool = Pool(vae, learner, options, device)
    start, step, saved, running = time.time(), 0, time.time(), 1.0
    while (done := (time.time() - start) / (60 * options.minutes)) < 1:
        fade = options.last_lr + (1 - options.last_lr) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = options.lr * fade * min(1.0, (step + 1) / 150)
        loss = loss_of(learner, pool.draw(options.batch), alphas)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average(ema, learner, step)
        running, step = 0.98 * running + 0.02 * loss.item(), step + 1
        if step % 50 == 0:
            print(f"{time.time() - start:6.0f}s step {step} loss {running:.4f}", flush=True)
        if time.time() - saved > 300:
            saved = time.time()
            save_folder(options.work, dict(ema.parts), torch.float32)
    save_folder(options.work, dict(ema.parts), torch.float32)


if __name__ == "__main__":
    main()
