"""How mini is trained: pictures from other processes, latents on the device, Muon, and a run from end to end."""

import random
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from texsync.mini import pool as pool_module
from texsync.mini import replay, shapes, spool, train
from texsync.mini.data import scene_samples, swatch_samples
from texsync.mini.muon import Muon, orthogonal
from texsync.mini.pool import Batch, Pool, chunks
from texsync.mini.respace import matching_steps, respace
from texsync.surface.cameras import Camera
from texsync.surface.pixels import depth_condition, look


@pytest.mark.parametrize("camera", [Camera(30, 20), Camera(0, 90), Camera(200, -90), None])
def test_traced_shapes_are_what_texsync_rasterises(camera):
    surface = shapes.as_surface(shapes.random_shape(random.Random(4)), 0.9)
    camera = camera or shapes.tight(Camera(100, 10), surface.vertices, 0.95)
    shot, pixels = shapes.look(surface, shapes.embree(surface), camera, 64), look(surface, [camera], 64)
    mask = pixels.mask[0]
    assert ((shot.condition > 0) != mask).float().mean() < 1e-3
    both = mask & (shot.condition > 0)
    assert (shot.position.float() - pixels.position[0])[both].abs().max() < 2e-3
    assert (shot.condition.float() - depth_condition(pixels)[0, 0])[both].abs().mean() < 1e-3


def test_orthogonal_matrices_have_singular_values_near_one():
    for shape in ((2, 24, 40), (1, 40, 24)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(*shape, generator=torch.manual_seed(0))))
        assert values.min() > 0.5 and values.max() < 1.3


def test_muon_finds_the_least_of_a_bowl():
    weight = torch.nn.Parameter(torch.randn(16, 4, 3, 3, generator=torch.manual_seed(0)))
    optimizer = Muon([weight], 0.1, decay=0.0)
    for _ in range(200):
        ((weight - 1) ** 2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (weight - 1).square().mean() < 0.1


def test_a_latent_and_its_condition_are_mirrored_together():
    """Cells that hold their own place, mirrored or not; a condition eight times as fine."""
    kept = Pool(4, 8, 3, True, "cpu")
    cells = torch.arange(64.0).view(8, 8)
    latents = cells.expand(4, 4, 8, 8)
    conditions = (cells + 1).byte().repeat_interleave(8, 0).repeat_interleave(8, 1).expand(4, 64, 64)
    kept.add(latents, torch.ones(4, spool.CAPTIONS, 3, dtype=torch.long), conditions)
    batch = kept.draw(32, torch.zeros(1, 3, dtype=torch.long))
    assert torch.equal(batch.latent[:, 0] + 1, batch.condition[:, ::8, ::8].float())
    assert 0 < (batch.latent[:, 0, 0, 0] == 7).sum() < 32
    assert 0 < (batch.tokens[:, 0] == 0).sum() < 16 and batch.steered.sum() > 20


def test_only_steered_views_hear_the_controlnet(tmp_path):
    """Views before scenes in one batch: a condition moves the answer of its own picture, and of no other."""
    from texsync.mini import models

    models.save_folder(tmp_path, {}, torch.float32)
    learner = train.Learner(tmp_path)
    controlnet = learner.parts["controlnet"]
    for residual in (controlnet.controlnet_cond_embedding.conv_out, *controlnet.controlnet_down_blocks):
        torch.nn.init.normal_(residual.weight, generator=torch.manual_seed(0))
    draw = torch.manual_seed(1)
    latent, text = torch.randn(3, 4, 8, 8, generator=draw), torch.randn(3, 24, models.WIDTH, generator=draw)
    t, condition = torch.full((3,), 500), torch.zeros(2, 64, 64, dtype=torch.uint8)
    steered = torch.tensor([True, False])
    with torch.no_grad():
        before = learner(latent, t, text, condition, steered)
        after = learner(latent, t, text, condition + 200, steered)
    moved = (before - after).abs().amax(dim=(1, 2, 3))
    assert moved[0] > 1e-3 and moved[1:].max() == 0


def test_the_oldest_pictures_go():
    kept = Pool(4, 1, 3, False, "cpu")
    captions = torch.ones(3, spool.CAPTIONS, 3, dtype=torch.long)
    for value in (1.0, 2.0):
        kept.add(torch.full((3, 4, 1, 1), value), captions, None)
    assert kept.count == 4 and sorted(kept.latents[:, 0, 0, 0].tolist()) == [1.0, 2.0, 2.0, 2.0]


def test_a_spool_gives_what_was_written_and_then_removes_it(tmp_path):
    rng = random.Random(0)
    samples = swatch_samples(2, 16, rng)
    spool.write(tmp_path / "views-0-1.safetensors", samples, rng)
    kind, tensors, captions = chunks(tmp_path).get(timeout=20)
    assert kind == "views" and len(captions) == 2 and len(captions[0]) == spool.CAPTIONS
    assert torch.equal(tensors["picture"][0], spool.as_bytes(samples[0].picture))


def test_two_steps_from_nothing(tmp_path, monkeypatch):
    """The whole run on pictures of 64 pixels: it ends, and leaves a folder that the next run resumes from."""
    from texsync.mini import models

    for module in (models, train):
        monkeypatch.setattr(module, "LATENT", 8)
    monkeypatch.setattr(pool_module, "BLIND", 0.0)
    rng = random.Random(0)
    (tmp_path / "spool").mkdir()
    models.save_folder(tmp_path, {"vae": models.build_vae()}, torch.float32)
    things = [next(shapes.endless_shots(64, rng)) for _ in range(2)]
    for n in range(2):
        samples = spool.material_samples(things, 4, 64, rng)
        spool.write(tmp_path / "spool" / f"views-0-{n}.safetensors", samples, rng)
        spool.write(tmp_path / "spool" / f"scenes-0-{n}.safetensors", scene_samples(4, 64, rng), rng)
    said = [
        "x",
        "--views",
        "1",
        "--scenes",
        "1",
        "--wait",
        "4",
        "--pool",
        "8",
        "--steps",
        "2",
        "--minutes",
        "5",
    ]
    monkeypatch.setattr(sys, "argv", [*said, "--work", str(tmp_path)])
    train.main()
    again = train.Learner(tmp_path)
    fresh = models.build_unet()
    assert any(
        not torch.equal(a, b)
        for a, b in zip(again.parts["unet"].parameters(), fresh.parameters(), strict=True)
    )


def test_compiled_code_is_taken_up_once_and_only_if_there_is_any(monkeypatch):
    """Made by a process of its own, which may still be at it, or have failed; nobody waits for it."""
    process = SimpleNamespace(returncode=None, poll=lambda: process.returncode)
    monkeypatch.setattr(replay.subprocess, "Popen", lambda command: process)
    compiling, failed, unasked = replay.Compiling(True), replay.Compiling(True), replay.Compiling(False)
    assert not compiling.ready() and not unasked.ready()
    process.returncode = 0
    assert compiling.ready() and not compiling.ready()
    process.returncode = 1
    assert not failed.ready() and not unasked.ready()


class Graph:
    """A CUDA graph as the CPU can have it: what was recorded runs again on the same tensors."""

    def replay(self):
        self.answer.copy_(self.work(*self.batches))


def scenes_of(value):
    latent, tokens = torch.full((2, 4, 1, 1), value), torch.zeros(2, 3, dtype=torch.long)
    return Batch(latent, tokens, None, torch.zeros(2, dtype=torch.bool))


@pytest.fixture
def recording(monkeypatch):
    """Graphs that were recorded; `fails` makes it impossible."""
    found = SimpleNamespace(graphs=[], fails=False)

    @contextmanager
    def record(graph, stream, capture_error_mode):
        assert capture_error_mode == "thread_local"
        if found.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        yield
        found.graphs.append(graph)

    for name, value in {"CUDAGraph": Graph, "graph": record, "current_stream": lambda: None}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    return found


def test_a_replayed_step_works_on_the_batch_it_is_given(recording):
    calls = []

    def work(batch):
        calls.append(batch)
        return 2 * batch.latent.mean(dim=(1, 2, 3))

    step = replay.Replayed(work, on=True)
    assert [step(scenes_of(float(k)))[0].item() for k in range(replay.WARM)] == [0.0, 2.0, 4.0]
    assert not recording.graphs
    given = scenes_of(7.0)
    step._record((given,))
    recording.graphs[0].__dict__.update(work=work, batches=step.batches, answer=step.answer)
    first = step(scenes_of(5.0))
    assert step(scenes_of(6.0)).tolist() == [12.0, 12.0] and first.tolist() == [10.0, 10.0]
    assert given.latent.unique().item() == 7.0  # what was recorded on is a copy
    step.begin_again()
    before = len(calls)
    assert step(scenes_of(1.0))[0].item() == 2.0 and len(calls) == before + 1 and len(recording.graphs) == 1


def test_a_step_that_cannot_be_recorded_is_said_and_run(recording, capsys):
    recording.fails = True
    step = replay.Replayed(lambda batch: batch.latent.sum(), on=True)
    answers = [step(scenes_of(1.0)).item() for _ in range(replay.WARM + 2)]
    assert answers == [8.0] * (replay.WARM + 2)
    said = capsys.readouterr().out
    assert said.count("cannot be replayed") == 1 and "not permitted" in said


def test_a_step_asks_nothing_of_a_gpu(tmp_path, monkeypatch):
    """Nothing that would make the host wait for an answer, which a recording does not allow."""
    from texsync.mini import models

    monkeypatch.setattr(train, "LATENT", 8)
    models.save_folder(tmp_path, {"vae": models.build_vae()}, torch.float32)
    options = SimpleNamespace(
        work=tmp_path, learn=train.PARTS, average=0.9, lr=1e-3, pool=4, views=2, scenes=2, replay=False
    )
    trainer = train.Trainer(options)
    scenes = Batch(torch.ones(2, 4, 8, 8), trainer.empty[[0, 2]], None, torch.zeros(2, dtype=torch.bool))
    condition = torch.full((2, 64, 64), 90, dtype=torch.uint8)
    views = Batch(torch.ones(2, 4, 8, 8), scenes.tokens, condition, torch.tensor([True, False]))
    trainer.learn(views, scenes)  # an optimizer makes its state at the first
    with Asked() as asked:
        trainer.learn(views, scenes)
    assert asked.count > 1000 and not asked.of_the_host


class Asked(TorchDispatchMode):
    """What torch is asked for; of_the_host: what needs an answer on the host."""

    def __init__(self):
        super().__init__()
        self.count, self.of_the_host = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        self.count += 1
        if any(word in name for word in ("local_scalar", "nonzero", "masked_select", "equal", "unique")):
            self.of_the_host.append(name)
        return func(*args, **(kwargs or {}))


def test_the_autoencoder_keeps_three_channels(tmp_path, monkeypatch):
    """Begun from nothing: the fourth channel is 0 before and after a step, and the rest of the weights move."""
    from texsync.mini import train_vae

    class Nothing(torch.nn.Module):
        def distance(self, one, other):
            return 0.0 * one.mean()

    monkeypatch.setattr(train_vae, "Features", lambda file: Nothing())
    options = SimpleNamespace(
        work=tmp_path, decoder_only=False, features=None, lr=1e-3, critic=0.03, noise=0.1, divergence=1e-4
    )
    painter = train_vae.Painter(options, "cpu")
    picture = torch.rand(2, 3, 32, 32, generator=torch.manual_seed(0))
    first = painter.vae.decoder.conv_out.weight.clone()
    painter.step(picture, 0.7, 100)
    assert not torch.equal(first, painter.vae.decoder.conv_out.weight)
    assert painter.vae.encode(picture * 2 - 1).latent_dist.mean[:, 3].abs().max() == 0
    latent = torch.randn(1, 4, 4, 4, generator=torch.manual_seed(1))
    other = latent.clone()
    other[:, 3] += 5
    assert torch.equal(painter.vae.decode(latent).sample, painter.vae.decode(other).sample)


def test_a_step_of_another_schedule_is_felt_as_the_old_one_of_the_same_noise():
    """Half as many steps of the same levels: step k gives what 2 k gave; a schedule's own steps give themselves."""
    from diffusers import UNet2DConditionModel

    old = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, 1000), dim=0)
    assert (matching_steps(old, old) - torch.arange(1000)).abs().max() < 1e-2
    steps = matching_steps(old, old[::2])
    assert (steps - torch.arange(0, 1000, 2)).abs().max() < 1e-2
    assert matching_steps(old, old[-1:] / 50).item() == 999  # noisier than all: as the last one
    torch.manual_seed(0)
    network = UNet2DConditionModel(
        block_out_channels=(32,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        layers_per_block=1,
        norm_num_groups=8,
    )
    first = network.time_embedding.linear_1
    first.weight.data[:, [*range(8), *range(16, 24)]] = 0  # slow waves only: fast ones cannot be slowed down
    before = first(network.time_proj(steps.float())).detach()
    assert respace(network, steps) < 0.05
    after = first(network.time_proj(torch.arange(500)))
    assert (after - before).abs().max() < 0.1 * before.std()
