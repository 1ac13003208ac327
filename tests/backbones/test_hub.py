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
import torch
from fake_hub import COMMIT, FakeHub
from refusals import refused
from safetensors.torch import save_file

from texsync.backbones import download, hub
from texsync.backbones.by_name import fetch_model, load_model
from texsync.errors import Cancelled

# in a process of its own, since the client reads its endpoint and cache when it is imported
SCRIPT = """
import json, sys, warnings
from huggingface_hub import constants
from texsync.backbones.locate import find_model
from texsync.errors import InputError
constants.DOWNLOAD_CHUNK_SIZE = 4096  # what is written at a time; the files here are small
for repo in sys.argv[1:]:
    seen = []
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            told = str(find_model(repo, on_bytes=lambda done, total: seen.append([done, total])))
        except InputError as error:
            told = str(error)
    print(json.dumps([told, seen[-1:], [str(note.message) for note in noted]]))
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
    files = tmp_path_factory.mktemp("files")
    save_file({"a": torch.zeros(9)}, files / "one.safetensors")
    flux = shutil.copytree(model, tmp_path_factory.mktemp("flux") / "model")
    index = json.loads((flux / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "FluxTransformer2DModel"]
    (flux / "model_index.json").write_text(json.dumps(index))
    repos |= {"old/name": "new/name", "new/name": model, "some/flux": flux, "some/files": files}
    repos["some/spoilt"] = shutil.copytree(model, tmp_path_factory.mktemp("spoilt") / "model")
    odd = repos["some/spoilt"] / "vae"
    (odd / "diffusion_pytorch_model.safetensors").rename(odd / "diffusion_pytorch_model.fp16.safetensors")
    more = ["some/files/one.safetensors", "some/files/two.safetensors", "some/model@a-branch"]
    with FakeHub(repos) as fake:
        fake.spoilt = {"diffusion_pytorch_model.fp16.safetensors"}
        env = os.environ | {"HF_ENDPOINT": fake.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        env |= {"PYTHONPATH": str(Path(__file__).parents[2]), "HF_HUB_DISABLE_XET": "1"}

        def run(*names):
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, *names], env=env, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))

        told = run(*(name for name in repos if name not in ("new/name", "some/files")), *more)
        before = len(fake.asked)
        again = run("some/model", "some/files/one.safetensors")
        assert again["some/model"][:2] == [told["some/model"][0], []]
        since = len(fake.asked) - before
        fake.most = 20_000
        (home / "hub" / "models--new--name").mkdir(exist_ok=True)
        fake.sent.clear()
        told["broken off"] = run("new/name")["new/name"]
        told["sent"], told["asked"] = list(fake.sent), fake.asked
        return home / "hub", told, since


@pytest.fixture
def offline(online, tmp_path, monkeypatch):
    """A copy of that cache, and no network."""
    shutil.copytree(online[0], tmp_path / "hub", symlinks=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / "models--some--model" / "snapshots" / COMMIT


def test_only_what_is_read_is_fetched_and_bytes_are_told(online, model):
    folder, seen, _ = online[1]["some/model"]
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


def test_configs_are_judged_before_weights_move(online):
    """What is no Stable Diffusion costs its configs, not its gigabytes."""
    assert "has a transformer" in online[1]["some/flux"][0]
    asked = [path for path in online[1]["asked"] if "some/flux/resolve" in path]
    assert asked and not [path for path in asked if path.endswith((".safetensors", ".bin"))]


def test_a_layer_of_words_that_is_not_there_costs_configs_alone(tiny_model, monkeypatch):
    def fetch(name, *, check, **_):
        check(tiny_model)
        pytest.fail("weights moved")

    monkeypatch.setattr(download, "fetch", fetch)
    with refused("model-lacks", thing="clip skip"):
        fetch_model("owner/name", "none", clip_skip=3)


def test_a_file_of_another_hash_is_removed(online):
    told = online[1]["some/spoilt"][0]
    assert "fp16.safetensors came other than the hub has it; fetch it again" in told
    assert not list(online[0].glob("models--some--spoilt/snapshots/*/vae/*.safetensors"))


def test_one_file_of_a_repository(online):
    assert online[1]["some/files/one.safetensors"][0].endswith("/one.safetensors")
    said = "some/files has no file two.safetensors; did you mean one.safetensors?"
    assert said in online[1]["some/files/two.safetensors"][0]


def test_a_revision_and_a_renamed_repository(online):
    assert online[1]["some/model@a-branch"][0].endswith(COMMIT)
    told = online[1]["old/name"]
    assert told[0].endswith(COMMIT) and told[2] == ["old/name is called new/name on the hub now"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(online, model):
    """No byte comes twice but those that were lost with the connection."""
    assert online[1]["broken off"][0].endswith(COMMIT)
    sizes: dict[str, list[int]] = {}
    for path, count in online[1]["sent"]:
        sizes.setdefault(path, []).append(count)
    (broken,) = [counts for counts in sizes.values() if len(counts) > 1]
    assert broken[1] < broken[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/name", hub.HubName("owner/name")),
        ("owner/name@v1.0", hub.HubName("owner/name", "v1.0")),
        ("owner/name@refs/pr/3", hub.HubName("owner/name", "refs/pr/3")),
        ("owner/name/sub/x.safetensors", hub.HubName("owner/name", None, "sub/x.safetensors")),
        ("https://huggingface.co/owner/name", hub.HubName("owner/name")),
        ("https://huggingface.co/owner/name/tree/fp16", hub.HubName("owner/name", "fp16")),
        ("hf.co/owner/name/blob/main/x.ckpt?download=true", hub.HubName("owner/name", "main", "x.ckpt")),
        ("https://huggingface.co/owner/name/resolve/main/x.pth", hub.HubName("owner/name", "main", "x.pth")),
        ("models/x.safetensors", None),
        ("mini", None),
        ("https://civitai.com/models/4384", None),
        ("owner/name/unet", None),
    ],
)
def test_what_names_of_the_hub_stand_for(name, said):
    assert hub.parse(name) == said


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
