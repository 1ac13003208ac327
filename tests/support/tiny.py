"""Small random checkpoints in Stable Diffusion's own layout, written by diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    PNDMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 16
WORDS = ("weathered", "copper", "front", "view", "a", "red", "object")
SD15_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def loud_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """One for the UNet that is heard; a fresh one says nothing."""
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8))
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.5)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.5)
    return controlnet


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer with the letters of `WORDS` as its vocabulary and one merge per word's letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(set("".join(WORDS)) | set(",."))
    vocabulary = [*letters, *(letter + "</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            merges.append(f"{pieces[0]} {pieces[1]}")
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            vocabulary.append(pieces[0])
    tokens = [*dict.fromkeys(vocabulary), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 20})
    )
    return CLIPTokenizer.from_pretrained(folder)


def parts(tokenizer: CLIPTokenizer, prediction: str = "epsilon", seed: int = 0) -> dict[str, Any]:
    """Every part of a model; about 0.3 M random weights, 4 pixels per latent cell."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    controlnet = loud_controlnet(unet)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=20,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    kind = PNDMScheduler if prediction == "epsilon" else DDIMScheduler
    extra = {"skip_prk_steps": True} if kind is PNDMScheduler else {"clip_sample": False}
    scheduler = kind(set_alpha_to_one=False, prediction_type=prediction, **SD15_NOISE, **extra)
    networks = {"unet": unet, "controlnet": controlnet, "vae": vae, "text_encoder": text_encoder}
    return {name: part.eval() for name, part in networks.items()} | {"scheduler": scheduler}


def note_origin(folder: Path, name: str) -> None:
    """Write where a network came from into its config, as diffusers does when it was loaded by that name."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_name_or_path": name}))


def write_model(
    folder: Path, prediction: str = "epsilon", *, controlnet: bool = True, advice: dict | None = None
) -> Path:
    """A complete model folder, as `StableDiffusionControlNetPipeline.save_pretrained` writes it."""
    tokenizer = write_tokenizer(folder.parent / f"{folder.name}-words")
    made = parts(tokenizer, prediction)
    pipeline = StableDiffusionControlNetPipeline(
        **made,
        tokenizer=tokenizer,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    note_origin(folder / "controlnet", "tiny/depth")
    if not controlnet:
        for file in (folder / "controlnet").iterdir():
            file.unlink()
        (folder / "controlnet").rmdir()
    if advice is not None:
        (folder / "texsync.json").write_text(json.dumps(advice))
    return folder
