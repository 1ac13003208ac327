"""Small random checkpoints in Stable Diffusion 3's own layout, written by diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tiny
import tiny_if
import tiny_xl
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel

JOINT = 48  # channels of T5's vectors, at least those of both of CLIP's
HEADS, HEAD = 2, 8


def networks(tokenizer: Any, seed: int = 0) -> dict[str, Any]:
    """Transformer of two blocks, autoencoder of 4 pixels per cell with a shift, CLIP twice."""
    torch.manual_seed(seed)
    shape = dict(
        sample_size=8, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=HEAD, num_attention_heads=HEADS,
        joint_attention_dim=JOINT, caption_projection_dim=HEADS * HEAD, out_channels=4, pos_embed_max_size=16,
        pooled_projection_dim=2 * tiny_xl.POOLED,
    )  # fmt: skip
    controlnet = SD3ControlNetModel(**{**shape, "num_layers": 1})
    for layer in controlnet.controlnet_blocks:
        torch.nn.init.normal_(layer.weight, std=0.5)  # a fresh ControlNet says nothing: make this one heard
    torch.nn.init.normal_(controlnet.pos_embed_input.proj.weight, std=0.5)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 3, layers_per_block=1,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, norm_num_groups=4, scaling_factor=1.5305,
        shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    made = {
        "transformer": SD3Transformer2DModel(**shape),
        "controlnet": controlnet,
        "vae": vae,
        "text_encoder": tiny_xl.encoder(tokenizer, 16, CLIPTextModelWithProjection),
        "text_encoder_2": tiny_xl.encoder(tokenizer, 24, CLIPTextModelWithProjection),
    }
    return {name: network.eval() for name, network in made.items()}


def t5(tokenizer: Any) -> Any:
    config = T5Config(vocab_size=len(tokenizer), d_model=JOINT, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def write_model(folder: Path, *, with_t5: bool = True) -> Path:
    """A complete folder with its ControlNet beside."""
    tokenizer = tiny.write_tokenizer(folder.parent / f"{folder.name}-words")
    parts = networks(tokenizer)
    controlnet = parts.pop("controlnet")
    words = tiny_if.write_tokenizer(folder.parent / f"{folder.name}-t5") if with_t5 else None
    pipeline = StableDiffusion3Pipeline(
        **parts,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=words,
        text_encoder_3=None if words is None else t5(words),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    controlnet.save_pretrained(folder / "controlnet")
    (folder / "texsync.json").write_text(json.dumps({"prompt_prefix": "", "negative_prompt": ""}))
    return folder
