"""Chunks of views that fit, devices that are there, and a line where neither is so."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from refusals import refused
from torch.cuda._utils import _get_device_index

from texsync.backbones import memory
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.single_file import LAYOUTS
from texsync.backbones.traced import decode_peak, denoise_peak, peak_bytes
from texsync.errors import InputError, TexsyncWarning, out_of_memory
from texsync.schedule import Span

PROMPTS = ["weathered copper, front view.", "a red object", "a red copper, front view."]
NEGATIVES = ["red", "a copper", "red"]
SPAN = Span(t=501, alpha=0.3, alpha_next=0.5, frac=0.501)


def test_chunks_halve_until_they_fit():
    """Running out of memory costs a retry, not the run, and never the order."""
    sizes = []

    def job(which):
        sizes.append(which.stop - which.start)
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.arange(which.start, which.stop)

    chunks = memory.Chunks(10)
    with pytest.warns(TexsyncWarning, match="going on with [52] views at a time") as told:
        assert chunks.run(job, 10).tolist() == list(range(10))
    assert chunks.size == 2 and sizes == [10, 5, 2, 2, 2, 2, 2] and len(told) == 2


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    ],
)
def test_every_librarys_way_to_say_that_memory_is_out(text):
    assert out_of_memory(RuntimeError(text)) and not out_of_memory(ValueError(text))
    assert not out_of_memory(RuntimeError(text.replace("ALLOC", "EXECUTION").replace("memory", "luck")))


def test_one_view_too_many_is_told():
    """No chunk fits: a line with what to lower.  Other errors pass unchanged."""

    def full(which):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with (
        pytest.warns(TexsyncWarning, match="going on"),
        pytest.raises(InputError, match="not enough memory.*lower view_size"),
    ):
        memory.Chunks(4).run(full, 4)

    def broken(which):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        memory.Chunks(4).run(broken, 4)


def test_the_chunk_follows_free_memory(backbone, noise, monkeypatch):
    """All views where they fit, fewer where they do not, a remedy where none does."""
    unet, cpu = backbone.parts.unet, torch.device("cpu")
    control = backbone.parts.controls[0].network.config
    each = memory.denoise_bytes(unet.config, (4, 8, 8), torch.float32, True, cpu, control)
    fixed = memory.workspace_bytes(unet)
    for free, chunk in ((100 * each, 3), ((2.1 * each + fixed) / memory.SHARE, 2)):
        monkeypatch.setattr(memory, "free_bytes", lambda device, free=free: int(free))
        predict = backbone.predictor(Conditions(PROMPTS, NEGATIVES, guidance=2.0))
        predict(noise, SPAN)
        assert predict.chunk == chunk
    monkeypatch.setattr(memory, "free_bytes", lambda device: each - 1)
    with refused("memory", thing="a view of 32 pixels"):
        backbone.predictor(Conditions(PROMPTS, NEGATIVES))(noise, SPAN)


def test_too_little_memory_for_the_weights(tiny_model, monkeypatch):
    """Told before anything is read."""
    monkeypatch.setattr("texsync.backbones.loading.free_bytes", lambda device: 1000)
    with refused("memory", thing="model"):
        load_model(tiny_model)


@pytest.mark.parametrize(
    ("dtype", "has", "told"), [("bf16", False, 1), ("bf16", True, 0), ("fp32", False, 0)]
)
def test_a_format_that_the_cpu_lacks_is_said(dtype, has, told, monkeypatch):
    """It is 14 times slower here."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        memory.warn_of_slow(memory.DTYPES[dtype], torch.device("cpu"))
    assert len(noted) == told and all("this CPU has no bf16" in str(one.message) for one in noted)


def test_a_limit_is_torchs_own(monkeypatch):
    """On a GPU its allocator keeps it, and what is free is counted by it; a CPU is told to have none."""
    shares = dict[int, float]()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    card = memory.choose_device()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 * 2**30, 24 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * 2**30)

    def keep(share, device):
        shares[_get_device_index(device)] = share  # as torch reads it: a device without a number is refused

    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", keep)
    monkeypatch.setattr(
        torch.cuda, "get_per_process_memory_fraction", lambda device: shares[_get_device_index(device)]
    )
    for vram, free in ((None, 22 * 2**30), (6.0, 5 * 2**30), (100.0, 22 * 2**30)):
        memory.limit(vram, card)
        assert memory.free_bytes(card) == free
    with pytest.warns(TexsyncWarning, match="vram is for a GPU"):
        memory.limit(6.0, torch.device("cpu"))


def test_a_gpu_has_its_number(monkeypatch):
    """Also where none was said, which torch's memory limits refuse: the one that torch uses now."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    found = [str(memory.choose_device(name)) for name in ("auto", "cuda", "cuda:0", "cuda:1")]
    assert found == ["cuda:1", "cuda:1", "cuda:0", "cuda:1"]
    with pytest.raises(InputError, match="cuda:0 to cuda:1"):
        memory.choose_device("cuda:2")


def test_devices_that_are_not_there(monkeypatch):
    """One line each."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert memory.choose_device("auto").type == "cpu"
    for name in ("cuda", "cuda:1", "tpu"):
        with pytest.raises(InputError, match=name.partition(":")[0]):
            memory.choose_device(name)
    with refused("option-choice", thing="dtype", value="fp8"):
        memory.choose_dtype("fp8", torch.device("cpu"))


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    """psutil sees the whole machine; the container's own limit is nearer."""
    (tmp_path / "max").write_text("1000\n")
    (tmp_path / "current").write_text("400\n")
    monkeypatch.setattr(memory, "CGROUP_LIMITS", ((tmp_path / "max", tmp_path / "current"),))
    assert memory.free_bytes(torch.device("cpu")) == 600
    (tmp_path / "max").write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 2**20


# ---- the plan, for machines that are not here ---------------------------------------------------------------------

LARGEST = 2560 * 1280 * 9  # weights of one of its convolutions
WEIGHTS = 2 * 1_380_000_000  # bytes in fp16: UNet, ControlNet, autoencoder and text encoder
CARD = torch.device("cuda")


def config(kind, part):
    return json.loads((LAYOUTS[kind] / part / "config.json").read_text())


@pytest.mark.parametrize("kind", ["sd1", "sd2"])
def test_what_is_counted_without_numbers_is_what_a_gpu_was_seen_to_take(kind):
    """385 MB a guided view of 768 pixels in fp16, 864 MB to decode it; the plan is above, and by less than 25 %."""
    unet, control, vae = (config(kind, part) for part in ("unet", "controlnet", "vae"))
    view = denoise_peak(unet, control, (4, 96, 96), torch.float16, 2, False)
    picture = decode_peak(vae, 768, 768, torch.float16, False)
    assert (round(view / 2**20), round(picture / 2**20)) == (385, 864)
    planned = memory.denoise_bytes(unet, (4, 96, 96), torch.float16, True, CARD, control)
    assert view < planned < 1.25 * view
    assert picture < memory.decode_bytes(vae, 768, 768, torch.float16, CARD) < 1.25 * picture


def test_what_is_counted_is_what_is_held():
    """Tensors count from when they are made to when they are let go of; weights and views of them do not."""
    layer = torch.nn.Linear(1000, 10)
    x = torch.ones(100, 1000)

    def job():
        once = x * 2  # 400 kB
        y = layer(once)  # 4 kB
        del once
        return (y.T.reshape(-1) + 1).view(10, 100), x + 1  # 4 kB more, for a moment 4 kB, and 400 kB

    assert peak_bytes(job) == 408_000


def test_chunks_take_as_many_times_what_one_view_takes():
    unet, control = config("sd1", "unet"), config("sd1", "controlnet")
    one, four = (denoise_peak(unet, control, (4, 64, 64), torch.float16, n, False) for n in (1, 4))
    assert four == pytest.approx(4 * one, rel=0.01)


@pytest.mark.parametrize(
    ("card_gb", "desktop_gb", "size", "views", "tile"),
    [
        (24, 0.5, 768, 10, 96),
        (8, 1.0, 768, 7, 96),
        (
            6,
            1.0,
            768,
            4,
            96,
        ),  # with the autoencoder taken for twice its size, this was refused after all work
        (6, 1.0, 512, 9, 64),
        (6, 2.0, 768, 2, 96),
        (4, 0.5, 768, 1, 48),
        (4, 1.0, 512, 1, 32),
        (3, 0.3, 768, 0, 24),
        (2.6, 0.0, 768, 0, 0),
    ],
)
def test_the_plan_of_small_cards(card_gb, desktop_gb, size, views, tile):
    """Stable Diffusion 1.5 in fp16, ten guided views: how many at once, and in which tiles they are developed."""
    free, card, cells = int((card_gb - desktop_gb) * 2**30) - WEIGHTS, torch.device("cuda"), size // 8
    unet, control, vae = (config("sd1", part) for part in ("unet", "controlnet", "vae"))
    each = memory.denoise_bytes(unet, (4, cells, cells), torch.float16, True, card, control)
    picture = memory.decode_bytes(vae, size, size, torch.float16, card)
    assert memory.views_that_fit(each, free, 10, 2 * LARGEST) == views
    assert memory.tile_that_fits(picture, cells, free) == tile
