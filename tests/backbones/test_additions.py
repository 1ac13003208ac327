"""What users add to a model: LoRAs in every format, another autoencoder, textual inversions."""

from __future__ import annotations

import copy
import json
from collections import Counter
from functools import partial

import pytest
import single
import torch
from safetensors.torch import save_file

from texsync.backbones import single_file
from texsync.backbones.additions import split_weight
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.lora import _authors_key
from texsync.errors import InputError, TexsyncWarning
from texsync.schedule import Span

SPAN = Span(t=501, alpha=0.3, alpha_next=0.5, frac=0.501)
UNET_LAYERS = ("to_q", "to_out.0", "ff.net.0.proj", "proj_in", "conv1", "time_emb_proj", "samplers.0.conv")
TEXT_LAYERS = ("q_proj", "out_proj", "fc1")
RANK, ALPHA = 3, 1.5


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    return single.write_layouts(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def folders(layouts, tmp_path_factory):
    place = tmp_path_factory.mktemp("folders")
    return {
        kind: single.write_folder(place / kind, layouts[kind], single.networks(layouts[kind]))
        for kind in ("sd1", "sdxl")
    }


@pytest.fixture(autouse=True)
def small(layouts, monkeypatch):
    monkeypatch.setattr(single_file, "LAYOUTS", layouts)


def changes(networks, texts=True):
    """{(part, layer): (down, up)} of random LoRA matrices."""
    draw = torch.Generator().manual_seed(5)
    found = {}
    for part, network in networks.items():
        wanted = UNET_LAYERS if part == "unet" else TEXT_LAYERS if texts and part.startswith("text") else ()
        for name, module in network.named_modules():
            if name.endswith(wanted) and wanted and hasattr(module, "weight"):
                out, *rest = module.weight.shape
                down = torch.randn(RANK, *rest, generator=draw) / 10
                up = torch.randn(out, RANK, *[1] * (len(rest) - 1), generator=draw)
                found[part, name] = down, up
    return found


def expected(networks, made, scale):
    """The weights by hand: what each pair of matrices does to one input after another."""
    weights = {}
    for (part, name), (down, up) in made.items():
        weight = networks[part].get_submodule(name).weight
        change = torch.einsum("or,ri->oi", up.flatten(1).double(), down.flatten(1).double())
        weights[part, name] = weight + (scale * change.reshape(weight.shape)).float()
    return weights


def kohya(made, kind):
    starts = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if kind == "sdxl" else "lora_te_"}
    starts["text_encoder_2"] = "lora_te2_"
    found = {}
    for (part, name), (down, up) in made.items():
        word = name if part == "unet" else f"text_model.{name.removeprefix('text_model.')}"
        key = starts[part] + word.replace(".", "_")
        found |= {
            f"{key}.lora_down.weight": down,
            f"{key}.lora_up.weight": up,
            f"{key}.alpha": torch.tensor(ALPHA),
        }
    return found, {}


def old_diffusers(made, kind):
    """As diffusers wrote them in 2023: layers of attention by their processors."""
    found = {}
    for (part, name), (down, up) in made.items():
        stem = f"{part}.{name if part == 'unet' else f'text_model.{name}'}"
        joint = ".lora" if part == "unet" else ".lora_linear_layer"
        if ".attn" in name and part == "unet":
            stem, joint = stem.replace(".to_", ".processor.to_").replace("to_out.0", "to_out"), "_lora"
        found |= {f"{stem}{joint}.down.weight": down, f"{stem}{joint}.up.weight": up}
    return {name: tensor * ALPHA / RANK if ".up." in name else tensor for name, tensor in found.items()}, {}


def new_diffusers(made, kind):
    """With lora_A and lora_B, and the alpha in the file's notes."""
    found = {}
    for (part, name), (down, up) in made.items():
        found |= {f"{part}.{name}.lora_A.weight": down, f"{part}.{name}.lora_B.weight": up}
    notes = {f"{part}.lora_alpha": ALPHA for part, _ in made} | {f"{part}.r": RANK for part, _ in made}
    return found, {"lora_adapter_metadata": json.dumps(notes)}


def stability(made, kind):
    """kohya's, with the blocks' names of SDXL's authors."""
    found, _ = kohya(made, kind)
    config = single.networks(single_file.LAYOUTS[kind], device="meta")["unet"].config
    renamed = {}
    for name, tensor in found.items():
        start, dot, end = name.removeprefix("lora_unet_").partition(".")
        key = next(iter(_authors_key(start, config)), start) if name.startswith("lora_unet_") else None
        renamed[f"lora_unet_{key}{dot}{end}" if key else name] = tensor
    assert any("lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q" in name for name in renamed)
    return renamed, {}


FORMATS = [
    (kohya, "sd1"),
    (old_diffusers, "sd1"),
    (new_diffusers, "sd1"),
    (kohya, "sdxl"),
    (stability, "sdxl"),
]


@pytest.mark.parametrize(("write", "kind"), FORMATS)
def test_a_lora_changes_the_weights_as_its_matrices_say(write, kind, folders, layouts, tmp_path):
    """Linear layers and convolutions, UNet and text encoders: W + 0.8 * alpha / rank * up @ down."""
    networks = single.networks(layouts[kind])
    made = changes(networks)
    tensors, notes = write(made, kind)
    save_file(tensors, tmp_path / "rust.safetensors", notes or None)
    parts = load_model(folders[kind], lora=[f"{tmp_path / 'rust.safetensors'}:0.8"]).parts
    for (part, name), weight in expected(networks, made, 0.8 * ALPHA / RANK).items():
        torch.testing.assert_close(
            getattr(parts, part).get_submodule(name).weight, weight, atol=1e-6, rtol=1e-5
        )
    changed = {f"{name}.weight" for part, name in made if part == "unet"}
    for name, tensor in networks["unet"].state_dict().items():
        assert name in changed or torch.equal(parts.unet.state_dict()[name], tensor)


@pytest.mark.parametrize(("write", "kind"), [*FORMATS[:2], FORMATS[3]])
def test_a_lora_is_what_diffusers_makes_of_it(write, kind, folders, layouts, tmp_path):
    """Its own loader, through peft, fused."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    tensors, notes = write(changes(single.networks(layouts[kind]), texts=False), kind)
    save_file(tensors, tmp_path / "rust.safetensors", notes or None)
    pipeline = {"sd1": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}[kind]
    theirs = pipeline.from_pretrained(folders[kind], **({"safety_checker": None} if kind == "sd1" else {}))
    theirs.load_lora_weights(tmp_path / "rust.safetensors")
    theirs.fuse_lora(lora_scale=0.8)
    theirs.unload_lora_weights()
    ours = load_model(folders[kind], lora=[f"{tmp_path / 'rust.safetensors'}:0.8"]).parts.unet
    for name, tensor in theirs.unet.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)


# ---- LyCORIS


def two_ways(a, b, core=None):
    """A factor by its definition, rank by rank.  a (out, rank), with a core (rank, out); b (rank, in, ...)."""
    if core is None:
        return sum(torch.tensordot(a[:, r], b[r], 0) for r in range(b.shape[0]))
    ranks = [(i, j) for i in range(core.shape[0]) for j in range(core.shape[1])]
    return sum(torch.einsum("o,k,...->ok...", a[i], b[j], core[i, j]) for i, j in ranks)


def blocks(first, second):
    """Kronecker's product by its definition: every number of the first times the whole second."""
    rows = [torch.cat([number * second for number in row], dim=1) for row in first]
    return torch.cat(rows)


def drawn(draw, *shape):
    return torch.randn(shape, generator=draw).float()


def halves(draw, out, wide, kernel, tucker):
    """One factor of a product: its tensors and what they make."""
    if tucker and kernel:
        made = drawn(draw, 2, out), drawn(draw, 2, wide), drawn(draw, 2, 2, *kernel)
    else:
        made = drawn(draw, out, 2), drawn(draw, 2, wide, *kernel)
    return made, two_ways(*made)


def as_loha(draw, out, wide, kernel, tucker=False):
    (first, one), (second, other) = (halves(draw, out, wide, kernel, tucker) for _ in range(2))
    names = zip(("a", "b"), first, second, strict=False)
    found = {f"hada_w{n}_{end}": both[n - 1].flatten(1) for end, *both in names for n in (1, 2)}
    found |= {f"hada_t{n}": three[2] for n, three in ((1, first), (2, second)) if len(three) > 2}
    return found | {"alpha": torch.tensor(0.5)}, 0.25 * one * other


def as_lokr(draw, out, wide, kernel, tucker=False, split=False, full=False):
    first, one = halves(draw, 2, 2, (), False) if split else (None, drawn(draw, 2, 2))
    second, other = (
        halves(draw, out // 2, wide // 2, kernel, tucker)
        if not full
        else (None, drawn(draw, out // 2, wide // 2, *kernel))
    )
    found = {"lokr_w1": one} if first is None else {"lokr_w1_a": first[0], "lokr_w1_b": first[1]}
    if second is None:
        found["lokr_w2"] = other
    else:
        found |= {"lokr_w2_a": second[0], "lokr_w2_b": second[1].flatten(1)}
        found |= {"lokr_t2": second[2]} if len(second) > 2 else {}
    scale = 1 if full and not split else 0.25  # of two whole factors no rank is known, and alpha says nothing
    return found | {"alpha": torch.tensor(0.5)}, scale * blocks(one, other)


def as_tucker_lora(draw, out, wide, kernel):
    (up, down, core), made = halves(draw, out, wide, kernel or (1, 1), True)
    found = {"lora_up.weight": up.mT.reshape(out, 2, 1, 1), "lora_down.weight": down.reshape(2, wide, 1, 1)}
    return found | {"lora_mid.weight": core, "alpha": torch.tensor(0.5)}, 0.25 * made


def as_difference(draw, out, wide, kernel):
    made = drawn(draw, out, wide, *kernel)
    return {"diff": made}, made


WAYS = {
    "LoHa": as_loha,
    "LoHa with cores": partial(as_loha, tucker=True),
    "LoKr": as_lokr,
    "LoKr with a core": partial(as_lokr, tucker=True),
    "LoKr split twice": partial(as_lokr, split=True),
    "LoKr of two whole factors": partial(as_lokr, full=True),
    "LoKr split, then whole": partial(as_lokr, split=True, full=True),
    "LoCon with cores": as_tucker_lora,
    "differences": as_difference,
}


def test_lycoris_changes_the_weights_as_its_definitions_say(folders, layouts, tmp_path):
    """Every way on linear layers and on 1 x 1 and 3 x 3 convolutions, in one file: W + 0.8 * alpha / rank * change."""
    networks, draw = single.networks(layouts["sd1"]), torch.Generator().manual_seed(3)
    tensors, expected, turns = {}, {}, Counter()
    for part, name in changes(networks):
        layer = networks[part].get_submodule(name)
        out, wide, *kernel = layer.weight.shape
        way = list(WAYS)[turns[tuple(kernel)] % len(WAYS)]
        turns[tuple(kernel)] += 1
        found, made = WAYS[way](draw, out, wide, tuple(kernel))
        expected[part, name, "weight"] = layer.weight + 0.8 * made.reshape(layer.weight.shape)
        if way == "differences" and layer.bias is not None:
            found["diff_b"] = drawn(draw, out)
            expected[part, name, "bias"] = layer.bias + 0.8 * found["diff_b"]
        key = (
            f"lora_unet_{name}"
            if part == "unet"
            else f"lora_te_text_model.{name.removeprefix('text_model.')}"
        )
        tensors |= {f"{key.replace('.', '_')}.{role}": tensor.contiguous() for role, tensor in found.items()}
    assert len(turns) == 3 and min(turns.values()) >= len(WAYS), turns
    assert any("diff_b" in name for name in tensors)
    save_file(tensors, tmp_path / "rust.safetensors")
    parts = load_model(folders["sd1"], lora=[f"{tmp_path / 'rust.safetensors'}:0.8"]).parts
    for (part, name, kind), tensor in expected.items():
        made = getattr(getattr(parts, part).get_submodule(name), kind)
        torch.testing.assert_close(made, tensor, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["LoHa", "LoKr"])
def test_lycoris_is_what_peft_makes_of_it(kind, folders, tmp_path):
    """Its own layers of these kinds, merged; under the name of LyCORIS's wrapper."""
    import peft

    torch.manual_seed(4)
    net = load_model(folders["sd1"]).parts.unet
    rank = {"LoHa": 2, "LoKr": 1}[kind]
    more = {"decompose_both": True} if kind == "LoKr" else {}
    config = getattr(peft, f"{kind}Config")(
        r=rank,
        alpha=0.5,
        init_weights=False,
        use_effective_conv2d=True,
        target_modules=list(UNET_LAYERS),
        **more,
    )
    theirs = peft.get_peft_model(copy.deepcopy(net), config)
    names = [name for name, _ in theirs.named_parameters() if "hada_" in name or "lokr_" in name]
    tensors = {}
    for name in names:
        layer, _, role = name.removeprefix("base_model.model.").removesuffix(".default").rpartition(".")
        key = f"lycoris_{layer.replace('.', '_')}"
        tensors |= {f"{key}.{role}": theirs.get_parameter(name).detach(), f"{key}.alpha": torch.tensor(0.5)}
    assert any("_t2" in name for name in tensors) and any("proj_in" in name for name in tensors)
    save_file(tensors, tmp_path / "rust.safetensors")
    ours = load_model(folders["sd1"], lora=tmp_path / "rust.safetensors").parts.unet.state_dict()
    expected = theirs.merge_and_unload().state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-5, rtol=1e-4)
    assert sum(not torch.equal(tensor, expected[name]) for name, tensor in net.state_dict().items()) > 20


def test_several_loras_add_up_and_a_weight_of_zero_changes_nothing(folders, layouts, tmp_path):
    networks = single.networks(layouts["sd1"])
    save_file(kohya(changes(networks, texts=False), "sd1")[0], tmp_path / "one.safetensors")
    torch.save(kohya(changes(networks, texts=False), "sd1")[0], tmp_path / "two.pt")
    names = [f"{tmp_path / 'one.safetensors'}:0.5", f"{tmp_path / 'two.pt'}:-0.5"]
    for loras in (names, [f"{tmp_path / 'one.safetensors'}:0"]):
        unet = load_model(folders["sd1"], lora=loras).parts.unet
        for name, tensor in networks["unet"].state_dict().items():
            torch.testing.assert_close(unet.state_dict()[name], tensor, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rust.safetensors", ("rust.safetensors", 1.0)),
        ("rust.safetensors:0.8", ("rust.safetensors", 0.8)),
        ("a:b/rust.safetensors:-1", ("a:b/rust.safetensors", -1.0)),
        ("C:\\lora\\rust.safetensors", ("C:\\lora\\rust.safetensors", 1.0)),
        ("C:\\lora\\rust.safetensors:.5", ("C:\\lora\\rust.safetensors", 0.5)),
        ("https://huggingface.co/a/b", ("https://huggingface.co/a/b", 1.0)),
        ("owner/name:1", ("owner/name", 1.0)),
    ],
)
def test_a_weight_stands_behind_the_last_colon(text, said):
    assert split_weight(text) == said


@pytest.mark.parametrize("text", ["x:nan", "x:inf", "x:11"])
def test_a_weight_out_of_range_is_named(text):
    with pytest.raises(InputError, match="the LoRA x has weight"):
        split_weight(text)


# ---- autoencoders


@pytest.mark.parametrize("shape", ["folder", "model folder", "original", "diffusers", "checkpoint", "pickle"])
def test_another_autoencoder_takes_the_place_of_the_models(shape, folders, layouts, tmp_path):
    vae = single.networks(layouts["sd1"], seed=7)["vae"]
    original = single.original_vae(vae)
    prefixed = {f"first_stage_model.{name}": tensor for name, tensor in original.items()}
    path = tmp_path / ("vae.pt" if shape == "pickle" else "vae.safetensors")
    if "folder" in shape:
        path = single.write_folder(
            tmp_path / "model", layouts["sd1"], single.networks(layouts["sd1"], seed=7)
        )
        path = path if shape == "model folder" else path / "vae"
    else:
        table = {"diffusers": vae.state_dict(), "checkpoint": prefixed}.get(shape, original)
        single.write_single(path, table | {"loss.logvar": torch.zeros(1)})
    if shape == "pickle":
        with pytest.warns(TexsyncWarning, match="vae.pt is a pickle"):
            there = load_model(folders["sd1"], vae=path).parts.vae.state_dict()
    else:
        there = load_model(folders["sd1"], vae=path).parts.vae.state_dict()
    assert there.keys() == vae.state_dict().keys()
    assert all(torch.equal(there[name], tensor) for name, tensor in vae.state_dict().items())


# ---- textual inversions


def inversion(place, shape, vectors):
    table = {
        "diffusers": {"<rusty>": vectors},
        "web interface": {"emb_params": vectors},
        "pickle": {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "x", "step": 9},
    }[shape]
    file = place / f"rusty-iron.{'pt' if shape == 'pickle' else 'safetensors'}"
    if shape == "pickle":
        torch.save(table, file)
    else:
        save_file(table, file)
    return file, "<rusty>" if shape == "diffusers" else "rusty-iron"


@pytest.mark.parametrize("shape", ["diffusers", "web interface", "pickle"])
def test_an_inverted_word_is_read_as_its_vectors(shape, folders, tmp_path):
    """Two vectors that are those of known words: the same noise as with these words; nothing else changes."""
    plain = load_model(folders["sd1"])
    table = plain.parts.text_encoder.get_input_embeddings().weight
    copper, iron = (plain.parts.tokenizer(word).input_ids[1] for word in ("copper", "iron"))
    file, word = inversion(tmp_path, shape, table[[copper, iron]].clone())
    backbone = load_model(folders["sd1"], embedding=[file])
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def noise(backbone, *prompts):
        return backbone.predictor(Conditions(prompts, guidance=1.0))(x, SPAN)

    said = noise(backbone, f"a {word}, front view.", "iron, rusty-irons")
    assert torch.equal(said, noise(plain, "a copper iron, front view.", "iron, rusty-irons"))
    unread = "a , front view." if shape == "diffusers" else f"a {word}, front view."
    assert not torch.equal(said, noise(plain, unread, "iron, rusty-irons"))


def test_an_inversion_by_the_name_of_a_known_token_is_refused(folders, tmp_path):
    save_file({"emb_params": torch.zeros(1, 16)}, tmp_path / "co.safetensors")
    with pytest.raises(InputError, match="has a word .co. already; give .* another name"):
        load_model(folders["sd1"], embedding=[tmp_path / "co.safetensors"])


def test_sdxl_takes_an_inversion_for_both_encoders(folders, tmp_path):
    plain = load_model(folders["sdxl"])
    encoders = (plain.parts.text_encoder, plain.parts.text_encoder_2)
    token = plain.parts.tokenizer("copper").input_ids[1]
    rows = [encoder.get_input_embeddings().weight[token : token + 1].clone() for encoder in encoders]
    save_file(dict(zip(("clip_l", "clip_g"), rows, strict=True)), tmp_path / "shiny.safetensors")
    backbone = load_model(folders["sdxl"], embedding=str(tmp_path / "shiny.safetensors"))
    ours, theirs = (one.text.embed([text]) for one, text in ((backbone, "a shiny"), (plain, "a copper")))
    assert torch.equal(ours.words, theirs.words) and torch.equal(ours.pooled, theirs.pooled)


def test_a_run_remembers_what_was_added(folders, layouts, tmp_path):
    from texsync import repeat, wide_image

    save_file(kohya(changes(single.networks(layouts["sd1"])), "sd1")[0], tmp_path / "rust.safetensors")
    options = {"model": str(folders["sd1"]), "steps": 1, "width": 64, "height": 64, "view_size": 64}
    made = wide_image("copper", lora=[f"{tmp_path / 'rust.safetensors'}:0.3"], **options)
    plain = wide_image("copper", **options)
    made.save(tmp_path / "out")
    (file,) = made.report["additions"]
    assert file["option"] == "lora" and len(file["sha256"]) == 64 and plain.report["additions"] == []
    again = repeat(tmp_path / "out")
    assert list(again.report["lora"]) == [f"{tmp_path / 'rust.safetensors'}:0.3"]
    assert again.image.tobytes() == made.image.tobytes() != plain.image.tobytes()
    other = kohya(changes(single.networks(layouts["sd1"]), texts=False), "sd1")[0]
    save_file(other, tmp_path / "rust.safetensors")
    with pytest.warns(TexsyncWarning, match=r"rust\.safetensors has changed since that run"):
        repeat(tmp_path / "out")
