"""What texsync needs of a model: the noise in a picture, the way between pixels and latents, and what it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Literal, Protocol

import torch
from torch import Tensor

from ..errors import Refused, about, got, option
from ..schedule import Schedule, Span
from .advice import Advice
from .conditions import Conditions
from .memory import home_of
from .prompt_words import find_words

Predictor = Callable[[Tensor, Span], Tensor]
"""(x (N, C, h, w), span) -> eps, same shape and dtype as x, guidance applied.

x always holds all N views, so that each meets its own prompt; a predictor that is short of memory cuts x into
chunks itself.  x is float32 or wider whatever the model computes in.
"""
Attention = Literal["none", "coarse", "fine"]
NOTHING: Mapping[str, str] = MappingProxyType({})


class Backbone(ABC):
    """A model that tells noise from picture.  All that tasks ask of a model is here; what is not abstract has an answer
    that is right for a model without that ability.

    schedule: the noise levels it was trained at.  latent_channels: C.  scale: pixels per latent cell along a side.
    native_size: the side in pixels that it was trained at.  resizable: whether it can do other sizes, too.
    advice: how it likes to be sampled.  reads_control: whether it follows control pictures, as a ControlNet does.
    control_kinds: what each of its ControlNets follows, of CONTROL_KINDS or NOT_RENDERED, None where nothing says it.
    attention: whether a word can be found in it, see `word_attention`; "fine": at its latents' full size.
    shares_attention: whether views can read each other's, see `Conditions.attends`.
    source: the arguments of `load_model` that load it again, empty for a model made in Python.
    commits: of what comes from a hub, by "model" and "controlnet".
    """

    schedule: Schedule
    latent_channels: int
    scale: int
    native_size: int
    resizable: bool = False
    advice: Advice = Advice()
    reads_control: bool = False
    control_kinds: tuple[str | None, ...] = ()
    attention: Attention = "none"
    shares_attention: bool = False
    source: Mapping[str, str | None] = NOTHING
    commits: Mapping[str, str] = NOTHING

    @abstractmethod
    def predictor(self, conditions: Conditions, chunk: int | None = None) -> Predictor:
        """The noise predictor of N views, whose conditions are fixed with it; raises InputError for those it lacks.

        chunk: views per call of the model, on which the result does not depend; None: what fits in memory.
        """

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to latents (N, C, H / scale, W / scale)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to pictures (N, 3, h * scale, w * scale) in [0, 1]."""

    # ---- where and how it computes

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return torch.device("cpu")

    @property
    def home(self) -> torch.device:
        """Where views and latents live, see `memory.home_of`."""
        return home_of(self.device)

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the model computes in."""
        return torch.float32

    # ---- what sizes it can do

    @property
    def multiple(self) -> int:
        """Pixels; the sides of what the model sees are whole multiples of it."""
        return self.scale

    def latent_shape(self, view_size: int) -> tuple[int, int, int]:
        """(C, h, w) of a square view of `view_size` pixels; raises InputError for a size that it cannot do."""
        if not self.resizable and view_size != self.native_size:
            raise Refused.view_size(
                f"{about('view size')} {got(view_size)} is not the model's", f"use {self.native_size}"
            )
        multiple = self.multiple
        if view_size < multiple or view_size % multiple:
            near = max(1, round(view_size / multiple)) * multiple
            raise Refused.view_size(
                f"{about('view size')} {got(view_size)} is not a multiple of {multiple}", f"use e.g. {near}"
            )
        return self.latent_channels, view_size // self.scale, view_size // self.scale

    def chunk_that_fits(self, views: int, view_size: int, *, guided: bool = True) -> int:
        """How many of `views` views to denoise at once in the memory that is free; raises InputError if none."""
        return views

    def check_room(self, view_size: int) -> None:
        """Raises InputError if there is no memory for one view, or to decode a picture."""
        self.chunk_that_fits(1, view_size)

    # ---- words

    def shorten(self, text: str, endings: Sequence[str]) -> str:
        """The first words of `text` that leave room for any of the endings; warns (TexsyncWarning) of the rest."""
        return text

    def check_words(self, prompt: str, words: str) -> None:
        """Raises InputError unless these words stand in the prompt, where the model reads them."""
        find_words(prompt, words)

    def word_attention(self, prompt: str, words: str, latent: tuple[int, int]) -> WordAttention:
        """What finds these words of a prompt in a picture of (h, w) latent cells, by the model's attention to them.

        Raises InputError for words that are not in the prompt, and where `attention` is "none".
        """
        raise Refused.model_lacks(
            f"this {about('model')} has no attention to words", f"use {option('find', 'difference')}"
        )

    # ---- more pixels

    def upscaler(self, source: str) -> Enlarger:
        """Its second stage; source: a folder or hub id.  Raises InputError for one that is wrong or another model's."""
        raise Refused.model_lacks(
            f"{option('upscaler')} with this model takes Stable Diffusion's x4 upscaler",
            f"name that, or stage I of DeepFloyd IF with {option('model')}",
        )


class WordAttention(Protocol):
    """Finds words in a picture while the model denoises it, see `attention.AttentionRecorder`."""

    def recording(self) -> AbstractContextManager[None]:
        """While inside, attention is recorded."""

    def through(self, predict: Predictor) -> Predictor:
        """The same predictor; every call of it counts as a step."""

    def foreground(self) -> Tensor:
        """How much each latent cell belongs to the words, (h, w) in [0, 1]."""


class Enlarger(Protocol):
    """Enlarges pictures, each with its prompt."""

    def size_from(self, side: int) -> int:
        """Pixels a side of what comes out, of pictures of `side` pixels."""

    def __call__(
        self, pictures: Tensor, prompts: Sequence[str], *, steps: int, guidance: float, seed: int
    ) -> Tensor:
        """Pictures (N, 3, h, w) in [-1, 1] to (N, 3, H, W) in [0, 1]; those of stage I are not clipped."""
