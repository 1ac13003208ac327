"""Several processes train as one would with their batches put together."""

from __future__ import annotations

import torch
from torch import distributed, multiprocessing, nn

from texsync.mini.together import furthest, share_gradients


def one_of_two(rank: int, file: str, kept: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    both, mine, nobodys = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.tensor([1.0, 2.0]) * (1 + 2 * rank)
    if rank == 0:
        mine.grad = torch.tensor([4.0, 6.0])
    share_gradients([both, mine, nobodys])
    torch.save([both.grad, mine.grad, nobodys.grad, furthest(0.25 + rank)], f"{kept}.{rank}")
    distributed.destroy_process_group()


def test_gradients_are_the_mean_of_all_and_all_end_together(tmp_path):
    kept = str(tmp_path / "kept")
    multiprocessing.spawn(one_of_two, (str(tmp_path / "meeting"), kept), nprocs=2)
    for rank in range(2):
        both, mine, nobodys, done = torch.load(f"{kept}.{rank}", weights_only=True)
        assert both.tolist() == [2.0, 4.0] and mine.tolist() == [2.0, 3.0]
        assert nobodys is None and done == 1.25


def test_alone_nothing_changes():
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    share_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 1.0] and furthest(0.5) == 0.5
