"""The sixty ways in which SyncTweedies' authors let pictures and canvas agree, as switches of one step.

Kim et al. 2024, arXiv:2403.14370, section 3.3 and appendix; numbers as in their code.  Views here are linear maps, so
an average may be taken before or after a formula, and twenty of the sixty do what an earlier one does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..schedule import Span
from ..views import Views
from .base import Predict, towards

SWITCHES = "netzp"
"""n: the network sees agreed pictures.  e: eps is agreed.  t: Tweedie's formula starts from agreed pictures.
z: clean guesses are agreed.  p: DDIM starts from agreed pictures.  And x: the pictures that come out are agreed."""


@dataclass(frozen=True)
class Case:
    """One way to agree.

    agree: which of `SWITCHES` (and x) are on.  state: what is denoised, the pictures or the canvas they show.
    tweedie, ddim: where these two formulas are evaluated, on the pictures or on the canvas.
    joint: "" or the one quantity, "e", "z" or "x", that pictures and canvas, both denoised, share half and half;
    only `state` takes it up, the other goes its own way.
    """

    agree: str = ""
    state: str = "pictures"
    tweedie: str = "pictures"
    ddim: str = "pictures"
    joint: str = ""

    def step(self, x: Tensor, z: Tensor, predict: Predict, views: Views, span: Span) -> tuple[Tensor, Tensor]:
        """As `Coupling.step`; of joint cases on the canvas, the canvas is the result."""
        if self.joint:
            return _joint(self, x, z, predict, views, span)
        x = views.show(z, x) if self.state == "canvas" else x
        eps = self._met("e", predict(self._met("n", x, views), span), views)
        x0, z0 = span.tweedie(self._met("t", x, views), eps), None
        here = z if self.state == "canvas" or "canvas" not in (self.tweedie, self.ddim) else views.f_inv(x)
        if self.tweedie == "canvas":
            z0 = span.tweedie(here, views.f_inv(eps))
            x0 = views.show(z0, x0)
        x0 = self._met("z", x0, views)
        x_next = towards(self._met("p", x, views), x0, span)
        if self.ddim == "canvas":
            z_next = towards(here, views.f_inv(x0) if z0 is None else z0, span)
        elif self.state == "canvas" or "x" in self.agree:
            z_next = views.f_inv(x_next)
        else:
            return x_next, z
        return views.show(z_next, x_next), z_next if self.state == "canvas" else z

    def _met(self, switch: str, pictures: Tensor, views: Views) -> Tensor:
        return views.agree(pictures) if switch in self.agree else pictures


def _joint(case: Case, x: Tensor, z: Tensor, predict: Predict, views: Views, span: Span):
    """Pictures and canvas side by side; the state takes the mean of what both say about one quantity."""
    apart = _line(x, predict(x, span), span)
    shown = views.show(z, x)
    eps = predict(shown, span)
    if case.state == "canvas":
        together = _line(shown, eps, span)[case.joint]
        mean = (views.f_inv(apart[case.joint]) + views.f_inv(together)) / 2
        return apart["x"], _next(case.joint, z, mean, span)
    canvas = _line(z, views.f_inv(eps), span)
    mean = (views.f_inv(apart[case.joint]) + canvas[case.joint]) / 2
    return _next(case.joint, x, views.show(mean, apart[case.joint]), span), canvas["x"]


def _line(x: Tensor, eps: Tensor, span: Span) -> dict[str, Tensor]:
    """Noise, clean guess and next of plain DDIM."""
    x0 = span.tweedie(x, eps)
    return {"e": eps, "z": x0, "x": span.ddim(x0, eps)}


def _next(kind: str, x: Tensor, value: Tensor, span: Span) -> Tensor:
    """The next picture, given what its noise, its clean guess or itself is to be."""
    if kind == "x":
        return value
    return towards(x, value, span) if kind == "z" else span.ddim(span.tweedie(x, value), value)


CHOICES = ["".join(c for k, c in enumerate(SWITCHES) if bits >> k & 1) for bits in range(2 ** len(SWITCHES))]
INSTANCE = [
    agree for agree in CHOICES if agree not in ("", "e", "z", "ntp")
]  # the last is case 6, half a step on
CANVAS = dict(tweedie="canvas", ddim="canvas")
CASES: tuple[Case, ...] = (
    Case(),
    Case("e"),
    Case("z"),
    Case("x"),
    Case(state="canvas", **CANVAS),
    Case(state="canvas", ddim="canvas"),
    Case(state="canvas"),
    *(Case(agree) for agree in INSTANCE),
    *(Case(agree, tweedie="canvas") for agree in ("", "n", "p", "np")),
    *(Case(agree, **CANVAS) for agree in ("", "n")),
    *(Case(agree, ddim="canvas") for agree in ("", "n", "e", "ne", "t", "nt", "et", "net")),
    Case("e", state="canvas", ddim="canvas"),
    *(Case(agree, state="canvas") for agree in ("e", "z", "ez")),
    Case(state="canvas", tweedie="canvas"),
    *(Case(state="pictures", joint=joint) for joint in "ezx"),
    *(Case(state="canvas", joint=joint) for joint in "ezx"),
)
"""By the authors' numbers: 2 is SyncTweedies itself, 4 Visual Anagrams, 5 SyncMVD, 6 MultiDiffusion."""
