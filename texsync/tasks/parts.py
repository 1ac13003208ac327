"""The model and the coupling of a run: named, to be loaded and made, or handed in as objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, got, option
from ..options.shared import SETTINGS
from .named_loras import weighed_loras

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..backbones.base import Backbone
    from ..couplings import Coupling

CONTROL_SCALE, CONTROL_UNTIL = (0.7, 0.9), 0.99  # the mesh paper's, where neither user nor model says any


def check_model(
    options: Any, controlnet: str | Path | None, *, rendered: bool = False
) -> list[tuple[str, str | None]]:
    """Raises InputError for a model or device that is not there, before anything heavy is done.

    Returns the names of ControlNets, as far as they are known, each with what it follows.
    """
    from ..backbones import by_name
    from ..backbones.additions import Additions

    if not isinstance(options.model, str):
        return [("", kind) for kind in options.model.control_kinds]
    where = {"device": options.device, "dtype": options.dtype}
    more: dict[str, Any] = {"additions": Additions(**_added(options)), "rendered": rendered}
    more["clip_skip"] = options.clip_skip
    return by_name.check_model(options.model, controlnet, **where, **more)


def fetch_model(options: Any, controlnet: str | Path | None, on_progress: Callable[..., None]) -> None:
    """Download the model, if it is a hub's and not in the cache."""
    from ..backbones import by_name
    from ..backbones.additions import Additions
    from ..backbones.download import in_megabytes

    if isinstance(options.model, str):
        where = {"device": options.device, "dtype": options.dtype}
        more: dict[str, Any] = {"additions": Additions(**_added(options)), "clip_skip": options.clip_skip}
        by_name.fetch_model(options.model, controlnet, **where, on_bytes=in_megabytes(on_progress), **more)
        by_name.check_words(options.model, options.clip_skip)  # it is on this machine now


def model_of(options: Any, controlnet: str | Path | None) -> Backbone:
    """The model asked for, loaded unless it is."""
    from ..backbones import by_name

    if not isinstance(options.model, str):
        return options.model
    where = {"device": options.device, "dtype": options.dtype}
    vram = getattr(options, "vram", None)
    return by_name.load_model(options.model, controlnet, **where, **_added(options), vram=vram)


def _added(options: Any) -> dict[str, Any]:
    """What is added to the model."""
    names = ("vae", "lora", "embedding", "ip_adapter")
    said = {name: getattr(options, name) for name in names if getattr(options, name, None)}
    return said | ({"lora": weighed_loras(options)} if "lora" in said else {})


def added_files(options: Any) -> list[dict[str, str]]:
    """{"option", "path", "sha256"} of every file that is added to the model; a hub's are none."""
    from ..backbones.additions import split_weight
    from ..record.inputs import input_files

    said = _added(options)
    weighed = said.get("lora", ())
    loras = [split_weight(str(one))[0] for one in ([weighed] if isinstance(weighed, str) else weighed)]
    return input_files(**said | ({"lora": loras} if loras else {}))


def picture_of(options: Any) -> dict[str, Any]:
    """The image prompt of "rust.jpg:0.6", read; raises InputError for one that is none."""
    from .reading import read_picture

    if options.image_prompt is None:
        return {}
    name, colon, tail = str(options.image_prompt).rpartition(":")
    try:
        scale = float(tail) if colon else 1.0
    except ValueError:  # C:\\rust.jpg
        name, scale = "", 1.0
    if not 0 <= scale <= 2:
        raise Refused.option_choice(
            f"{option('image_prompt')} has scale {got(tail)}", "use 0 to 2", thing="image_prompt"
        )
    return {"image_prompt": read_picture(name or str(options.image_prompt)), "image_scale": scale}


def control_of(options: Any, backbone: Backbone) -> dict[str, Any]:
    """How a ControlNet is followed: as asked for, else as the model likes it, else as the paper does."""
    scale, until = options.control_scale or backbone.advice.control_scale, backbone.advice.control_until
    return {
        "control_scale": scale or CONTROL_SCALE,
        "control_until": CONTROL_UNTIL if until is None else until,
    }


def words_of(options: Any, backbone: Backbone) -> dict[str, Any]:
    """How words count: as asked for, else as the model likes it."""
    skip, rescale = options.clip_skip, options.guidance_rescale
    return {
        "clip_skip": backbone.advice.clip_skip if skip is None else skip,
        "guidance_rescale": (backbone.advice.guidance_rescale or 0.0) if rescale is None else rescale,
        "clipping": options.clipping,
    }


def coupling_of(options: Any, task: Mapping[str, Any]) -> Coupling:
    """The coupling asked for, if it is a name with the settings asked for.

    task: the task's own defaults, for couplings that have such settings.  Raises InputError for a setting that the
    coupling does not have (but not for options that every task has) or a value out of range.
    """
    from ..couplings import make, takes

    if not isinstance(options.coupling, str):
        return options.coupling
    asked = {name: getattr(options, name, None) for name in SETTINGS}
    wanted = {**task, **{name: value for name, value in asked.items() if value is not None}}
    known = takes(options.coupling)
    chosen = {name: value for name, value in wanted.items() if name in known and value is not None}
    return make(options.coupling, **chosen, **getattr(options, "more", {}))


def strength_of(options: Any, task: str, backbone: Backbone) -> float | None:
    """SyncSDE's in this task, where the model says one; None: the coupling's own."""
    if options.coupling == "syncsde" and not options.like_paper:
        return backbone.advice.strength.get(task)
    return None


def recorded(
    used: Mapping[str, Any], backbone: Backbone, coupling: Coupling, source: Mapping[str, Any]
) -> dict[str, Any]:
    """Options as they were used, for `run.json`: an object is named, and a coupling's settings are filled in.

    source: what loads a model again that was handed in as an object.
    """
    from ..backbones.memory import dtype_name

    named: dict[str, Any] = {name: used[name] for name in SETTINGS if name in used}
    for name in named:
        named[name] = getattr(coupling, name, named[name])
    if not isinstance(used["coupling"], str):
        named["coupling"] = repr(coupling)
    if not isinstance(used["model"], str):
        named["model"] = f"<{type(backbone).__name__}>"
        named |= source
    named["device"] = str(backbone.device).removesuffix(":0")
    named["dtype"] = dtype_name(backbone.dtype)
    return {**used, **named}


def objects(options: Any, backbone: Backbone) -> list[str]:
    """Which of the parts were handed in and cannot be found again by a name."""
    made = [] if isinstance(options.coupling, str) else ["coupling"]
    return made if isinstance(options.model, str) or backbone.source else ["model", *made]
