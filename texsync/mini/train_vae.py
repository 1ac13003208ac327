"""Train mini's autoencoder: `python -m texsync.mini.train_vae --work DIR --minutes 20`. Resumes from DIR."""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from .data import material_samples, scene_samples
from .models import build_vae, load_parts, save_folder
from .shapes import Shot, shots


def turn(x: Tensor, k: int) -> Tensor:
    """One of the eight flips and quarter turns of a square picture, k in 0..7."""
    return torch.rot90(x.flip(-1) if k >= 4 else x, k % 4, (-2, -1))


def losses(
    vae, picture: Tensor, k: int, generator: torch.Generator, noise: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Reconstruction of the turned picture from the turned latent, and the latent's divergence from N(0, 1).

    noise: added to latents whose encoder is kept, up to this much, as if a UNet had guessed them; 0 takes the
    encoder's own spread.
    """
    with torch.set_grad_enabled(not noise):
        posterior = vae.encode(picture * 2 - 1).latent_dist
    shape = posterior.mean.shape
    random = torch.randn(shape, generator=generator).to(posterior.mean.device)
    amount = noise * torch.rand(shape[0], 1, 1, 1, generator=generator).to(random.device)
    latent = posterior.mean + (amount if noise else posterior.std) * random
    # decoding turned latents makes the model equivariant, so views that turn a picture are legitimate
    answer = vae.decode(turn(latent, k)).sample.float() * 0.5 + 0.5
    target = turn(picture, k)
    value = functional.l1_loss(answer, target) + 0.5 * (answer - target).square().mean().sqrt()
    edges = sum(edge_error(functional.avg_pool2d(answer - target, k)) for k in (1, 2))
    edges = edges + 0.5 * functional.l1_loss(crispness(answer), crispness(target))
    divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).float().mean()
    return value + edges, divergence


def crispness(picture: Tensor, window: int = 8) -> Tensor:
    """How steep the borders in each window are: a blurred one has less of it even where it lies a pixel off."""
    across, down = picture.diff(dim=-1)[..., :-1, :].square(), picture.diff(dim=-2)[..., :-1].square()
    return (functional.avg_pool2d(across + down, window, window // 2) + 1e-6).sqrt()


def edge_error(error: Tensor) -> Tensor:
    """How much the error changes from pixel to pixel: blurred borders cost more than a shade that is off."""
    return sum(error.diff(dim=d).abs().mean() for d in (-1, -2))


def flat(count: int, size: int, rng: random.Random) -> Tensor:
    """(count, 3, size, size): hard borders, any two colours, any direction; what an autoencoder blurs first."""
    row, column = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return torch.stack([_flat(row, column, rng) for _ in range(count)])


def _flat(row: Tensor, column: Tensor, rng: random.Random) -> Tensor:
    angle, period = rng.choice((0.0, rng.uniform(0, 3.2))), rng.uniform(7, 40)
    u = row * math.cos(angle) + column * math.sin(angle) + rng.uniform(0, period)
    v = column * math.cos(angle) - row * math.sin(angle) + rng.uniform(0, period)
    duty = rng.uniform(0.15, 0.5) * period
    courses = torch.floor(u / period).remainder(2) * period
    # pixels to the nearest border, positive inside
    away = rng.choice(
        (
            duty / 2 - centred(u, period).abs(),
            duty / 2 - torch.minimum(centred(u, period).abs(), centred(v + courses, 2 * period).abs()),
            centred(u, 2 * period).sign() * centred(v, 2 * period).sign()
            * torch.minimum(*(centred(x + period / 2, period).abs() for x in (u + period / 2, v + period / 2))),
            duty - torch.hypot(centred(u, period), centred(v, period)),
        )
    )  # fmt: skip
    one, other = (torch.tensor([rng.random() for _ in range(3)])[:, None, None] for _ in range(2))
    return torch.lerp(one, other, (away + 0.5).clamp(0, 1))


def centred(x: Tensor, period: float) -> Tensor:
    """x modulo the period, in [-period / 2, period / 2)."""
    return (x + period / 2).remainder(period) - period / 2


def batch_of(pool: list[Shot], options: argparse.Namespace, rng: random.Random) -> Tensor:
    """Materials, flat patterns and pieces of scenes, (batch, 3, crop, crop)."""
    size, some = options.crop, options.scenes
    materials = material_samples(pool, options.batch - options.flat - some, size, rng)
    scenes = []
    for sample in scene_samples((some + 3) // 4, 256, rng):
        for _ in range(4):
            row, column = rng.randint(0, 256 - size), rng.randint(0, 256 - size)
            scenes.append(sample.picture[:, row : row + size, column : column + size])
    drawn = [sample.picture for sample in materials] + scenes[:some]
    return torch.cat([torch.stack(drawn), flat(options.flat, size, rng)])


def whiten(vae, pictures: Tensor) -> None:
    """Fold scale and shift into the convolutions next to the latent, so that it is N(0, 1) and needs no factor."""
    with torch.no_grad():
        latent = vae.encode(pictures * 2 - 1).latent_dist.mean
        mean, std = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        inside, outside = vae.quant_conv, vae.post_quant_conv
        channels = len(mean)
        outside.bias += outside.weight[:, :, 0, 0] @ mean
        outside.weight *= std[None, :, None, None]
        inside.weight[:channels] /= std[:, None, None, None]
        inside.bias[:channels] = (inside.bias[:channels] - mean) / std
        inside.bias[channels:] -= 2 * std.log()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--flat", type=int, default=4, help="of the batch, flat pictures with hard borders")
    parser.add_argument("--scenes", type=int, default=4, help="of the batch, pieces of scenes")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--shots", type=int, default=600)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--divergence", type=float, default=3e-4)
    parser.add_argument("--decoder-only", action="store_true", help="keep the latents that a UNet has learnt")
    parser.add_argument("--noise", type=float, default=0.3, help="on the latents, with --decoder-only")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    resume = (options.work / "vae").exists()
    vae = (load_parts(options.work, ("vae",))["vae"] if resume else build_vae()).to(device)
    vae.encoder.requires_grad_(not options.decoder_only)
    vae.quant_conv.requires_grad_(not options.decoder_only)
    optimizer = torch.optim.AdamW(
        [p for p in vae.parameters() if p.requires_grad], options.lr, weight_decay=0.0
    )
    rng, generator = random.Random(options.seed), torch.Generator().manual_seed(options.seed)
    pool = shots(options.shots, 256, seed=options.seed + 1)
    start, step, shown = time.time(), 0, 0.0
    while (done := (time.time() - start) / (60 * options.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = options.lr * min(1.0, (step + 1) / 100) * max(0.02, 1 - done)
        pictures = batch_of(pool, options, rng)
        with torch.autocast(device, torch.bfloat16):
            noise = options.noise if options.decoder_only else 0.0
            picture_loss, divergence = losses(vae, pictures.to(device), rng.randrange(8), generator, noise)
        (picture_loss + options.divergence * divergence).backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            print(
                f"{time.time() - start:6.0f}s step {step} loss {picture_loss:.4f} kl {divergence:.3f}",
                flush=True,
            )
        if time.time() - shown > 240:
            shown = time.time()
            _checkpoint(vae, pool, options.work, options.decoder_only, final=False)
    _checkpoint(vae, pool, options.work, options.decoder_only, final=True)


def _checkpoint(vae, pool, work: Path, keep_latents: bool, final: bool) -> None:
    from torchvision.utils import save_image

    rng, device = random.Random(99), next(vae.parameters()).device
    samples = material_samples(pool, 9, 256, rng) + scene_samples(3, 256, rng)
    pictures = torch.stack([sample.picture for sample in samples]).to(device)
    if final and not keep_latents:
        whiten(vae, pictures)
    with torch.no_grad():
        answer = vae.decode(vae.encode(pictures * 2 - 1).latent_dist.mean).sample * 0.5 + 0.5
    error = (answer.clamp(0, 1) - pictures).square().mean()
    print(f"psnr {-10 * error.log10():.2f} dB", flush=True)
    save_folder(work, {"vae": vae}, torch.float32)
    save_image(torch.cat([pictures, answer.clamp(0, 1)]), work / "vae.png", nrow=12)


if __name__ == "__main__":
    main()
