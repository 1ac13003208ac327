"""The ControlNets of a model: which there are, what each follows, how firmly."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import TexsyncWarning, option
from ..options.control_kinds import SaidControl, check_rendered, kind_by_name, said_controls
from .checked import read_json
from .folder import ControlFolder, ModelFolder, no_control_folder
from .hub import OnBytes
from .locate import NO_CONTROL, find_control, on_hub

NOT_SAID = "depth"  # what a model's own ControlNet follows if nothing says


@dataclass(frozen=True)
class FoundControl:
    """A ControlNet whose files are all there.

    kind: what it follows, of CONTROL_KINDS or NOT_RENDERED; None: nothing says.  scale: None is as for all of them.
    """

    folder: ControlFolder
    name: str
    kind: str | None
    scale: float | None = None


@dataclass(frozen=True)
class Control:
    """A loaded ControlNet.  hint: its first layers, which read the control picture."""

    network: Any
    hint: nn.Module | None  # None: pictures are read otherwise
    kind: str | None = None
    scale: float | None = None

    def residuals(
        self, x: Tensor, t: Tensor, words: Tensor, hint: Tensor, scale: float, **more: Any
    ) -> list[Tensor]:
        """What it adds to the UNet's skip connections and middle, in this order."""
        down, middle = self.network(
            x, t, words, controlnet_cond=hint, conditioning_scale=scale, return_dict=False, **more
        )
        return [*down, middle]

    @property
    def pools(self) -> bool:
        """Whether it says one thing of the whole picture, and to the prompt's half alone, as the shuffle one does."""
        return bool(self.network.config.get("global_pool_conditions", False))


def find_controls(
    folder: ModelFolder,
    model: str,
    controlnet: str | None,
    *,
    half: bool = False,
    on_bytes: OnBytes | None = None,
    only: Any = lambda name: True,
) -> tuple[FoundControl, ...]:
    """Every ControlNet asked for, see `said_controls`; None: the model's own, or the usual one.

    only: which names to look for.  Raises InputError for one that is not there or not made for the model.
    """
    found = []
    for said in said_controls(controlnet) or [SaidControl("")]:
        if not only(said.name):
            continue
        name = said.name or None
        place = find_control(folder, model, name, half=half, on_bytes=on_bytes)
        if place is not None:
            kind = said.kind or _kind_of(folder, place, name)
            found.append(FoundControl(place, said.name or str(place.path), kind, said.scale))
    return tuple(found)


def check_followed(controlnet: str | None) -> list[tuple[str, str | None]]:
    """The name of each ControlNet and what it follows, before any is fetched; the model's own is not looked for.

    Raises InputError for one that follows what no mesh has, or does not say what.
    """
    found: list[tuple[str, str | None]] = []
    for said in said_controls(controlnet):
        if said.name and said.name != NO_CONTROL:
            place = Path(said.name).expanduser()
            if not place.exists() and not on_hub(said.name):
                raise no_control_folder(place)
            kind = said.kind or kind_by_name(said.name, _noted(place))
            found.append((said.name, check_rendered(said.name, kind)))
        elif said.kind:
            found.append((said.name, check_rendered(said.name, said.kind)))
    return found


def _noted(path: Path) -> str:
    """Where a folder's config says that it came from."""
    config = path / "config.json"
    return str(read_json(config).get("_name_or_path") or "") if config.is_file() else ""


def _kind_of(model: ModelFolder, control: ControlFolder, name: str | None) -> str | None:
    """By its name and its config; the model's own by what the model's folder says, else it is taken for depth."""
    own = control.path == model.path / "controlnet"
    if own and model.advice.control_kind:
        return model.advice.control_kind
    names = [name or "", "" if own else str(control.path), str(control.config.get("_name_or_path") or "")]
    kind = kind_by_name(*filter(None, names))
    if kind is None and name is None:
        said = f"nothing says what {control.path} follows"
        message = f"{said}; it is taken for {NOT_SAID}, or say {option('control_kind')}"
        warnings.warn(TexsyncWarning(message), stacklevel=2)
        return NOT_SAID
    return kind
