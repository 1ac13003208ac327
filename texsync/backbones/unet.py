"""What models have in common whose noise a UNet of diffusers predicts, in latents or in pixels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from PIL.Image import new
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..errors import Refused, about, option
from ..moved import moved
from ..schedule import Span
from .base import Backbone
from .between_views import Attends, Sharing
from .conditions import Conditions
from .controls import Control
from .embeddings import Embed, Embeddings, added, both
from .image_adapter import ImageAdapter
from .loading import Parts
from .memory import Chunks, denoise_bytes, fitting, workspace_bytes
from .prediction import check_prediction, to_eps
from .taking_turns import arrive


class UNetBackbone(Backbone):
    """A model whose noise a UNet predicts.

    parts: its networks.  prediction: what the UNet was trained to predict, see `prediction.prediction_type`.
    """

    resizable = True
    adapter: ImageAdapter | None = None
    parts: Parts
    prediction: str

    @property
    def device(self) -> torch.device:
        return self.parts.unet.device

    @property
    def dtype(self) -> torch.dtype:
        return self.parts.unet.dtype

    @property
    def multiple(self) -> int:
        """See `Backbone.multiple`; the UNet halves what it sees."""
        return self.scale * 2 ** (len(self.parts.unet.config.block_out_channels) - 1)

    def chunk_that_fits(self, views: int, view_size: int, *, guided: bool = True) -> int:
        unet, latent = self.parts.unet, self.latent_shape(view_size)
        control = next(
            (one.network.config for one in self.parts.controls), None
        )  # they run one after another
        arrive(unet)
        each = denoise_bytes(unet.config, latent, self.dtype, guided, self.device, control)
        return fitting(each, self.device, views, f"a view of {view_size} pixels", workspace_bytes(unet))


class DiffusionPredictor:
    """Tells noise from picture in N views whose words and control pictures are fixed."""

    def __init__(
        self,
        backbone: UNetBackbone,
        conditions: Conditions,
        embed: Embed,
        chunk: int | None,
    ):
        self.backbone, self.conditions = backbone, conditions
        self.said = both(embed, conditions.prompts, conditions.negatives, clip_skip=conditions.clip_skip)
        self._picture = self._read_picture()
        self._checked = False
        self._chunks = Chunks(chunk) if chunk else None
        controls = backbone.parts.controls if conditions.controls else ()
        if len(controls) != len(conditions.controls):
            raise Refused.controlnet(
                f"there are {len(controls)} {about('ControlNets')}, {len(conditions.controls)} control pictures a view",
                f"name one {option('controlnet')}, or none",
            )
        self._controls = [
            (one, self._read(one, seen))
            for one, seen in zip(controls, conditions.controls, strict=True)
            if seen is not None
        ]

    @property
    def chunk(self) -> int | None:
        """Views per call of the model; None until the first call has measured it."""
        return self._chunks.size if self._chunks else None

    @property
    def guided(self) -> bool:
        """Whether the negatives are asked too; not where the network itself is told the guidance."""
        return self.conditions.guided and not self._guidance_channels

    @property
    def _guidance_channels(self) -> int:
        return getattr(self.backbone.parts.unet.config, "time_cond_proj_dim", None) or 0

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        """x (N, C, h, w) -> eps, same shape and device, at least float32; gradients pass if x asks for them."""
        known = self.said.words.shape[1]
        if len(x) != known:
            raise ValueError(f"{len(x)} pictures, but words for {known}")
        if self._chunks is None:
            size = x.shape[-1] * self.backbone.scale
            self._chunks = Chunks(self.backbone.chunk_that_fits(len(x), size, guided=self.guided))
        if self.backbone.adapter is not None:
            self.backbone.adapter.weigh(self.conditions.image_scale if self.conditions.image_prompt else 0.0)
        wanted = x.requires_grad and torch.is_grad_enabled()

        def some(which: slice) -> Tensor:
            if not wanted:
                return self._eps(x[which], span, which)
            # computed again on the way back, so that one chunk's intermediate maps are kept at a time
            return checkpoint(self._eps, x[which], span, which, use_reentrant=False)

        with torch.set_grad_enabled(wanted):
            if self.conditions.attends is not None:
                return self._shared(x, span, self.conditions.attends, self._chunks, wanted)
            return self._chunks.run(some, len(x))

    def _shared(self, x: Tensor, span: Span, attends: Attends, chunks: Chunks, whole: bool) -> Tensor:
        """All views, whose self-attention reads that of others.  whole: at once, which gradients want."""
        sharing = Sharing(attends, span, len(x))
        with sharing.inside(self.backbone.parts.unet):
            return chunks.together(
                lambda some: sharing.run(lambda which: self._eps(x[which], span, which), some),
                len(x),
                whole=whole,
            )

    def _eps(self, x: Tensor, span: Span, which: slice) -> Tensor:
        said = self.said[(slice(None) if self.guided else slice(1, 2), which)]
        copies = len(said.words)
        inputs = torch.cat([x.to(self.backbone.device, self.backbone.dtype)] * copies)
        predicted = self._network(inputs, span, said.flat(), which, copies)
        predicted = predicted.to(x.device, torch.promote_types(x.dtype, torch.float32)).contiguous()
        self._check(x, predicted[-len(x) :], span)
        if copies == 2:
            without, given = predicted.chunk(2)
            predicted = self.conditions.guide(without, given)
        return self.noise_in(x, predicted, span)

    def _check(self, x: Tensor, predicted: Tensor, span: Span) -> None:
        """Once, where a run begins: whether the network predicts what its scheduler says."""
        kind = getattr(self.backbone, "prediction", None)
        if kind is not None and not self._checked:
            self._checked = True
            check_prediction(kind, x, predicted, span.alpha)

    def noise_in(self, x: Tensor, predicted: Tensor, span: Span) -> Tensor:
        """The noise that the network's answer says is in x, (N, C, h, w) each."""
        return to_eps(self.backbone.prediction, x, predicted, span.alpha)

    def _network(self, x: Tensor, span: Span, said: Embeddings, which: slice, copies: int) -> Tensor:
        t = torch.full((len(x),), span.t, device=x.device)
        height, width = (side * self.backbone.scale for side in x.shape[-2:])
        more = added(said.pooled, (height, width))
        down, middle = self._residuals(x, t, span, said, which, copies, more)
        if middle is not None:
            more |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        if self._guidance_channels:
            told = guidance_embedding(self.conditions.guidance, self._guidance_channels)
            more["timestep_cond"] = moved(told, x.device, x.dtype).expand(len(x), -1)
        if self._picture is not None:
            told = self._picture[-copies:].repeat_interleave(len(x) // copies, dim=0)
            more["added_cond_kwargs"] = {**more.get("added_cond_kwargs", {}), "image_embeds": [told]}
        return self.backbone.parts.unet(x, t, said.words, return_dict=False, **more)[0]

    def _residuals(
        self,
        x: Tensor,
        t: Tensor,
        span: Span,
        said: Embeddings,
        which: slice,
        copies: int,
        more: dict[str, Any],
    ) -> tuple[list[Tensor], Tensor | None]:
        """What all ControlNets together add to the UNet's skip connections and middle; one that is off does not run."""
        total: list[Tensor] = []
        for control, hints in self._controls:
            scale = self.conditions.control_at(span, control.scale)
            if scale > 0:
                hint = torch.cat([hints[which]] * copies)
                made = control.residuals(x, t, said.words, hint, scale, **more)
                if control.pools and copies == 2:  # it is not for what is not wanted
                    made = [
                        torch.cat([torch.zeros_like(one[: len(one) // 2]), one[len(one) // 2 :]])
                        for one in made
                    ]
                total = [a + b for a, b in zip(total, made, strict=True)] if total else made
        return (total[:-1], total[-1]) if total else ([], None)

    def _read_picture(self) -> Tensor | None:
        """What the model is told of the image prompt, without and with it, (2, 1, ...); None: it reads no pictures."""
        if self.backbone.adapter is None:
            return None
        return self.backbone.adapter.read(self.conditions.image_prompt or new("RGB", (8, 8)))

    def _read(self, control: Control, seen: Tensor) -> Tensor:
        """The control pictures' features: they do not change during a run, so they are computed once."""
        chunks, hint = Chunks(self.chunk or 1), control.hint
        assert hint is not None
        pictures = seen.to(self.backbone.device, self.backbone.dtype)
        return chunks.run(lambda which: hint(pictures[which]), len(pictures))


@lru_cache(16)
def guidance_embedding(guidance: float, channels: int) -> Tensor:
    """How latent consistency models are told the guidance, (1, channels): sines and cosines of 1000 (guidance - 1).

    Source: LCM (Luo et al. 2023, arXiv:2310.04378), Algorithm 1, as diffusers' pipelines have it.
    """
    half = channels // 2
    speed = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
    angle = 1000 * (guidance - 1) * speed
    return functional.pad(torch.cat([angle.sin(), angle.cos()]), (0, channels % 2))[None]
