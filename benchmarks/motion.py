"""Long motion with mini-motion: are actions recognised, how smooth are transitions, how long does a minute take.

    python benchmarks/motion.py alone                  15 actions, each prompt said in several ways
    python benchmarks/motion.py transitions            every coupling on the same sequences of 5 prompts
    python benchmarks/motion.py length --minutes 1     time and memory

A classifier of the 15 actions is trained first on motions that texsync.motion makes, and kept in --work.

PJ, peak jerk: the largest third difference of the joints' places in a window of 60 frames around a transition, L1
over x, y, z, the largest of all joints, metres a frame cubed; median and mean over transitions.  AUJ: what lies between
that curve and its mean over the generator's own motions, summed over the window.  As FlowMDM has them (Barquero et al.
2024, arXiv:2402.15509, section 4).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from texsync.backbones.motion_model import MotionModel, load_motion
from texsync.measures import area_under_jerk, foot_skate, jerk, peak_jerk
from texsync.motion.actions import ACTIONS
from texsync.motion.captions import caption
from texsync.motion.clips import among_others, clip
from texsync.motion.data import spread
from texsync.motion.features import features
from texsync.motion.plan import plan
from texsync.options.motion_options import MotionOptions
from texsync.tasks.long_motion import LongRun
from texsync.views.motion import joints

NAMES = list(ACTIONS)
SAID = {
    "walk": "a person walks forward", "run": "a person runs", "jump": "a person jumps",
    "hop": "a person hops on one leg",
    "turn_around": "a person turns around", "walk_circle": "a person walks in a circle",
    "sidestep": "a person steps to the left", "wave": "a person waves with the right hand", "punch": "a person punches",
    "kick": "a person kicks", "squat": "a person does squats", "sit_down": "a person sits down",
    "stand_up": "a person stands up from a chair", "bow": "a person bows", "dance": "a person dances",
}  # fmt: skip
METHODS = {
    "none, cut": {"coupling": "none", "assemble": "paste"},
    "none, faded": {"coupling": "none"},
    "multidiffusion": {"coupling": "multidiffusion"},
    "synctweedies": {"coupling": "synctweedies"},
    "doubletake": {"coupling": "doubletake"},
    "syncsde, paper": {"coupling": "syncsde", "integrator": "paper", "edges": "hard"},
    "syncsde, hard edges": {"coupling": "syncsde", "edges": "hard"},
    "syncsde": {"coupling": "syncsde"},
}


class Classifier(nn.Module):
    """Features (N, F, 263), scaled, to 15 scores; any number of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(263, 96, 5, 2, 2), nn.GELU(), nn.Conv1d(96, 96, 5, 2, 2), nn.GELU(),
            nn.Conv1d(96, 96, 5, 2, 2), nn.GELU(),
        )  # fmt: skip
        self.out = nn.Linear(192, len(NAMES))

    def forward(self, x: Tensor) -> Tensor:
        found = self.net(x.transpose(1, 2))
        return self.out(torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1))


def labelled(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(features (N, 120, 263), numbers of the actions), of clips that other actions may stand beside."""
    dice = np.random.default_rng(seed)
    made = [among_others(dice, 6.0) for _ in range(count)]
    return np.stack([features(one.joints) for one in made]).astype(np.float32), np.array(
        [NAMES.index(one.action) for one in made]
    )


def classifier(work: Path, count: int) -> tuple[Classifier, Tensor, Tensor]:
    """(the network, mean, deviation): trained, or as it was kept."""
    file = work / "classifier.pt"
    network = Classifier()
    if file.exists():
        kept = torch.load(file, weights_only=True)
        network.load_state_dict(kept["network"])
        return network.eval(), kept["mean"], kept["deviation"]
    x, y = labelled(count, 1)
    mean, deviation = (torch.from_numpy(one) for one in spread(x.reshape(-1, 263)))
    x, y = (torch.from_numpy(x) - mean) / deviation, torch.from_numpy(y)
    torch.manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    steps = 900
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        chosen = torch.randint(len(x), (64,))
        size = int(torch.randint(60, 121, ()))
        start = int(torch.randint(0, 121 - size, ()))
        loss = nn.functional.cross_entropy(network(x[chosen, start : start + size]), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    work.mkdir(parents=True, exist_ok=True)
    torch.save({"network": network.state_dict(), "mean": mean, "deviation": deviation}, file)
    return network.eval(), mean, deviation


class Judge:
    def __init__(self, work: Path, count: int):
        self.network, self.mean, self.deviation = classifier(work, count)

    @torch.no_grad()
    def __call__(self, found: np.ndarray) -> int:
        """The number of the action that features (F, 263) show."""
        return int(self.network(((torch.from_numpy(found) - self.mean) / self.deviation)[None]).argmax())

    def real(self, count: int = 300) -> float:
        """The share of held-out motions of the generator's that are recognised."""
        x, y = labelled(count, 2)
        return float(np.mean([self(one) == label for one, label in zip(x, y, strict=True)]))


def sampled(model: MotionModel, prompts: list[str], seed: int, **how) -> tuple[np.ndarray, tuple]:
    """(features (F, 263), segments)."""
    options = MotionOptions(prompts, seed=seed, **how)
    run = LongRun(options)
    segments = plan([part.seconds for part in options.parts], None, options.overlap, run.segment(model))
    return model.features(run.denoise(model, segments)).cpu().numpy(), segments


def placed(found: np.ndarray) -> np.ndarray:
    return joints(torch.from_numpy(found).double()).numpy()


def alone(model: MotionModel, judge: Judge, each: int) -> None:
    print(f"the classifier recognises {judge.real():.1%} of the generator's held-out motions (all captions)")
    dice, total = np.random.default_rng(3), 0
    for number, name in enumerate(NAMES):
        plain = [SAID[name]] + [_caption(dice, name) for _ in range(each - 1)]
        made = [sampled(model, [prompt], seed)[0] for seed, prompt in enumerate(plain)]
        seen = [judge(one) for one in made]
        right = sum(one == number for one in seen)
        total += right
        others = {NAMES[one] for one in seen if one != number}
        slides = np.mean([foot_skate(placed(one)) for one in made])
        print(f"{name:12} {right:3} of {each}   skate {slides:.3f}   {', '.join(sorted(others))}", flush=True)
    print(f"recognised: {total / (each * len(NAMES)):.1%}")


def _caption(dice: np.random.Generator, name: str) -> str:
    return caption(dice, clip(dice, 6.0, name, ""))


def transitions(model: MotionModel, judge: Judge, count: int, methods: list[str], work: Path) -> None:
    usual = float(np.mean([jerk(placed(one)).mean() for one in labelled(64, 7)[0]]))
    print(f"mean jerk of the generator's motions: {usual:.4f} m; {count} sequences of 5 prompts")
    print(f"{'':20} {'PJ':>7} {'mean':>7} {'AUJ':>7} {'skate':>7} {'own prompt':>11}")
    for method in methods:
        peaks, areas, slides, right = [], [], [], []
        for number in range(count):
            dice = np.random.default_rng(100 + number)
            actions = follow(dice)
            found, segments = sampled(model, [SAID[NAMES[a]] for a in actions], number, **METHODS[method])
            places = placed(found)
            for one in segments[:-1]:
                peaks.append(peak_jerk(places, one.end))
                areas.append(area_under_jerk(places, one.end, usual))
            slides.append(foot_skate(places))
            right += [
                judge(found[one.start : one.end]) == a for one, a in zip(segments, actions, strict=True)
            ]
        line = {"PJ": np.median(peaks), "mean": np.mean(peaks), "AUJ": np.median(areas), "skate": np.mean(slides),
                "own": np.mean(right)}  # fmt: skip
        told = " ".join(f"{line[name]:7.4f}" for name in ("PJ", "mean", "AUJ", "skate"))
        print(f"{method:20} {told} {line['own']:11.1%}", flush=True)
        with (work / "transitions.jsonl").open("a") as file:
            file.write(
                json.dumps({"method": method, "count": count} | {k: float(v) for k, v in line.items()}) + "\n"
            )


def follow(dice: np.random.Generator) -> list[int]:
    """Five actions; who sits down stands up next, and nobody else does."""
    sit, stand = NAMES.index("sit_down"), NAMES.index("stand_up")
    found: list[int] = []
    while len(found) < 5:
        if found and found[-1] == sit:
            found.append(stand)
            continue
        found.append(int(dice.choice([a for a in range(len(NAMES)) if a != stand and a not in found[-1:]])))
    return found


def length(model: MotionModel, minutes: float, steps: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    options = MotionOptions(["a person walks forward", "a person dances"], seconds=60 * minutes, steps=steps)
    run = LongRun(options)
    segments = plan([None, None], options.seconds, options.overlap, run.segment(model))
    made = run.result(model, segments, run.denoise(model, segments))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.perf_counter() - start
    print(f"{minutes:g} minutes: {len(made.joints)} frames, {len(segments)} segments in {took:.1f} s")
    print(f"peak memory {before:.0f} to {after:.0f} MB, features {made.features.nbytes / 2**20:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["alone", "transitions", "length"])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", type=Path, default=Path("motion_benchmark"))
    parser.add_argument("--clips", type=int, default=3000, help="that the classifier learns from")
    parser.add_argument("--each", type=int, default=8, help="samples an action")
    parser.add_argument("--count", type=int, default=40, help="sequences")
    parser.add_argument("--methods", default=";".join(METHODS), help="separated by ;")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=50, help="for length; memory does not depend on them")
    asked = parser.parse_args()
    model = load_motion(asked.model, device=asked.device)
    if asked.what == "length":
        return length(model, asked.minutes, asked.steps)
    judge = Judge(asked.work, asked.clips)
    if asked.what == "alone":
        return alone(model, judge, asked.each)
    return transitions(model, judge, asked.count, asked.methods.split(";"), asked.work)


if __name__ == "__main__":
    main()
