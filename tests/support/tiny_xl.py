"""Small random checkpoints in Stable Diffusion XL's own layout, written by diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tiny
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLControlNetPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTHS = (16, 24)  # of the two text encoders
POOLED, SIZES = 12, 8  # channels of the pooled words, and of each number of the picture's sizes


def encoder(tokenizer: CLIPTokenizer, width: int, kind: type) -> Any:
    return kind(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            max_position_embeddings=20,
            projection_dim=POOLED,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def networks(tokenizer: CLIPTokenizer, seed: int = 0) -> dict[str, Any]:
    """Every network; three levels as XL has them, the first without attention; 4 pixels per latent cell."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 4),
        use_linear_projection=True,
        cross_attention_dim=sum(WIDTHS),
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZES,
        projection_class_embeddings_input_dim=6 * SIZES + POOLED,
        norm_num_groups=4,
    )
    controlnet = tiny.loud_controlnet(unet)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.13025,
        force_upcast=True,
    )
    made = {
        "unet": unet,
        "controlnet": controlnet,
        "vae": vae,
        "text_encoder": encoder(tokenizer, WIDTHS[0], CLIPTextModel),
        "text_encoder_2": encoder(tokenizer, WIDTHS[1], CLIPTextModelWithProjection),
    }
    return {name: network.eval() for name, network in made.items()}


def write_model(folder: Path, *, zeros: bool = True, scheduler: Any = None) -> Path:
    """A complete folder with its ControlNet.  zeros: an empty negative prompt counts as zeros, as in SDXL's base."""
    tokenizer = tiny.write_tokenizer(folder.parent / f"{folder.name}-words")
    pipeline = StableDiffusionXLControlNetPipeline(
        **networks(tokenizer),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        scheduler=scheduler
        or EulerDiscreteScheduler(timestep_spacing="leading", use_karras_sigmas=False, **tiny.SD15_NOISE),
        force_zeros_for_empty_prompt=zeros,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    tiny.note_origin(folder / "controlnet", "tiny/depth")
    (folder / "texsync.json").write_text(json.dumps({"prompt_prefix": "", "negative_prompt": ""}))
    return folder
