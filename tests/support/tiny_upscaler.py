"""A small random checkpoint of Stable Diffusion's x4 upscaler in its own layout, written by diffusers itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel


def write_model(folder: Path, scheduler: Any = None) -> Path:
    """Blocks of the kinds that the real one has, in its order; 4 pixels per latent cell."""
    torch.manual_seed(4)
    words = tiny.write_tokenizer(folder.parent / f"{folder.name}-words")
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=7, out_channels=4, block_out_channels=(8, 8, 16), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        only_cross_attention=(True, True, False), num_class_embeds=1000, use_linear_projection=True,
        cross_attention_dim=tiny.WIDTH, attention_head_dim=2, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 3, layers_per_block=1,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, norm_num_groups=4, scaling_factor=0.08333,
    )  # fmt: skip
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words), hidden_size=tiny.WIDTH, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=20, bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
        )
    )  # fmt: skip
    steps = scheduler or DDIMScheduler(
        prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, **tiny.SD15_NOISE
    )
    pipeline = StableDiffusionUpscalePipeline(
        vae=vae.eval(), text_encoder=text.eval(), tokenizer=words, unet=unet.eval(), scheduler=steps,
        low_res_scheduler=DDPMScheduler(beta_schedule="scaled_linear", beta_end=0.02),
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
