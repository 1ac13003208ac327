"""Small random checkpoints of DeepFloyd IF's two stages in their own layout, written by diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "copper", "object", "view", "front")
NOISE = dict(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True)
WIDTH = 16


def unet(channels: int, size: int, seed: int) -> UNet2DConditionModel:
    """IF's kinds of blocks at a hundredth of their width; 3 channels in for stage I, 6 for stage II."""
    torch.manual_seed(seed)
    second = {"class_embed_type": "timestep"} if channels == 6 else {}
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=6,
        block_out_channels=(8, 32),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=32,
        cross_attention_norm="group_norm",
        attention_head_dim=8,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        norm_num_groups=4,
        **second,
    ).eval()


def write_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """One like T5's, with an end mark and no start."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    marks = dict(pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=77)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **marks)
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_stage_one(folder: Path, size: int = 16) -> Path:
    """As `IFPipeline.save_pretrained` writes it, checker and watermark left out."""
    unet(3, size, 0).save_pretrained(folder / "unet")
    torch.manual_seed(1)
    config = T5Config(vocab_size=len(WORDS), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5EncoderModel(config).eval().save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    ratio = dict(dynamic_thresholding_ratio=0.95, sample_max_value=1.5)
    DDPMScheduler(**NOISE, **ratio).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "IFPipeline"}))
    return folder


def write_stage_two(folder: Path, size: int = 32) -> Path:
    """As `IFSuperResolutionPipeline.save_pretrained` writes it, without words of its own."""
    unet(6, size, 2).save_pretrained(folder / "unet")
    DDPMScheduler(**NOISE, dynamic_thresholding_ratio=0.95, sample_max_value=1.0).save_pretrained(
        folder / "scheduler"
    )
    DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(folder / "image_noising_scheduler")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "IFSuperResolutionPipeline"}))
    return folder
