"""How files write down what they add to a layer's weight: LoRA, and LyCORIS's LoHa, LoKr and whole differences.

Sources: LoRA (arXiv:2106.09685); LyCORIS (arXiv:2309.14859), section 3; roles are named as its library names tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product

import torch
from torch import Tensor

Shape = tuple[int, ...]
LORA = (  # names of the two matrices, after a layer's own
    (".lora_down.weight", ".lora_up.weight"),
    (".lora.down.weight", ".lora.up.weight"),
    ("_lora.down.weight", "_lora.up.weight"),
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
    (".lora_A.weight", ".lora_B.weight"),
)
HADA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
CORES = ("hada_t1", "hada_t2")
KRON = {  # ways to write each of the two factors
    "1": (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b")),
    "2": (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"), ("lokr_w2_a", "lokr_w2_b", "lokr_t2")),
}
RANKED = ("down", "hada_w1_b", "lokr_w1_b", "lokr_w2_b")  # the first that is there has a row per rank
BESIDE = ("alpha", "diff_b")  # what may stand beside any of FORMS
ROLES: dict[str, tuple[str, ...]] = {  # what a tensor is to its layer, and how its name ends
    "down": tuple(down for down, _ in LORA),
    "up": tuple(up for _, up in LORA),
    "mid": (".lora_mid.weight",),
    **{
        role: (f".{role}",)
        for role in dict.fromkeys(
            (
                *HADA,
                *CORES,
                *(name for ways in KRON.values() for way in ways for name in way),
                "diff",
                *BESIDE,
            )
        )
    },
}


def lora(of: Mapping[str, Tensor]) -> Tensor:
    """up @ down; of convolutions also with what lies between them, `mid`."""
    up, down = of["up"], of["down"]
    return tucker(of["mid"], up.flatten(1).mT, down.flatten(1)) if "mid" in of else times(up, down)


def loha(of: Mapping[str, Tensor]) -> Tensor:
    """The elementwise product of two products."""
    made = []
    for core, (a, b) in zip(CORES, (HADA[:2], HADA[2:]), strict=True):
        made.append(tucker(of[core], of[a], of[b]) if core in of else times(of[a], of[b]))
    return made[0] * made[1]


def lokr(of: Mapping[str, Tensor]) -> Tensor:
    """The Kronecker product of two factors, each whole or a product itself."""
    first, second = (factor(of, f"lokr_w{number}", f"lokr_t{number}") for number in KRON)
    return torch.kron(first.reshape(*first.shape, *[1] * (second.dim() - first.dim())), second.contiguous())


def factor(of: Mapping[str, Tensor], whole: str, core: str) -> Tensor:
    """One factor of `lokr`."""
    if whole in of:
        return of[whole]
    a, b = of[f"{whole}_a"], of[f"{whole}_b"]
    return tucker(of[core], a, b) if core in of else times(a, b)


def times(a: Tensor, b: Tensor) -> Tensor:
    """(out, rank, ...) and (rank, in, ...) to (out, in, ...), with the kernel that b has."""
    return (a.flatten(1) @ b.flatten(1)).reshape(a.shape[0], *b.shape[1:])


def tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """(rank, rank, ...), (rank, out) and (rank, in) to (out, in, ...)."""
    return torch.einsum("ij...,io,jk->ok...", core, a, b)


FORMS: dict[frozenset[str], Callable[[Mapping[str, Tensor]], Tensor]] = {  # by the roles that are there
    frozenset(("down", "up")): lora,
    frozenset(("down", "up", "mid")): lora,
    frozenset(HADA): loha,
    frozenset((*HADA, *CORES)): loha,
    **{frozenset((*one, *two)): lokr for one, two in product(*KRON.values())},
    frozenset(("diff",)): lambda of: of["diff"],
}


def whole(roles: Mapping[str, object]) -> bool:
    """Whether all is there that one way of writing a change needs, and nothing else."""
    return frozenset(roles) - set(BESIDE) in FORMS


def change(of: Mapping[str, Tensor]) -> Tensor:
    """What is added, (out, in, ...) or with in and kernel as one, before `rate`.  of: tensors by role, see `whole`."""
    return FORMS[frozenset(of) - set(BESIDE)](of)


def change_shape(shapes: Mapping[str, Shape]) -> Shape:
    """The shape of `change`, without numbers; raises ValueError for tensors that do not fit each other."""
    if any(0 in shape for shape in shapes.values()) or math.prod(shapes.get("alpha", ())) != 1:
        raise ValueError("a side of 0, or several alphas")
    try:
        made = change({role: torch.empty(shape, device="meta") for role, shape in shapes.items()})
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None
    return tuple(made.shape)


def fits(made: Shape, weight: Shape) -> bool:
    """Whether a change of one shape can be added to a weight of another: 1 x 1 kernels may be missing, or flat."""
    if min(len(made), len(weight)) > 2:
        return made == weight
    return made[:1] == weight[:1] and math.prod(made) == math.prod(weight)


def rate(of: Mapping[str, Tensor], usual: float | None = None) -> float:
    """alpha / rank, by which a change counts; 1 of one that has no rank, whatever alpha says.

    usual: the alpha where the file has none beside the tensors.  LyCORIS's own merging applies it twice to LoHa and
    LoKr, its training once, as here and in other programs.
    """
    rank = next((of[role].shape[0] for role in RANKED if role in of), None)
    if rank is None:
        return 1.0
    return (float(of["alpha"]) if "alpha" in of else rank if usual is None else usual) / rank
