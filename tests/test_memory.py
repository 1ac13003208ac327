"""Chunks of views that fit, devices that are there, and a line where neither is so."""

from __future__ import annotations

import pytest
import torch

from texsync.backbones import memory
from texsync.backbones.diffusion import load_diffusion
from texsync.errors import InputError
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
    assert chunks.run(job, 10).tolist() == list(range(10))
    assert chunks.size == 2 and sizes == [10, 5, 2, 2, 2, 2, 2]


def test_one_view_too_many_is_told():
    """No chunk fits: a line with what to lower.  Other errors pass unchanged."""

    def full(which):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(InputError, match="not enough memory.*lower --view-size"):
        memory.Chunks(4).run(full, 4)

    def broken(which):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        memory.Chunks(4).run(broken, 4)


def test_the_chunk_follows_free_memory(backbone, noise, monkeypatch):
    """All views where they fit, fewer where they do not, a remedy where none does."""
    each = memory.denoise_bytes(backbone.parts.unet.config, (4, 8, 8), torch.float32, True)
    for free, chunk in ((100 * each, 3), (3 * each, 2)):
        monkeypatch.setattr(memory, "free_bytes", lambda device, free=free: free)
        predict = backbone.predictor(PROMPTS, NEGATIVES, None, guidance=2.0)
        predict(noise, SPAN)
        assert predict.chunk == chunk
    monkeypatch.setattr(memory, "free_bytes", lambda device: each - 1)
    with pytest.raises(InputError, match="lower --view-size"):
        backbone.predictor(PROMPTS, NEGATIVES, None)(noise, SPAN)


def test_too_little_memory_for_the_weights(tiny_model, monkeypatch):
    """Told before anything is read."""
    monkeypatch.setattr("texsync.backbones.loading.free_bytes", lambda device: 1000)
    with pytest.raises(InputError, match="the model takes .* are free on cpu"):
        load_diffusion(tiny_model)


def test_devices_that_are_not_there(monkeypatch):
    """One line each."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert memory.choose_device("auto").type == "cpu"
    for name in ("cuda", "cuda:1", "tpu"):
        with pytest.raises(InputError, match=name.partition(":")[0]):
            memory.choose_device(name)
    with pytest.raises(InputError, match="fp8"):
        memory.choose_dtype("fp8", torch.device("cpu"))


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    """psutil sees the whole machine; the container's own limit is nearer."""
    (tmp_path / "max").write_text("1000\n")
    (tmp_path / "current").write_text("400\n")
    monkeypatch.setattr(memory, "CGROUP_LIMITS", ((tmp_path / "max", tmp_path / "current"),))
    assert memory.free_bytes(torch.device("cpu")) == 600
    (tmp_path / "max").write_text("max\n")
    assert memory.free_bytes(torch.device("cpu")) > 2**20
