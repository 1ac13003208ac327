"""The published files' names and shapes, without their numbers: every part is found whole, and nothing is left over.

SDXL's folder and Stable Diffusion 3 are in test_sdxl.py and test_sd3.py.
"""

from __future__ import annotations

import json
import shutil

import pytest
import single
from adapters import adapter_shapes
from full_size import shapes_of, write_holes

from texsync.backbones import single_file
from texsync.backbones.folder import read_control, read_model
from texsync.backbones.image_prompt import AdapterFiles, check_adapter, find_adapter
from texsync.backbones.loading import compare_with_configs
from texsync.backbones.meta import bare, modern
from texsync.backbones.single_file import LAYOUTS, as_diffusers, read_single_control
from texsync.backbones.weights import Weights

KINDS = ("sd1", "sd2", "sdxl")
STEMS = {"text_encoder": "model", "text_encoder_2": "model"}  # of files; the others are diffusers'


@pytest.fixture(scope="module")
def networks():
    """Of each kind at full size, on the meta device."""
    return {kind: single.networks(LAYOUTS[kind], device="meta") for kind in KINDS}


@pytest.fixture(scope="module")
def folders(networks, tmp_path_factory):
    """The hub's folders, with the names that were in use when they were saved."""
    place = tmp_path_factory.mktemp("real")
    for kind in KINDS:
        folder = shutil.copytree(LAYOUTS[kind], place / kind)
        for part, network in networks[kind].items():
            table = as_saved(part, network.state_dict())
            file = folder / part / f"{STEMS.get(part, 'diffusion_pytorch_model')}.safetensors"
            write_holes(file, {name: tuple(one.shape) for name, one in table.items()})
        for words in folder.glob("tokenizer*"):
            (words / "tokenizer.json").write_text("{}")
    return {kind: place / kind for kind in KINDS}


def as_saved(part, table):
    if part == "vae":
        return single.old_vae(table)
    return single.old_text(table) if part in STEMS else table


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_in_one_file(kind, networks):
    """Under its authors' names and back.  As many tensors as Stable Diffusion 1.5 and XL 1.0 have."""
    tensors = single.original(kind, networks[kind])
    assert len(tensors) == {"sd1": 1131, "sd2": 1228, "sdxl": 2515}[kind]
    for part, prefix in single_file.PARTS[kind].items():
        ours = {name: tuple(one.shape) for name, one in tensors.items() if name.startswith(prefix)}
        weights = Weights((LAYOUTS[kind],), None, 0, ours, layout=part)
        found = as_diffusers(weights, single._config(LAYOUTS[kind], part)).shapes
        assert plain(found) == plain(shapes_of(networks[kind][part]))


def plain(shapes):
    return {bare(name): shape for name, shape in shapes.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_the_hub(kind, networks, folders):
    found = read_model(folders[kind])
    control = read_control(folders[kind] / "controlnet", found)
    compare_with_configs(found, [control])
    for part, weights in (*found.weights.items(), ("controlnet", control.weights)):
        there = {bare(modern(name)): shape for name, shape in weights.shapes.items()}
        spare = there.keys() - plain(shapes_of(networks[kind][part])).keys()
        assert spare <= {"embeddings.position_ids"}
        assert {n: s for n, s in there.items() if n not in spare} == plain(shapes_of(networks[kind][part]))


CONTROLS = {  # how ControlNets come in one file, and of how many tensors
    "v1.1 for SD 1.5": ("sd1", "control_model.", 340),
    "the same without a prefix": ("sd1", "", 340),
    "for SD 2.1": ("sd2", "control_model.", 340),
    "v1.1 for SD 1.5, diffusers' names": ("sd1", None, 340),
    "depth for SDXL, diffusers' names": ("sdxl", None, 844),
}


@pytest.mark.parametrize("case", CONTROLS)
def test_a_controlnet_in_one_file(case, networks, folders, tmp_path):
    kind, prefix, count = CONTROLS[case]
    network = networks[kind]["controlnet"]
    table = network.state_dict() if prefix is None else single.original_unet(network)
    shapes = {f"{prefix or ''}{name}": tuple(one.shape) for name, one in table.items()}
    write_holes(tmp_path / "control.safetensors", shapes)
    found = read_single_control(tmp_path / "control.safetensors", read_model(folders[kind]))
    assert len(shapes) == count and as_diffusers(found.weights, found.config).shapes == shapes_of(network)
    compare_with_configs(read_model(folders[kind]), [found])


VISION = {"H": (1280, 1024), "bigG": (1664, 1280)}  # CLIP's: channels inside, and of its summary
SD1_WIDTHS = [320, 320, 640, 640, *[1280] * 5, 640, 640, 640, 320, 320, 320, 1280]  # the middle is last
ADAPTERS = {  # the authors' files: model, CLIP, tokens and width of a resampler, tensors
    "ip-adapter_sd15": ("sd1", "H", {}, 36),
    "ip-adapter-plus_sd15": ("sd1", "H", {"tokens": 16, "width": 768, "heads": 12}, 83),
    "ip-adapter_sdxl": ("sdxl", "bigG", {}, 144),
    "ip-adapter_sdxl_vit-h": ("sdxl", "H", {}, 144),
    "ip-adapter-plus_sdxl_vit-h": ("sdxl", "H", {"tokens": 16, "width": 1280, "heads": 20}, 191),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_image_prompts_adapter(name, folders, tmp_path):
    """Its names are odd numbers; its matrices are as wide as the blocks that they are for."""
    kind, clip, resampler, count = ADAPTERS[name]
    inside, summary = VISION[clip]
    blank = single.networks(LAYOUTS[kind], device="meta", only=("unet",))["unet"]  # a new one: it is changed
    shapes = adapter_shapes(blank, inside if resampler else summary, **resampler)
    widths = [shape[0] for key, shape in shapes.items() if key.endswith("to_k_ip.weight")]
    numbers = [int(key.split(".")[1]) for key in shapes if key.endswith("to_k_ip.weight")]
    assert len(shapes) == count and numbers == list(range(1, 2 * len(numbers), 2))
    assert widths == SD1_WIDTHS if kind == "sd1" else (len(widths), set(widths)) == (70, {640, 1280})
    write_holes(tmp_path / f"{name}.safetensors", shapes)
    (tmp_path / "image_encoder").mkdir()
    encoder = {"hidden_size": inside, "projection_dim": summary}
    (tmp_path / "image_encoder" / "config.json").write_text(json.dumps(encoder))
    files = find_adapter(str(tmp_path / f"{name}.safetensors"), read_model(folders[kind]))
    assert files == AdapterFiles(
        tmp_path / f"{name}.safetensors", tmp_path / "image_encoder", bool(resampler)
    )
    check_adapter(files, blank)
