"""Mini's three networks as one module that learns, what they are asked, and their averages."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .models import build_controlnet, build_text_encoder, build_tokenizer, build_unet, load_parts
from .near import regrow
from .pool import Batch, halves

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
