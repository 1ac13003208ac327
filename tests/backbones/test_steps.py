"""What a step costs: networks run as often as they must, and nothing is copied between a GPU and its host."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import pytest
import tiny_xl
import torch
import zoo
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from texsync import moved as moving
from texsync.backbones.between_views import Attends
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.embeddings import Embeddings
from texsync.couplings import SyncSDE
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.views.base import Lookup
from texsync.views.plane import windows

PROMPTS, NEGATIVES = ["weathered copper", "a red object", "a view"], ["red", "a copper", ""]
CUDA = torch.device("cuda:0")
VIEWS = windows(16, 8, 8, 4)  # three of 8 x 8
RING = Attends(keys=((0, 1), (0, 1, 2), (1, 2)), reference=(None, 0, 0), above=0.0)


@pytest.fixture(scope="module")
def models(tiny_model, tmp_path_factory):
    """By kind, loaded for this module alone, which takes them apart."""
    xl = tiny_xl.write_model(tmp_path_factory.mktemp("xl") / "model")
    return {"sd1": load_model(tiny_model), "xl": load_model(xl)}


def conditions(**more):
    control = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return Conditions(PROMPTS, NEGATIVES, control, guidance=4.0, **more)


# ---- how often networks run


def counted(network, calls, name):
    return network.register_forward_pre_hook(
        lambda module, args, kwargs: calls[name].append(len(next(iter((*args, *kwargs.values()))))),
        with_kwargs=True,
    )


def test_networks_run_no_more_often_than_they_must(models, noise):
    """Words and control pictures are read once a run, both guided halves go through at once, and a ControlNet that is
    off does not run."""
    backbone = models["sd1"]
    (control,) = backbone.parts.controls
    networks = {"words": backbone.parts.text_encoder, "hint": control.hint, "control": control.network}
    networks["unet"] = backbone.parts.unet
    calls = {name: [] for name in networks}
    hooks = [counted(network, calls, name) for name, network in networks.items()]
    predict = backbone.predictor(conditions(control_scale=1.0, control_until=0.6), chunk=2)
    spans = backbone.schedule.spans(4)
    for _ in sample(predict, VIEWS, SyncSDE(), spans, noise):
        pass
    for hook in hooks:
        hook.remove()
    on = sum(1 - span.frac <= 0.6 for span in spans)
    assert calls["unet"] == [4, 2] * 4 and 0 < on < 4 and calls["control"] == [4, 2] * on
    assert len(calls["words"]) == 2 and sum(calls["hint"]) == 3  # prompts, negatives


@pytest.mark.parametrize("kind", ["sd1", "xl"])
def test_attention_is_the_fused_one(kind, models):
    """torch chooses the kernel."""
    for network in (models[kind].parts.unet, models[kind].parts.controls[0].network):
        assert {type(one).__name__ for one in network.attn_processors.values()} == {"AttnProcessor2_0"}


def test_on_a_cpu_networks_are_laid_out_as_its_convolutions_want_them(models):
    for network in (models["sd1"].parts.unet, models["sd1"].parts.vae.decoder):
        assert network.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


# ---- nothing waits for the host


class Waits(TorchDispatchMode):
    """Counts operations that a GPU's host waits for: numbers that are read, and shapes that depend on numbers."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "_unique2")

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        by_mask = name.startswith("index") and any(
            isinstance(one, torch.Tensor) and one.dtype == torch.bool for one in tree_leaves(args[1:])
        )
        if name in self.NAMES or by_mask:
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


def predictor(backbone, attends):
    """In two chunks; in one where chunks would be threads, which the counting here does not see."""
    return backbone.predictor(conditions(attends=attends), chunk=2 if attends is None else 3)


@pytest.mark.parametrize("kind", ["sd1", "xl"])
@pytest.mark.parametrize("attends", [None, RING], ids=["alone", "between views"])
def test_a_run_waits_once_a_step(kind, attends, models, noise):
    """For the one number that says whether all is finite, after the step; more steps wait no oftener."""
    waits = {}
    for steps in (2, 4):
        predict, spans = predictor(models[kind], attends), models[kind].schedule.spans(steps)
        with Waits() as counted:
            for _ in sample(predict, VIEWS, SyncSDE(until=0.0), spans, noise):
                pass
        waits[steps] = counted.seen
    assert waits[4] - waits[2] == Counter({"_local_scalar_dense": 2})


# SyncDiffusion decodes, which asks for memory and whether all is finite
PAIRS = [(views, coupling) for views, coupling in zoo.PAIRS if coupling != "syncdiffusion"]


@pytest.mark.parametrize(("views", "coupling"), PAIRS)
def test_no_coupling_waits(views, coupling):
    there, method = zoo.ALL_VIEWS[views], zoo.ALL_COUPLINGS[coupling]
    x = torch.randn(there.shape[0], zoo.CHANNELS, *there.shape[1:])
    z, span = there.f_inv(x), Schedule.scaled_linear().spans(4)[1]
    with Waits() as counted:
        method.step(x, z, lambda x, span: x, there, span)
    assert not counted.seen


# ---- on a GPU that is not there


class Copies(TorchDispatchMode):
    """Notes every tensor that goes from one device to another."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        there = [one.device for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor) and {one.device, *there} == {torch.device("cpu"), CUDA}:
                self.seen.append((str(func), tuple(one.shape)))
        return made


@pytest.fixture
def elsewhere(monkeypatch):
    """torch's imitation of a GPU: it keeps shapes and devices but no numbers; an operation across devices raises."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    monkeypatch.setattr(  # which know no sparse matrices
        Lookup, "_on", lambda self, dtype, device: torch.empty(self.matrix.shape, dtype=dtype, device=device)
    )

    def move(one):
        with mode:
            if isinstance(one, torch.Tensor):
                return mode.from_tensor(one.detach()).to(CUDA)
            if isinstance(one, Embeddings):
                return Embeddings(move(one.words), None if one.pooled is None else move(one.pooled))
            made = copy.deepcopy(one)
            for module in made.modules():
                for name, value in module._parameters.items():
                    if value is not None:
                        module._parameters[name] = nn.Parameter(move(value), requires_grad=False)
                for name, value in module._buffers.items():
                    if value is not None:
                        module._buffers[name] = move(value)
            return made

    yield mode, move
    moving._copies.clear()


@pytest.mark.parametrize("kind", ["sd1", "xl"])
@pytest.mark.parametrize("attends", [None, RING], ids=["alone", "between views"])
def test_a_step_on_a_gpu_leaves_nothing_behind_and_copies_nothing(kind, attends, models, noise, elsewhere):
    """What every step needs of the host is brought there in the first; numbers that a host would wait for raise."""
    mode, move = elsewhere
    backbone = copy.copy(models[kind])
    predict, spans = predictor(backbone, attends), backbone.schedule.spans(3)
    predict(noise, spans[0])  # once a run, its answer is looked at
    predict.said = move(predict.said)
    backbone.parts = replace(backbone.parts, unet=move(backbone.parts.unet))
    predict._controls = [
        (replace(one, network=move(one.network)), move(hints)) for one, hints in predict._controls
    ]
    x = move(noise)
    with mode:
        z, coupling, copies = VIEWS.f_inv(x), SyncSDE(until=0.0), []
        for span in spans:
            with Copies() as noted:
                x, z = coupling.step(x, z, predict, VIEWS, span)
            copies.append(noted.seen)
    assert x.device == CUDA and not copies[1] and not copies[2], copies[1:]


@pytest.mark.parametrize(("views", "coupling"), [pair for pair in PAIRS if pair[0] in ("surface", "masks")])
def test_no_coupling_leaves_anything_behind(views, coupling, elsewhere):
    mode, move = elsewhere
    there, method = zoo.ALL_VIEWS[views], zoo.ALL_COUPLINGS[coupling]
    x, spans = (
        move(torch.randn(there.shape[0], zoo.CHANNELS, *there.shape[1:])),
        Schedule.scaled_linear().spans(3),
    )
    with mode:
        z, copies = there.f_inv(x), []
        for span in spans:
            with Copies() as noted:
                x, z = method.step(x, z, lambda x, span: x, there, span)
            copies.append(noted.seen)
    assert x.device == CUDA and not copies[1] and not copies[2], copies[1:]


def test_a_tensor_on_the_wrong_device_is_found(elsewhere):
    mode, move = elsewhere
    with mode, pytest.raises(RuntimeError, match="device"):
        move(torch.ones(2)) + torch.ones(2)
    with mode, pytest.raises(Exception, match="_local_scalar_dense"):
        float(move(torch.ones(2)).sum())
