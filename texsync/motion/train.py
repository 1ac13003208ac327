"""Train mini-motion:

    python -m texsync.motion.train --out DIR --minutes 1

DIR is a model folder at every moment: `args.json`, `model.safetensors`, `Mean.npy`, `Std.npy`, `text_encoder`,
`tokenizer`; the averaged weights are written every few moments, and a run goes on from those that it finds.
Worker processes make the motions while the network learns, from what has come so far.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import queue
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..schedule import Schedule
from .data import CHUNK, LONGEST, SAYINGS, Chunk, spread, workers
from .features import FEET, SIZE
from .mdm import Network, Sizes
from .text import build_text_encoder, build_tokenizer, tokens

SHAPE = Sizes(width=256, layers=6, heads=4, inner=512, text=128, dropout=0.0)
STEPS = 50  # noise levels
NO_TEXT, NO_WORD = 0.1, 0.03  # how often a text, a word is left out
PLACES = slice(3, 67)  # height and joints
WAYS = slice(193, 259)
FOOT_WAYS = [WAYS.start + 3 * joint + axis for joint in FEET for axis in range(3)]


class Learner(nn.Module):
    """Network and text encoder as one, so that averaging and saving see both."""

    def __init__(self, tokenizer: Any, shape: Sizes = SHAPE):
        super().__init__()
        self.network, self.text = Network(shape), build_text_encoder(tokenizer, shape.text)

    def forward(self, x: Tensor, t: Tensor, ids: Tensor, told: Tensor, lengths: Tensor) -> Tensor:
        """x (N, 263, 1, F).  told: (N, 1), 0 where the text is left out."""
        return self.network(x, t, self.text(input_ids=ids).text_embeds * told, lengths)


class Folder:
    """The model folder."""

    def __init__(self, out: Path):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)

    def load(self, learner: Learner) -> tuple[np.ndarray, np.ndarray] | None:
        """Weights into the learner; mean and deviation, or None where nothing is yet."""
        if not (self.out / "model.safetensors").exists():
            return None
        learner.network.load_state_dict(load_file(self.out / "model.safetensors"))
        learner.text.load_state_dict(load_file(self.out / "text_encoder" / "model.safetensors"))
        mean, deviation = (np.load(self.out / f"{name}.npy", allow_pickle=False) for name in ("Mean", "Std"))
        return mean, deviation

    def save(self, learner: Learner, tokenizer: Any, mean: Tensor, deviation: Tensor, told: dict) -> None:
        """Half-precision copies of everything, and what the run has to tell."""
        shape = learner.network.shape
        half = copy.deepcopy(learner).half().cpu()
        save_file(
            {n: p.contiguous() for n, p in half.network.state_dict().items()}, self.out / "new.safetensors"
        )
        (self.out / "new.safetensors").replace(self.out / "model.safetensors")
        half.text.save_pretrained(self.out / "text_encoder")
        tokenizer.save_pretrained(self.out / "tokenizer")
        np.save(self.out / "Mean.npy", mean.cpu().numpy())
        np.save(self.out / "Std.npy", deviation.cpu().numpy())
        arguments = {"arch": "trans_enc", "layers": shape.layers, "latent_dim": shape.width, "ff_size": shape.inner,
                     "num_heads": shape.heads, "dataset": "humanml", "diffusion_steps": STEPS,
                     "noise_schedule": "cosine", "text_encoder_type": "clip", "longest": LONGEST}  # fmt: skip
        (self.out / "args.json").write_text(json.dumps(arguments, indent=2) + "\n")
        (self.out / "train.json").write_text(json.dumps(told, indent=2) + "\n")


class Store:
    """Motions on the device, as they come."""

    def __init__(self, room: int, tokenizer: Any, device: torch.device):
        self.tokenizer, self.room, self.count = tokenizer, room, 0
        self.features = torch.zeros(room, LONGEST, SIZE, dtype=torch.float16, device=device)
        self.lengths = torch.zeros(room, dtype=torch.long, device=device)
        self.ids = torch.zeros(room, SAYINGS, 22, dtype=torch.long, device=device)

    def add(self, made: Chunk) -> None:
        if self.count + len(made.lengths) > self.room:
            return
        place = slice(self.count, self.count + len(made.lengths))
        self.features[place] = torch.from_numpy(made.features).to(self.features.device)
        self.lengths[place] = torch.from_numpy(made.lengths).to(self.lengths.device)
        ids = tokens(self.tokenizer, [text for texts in made.texts for text in texts])
        self.ids[place] = ids.view(-1, SAYINGS, ids.shape[1]).to(self.ids.device)
        self.count = place.stop

    def drain(self, ready: queue.Queue, until: int = 0) -> None:
        """Add all that has come; wait until there are so many."""
        while not ready.empty() or self.count < min(until, self.room):
            self.add(ready.get())

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """(features, lengths, token numbers) of random motions."""
        device = self.features.device
        chosen = torch.randint(self.count, (size,), device=device)
        saying = torch.randint(SAYINGS, (size,), device=device)
        return self.features[chosen].float(), self.lengths[chosen], self.ids[chosen, saying]


@dataclass
class Task:
    """What is learnt: the clean features from noisy ones."""

    mean: Tensor
    deviation: Tensor
    alphas: Tensor

    def loss(self, learner: Learner, values: Tensor, lengths: Tensor, ids: Tensor) -> Tensor:
        """MDM's: features, their change from frame to frame, and feet that stand (arXiv:2209.14916, Eq. 2-5)."""
        size, device = len(values), values.device
        x0 = (values - self.mean) / self.deviation
        t = torch.randint(len(self.alphas), (size,), device=device)
        alpha = self.alphas[t][:, None, None]
        x = alpha.sqrt() * x0 + (1 - alpha).sqrt() * torch.randn_like(x0)
        told = (torch.rand(size, 1, device=device) >= NO_TEXT).float()
        unknown = (torch.rand(ids.shape, device=device) < NO_WORD) & (ids > 3)
        ids = torch.where(unknown, torch.ones_like(ids), ids)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found = learner(x.transpose(1, 2)[:, :, None], t, ids, told, lengths)
        found = found[:, :, 0].transpose(1, 2).float()
        inside = (torch.arange(LONGEST, device=device) < lengths[:, None])[..., None].float()
        off = (found - x0) * inside
        share = LONGEST * size / inside.sum()
        change = torch.diff(off, dim=1)[..., PLACES]
        standing = values[..., 259:263].repeat_interleave(3, dim=2) * inside
        slide = (found * self.deviation + self.mean)[..., FOOT_WAYS] * standing / self.deviation[FOOT_WAYS]
        return share * (off.square().mean() + 2 * change.square().mean() + 0.05 * slide.square().mean())


def rate(done: float, peak: float) -> float:
    """Of learning: up in the first twelfth of the time, then down along a cosine; done: share, 0 to 1."""
    return peak * min(1.0, 0.01 + 12 * done) * (0.03 + 0.97 * (1 + math.cos(math.pi * min(done, 1.0))) / 2)


def average(mean: nn.Module, now: nn.Module, step: int, keep: float = 0.9985) -> None:
    keep = min(keep, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(mean.parameters()), list(now.parameters()), 1 - keep)


def train(options: argparse.Namespace) -> None:
    began = time.time()
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    tokenizer, folder = build_tokenizer(), Folder(options.out)
    learner = Learner(
        tokenizer, replace(SHAPE, width=options.width, layers=options.layers, inner=2 * options.width)
    )
    kept = folder.load(learner)
    count = options.workers or max(1, (os.cpu_count() or 2) - 2)
    with workers(count, math.ceil(options.clips / CHUNK), options.seed) as ready:
        learner.to(device)
        store = Store(options.clips, tokenizer, device)
        store.drain(ready, options.first)
        print(
            f"{store.count} motions after {time.time() - began:.1f} s, {count} workers, {device}", flush=True
        )
        if kept is None:
            rows = np.concatenate([f[:n] for f, n in zip(store.features[:3000].cpu().numpy().astype(np.float32),
                                                         store.lengths[:3000].tolist(), strict=True)])  # fmt: skip
            kept = spread(rows)
        mean, deviation = (torch.from_numpy(values).to(device) for values in kept)
        alphas = torch.tensor(Schedule.cosine(STEPS).alphas, device=device)
        learn(options, learner, store, ready, Task(mean, deviation, alphas), folder, tokenizer)


def learn(
    options: argparse.Namespace,
    learner: Learner,
    store: Store,
    ready: queue.Queue,
    task: Task,
    folder: Folder,
    tokenizer: Any,
) -> None:
    """Until the time is over."""
    averaged = copy.deepcopy(learner).requires_grad_(False)
    optimiser = torch.optim.AdamW(learner.parameters(), options.rate, (0.9, 0.99), weight_decay=0.01,
                                  fused=task.mean.is_cuda)  # fmt: skip
    start, said, step, losses = time.time(), time.time(), 0, []
    length = options.minutes * 60
    while (passed := time.time() - start) < length:
        if step % 8 == 0:
            store.drain(ready)
        for group in optimiser.param_groups:
            group["lr"] = rate(passed / length, options.rate)
        loss = task.loss(learner, *store.batch(options.batch))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0, foreach=True)
        optimiser.step()
        average(averaged, learner, step)
        losses.append(loss.detach())
        step += 1
        if time.time() - said > options.every:
            said = time.time()
            told = {"steps": step, "seconds": round(said - start, 1), "motions": store.count, "batch": options.batch,
                    "loss": round(torch.stack(losses).mean().item(), 5)}  # fmt: skip
            print(told, flush=True)
            losses = []
            folder.save(averaged, tokenizer, task.mean, task.deviation, told)
    told = {"steps": step, "seconds": round(time.time() - start, 1), "motions": store.count, "batch": options.batch,
            "loss": round(torch.stack(losses).mean().item(), 5) if losses else None}  # fmt: skip
    print(told, flush=True)
    folder.save(averaged, tokenizer, task.mean, task.deviation, told)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="of learning, after the first motions have come"
    )
    parser.add_argument("--width", type=int, default=SHAPE.width)
    parser.add_argument("--layers", type=int, default=SHAPE.layers)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--clips", type=int, default=48_000, help="at most; 63 KB each on the device")
    parser.add_argument("--first", type=int, default=4_000, help="motions to wait for before learning")
    parser.add_argument("--workers", type=int, default=0, help="0: all cores but two")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between saves")
    parser.add_argument("--device", default="")
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args(words))


if __name__ == "__main__":
    main()
