"""Schedulers of the library, read as what they are: which levels each one's runs visit, and which sampler it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got
from ..schedule import Schedule, Span, at_alpha, at_sigma, chain
from .checked import number
from .meta import attempt
from .quiet import quiet

USUAL = "DDIMScheduler"
SAMPLERS = {  # class of the library: the sampler that takes its steps
    "DDIMScheduler": "ddim",
    "DDIMParallelScheduler": "ddim",
    "DDPMScheduler": "ddim",
    "DDPMParallelScheduler": "ddim",
    "PNDMScheduler": "ddim",
    "TCDScheduler": "tcd",
    "LCMScheduler": "lcm",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "euler",
    "LMSDiscreteScheduler": "euler",
    "KDPM2DiscreteScheduler": "euler",
    "KDPM2AncestralDiscreteScheduler": "euler",
    "DPMSolverMultistepScheduler": "dpm++",
    "DPMSolverSinglestepScheduler": "dpm++",
    "DPMSolverSDEScheduler": "dpm++",
    "DEISMultistepScheduler": "dpm++",
    "UniPCMultistepScheduler": "unipc",
}
VISITS = {  # sampler: the class whose levels its runs visit; ddim's are our own
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "ddpm": "DDPMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
}
BY_TIMESTEP = ("ddpm", "lcm", "tcd")  # these know their levels by timestep, the others by noise per signal
SECOND_ORDER = {"solver_order": 2, "thresholding": False}
OURS: dict[str, dict[str, Any]] = {  # what of a solver's settings our sampler stands for
    "dpm++": {**SECOND_ORDER, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"},
    "unipc": {**SECOND_ORDER, "solver_type": "bh2", "predict_x0": True},
}
REASONS = {
    "CMStochasticIterativeScheduler": "consistency models of this kind have no text",
    "EDM": "its network sees pictures at another size than Stable Diffusion's",
    "FlowMatch": "it belongs to a transformer, not to a UNet",
}


def sampler_of(config: Mapping[str, Any]) -> str:
    """The sampler that a `scheduler_config.json` stands for; raises InputError for a class that is not read."""
    name = config.get("_class_name", USUAL)
    if not isinstance(name, str) or name not in SAMPLERS or config.get("use_flow_sigmas"):
        why = next((why for start, why in REASONS.items() if str(name).startswith(start)), "")
        flow = " for flow matching" if config.get("use_flow_sigmas") else ""
        raise Refused.model_config(
            f"the {about('scheduler')} is a {got(name):r.60}{flow}",
            f"{why}; choose another model" if why else f"known: {', '.join(SAMPLERS)}",
        )
    return SAMPLERS[str(name)]


def filled(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with what it leaves out as its own class has it, which is not as others have it."""
    import diffusers

    kind = getattr(diffusers, config.get("_class_name", USUAL))
    whole = {**attempt(Path("the scheduler"), kind).config, **config}
    return {name: value for name, value in whole.items() if not name.startswith("_")}


def clipping_of(config: Mapping[str, Any], pipeline_clips: bool) -> float | None:
    """Where clean guesses in latents are cut, or None; raises InputError for clipping that is for pixels only.

    pipeline_clips: whether the model's pipeline does as its scheduler says; those of Stable Diffusion 1.x and 2.x
    switch it off.
    """
    if config.get("thresholding"):
        raise Refused.model_config(
            f"the {about('scheduler')} has thresholding, which is for models of pixels",
            "set it to false in its config",
        )
    if not (pipeline_clips and config.get("clip_sample")):
        return None
    return number("the scheduler", "clip_sample_range", config.get("clip_sample_range", 1.0), 1e-3, 1e3)


@dataclass(frozen=True)
class FileSchedule(Schedule):
    """The levels of a model's scheduler file.  config: its content, with what it leaves out."""

    config: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def spans(self, steps: int, sampler: str = "") -> list[Span]:
        """The run as steps of a sampler, its own if none is named; see `Schedule.spans`."""
        sampler = sampler or self.sampler
        if sampler not in VISITS:
            return super().spans(steps)
        self.check_steps(steps)
        levels, end = attempt(
            Path("the scheduler"), lambda: self._visited(steps, sampler), f"has no run of {steps} steps"
        )
        return chain(levels, end, len(self.alphas))

    def _visited(
        self, steps: int, sampler: str
    ) -> tuple[list[tuple[float, float, float]], tuple[float, float]]:
        import diffusers

        kind = getattr(diffusers, VISITS[sampler])
        with warnings.catch_warnings(), quiet("diffusers"):
            warnings.simplefilter("ignore")  # of the library to its own maintainers
            scheduler = kind.from_config({**self.config, **OURS.get(sampler, {})})
            scheduler.set_timesteps(steps)
        times = [plain(float(t)) for t in scheduler.timesteps]
        if sampler in BY_TIMESTEP:
            ends = [self.alphas[int(t)] for t in times] + [self.alphas[0] if sampler == "tcd" else 1.0]
            levels = [at_alpha(alpha) for alpha in ends]
        else:
            levels = [at_sigma(sigma) for sigma in scheduler.sigmas.double().tolist()]
        return [(t, *level) for t, level in zip(times, levels, strict=False)], levels[-1]


def plain(t: float) -> float:
    """A whole number where it is one."""
    return int(t) if t == int(t) else t
