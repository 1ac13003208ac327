"""Train mini's autoencoder:

    python -m texsync.mini.spool --out DIR/spool --processes N &
    python -m texsync.mini.train_vae --work DIR --minutes 20

Resumes from DIR.  Beside plain errors its decoder must please two critics: a fixed public network's features
(EfficientNet-Lite0, the `benchmarks` extra) and a small network that learns to tell decoded patches from real ones.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from .critics import Critic, Features, critic_loss
from .models import build_vae, load_parts, save_folder
from .pool import chunks, halves, take

COLOURS = 3  # latent channels that carry the picture; the fourth was noise to the UNet whatever it was given


def turn(x: Tensor, k: int) -> Tensor:
    """One of the eight flips and quarter turns of a square picture, k in 0..7."""
    return torch.rot90(x.flip(-1) if k >= 4 else x, k % 4, (-2, -1))


def losses(vae, picture: Tensor, k: int, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """(decoded, target, divergence): what becomes of a turned latent (B, 3, S, S), what should, and how far the latents
    are from N(0, 1).

    noise: added to latents, up to this much, as if a UNet had guessed them.
    """
    posterior = vae.encode(picture * 2 - 1).latent_dist
    mean, shape = posterior.mean, posterior.mean.shape
    amount = noise * torch.rand(shape[0], 1, 1, 1, device=mean.device)
    latent = mean + (posterior.std + amount) * torch.randn(shape, device=mean.device)
    # views turn pictures and resample latents: a turned latent is the turned picture, an averaged one the averaged
    latent, target = turn(latent, k), turn(picture, k)
    if random.random() < 0.15:
        latent, target = functional.avg_pool2d(latent, 2), functional.avg_pool2d(target, 2)
    answer = vae.decode(latent).sample.float() * 0.5 + 0.5
    divergence = 0.5 * (mean**2 + posterior.var - 1 - posterior.logvar)[:, :COLOURS].float().mean()
    return answer, target, divergence


def plain_loss(answer: Tensor, target: Tensor) -> Tensor:
    """Errors of colours, of borders and of how steep these are."""
    value = functional.l1_loss(answer, target) + 0.5 * (answer - target).square().mean().sqrt()
    edges = sum(edge_error(functional.avg_pool2d(answer - target, k)) for k in (1, 2))
    return value + edges + 2.0 * functional.l1_loss(crispness(answer), crispness(target))


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


class Plates:
    """Whole pictures in bytes on the device, and windows of them at random."""

    def __init__(self, spool: Path, capacity: int, device: str):
        self.line, self.device = chunks(spool, keep=True), device
        self.table, self.count, self.next = torch.empty(0), 0, 0
        self.capacity = capacity

    def add(self, chunk) -> None:
        picture = chunk[1]["picture"].to(self.device, non_blocking=True)
        if not self.count:
            self.table = picture.new_zeros(self.capacity, *picture.shape[1:])
        where = torch.arange(self.next, self.next + len(picture), device=self.device) % self.capacity
        self.table[where] = picture
        self.next = (self.next + len(picture)) % self.capacity
        self.count = min(self.count + len(picture), self.capacity)

    def draw(self, batch: int, size: int) -> Tensor:
        """(batch, 3, size, size) in [0, 1]."""
        take(self.line, 1, self.add)
        while self.count < batch:
            take(self.line, 1, self.add)
            time.sleep(0.02)
        which = torch.randint(self.count, (batch,), device=self.device)
        top, left = torch.randint(self.table.shape[-1] - size + 1, (2, batch), device=self.device)
        return window(self.table, which, top, left, size) / 255.0


def window(pictures: Tensor, which: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """(B, C, size, size): a window of each of some pictures (N, C, S, S)."""
    along = torch.arange(size, device=pictures.device)
    rows, columns = (top[:, None] + along)[:, None, :, None], (left[:, None] + along)[:, None, None, :]
    channels = torch.arange(pictures.shape[1], device=pictures.device)[None, :, None, None]
    return pictures[which[:, None, None, None], channels, rows, columns]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spool", type=Path, help="default: DIR/spool")
    parser.add_argument("--features", type=Path, help="weights of EfficientNet-Lite0; default: the package's")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--flat", type=int, default=4, help="of the batch, flat pictures with hard borders")
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--pool", type=int, default=1000, help="pictures kept")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--divergence", type=float, default=1e-4)
    parser.add_argument("--noise", type=float, default=0.15, help="on the latents")
    parser.add_argument("--critic", type=float, default=0.03, help="weight of the critic, in the second half")
    parser.add_argument("--decoder-only", action="store_true", help="keep the latents that a UNet has learnt")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Painter:
    """The autoencoder, the two critics that it must please, and their optimizers."""

    def __init__(self, options: argparse.Namespace, device: str):
        self.options, self.device = options, device
        resume = (options.work / "vae").exists()
        self.vae = (load_parts(options.work, ("vae",))["vae"] if resume else build_vae()).to(device)
        drop_channels(self.vae)
        for part in (self.vae.encoder, self.vae.quant_conv):
            part.requires_grad_(not options.decoder_only)
        self.critic, self.features = Critic().to(device), Features(options.features).to(device)
        self.learnt = [p for p in self.vae.parameters() if p.requires_grad]
        rate, critics = options.lr, self.critic.parameters()
        self.optimizer = torch.optim.AdamW(self.learnt, rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.judge = torch.optim.AdamW(critics, rate / 2, betas=(0.5, 0.98), weight_decay=0.0)

    def step(self, picture: Tensor, done: float, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step on pictures (B, 3, S, S): plain loss, divergence, decoded, target.  done: share of the run, 0..1."""
        climb, fall = min(1.0, (step + 1) / 100), max(0.02, min(1.0, 1.6 * (1 - done)))
        self.optimizer.param_groups[0]["lr"] = self.options.lr * climb * fall
        share = self.options.critic * min(1.0, max(0.0, (done - 0.4) / 0.2))
        self.critic.requires_grad_(False)
        with torch.autocast(self.device, torch.bfloat16, enabled=halves(self.device)):
            answer, target, divergence = losses(self.vae, picture, random.randrange(8), self.options.noise)
            near = plain_loss(answer, target) + 0.25 * self.features.distance(answer, target)
            loss = near + self.options.divergence * divergence
            if share:
                loss = loss - share * self.critic(answer).float().mean()
        loss.backward()
        keep_colours(self.vae)
        torch.nn.utils.clip_grad_norm_(self.learnt, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if done > 0.3:
            self.teach_critic(answer.detach(), target)
        return near, divergence, answer.detach(), target

    def teach_critic(self, answer: Tensor, target: Tensor) -> None:
        self.critic.requires_grad_(True)
        with torch.autocast(self.device, torch.bfloat16, enabled=halves(self.device)):
            loss = critic_loss(self.critic, answer, target)
        loss.backward()
        self.judge.step()
        self.judge.zero_grad(set_to_none=True)


def main() -> None:
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    painter = Painter(options, device)
    pictures = Plates(options.spool or options.work / "spool", options.pool, device)
    borders = torch.cat([flat(64, options.crop, random.Random(k)) for k in range(4)]).to(device)
    start = shown = saved = time.time()
    step = 0
    while (done := (time.time() - start) / (60 * options.minutes)) < 1:
        border = borders[torch.randint(len(borders), (options.flat,), device=device)]
        picture = torch.cat([pictures.draw(options.batch - options.flat, options.crop), border])
        found = painter.step(picture.contiguous(memory_format=torch.channels_last), done, step)
        step += 1
        if time.time() - shown > 10:
            shown = time.time()
            _say(shown - start, step, *found)
        if time.time() - saved > 240:
            saved = time.time()
            save_folder(options.work, {"vae": painter.vae}, torch.float32)
    save_folder(options.work, {"vae": painter.vae}, torch.float32)
    _show(painter.vae, pictures, options.work)


@torch.no_grad()
def drop_channels(vae) -> None:
    """Latent channels beyond COLOURS are 0, and the decoder does not look at them."""
    channels = vae.config.latent_channels
    vae.quant_conv.weight[COLOURS:channels] = 0
    vae.quant_conv.bias[COLOURS:channels] = 0
    vae.post_quant_conv.weight[:, COLOURS:] = 0


def keep_colours(vae) -> None:
    """No gradient for latent channels beyond COLOURS."""
    channels = vae.config.latent_channels
    for weight in (vae.quant_conv.weight, vae.quant_conv.bias):
        if weight.grad is not None:
            weight.grad[COLOURS:channels] = 0
            weight.grad[channels + COLOURS :] = 0
    vae.post_quant_conv.weight.grad[:, COLOURS:] = 0


def _say(seconds: float, step: int, near: Tensor, divergence: Tensor, answer: Tensor, target: Tensor) -> None:
    kept = (crispness(answer).mean() / crispness(target).mean()).item()
    psnr = -10 * (answer - target).square().mean(dim=(1, 2, 3)).log10().mean().item()
    print(
        f"{seconds:6.0f}s step {step} loss {near.item():.4f} kl {divergence.item():.3f} edges {kept:.3f} "
        f"psnr {psnr:.2f}",
        flush=True,
    )


@torch.no_grad()
def _show(vae, pictures: Plates, work: Path) -> None:
    """Pictures above, decoded below: DIR/vae.png."""
    from torchvision.utils import save_image

    some = pictures.draw(10, 256)
    answer = vae.decode(vae.encode(some * 2 - 1).latent_dist.mean).sample * 0.5 + 0.5
    save_image(torch.cat([some, answer.clamp(0, 1)]), work / "vae.png", nrow=10)


if __name__ == "__main__":
    main()
