"""A GPU that is not there: tensors that say they are on `cuda:0` and are refused where a real one's would be.

Each holds a tensor of the CPU, with which every function of torch works; so a run "on the GPU" gives the numbers of a
run on the CPU, or shows where a tensor was left behind.  Rasterising is Embree's, as PyTorch3D's kernel is a GPU's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

CARD, HOST = torch.device("cuda", 0), torch.device("cpu")
GB = 2**30
CROSSING = {"copy_", "to", "type_as", "__getitem__", "__setitem__", "__get__", "__set__"}
CARD_SAYS: dict[str, Any] = {
    "_lazy_init": lambda: None,
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "synchronize": lambda device=None: None,
    "empty_cache": lambda: None,
    "mem_get_info": lambda device=None: (20 * GB, 24 * GB),
    "memory_allocated": lambda device=None: 0,
    "memory_reserved": lambda device=None: 0,
    "get_device_name": lambda device=None: "imitated",
}


class There(torch.Tensor):
    """A tensor on the imitated GPU; `inner` holds its numbers."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> There:
        made = torch.Tensor._make_wrapper_subclass(cls, inner.size(), dtype=inner.dtype, device="meta")
        made.inner = inner
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} reached torch past the imitation")

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CARD

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


class Card(TorchFunctionMode):
    """What is made on the imitated GPU, or brought there, becomes one of its tensors."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of torch on the CPU's tensors; its answer is where a real one's would be."""
    name, given = getattr(func, "__name__", ""), (args, kwargs)
    theirs = {id(one.inner): one for one in tensors(given) if isinstance(one, There)}
    where = destination(name, args, kwargs)
    on_card = bool(theirs) if where is None else where.type == "cuda"
    if not theirs and not on_card:
        return func(*args, **kwargs)
    if name == "_has_compatible_shallow_copy_type":
        return False
    refuse(name, tensors(given), on_card, kwargs.get("generator"))
    if name in ("cuda", "pin_memory"):
        func, args, kwargs = torch.Tensor.to, (args[0], HOST), {}
    answer = func(*tree_map(inside, args), **tree_map(inside, kwargs))
    if not on_card:
        return tree_map(lambda one: one.clone() if id(one) in theirs else one, answer)
    return tree_map(lambda one: theirs[id(one)] if id(one) in theirs else wrapped(one), answer)


def tensors(given: Any) -> list[torch.Tensor]:
    return [one for one in tree_flatten(given)[0] if isinstance(one, torch.Tensor)]


def destination(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device | None:
    """The device that is asked for; None where the answer stays with the tensors."""
    said = [kwargs.get("device")]
    if name == "to":
        said += [
            one.device if isinstance(one, torch.Tensor) else one for one in (*args[1:], kwargs.get("other"))
        ]
    found = next((one for one in said if isinstance(one, str | torch.device)), None)
    if found is None:
        return {"cpu": HOST, "cuda": CARD}.get(name)
    return torch.device(found)


def inside(one: Any) -> Any:
    if isinstance(one, There):
        return one.inner
    card = isinstance(one, str | torch.device) and str(one).startswith("cuda")
    return HOST if card else one


def wrapped(one: Any) -> Any:
    return There(one) if isinstance(one, torch.Tensor) and not isinstance(one, There) else one


def refuse(name: str, given: list[torch.Tensor], on_card: bool, generator: torch.Generator | None) -> None:
    """What a real GPU raises: over numbers left behind, a generator of the CPU, NumPy."""
    if name in ("numpy", "__array__"):
        raise TypeError("can't convert cuda:0 device type tensor to numpy; copy it to host memory first")
    here = [one for one in given if not isinstance(one, There) and one.dim()]
    if here and len(here) < len(given) and name not in CROSSING:
        raise RuntimeError(f"{name}: expected all tensors on one device, found cuda:0 and cpu")
    if generator is not None and on_card:
        raise RuntimeError(f"{name}: expected a generator of cuda, found one of cpu")


@contextmanager
def imitated_gpu() -> Iterator[None]:
    """torch sees one GPU of 24 GB inside."""
    from texsync.surface import raster

    shares = {0: 1.0}

    def number(device: Any) -> int:
        return torch.cuda._utils._get_device_index(device)

    def keep(share: float, device: Any) -> None:
        shares[number(device)] = share

    says = {
        **CARD_SAYS,
        "set_per_process_memory_fraction": keep,
        "get_per_process_memory_fraction": lambda device: shares[number(device)],
    }
    rasterising = mock.patch.object(raster, "_tracer", traced(raster))
    torch.__future__.set_overwrite_module_params_on_conversion(
        True
    )  # else a network keeps its old tensors' class
    try:
        with mock.patch.multiple(torch.cuda, **says), rasterising, Card():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def traced(raster: Any) -> Callable[..., Any]:
    """Rasterising for the imitated GPU, on the CPU."""
    tracer = raster._tracer

    def begin(vertices, faces, cameras, size, device):
        trace = tracer(vertices, faces, cameras.clone().to("cpu"), size, "cpu")

        def go(camera):
            found = trace(camera.clone().to("cpu"))
            return raster.Fragments(**{name: getattr(found, name).to(device) for name in raster.FIELDS})

        return go

    return begin
