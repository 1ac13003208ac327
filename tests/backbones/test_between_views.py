"""Attention between views: equal to reading every key by hand, for any chunks, and causal where it says so."""

from __future__ import annotations

import math

import pytest
import torch
from painted import CRATE

from texsync.backbones.between_views import Attends, self_attentions
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.errors import InputError
from texsync.schedule import Span
from texsync.surface.abreast import beside
from texsync.surface.cameras import Camera, ring

VIEWS = 5
PROMPTS = ["a red object", "weathered copper", "a view", "a copper object", "a red view"]
X = torch.randn(VIEWS, 4, 8, 8, generator=torch.Generator().manual_seed(4))
NOISY, LATER = (Span(t, alpha=0.3, alpha_next=0.5, frac=t / 1000) for t in (901, 501))
TOLD = Attends(keys=[(4, 0, 1), (0, 1, 2), (1, 2), (3,), (3, 4, 0)], reference=[2, 2, 2, None, 2])


def eps(backbone, attends, span=NOISY, chunk=VIEWS, x=X, guidance=3.0):
    conditions = Conditions(PROMPTS[: len(x)], ["red"] * len(x), guidance=guidance, attends=attends)
    return backbone.predictor(conditions, chunk)(x, span)


class ByHand:
    """One query at a time, in so many words: softmax over the named views' keys, and half of the front's."""

    def __init__(self, attends, refers):
        self.attends, self.refers = attends, refers

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *_, **__):
        out = torch.zeros_like(attn.to_q(hidden_states))
        for row in range(len(hidden_states)):
            copy, view = divmod(row, VIEWS)
            out[row] = self.found(
                attn, hidden_states, row, [copy * VIEWS + j for j in self.attends.keys[view]]
            )
            front = self.attends.reference[view]
            if self.refers and front is not None:
                out[row] = (out[row] + self.found(attn, hidden_states, row, [copy * VIEWS + front])) / 2
        return attn.to_out[0](out)

    def found(self, attn, states, row, whom):
        query, read = attn.to_q(states[row]), torch.cat([states[j] for j in whom])
        heads = zip(
            *(part.chunk(attn.heads, dim=-1) for part in (query, attn.to_k(read), attn.to_v(read))),
            strict=True,
        )
        return torch.cat([(q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) @ v for q, k, v in heads], dim=-1)


@pytest.mark.parametrize("span", [NOISY, LATER], ids=["front", "no front"])
def test_it_is_what_it_says(span, tiny_model, backbone):
    """All layers at once, guided, with the front in a second softmax only where it is noisy."""
    other = load_model(tiny_model)
    for layer in self_attentions(other.parts.unet).values():
        layer.processor = ByHand(TOLD, span.frac > TOLD.above)
    with torch.no_grad():
        expected = eps(other, None, span)
    torch.testing.assert_close(eps(backbone, TOLD, span), expected, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(eps(backbone, None, span), expected, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_chunks_do_not_matter(chunk, guidance, backbone):
    """Keys of all views are there before any queries run."""
    whole = eps(backbone, TOLD, guidance=guidance)
    torch.testing.assert_close(
        eps(backbone, TOLD, chunk=chunk, guidance=guidance), whole, atol=2e-5, rtol=1e-4
    )


def test_reading_oneself_is_no_attention_between_views(backbone):
    alone = Attends([(i,) for i in range(VIEWS)], [None] * VIEWS)
    torch.testing.assert_close(eps(backbone, alone), eps(backbone, None), atol=2e-5, rtol=1e-4)
    assert all(
        type(one.processor).__name__ != "_Shared" for one in self_attentions(backbone.parts.unet).values()
    )


def test_views_read_only_earlier_ones_where_asked(backbone):
    """So the picture of a view does not depend on the later ones."""
    cameras = [Camera(a) for a in (0, 45, 315, 90, 270)]
    told = Attends(*beside(cameras, earlier=True))
    few = Attends(told.keys[:3], told.reference[:3])
    torch.testing.assert_close(eps(backbone, told)[:3], eps(backbone, few, x=X[:3]), atol=2e-5, rtol=1e-4)
    both = Attends(*beside(cameras))
    changed = X.clone()
    changed[4] += 1
    assert torch.allclose(eps(backbone, told, x=changed)[:4], eps(backbone, told)[:4], atol=1e-5)
    assert not torch.allclose(eps(backbone, both, x=changed)[:4], eps(backbone, both)[:4], atol=1e-4)


def test_who_stands_beside_whom():
    """The authors' ten views by their own numbers: the front is 4, the back 0, the raised ones come last."""
    keys, fronts = beside(ring("paper"))
    assert [set(one) for one in keys[:8]] == [{(i - 1) % 8, i, (i + 1) % 8} for i in range(8)]
    assert set(keys[8]) == {4, 8} and set(keys[9]) == {0, 9}
    assert fronts == (4,) * 10
    keys, fronts = beside(ring(), earlier=True)
    assert all(max(one) == i for i, one in enumerate(keys)) and fronts == (0,) * 10
    assert beside(ring("paper"), earlier=True)[1] == (None,) * 4 + (4,) * 6
    assert set(beside((*ring(), Camera(0, -90)))[0][10]) == {0, 10}


def test_gradients_pass(backbone):
    """SyncDiffusion's descent goes through the model, all views at once."""
    x = X.clone().requires_grad_()
    with torch.enable_grad():
        (grad,) = torch.autograd.grad(eps(backbone, TOLD, chunk=2, x=x)[0].square().sum(), x)
    assert grad[4].abs().max() > 1e-3  # whom the first view reads


def test_what_fails_in_one_chunk_fails_once(backbone, monkeypatch):
    """And the others do not wait for ever; the network is as it was."""
    calls, forward = [], backbone.parts.unet.forward

    def broken(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no such thing")
        return forward(*arguments, **options)

    monkeypatch.setattr(backbone.parts.unet, "forward", broken)
    with pytest.raises(RuntimeError, match="no such thing"):
        eps(backbone, TOLD, chunk=2)
    assert all(
        type(one.processor).__name__ != "_Shared" for one in self_attentions(backbone.parts.unet).values()
    )


def test_memory_that_runs_out_halves_the_chunks(backbone, monkeypatch):
    forward, whole = backbone.parts.unet.forward, eps(backbone, TOLD)

    def small(x, *arguments, **options):
        if len(x) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return forward(x, *arguments, **options)

    monkeypatch.setattr(backbone.parts.unet, "forward", small)
    with pytest.warns(UserWarning, match="going on with 2 views"):
        torch.testing.assert_close(eps(backbone, TOLD, chunk=4), whole, atol=2e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:words the model does not know", "ignore:the prompt is longer")
@pytest.mark.parametrize(
    "options",
    [{"attention": "earlier"}, {"attention": "neighbours", "coupling": "syncmvd"}, {"like_paper": True}],
)
def test_a_mesh_is_painted_with_it(options, paint, tiny_model):
    made = paint(CRATE, chunk=4, **options)
    assert made.report["attention"] == options.get("attention", "neighbours")
    assert made.report["sampler"] == ("ddpm" if "like_paper" in options else "ddim")


def test_models_without_it_are_refused(tmp_path):
    import tiny_sd3

    from texsync import texture_mesh

    folder = tiny_sd3.write_model(tmp_path / "model")
    few = {"model": str(folder), "device": "cpu", "steps": 1, "view_size": 64, "texture_size": 128}
    with pytest.raises(InputError, match="cannot read each other's attention; use"):
        texture_mesh(CRATE, "a red object", attention="neighbours", **few)
