"""Hand a trained folder on to other noise levels: `python -m texsync.mini.respace --work DIR`.

A network is told a step, not its noise.  Where training goes on with another schedule, the layer that reads the step is
fitted anew, so that each step is felt as the old one of the same noise; steps beyond the old schedule's noisiest level
are felt as that one until training says more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from .models import build_scheduler, load_parts, save_folder


def matching_steps(old: Tensor, new: Tensor) -> Tensor:
    """(N,) steps, also between whole ones, of the old alphas_cumprod (T,) that have the noise of the new ones (N,)."""
    levels, wanted = (torch.logit(alphas.double()).flip(0).contiguous() for alphas in (old, new))
    upper = torch.searchsorted(levels, wanted).clamp(1, len(levels) - 1)
    low, high = levels[upper - 1], levels[upper]
    place = upper - 1 + ((wanted - low) / (high - low)).clamp(0, 1)
    return (len(levels) - 1 - place).flip(0)


@torch.no_grad()
def respace(network: nn.Module, steps: Tensor) -> float:
    """Fit the first layer behind the steps' sinusoids, so that step k gives what steps[k] gave.

    network: of diffusers, with time_proj and time_embedding; changed.  steps: (N,), as `matching_steps` finds them.
    Returns the root mean square of what the fit misses, as a share of how what is to be met varies.
    """
    first, weight = network.time_embedding.linear_1, network.time_embedding.linear_1.weight
    wanted = first(network.time_proj(steps.to(weight.dtype))).double()
    features = network.time_proj(torch.arange(len(steps))).double()
    features = torch.cat([features, torch.ones(len(steps), 1).double()], dim=1)
    # a little of ridge regression: neighbouring sinusoids are nearly the same
    normal = features.T @ features + 1e-4 * len(steps) * torch.eye(features.shape[1]).double()
    fitted = torch.linalg.solve(normal, features.T @ wanted)
    first.weight.copy_(fitted[:-1].T)
    first.bias.copy_(fitted[-1])
    left = features @ fitted - wanted
    return float(left.square().mean().sqrt() / (wanted - wanted.mean(dim=0)).square().mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="a diffusers folder; it is changed")
    work = parser.parse_args().work
    old = DDIMScheduler.from_pretrained(work, subfolder="scheduler")
    new = build_scheduler()
    steps = matching_steps(old.alphas_cumprod, new.alphas_cumprod)
    parts = load_parts(work, ("unet", "controlnet", "text_encoder"))
    for name in ("unet", "controlnet"):
        print(f"{name}: {respace(parts[name], steps):.1%} of the steps' signal is left over")
    save_folder(work, parts, torch.float32)


if __name__ == "__main__":
    main()
