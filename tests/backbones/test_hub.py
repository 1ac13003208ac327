"""Models from the hub: fetched once by the real client from a hub on this machine, then used without a network."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub
from refusals import refused

from texsync.backbones import download, hub
from texsync.backbones.by_name import load_model
from texsync.errors import Cancelled

# in a process of its own, since the client reads its endpoint and cache when it is imported
SCRIPT = """
import json, sys
from texsync.backbones.download import fetch
from texsync.errors import InputError
for repo in sys.argv[1:]:
    seen = []
    try:
        told = str(fetch(repo, half=False, on_bytes=lambda done, total: seen.append([done, total])))
    except InputError as error:
        told = str(error)
    print(json.dumps([told, seen[-1:]]))
"""


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    """The tiny model among what texsync leaves out: pickles, a checker, a single file, a card."""
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("hub") / "model")
    for name in ("README.md", "v1.ckpt", "unet/diffusion_pytorch_model.bin", "safety_checker/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"{}" * 500)
    return folder


@pytest.fixture(scope="module")
def online(model, tmp_path_factory):
    """(the cache that the client wrote, per repository what was told, requests after the first fetch)."""
    home = tmp_path_factory.mktemp("home")
    repos = {"some/model": model, "some/gated": 403, "some/private": 401, "some/lost": 404, "some/ill": 500}
    with FakeHub(repos) as fake:
        env = os.environ | {"HF_ENDPOINT": fake.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        env |= {"PYTHONPATH": str(Path(__file__).parents[2]), "HF_HUB_DISABLE_XET": "1"}

        def run(*names):
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, *names], env=env, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))

        told = run(*repos)
        before = len(fake.asked)
        again = run("some/model")
        assert again["some/model"] == [told["some/model"][0], []]
        return home / "hub", told, len(fake.asked) - before


@pytest.fixture
def offline(online, tmp_path, monkeypatch):
    """A copy of that cache, and no network."""
    shutil.copytree(online[0], tmp_path / "hub", symlinks=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT


def test_only_what_is_read_is_fetched_and_bytes_are_told(online, model):
    folder, seen = online[1]["some/model"]
    names = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
    assert {"model_index.json", "texsync.json", "unet/config.json", "tokenizer/tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".ckpt", ".md")) or "checker" in name]
    size = sum((model / name).stat().st_size for name in names)
    assert seen == [[size, size]]


def test_a_fetched_model_makes_no_request(online):
    assert online[2] == 0


def test_a_fetched_model_works_offline(offline, noise):
    """The client calls this cache incomplete, since the files that texsync leaves out are not in it."""
    backbone = load_model("some/model")
    assert backbone.decode(noise).shape == (3, 3, 32, 32)
    assert hub.commit_of(offline) == COMMIT and hub.commit_of(offline.parent) is None


@pytest.mark.parametrize(
    "lost",
    [
        "unet/diffusion_pytorch_model.safetensors",
        "controlnet/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "tokenizer/tokenizer.json",
        "vae",
    ],
)
def test_a_broken_off_download_is_not_taken_for_whole(offline, lost):
    assert hub.cached("some/model") == offline
    target = offline / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert hub.cached("some/model") is None
    with refused("hub"):
        load_model("some/model")


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        ("some/gated", "answers 403 for some/gated, which is not given to everybody; accept its terms"),
        ("some/private", "answers 401 for some/private, which is private, renamed or not there; check"),
        ("some/lost", "answers 404 for some/lost, which is not there: renamed or removed; check"),
        ("some/ill", "answers 500 for some/ill, which is not to be had now; try again later"),
    ],
)
def test_what_the_hub_answers_is_said(online, repo, said):
    assert said in online[1][repo][0] and "\n" not in online[1][repo][0]


# ---- the disk, and stopping -------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
    download.check_disk("some/model", 10)
    with refused("output-full"):
        download.check_disk("some/model", 9 * 10**15)


def wrapped(error):
    try:
        raise RuntimeError("a worker failed") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (wrapped(OSError(errno.EDQUOT, "Disk quota exceeded")), "the disk is full"),
        (RuntimeError("Data processing error: No space left on device (os error 28)"), "the disk is full"),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "cannot be written to (Permission denied); name",
        ),
        (ConnectionError("no route to host"), "(no route to host); go online once"),
        (ValueError(""), "(ValueError); go online once"),
    ],
)
def test_why_a_download_ended_is_said(error, said):
    assert said in str(download.explained("some/model", error))


@pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
def test_a_task_tells_its_download_in_megabytes(offline, tiny_model, monkeypatch, tmp_path):
    """As a stage of its own, before the model is loaded."""
    from texsync import wide_image

    def slowly(repo, on_bytes, **_):
        for done in (0, 1_500_000, 2_500_000) if on_bytes else ():
            on_bytes(done, 2_500_000)
        return tiny_model

    monkeypatch.setattr(hub, "cached", lambda *_: None)
    monkeypatch.setattr(download, "download", slowly)
    seen = []
    wide_image(
        "red copper",
        model="some/model",
        steps=1,
        width=48,
        on_progress=lambda stage, step, total, preview: seen.append((stage, step, total)),
    )
    first = [one for one in seen if one[0] in ("download", "model")]
    assert first[:4] == [("download", 0, 3), ("download", 1, 3), ("download", 3, 3), ("model", 0, 1)]


def test_what_on_bytes_raises_ends_the_download():
    """Also in the threads that fetch, at their next bytes."""
    ended = []

    def job(meter):
        bar = meter(total=100, unit="B")
        try:
            while True:
                bar.update(1)
        except InterruptedError:
            ended.append(bar.n)
            raise

    def stop(done, total):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        download.watched(job, 100, stop)
    assert ended


def test_an_index_without_its_files_does_not_hide_other_weights(tiny_model, tmp_path):
    """A repository's fp32 shards were left out; their index, a small file, was not."""
    from texsync.backbones.weights import find_weights

    folder = shutil.copytree(tiny_model / "unet", tmp_path / "unet")
    whole = folder / "diffusion_pytorch_model.safetensors"
    index = {"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    (folder / f"{whole.name}.index.json").write_text(json.dumps(index))
    whole.rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    assert find_weights(folder).variant == "fp16"
    (folder / "diffusion_pytorch_model.fp16.safetensors").unlink()
    with refused("model-missing"):
        find_weights(folder)
