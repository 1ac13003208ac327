"""A model is kept between a worker's jobs."""

from __future__ import annotations

import torch

from texsync.backbones import warm


def test_warm_models_are_one_at_a_time():
    made = []

    def make(name):
        return warm.remembered(name, lambda: made.append(name) or torch.zeros(1))

    make("a"), make("a")
    assert made == ["a", "a"]  # off: nothing is remembered
    warm.keep(True)
    try:
        first = make("a")
        assert make("a") is first and make("b") is not first and make("a") is not first
        assert made == ["a", "a", "a", "b", "a"]
        warm.release()
        make("a")
        assert made[-2:] == ["a", "a"]
    finally:
        warm.keep(False)
