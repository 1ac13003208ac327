"""A tiny motion model, and a motion that it made."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_motion import QUICK, TWO, write_motion_model

import texsync


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return write_motion_model(tmp_path_factory.mktemp("motion") / "tiny")


@pytest.fixture(scope="session")
def made(folder):
    return texsync.long_motion(TWO, model=folder, **QUICK)
