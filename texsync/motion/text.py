"""mini-motion's words as CLIP's parts: a tokenizer, and an encoder that gives one vector a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .captions import vocabulary

SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")
LONGEST = 22  # tokens, with start and end, as MDM cuts HumanML3D's captions
WIDTH = 96


def build_tokenizer() -> Any:
    """One token a word, case does not matter; a word that is in no caption becomes <unk>."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate((*SPECIAL, *vocabulary()))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", words["<start>"]), ("<end>", words["<end>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LONGEST,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<start>",
        eos_token="<end>",
    )


def build_text_encoder(tokenizer: Any, vector: int) -> nn.Module:
    """Two transformer layers; vector: numbers in what it says of a text."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=vector,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LONGEST,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def tokens(tokenizer: Any, texts: Sequence[str], longest: int = LONGEST, padded: int = LONGEST) -> Tensor:
    """(N, padded) token numbers of texts, each cut to `longest`."""
    found = tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
    ids = found["input_ids"]
    rest = ids.new_full((len(ids), max(0, padded - ids.shape[1])), tokenizer.pad_token_id)
    return torch.cat([ids, rest], dim=1)
