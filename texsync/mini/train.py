"""Train mini's UNet, ControlNet and text encoder together:

    python -m texsync.mini.train --work DIR --size 128 --minutes 60     crops first: materials are local
    python -m texsync.mini.train --work DIR --size 256 --minutes 30     then whole views

DIR holds the autoencoder (train_vae) and is a diffusers folder at every moment: each run resumes from the
weights in it and writes an averaged copy of its own every few minutes, with a sheet of samples beside it.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.utils import save_image

from .data import Batch, make_batch
from .models import (
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_tokenizer,
    build_unet,
    load_parts,
    save_folder,
)
from .shapes import shots

PROMPTS = (
    "a red object", "a teal object", "a white object", "a black object", "weathered copper", "blue and white stripes",
    "mossy stone", "rusted iron", "wooden toy", "gold", "yellow and black checks", "terracotta pot",
)  # fmt: skip


class Learner(nn.Module):
    """The three parts that learn, as one module so that averaging and saving see them together."""

    def __init__(self, work: Path):
        super().__init__()
        self.tokenizer = build_tokenizer()
        if (work / "unet").exists():
            parts = load_parts(work, ("unet", "controlnet", "text_encoder"))
        else:
            unet = build_unet()
            parts = {
                "unet": unet,
                "controlnet": build_controlnet(unet),
                "text_encoder": build_text_encoder(self.tokenizer),
            }
        self.parts = nn.ModuleDict(parts)

    def tokens(self, captions: list[str]) -> Tensor:
        """(B, 24) token ids."""
        return self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids

    def forward(self, latent: Tensor, t: Tensor, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """latent (B, 4, h, w), t (B,), condition (B, 3, 8h, 8w) or None -> v (B, 4, h, w)."""
        text = self.parts["text_encoder"](tokens)[0]
        down, middle = None, None
        if condition is not None:
            down, middle = self.parts["controlnet"](latent, t, text, condition, return_dict=False)
        return self.parts["unet"](
            latent, t, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample


class Pool:
    """Encoded training pictures; a few are replaced at every step, so each is seen a few times."""

    def __init__(self, vae, learner: Learner, pool, options, device: str):
        self.vae, self.learner, self.shots, self.options, self.device = vae, learner, pool, options, device
        self.rng = random.Random(options.seed + time.time_ns() % 10**6)
        self.slots: list[tuple[Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def encode(self, batch: Batch) -> list[tuple[Tensor, Tensor, Tensor]]:
        with torch.autocast(self.device, torch.bfloat16):
            latent = self.vae.encode(batch.pictures.to(self.device) * 2 - 1).latent_dist.mean.float()
        # guidance compares with no words at all, or with the name of the front view alone
        unsaid = ("", "front view.")
        captions = [self.rng.choice(unsaid) if self.rng.random() < 0.12 else text for text in batch.captions]
        condition = (batch.conditions[:, :1] * 255).byte().to(self.device)
        return list(zip(latent, condition, self.learner.tokens(captions).to(self.device), strict=True))

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        fresh = self.encode(make_batch(self.shots, self.options.fresh, self.options.size, self.rng))
        for item in fresh:
            if len(self.slots) < self.options.pool:
                self.slots.append(item)
            else:
                self.slots[self.rng.randrange(len(self.slots))] = item
        chosen = fresh[:count] + self.rng.choices(self.slots, k=max(0, count - len(fresh)))
        latent, condition, tokens = (torch.stack(column) for column in zip(*chosen, strict=True))
        return latent, (condition / 255.0).expand(-1, 3, -1, -1), tokens


def loss_of(
    learner: Learner, latent: Tensor, condition: Tensor | None, tokens: Tensor, alphas: Tensor
) -> Tensor:
    """Mean squared error of v = sqrt(alpha) eps - sqrt(1 - alpha) x0 (Salimans and Ho 2022)."""
    t = torch.randint(0, len(alphas), (len(latent),), device=latent.device)
    alpha = alphas[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(latent)
    noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * eps
    target = alpha.sqrt() * eps - (1 - alpha).sqrt() * latent
    with torch.autocast(latent.device.type, torch.bfloat16):
        answer = learner(noisy, t, tokens, condition)
    return functional.mse_loss(answer.float(), target)


@torch.no_grad()
def sheet(learner: Learner, vae, pool, path: Path, guidance: float = 4.0, steps: int = 20) -> None:
    """Draw PROMPTS on shots, so that a person can see how training goes."""
    device = next(vae.parameters()).device
    scheduler = build_scheduler()
    scheduler.set_timesteps(steps)
    condition = torch.stack([pool[7 * k % len(pool)].condition for k in range(len(PROMPTS))]).float()
    condition = condition[:, None].expand(-1, 3, -1, -1).to(device)
    tokens = learner.tokens([*PROMPTS, *[""] * len(PROMPTS)]).to(device)
    size = condition.shape[-1] // 8
    latent = torch.randn(len(PROMPTS), 4, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    for t in scheduler.timesteps:
        with torch.autocast(device.type, torch.bfloat16):
            times = t.to(device).expand(2 * len(latent))
            v = learner(torch.cat([latent] * 2), times, tokens, torch.cat([condition] * 2))
        text, empty = v.float().chunk(2)
        latent = scheduler.step(empty + guidance * (text - empty), t, latent).prev_sample
    picture = vae.decode(latent).sample * 0.5 + 0.5
    save_image(torch.cat([condition, picture.clamp(0, 1)])[:, :, ::2, ::2], path, nrow=len(PROMPTS))


def average(ema: Learner, learner: Learner, step: int, decay: float = 0.998) -> None:
    """Exponential moving average; short-sighted at first so that it forgets the start."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for old, new in zip(ema.parameters(), learner.parameters(), strict=True):
            old.lerp_(new, weight)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument(
        "--size", type=int, default=128, help="pixels: 128 trains on crops, 256 on whole views"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--fresh", type=int, default=12, help="new pictures at each step")
    parser.add_argument("--pool", type=int, default=4096)
    parser.add_argument("--shots", type=int, default=1200)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--last-lr", type=float, default=0.05, help="of lr, at the end of this run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    learner = Learner(options.work).to(device)
    ema = copy.deepcopy(learner).requires_grad_(False)
    vae = load_parts(options.work, ("vae",))["vae"].to(device).requires_grad_(False)
    alphas = build_scheduler().alphas_cumprod.to(device)
    optimizer = torch.optim.AdamW(learner.parameters(), options.lr, betas=(0.9, 0.98), weight_decay=0.01)
    shots_pool = shots(options.shots, 256, seed=options.seed + 1)
    pool = Pool(vae, learner, shots_pool, options, device)
    start, step, saved, running = time.time(), 0, time.time(), 1.0
    while (done := (time.time() - start) / (60 * options.minutes)) < 1:
        fade = options.last_lr + (1 - options.last_lr) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = options.lr * fade * min(1.0, (step + 1) / 150)
        latent, condition, tokens = pool.draw(options.batch)
        # now and then without the ControlNet, so that the UNet alone can paint too
        loss = loss_of(learner, latent, None if pool.rng.random() < 0.1 else condition, tokens, alphas)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average(ema, learner, step)
        running, step = 0.98 * running + 0.02 * loss.item(), step + 1
        if step % 50 == 0:
            print(f"{time.time() - start:6.0f}s step {step} loss {running:.4f}", flush=True)
        if time.time() - saved > 360 or step == 400:
            saved = time.time()
            save_folder(options.work, dict(ema.parts), torch.float32)
            sheet(ema, vae, shots_pool, options.work / "samples.png")
    save_folder(options.work, dict(ema.parts), torch.float32)
    sheet(ema, vae, shots_pool, options.work / "samples.png")


if __name__ == "__main__":
    main()
