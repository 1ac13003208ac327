"""Every plain option is refused by name before anything heavy loads."""

from __future__ import annotations

import errno
import math
import os

import numpy as np
import pytest
import torch
from refusals import refused
from zoo import ALL_VIEWS, defined

from texsync.couplings import make, names, takes
from texsync.errors import InputError
from texsync.options import output
from texsync.options.output import check_output
from texsync.tasks.mesh import MeshOptions

WRONG = [
    ({"prompt": ""}, "prompt ''"),
    ({"prompt": " . "}, "prompt"),
    ({"prompt": None}, "prompt None"),
    ({"seed": -1}, "seed -1"),
    ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
    ({"seed": True}, "seed must be a whole number, got True"),
    ({"steps": 0}, "steps 0 .*use 1 to 1000"),
    ({"steps": -3}, "steps -3"),
    ({"steps": 1001}, "steps 1001"),
    ({"strength": -1}, "strength -1"),
    ({"strength": math.nan}, "strength nan"),
    ({"strength": math.inf}, "strength inf"),
    ({"strength": "much"}, "strength must be a number, got 'much'"),
    ({"texture_size": 0}, "texture size 0 .*64 to 8192"),
    ({"texture_size": 100000}, "texture size 100000"),
    ({"texture_size": "1024"}, "texture size must be a whole number, or two, got '1024'"),
    ({"texture_size": "1024x"}, "texture size must be a whole number, or two"),
    ({"texture_size": (1024, 512, 3)}, "texture size must be one number, or two"),
    ({"texture_size": "1024x9"}, "texture size 9 .*64 to 8192"),
    ({"texture_size": (1024, "512")}, "texture size must be a whole number, got '512'"),
    ({"view_size": 10}, "view size 10"),
    ({"chunk": 0}, "chunk 0"),
    ({"guidance": math.nan}, "guidance nan"),
    ({"control_scale": (0.5,)}, "control scale must be two numbers"),
    ({"control_scale": (0.5, math.nan)}, "control scale end nan"),
    ({"coupling": "glue"}, "unknown coupling 'glue'; known: csg, .*syncsde, synctweedies"),
    ({"integrator": "euler"}, "integrator 'euler'"),
    ({"uvs": "no"}, "uvs 'no'"),
    ({"dtype": "int8"}, "dtype 'int8'"),
    ({"device": "tpu"}, "device 'tpu'"),
    ({"device": "cudafoo"}, "device 'cudafoo'"),
    ({"view_order": "random"}, "view order 'random'"),
    ({"extra_views": "many"}, "unknown extra views 'many'; known: auto, none"),
    ({"framing": "wild"}, "unknown framing 'wild'"),
    ({"noise": "pink"}, "noise 'pink'"),
    ({"up": "w"}, "up axis 'w'"),
    ({"up": "y", "front": "-y"}, "up y and front -y lie on one axis"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[str(values) for values, _ in WRONG])
def test_wrong_values_are_named(values, message):
    with pytest.raises(InputError, match=message) as told:
        MeshOptions(**{"mesh": "a.obj", "prompt": "rust", **values})
    assert told.value.remedy and told.value.exit_code == 2


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"seed": np.int64(3), "steps": 1, "strength": 0, "texture_size": 64},
        {"strength": np.float32(2), "control_scale": (0, 1), "device": "cuda:1", "up": "-z", "front": "y"},
        {"prompt": "锈迹斑斑的铜"},
    ],
    ids=str,
)
def test_right_values_pass(values):
    made = MeshOptions(**{"mesh": "a.obj", "prompt": "rust", **values})
    assert made.arguments().items() >= values.items()


@pytest.mark.parametrize("said", ["2048x1024", " 2048 X 1024", [2048, 1024], (np.int64(2048), 1024)], ids=str)
def test_a_texture_may_be_no_square(said):
    made = MeshOptions("a.obj", "rust", texture_size=said)
    assert made.texture_size == (2048, 1024) and made.texture_shape == (1024, 2048)
    assert MeshOptions("a.obj", "rust", texture_size="512x512").texture_size == 512


def test_what_a_coupling_says_of_masks_is_so():
    """It is found out before a model loads, so before there are views."""
    surface = ALL_VIEWS["surface"]
    for name in names():
        coupling = make(name, **({"decode": torch.tanh} if "decode" in takes(name) else {}))
        assert coupling.needs_masks != defined(surface, coupling), name


def test_an_output_is_not_overwritten(tmp_path):
    """Earlier results go only when asked, other people's folders and files never; an empty folder is fine."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "run.json").write_text("precious")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "work.blend").write_text("precious")
    (tmp_path / "file").write_text("precious")
    with refused("output-taken"):
        check_output(tmp_path / "full")
    for overwrite in (False, True):
        with refused("output-foreign"):
            check_output(tmp_path / "thesis", overwrite)
        with refused("output-taken"):
            check_output(tmp_path / "file", overwrite)
        with refused("output-place"):
            check_output(tmp_path / "file" / "below", overwrite)
    assert check_output(tmp_path / "full", overwrite=True) == tmp_path / "full"
    assert check_output(tmp_path / "new" / "deep") == tmp_path / "new" / "deep"
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    assert check_output(tmp_path / "empty")


def test_a_read_only_or_full_place_is_told(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(output.tempfile, "TemporaryFile", refuse)
        with refused("output-place"):
            check_output(tmp_path / "out")
    assert check_output(tmp_path / "out") and not list(tmp_path.iterdir())
    usage = output.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with refused("output-full"):
        check_output(tmp_path / "out")
