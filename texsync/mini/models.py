"""The parts of mini as ordinary diffusers and transformers models, and the folder they are kept in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from ..backbones.near_words import near_file
from .near import TABLE, fill, near_words
from .words import finishes, vocabulary

WIDTH = 96  # of the text vectors
LATENT = 48  # cells along one side of a view
PIXELS = 384
SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, case does not matter; a word that mini does not know becomes <unk>."""
    words = {word: i for i, word in enumerate((*SPECIAL, *vocabulary(), *near_words()))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", words["<start>"]), ("<end>", words["<end>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=24,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<start>",
        eos_token="<end>",
    )


def build_text_encoder(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Two transformer layers over word vectors, 96 wide."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def build_unet() -> UNet2DConditionModel:
    """8.7 M parameters; attention at 32, 16 and 8 cells; the words also scale and shift every layer."""
    return UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 96, 128, 128),
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
        up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def build_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """An encoder like the UNet's for a depth picture of 8x the latent's size; words reach it by attention only."""
    plain = {**unet.config, "addition_embed_type": None, "resnet_time_scale_shift": "default"}
    encoder = UNet2DConditionModel.from_config(plain)
    return ControlNetModel.from_unet(encoder, conditioning_embedding_out_channels=(8, 16, 32, 64))


def build_vae() -> AutoencoderKL:
    """8x smaller, four channels, no attention; starts as plain averaging down and smoothing up."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(24, 48, 96, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=PIXELS,
        scaling_factor=0.5,
        mid_block_add_attention=False,
    )
    start_linear(vae)
    return vae


@torch.no_grad()
def start_linear(vae: AutoencoderKL, constant: float = 2.0) -> None:
    """Make the untrained autoencoder hand the three colours through, so that training only adds detail.

    Group normalisation forgets a patch's mean colour and takes long to learn a way round that. Here twelve
    channels carry +-r, +-g, +-b and three times +-constant: the constants hold the group's scale nearly still, and
    silu(x) - silu(-x) = x makes the activation harmless.
    """
    signs = torch.tensor([1.0, -1.0])
    encoder, decoder = vae.encoder, vae.decoder
    for convolution in (encoder.conv_in, decoder.conv_in):
        convolution.weight[:12], convolution.bias[:12] = 0, 0
        for colour in range(3):
            convolution.weight[2 * colour : 2 * colour + 2, colour, 1, 1] = signs
        convolution.bias[6:12] = constant * signs.repeat(3)
    blocks = [*encoder.down_blocks, encoder.mid_block, decoder.mid_block, *decoder.up_blocks]
    for resnet in (resnet for block in blocks for resnet in block.resnets):
        resnet.conv2.weight[:12], resnet.conv2.bias[:12] = 0, 0
        if resnet.conv_shortcut is not None:
            _carry(resnet.conv_shortcut, torch.ones(1, 1))
    smooth = torch.tensor([0.25, 0.5, 0.25])
    for block in encoder.down_blocks:
        for sampler in block.downsamplers or ():
            _carry(sampler.conv, torch.tensor([[0.25, 0.25, 0], [0.25, 0.25, 0], [0, 0, 0]]))
    for block in decoder.up_blocks:
        for sampler in block.upsamplers or ():
            _carry(sampler.conv, torch.outer(smooth, smooth))
    for convolution in (encoder.conv_out, decoder.conv_out):
        convolution.weight[:3], convolution.bias[:3] = 0, 0
        for colour in range(3):
            convolution.weight[colour, 2 * colour : 2 * colour + 2, 1, 1] = constant / 2**0.5 * signs
    for convolution, count in ((vae.quant_conv, 8), (vae.post_quant_conv, 4)):
        convolution.weight[:, :, 0, 0], convolution.bias[:] = torch.eye(count), 0
    encoder.conv_out.weight[4:] *= 0.1
    encoder.conv_out.bias[4:] = -5.0  # little noise on the latents at first


def _carry(convolution: torch.nn.Conv2d, kernel: torch.Tensor) -> None:
    """Hand the first twelve channels through a convolution, each filtered by the kernel."""
    convolution.weight[:12], convolution.bias[:12] = 0, 0
    for channel in range(12):
        convolution.weight[channel, channel] = kernel


def build_scheduler() -> DDIMScheduler:
    """DDPM's noise levels (Ho et al. 2020), with v-prediction, the more forgiving target for a small model; however few
    the steps, the first is the noisiest.

    Stable Diffusion's levels end where a picture is still seen through the noise (amplitude 0.068 of it): a pattern
    repeats, so hundreds of cells tell together where it lies, and the first step would decide all of it at once.
    """
    return DDIMScheduler(
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def save_folder(folder: Path, parts: dict[str, torch.nn.Module], dtype: torch.dtype = torch.float16) -> None:
    """Write parts (any of unet, controlnet, vae, text_encoder) and the rest of a diffusers folder, safetensors."""
    tokenizer = build_tokenizer()
    for name, part in parts.items():
        copy = type(part).from_config(part.config) if name != "text_encoder" else type(part)(part.config)
        copy.load_state_dict(part.state_dict())
        copy.to(dtype)
        if name == "text_encoder":
            fill(copy, tokenizer.get_vocab())
        if name != "text_encoder":
            copy.register_to_config(_name_or_path="")  # not the folder it was trained in
        copy.save_pretrained(folder / name, safe_serialization=True, max_shard_size="14MB")
    if "text_encoder" in parts:
        # a pipeline that is told no number format takes this one, and 32 bits for all other parts
        config = folder / "text_encoder" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    tokenizer.save_pretrained(folder / "tokenizer")
    near_file(folder).write_bytes(TABLE.read_bytes())
    build_scheduler().save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionControlNetPipeline",
        "controlnet": ["diffusers", "ControlNetModel"],
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    advice = {
        "guidance": 3.0,
        "negative_prompt": "",
        "prompt_prefix": "",
        "steps": 10,
        "view_size": PIXELS,
        "control_scale": [1.0, 1.0],
        "control_until": 1.0,
        "control_kind": "depth",
        "depth_style": "sharp",  # as surface.pixels.depth_condition draws it
        "strength": {"ambiguous": 2.0},
        "pictures": {"view_size": PIXELS, "steps": 20},
        "materials": finishes(),
    }
    (folder / "texsync.json").write_text(json.dumps(advice, indent=2) + "\n")


def load_parts(folder: Path, names: tuple[str, ...]) -> dict[str, torch.nn.Module]:
    """Read trained parts back in fp32."""
    kinds = {
        "unet": UNet2DConditionModel,
        "controlnet": ControlNetModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
    }
    return {
        name: kinds[name].from_pretrained(folder / name, use_safetensors=True, torch_dtype=torch.float32)
        for name in names
    }
