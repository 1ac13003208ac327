"""Which models are on this machine, which could be fetched, and whether texsync can use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from . import hub
from .checked import read_json
from .folder import read_layout
from .layout import IF_PARTS, IF_SECOND_PARTS, SD3_PARTS, UPSCALER_PARTS
from .locate import EMBEDDED, read_found
from .presets import PRESETS
from .single_file import architecture
from .tensors import is_weights, read_header

KINDS = {"ControlNetModel": "a ControlNet", "AutoencoderKL": "an autoencoder"}
MODELS = {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "Stable Diffusion XL"}
OTHERS = {  # how a pipeline's name begins: what it is, what is read of it
    "IFSuperResolution": ("DeepFloyd IF, stage II", IF_SECOND_PARTS),
    "IF": ("DeepFloyd IF", IF_PARTS),
    "StableDiffusion3": ("Stable Diffusion 3", SD3_PARTS),
    "StableDiffusionUpscale": ("Stable Diffusion's x4 upscaler", UPSCALER_PARTS),
}
READY, ABSENT, PARTLY, NO = "ready", "not fetched", "partly fetched", "not usable"


@dataclass(frozen=True)
class Entry:
    """A model.  name: a preset's, or of a repository.  state: one of those above.  about: what it is, or why not."""

    name: str
    state: str
    about: str


def presets() -> list[Entry]:
    """The embedded model, and those with a short name."""
    entries = [Entry(name, READY, "embedded; runs on a CPU") for name in EMBEDDED]
    for name, preset in PRESETS.items():
        parts = [_state(preset.model)]
        if preset.controlnet not in (None, "none"):
            parts.append(_state(str(preset.controlnet)))
        state = READY if set(parts) == {READY} else ABSENT if set(parts) == {ABSENT} else PARTLY
        told = f"{preset.about}; {preset.gigabytes:g} GB, {preset.vram} GB GPU; {preset.licence}"
        entries.append(Entry(name, state, told))
    return entries


def _state(repo: str) -> str:
    found = next((one for one in cached() if one.name == repo), None)
    return ABSENT if found is None else found.state


def cached() -> list[Entry]:
    """Every repository in the hub's cache; asks no network."""
    from huggingface_hub import constants

    folders = sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*"))
    return [_entry(folder.name.removeprefix("models--").replace("--", "/", 1), folder) for folder in folders]


def _entry(repo: str, folder: Path) -> Entry:
    place = hub.newest_snapshot(folder)
    try:
        return Entry(repo, *_found(repo, place))
    except InputError as error:
        return Entry(repo, NO, error.message.replace(f"{place}/", "").replace(f"{place} ", "it "))


def _found(repo: str, place: Path) -> tuple[str, str]:
    """(state, what it is); raises InputError for what texsync does not read."""
    if (place / "model_index.json").is_file():
        kind = str(read_json(place / "model_index.json").get("_class_name", ""))
        for start, (what, parts) in OTHERS.items():
            if kind.startswith(start):
                return (READY if hub.cached(repo, parts) else PARTLY), what
        return _model(repo, place)
    if (place / "config.json").is_file():
        kind = read_json(place / "config.json").get("_class_name", "")
        if kind in KINDS:
            return (READY if hub.cached(repo, ("",)) else PARTLY), KINDS[kind]
        return NO, f"{kind or 'a model'} of another kind"
    files = [file for file in sorted(place.glob("*")) if is_weights(file)] if place.is_dir() else []
    if not files:
        return NO, "nothing in it that texsync reads"
    for file in files:
        read_header(file)  # one that is damaged is not ready
    return READY, "; ".join(_file(file) for file in files)


def _model(repo: str, place: Path) -> tuple[str, str]:
    layout = read_layout(place)  # what it is comes before what is missing
    if hub.cached(repo) is None:
        return PARTLY, f"{layout.layout.name}; texsync models get {repo} fetches the rest"
    read_found(place)
    return READY, layout.layout.name


def _file(path: Path) -> str:
    try:
        return f"{path.name}: {MODELS[architecture(path, read_header(path))]}"
    except InputError as error:
        return f"{path.name}: {error.message.partition(' is ')[2].removesuffix(', not a model') or error.message}"


def lines() -> Iterator[str]:
    """The table that `texsync models` shows."""
    known = presets()
    others = [one for one in cached() if one.name not in {p.model for p in PRESETS.values()}]
    wide = max(len(entry.name) for entry in [*known, *others])
    for entry in known:
        yield f"{entry.name:<{wide}}  {entry.state:<14}  {entry.about}"
    if others:
        yield "\nfetched before:"
    for entry in others:
        yield f"{entry.name:<{wide}}  {entry.state:<14}  {entry.about}"
