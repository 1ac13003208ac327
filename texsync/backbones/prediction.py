"""From a scheduler's config file to our noise levels, and from what a network predicts to noise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, TexsyncWarning, about, got
from ..schedule import SPACINGS, cosine_betas
from .checked import number, several, whole
from .schedulers import FileSchedule, filled, sampler_of

HERE = "the scheduler"  # in messages
BETAS = (1e-12, 0.9999)  # what a step may add of noise
LONGEST = 100_000  # noise levels
PREDICTIONS = ("epsilon", "v_prediction", "sample")
NOISIEST = 0.05  # of signal; with less a picture is as good as noise
UNLIKE, SAME = 0.7, 0.95  # correlations
TRAINED = 0.4  # standard deviation of an answer that says something
LEAST_ALPHA = (
    2.0**-30
)  # stands for zero signal, so that x0 stays finite; the loop takes such a step in float64


def schedule_from(config: Mapping[str, Any]) -> FileSchedule:
    """The noise levels of a `scheduler_config.json`; what it leaves out is as its own class has it.

    Raises InputError for a class, a beta schedule or a spacing that is not known here.
    """
    sampler, config = sampler_of(config), filled(config)
    alphas = (1 - _betas(config)).cumprod(0)
    if config.get("rescale_betas_zero_snr"):
        alphas = _zero_terminal_snr(alphas)
    spacing = config.get("timestep_spacing", "leading")
    if spacing not in SPACINGS:
        raise Refused.model_config(
            f"the {about('scheduler')} has timestep_spacing {got(spacing)!r}", f"known: {', '.join(SPACINGS)}"
        )
    levels = tuple(alphas.clamp(min=LEAST_ALPHA).tolist())
    final = 1.0 if config.get("set_alpha_to_one", True) else None
    offset = whole(HERE, "steps_offset", config.get("steps_offset", 0), 0, len(levels) - 1)
    return FileSchedule(levels, final, spacing, offset, sampler, config)


def prediction_type(config: Mapping[str, Any]) -> str:
    """What the network was trained to predict; raises InputError if it is none of `PREDICTIONS`."""
    kind = config.get("prediction_type", "epsilon")
    if kind not in PREDICTIONS:
        raise Refused.model_config(
            f"the {about('scheduler')} has prediction_type {got(kind)!r}", f"known: {', '.join(PREDICTIONS)}"
        )
    return kind


def to_eps(kind: str, x: Tensor, predicted: Tensor, alpha: float) -> Tensor:
    """The noise in x (N, C, h, w) at cumulative alpha, given a prediction of this kind, same shape.

    v = sqrt(a) eps - sqrt(1-a) x0 (Salimans and Ho 2022, arXiv:2202.00512, D).
    """
    signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
    if kind == "epsilon":
        return predicted
    if kind == "v_prediction":
        return signal * predicted + noise * x
    return (x - signal * predicted) / noise


@torch.no_grad()  # within a pass that is computed again, nothing may be kept that a second one does not keep
def check_prediction(kind: str, x: Tensor, predicted: Tensor, alpha: float) -> None:
    """Warn (TexsyncWarning) if what a network says of x, all but noise, is not of the kind that its scheduler says.

    There the noise is x itself, so an eps network's answer correlates with x by about 1; a v or x0 network's, which
    answers with a guess of the picture, by a half or less.  x, predicted: (N, C, h, w).  alpha: share of signal in x.
    """
    if alpha > NOISIEST or kind == "sample":
        return
    pair = torch.stack([x.flatten(), predicted.flatten()]).double()
    alike, spread = float(torch.corrcoef(pair)[0, 1]), float(predicted.std())
    if kind == "epsilon" and alike < UNLIKE and spread > TRAINED:
        other = "v_prediction"
    elif kind == "v_prediction" and alike > SAME:
        other = "epsilon"
    else:
        return
    message = (
        f"the scheduler says that the network predicts {kind}, but its answer to noise is like {other}'s"
    )
    remedy = f'if pictures are grey or burnt, put "prediction_type": "{other}" into scheduler/scheduler_config.json'
    warnings.warn(TexsyncWarning(f"{message} (correlation {alike:.2f}); {remedy}"), stacklevel=2)


def _betas(config: Mapping[str, Any]) -> Tensor:
    if config.get("trained_betas") is not None:
        betas = several(HERE, "trained_betas", config["trained_betas"], LONGEST)
        return torch.tensor([number(HERE, "a beta", beta, *BETAS) for beta in betas], dtype=torch.float64)
    kind = config.get("beta_schedule", "linear")
    start = number(HERE, "beta_start", config.get("beta_start", 0.0001), *BETAS)
    end = number(HERE, "beta_end", config.get("beta_end", 0.02), *BETAS)
    length = whole(HERE, "num_train_timesteps", config.get("num_train_timesteps", 1000), 1, LONGEST)
    if kind == "linear":
        return torch.linspace(start, end, length, dtype=torch.float64)
    if kind == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, length, dtype=torch.float64) ** 2
    if kind == "squaredcos_cap_v2":
        return cosine_betas(length)
    raise Refused.model_config(
        f"the {about('scheduler')} has beta_schedule {got(kind)!r}",
        "known: linear, scaled_linear, squaredcos_cap_v2",
    )


def _zero_terminal_snr(alphas: Tensor) -> Tensor:
    """Shift and scale sqrt(alpha) so that the last level holds no signal (arXiv:2305.08891, Algorithm 1)."""
    root = alphas.sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
