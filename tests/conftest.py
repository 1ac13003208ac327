"""What every test shares: no network, few threads, and tiny models written once."""

from __future__ import annotations

import os
import signal

os.environ["HF_HUB_OFFLINE"] = "1"  # before any hub client is imported
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest  # noqa: E402

collect_ignore = ["blender"]  # it runs inside Blender, started by test_addon_blender.py

# a shell starts background jobs with Ctrl-C ignored, and children inherit that; the tests of Ctrl-C need it heard
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def few_threads():
    """Tiny tensors run faster on one thread, and results do not depend on the machine's core count."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A Stable Diffusion 1.5-like folder with a ControlNet: eps prediction, PNDM config, 4 pixels per cell."""
    import tiny

    return tiny.write_model(tmp_path_factory.mktemp("tiny") / "model", advice={"view_size": 32})


@pytest.fixture(scope="session")
def tiny_v_model(tmp_path_factory):
    """The same with v prediction and a DDIM config."""
    import tiny

    return tiny.write_model(
        tmp_path_factory.mktemp("tiny") / "v-model", "v_prediction", advice={"view_size": 32}
    )
