"""A tiny R(2+1)D that trains on two CPU cores in a minute, for the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torchvision.models.video.resnet import Conv2Plus1D

if TYPE_CHECKING:
    from torch import Tensor

FEATURE_DIM = 128
_STEM = 16
_STAGES = ((16, 16), (32, 48), (64, 96), (FEATURE_DIM, 144))
"""Channels of each stage, and channels between its spatial and temporal convolutions."""


class TinyR2Plus1D(nn.Module):
    """R(2+1)D with one narrow residual block in each of its four stages.

    The stem shrinks height and width to a quarter before its first batch norm, because that is
    where a narrow network spends its time; the stages after the first halve time, height and width
    once each. It wants eight frames or more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, _STEM, (1, 5, 5), stride=(1, 2, 2), padding=(0, 2, 2), bias=False),
            nn.MaxPool3d((1, 2, 2)),
            nn.BatchNorm3d(_STEM),
            nn.ReLU(inplace=True),
            nn.Conv3d(_STEM, _STAGES[0][0], (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(_STAGES[0][0]),
            nn.ReLU(inplace=True),
        )
        before, stages = _STAGES[0][0], []
        for number, (channels, between) in enumerate(_STAGES):
            stages.append(_Block(before, channels, between, stride=2 if number else 1))
            before = channels
        self.stages = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised clips ``(B, 3, T, H, W)`` to ``(B, 128)``."""
        features: Tensor = self.stages(self.stem(x)).mean(dim=(2, 3, 4))
        return features


class _Block(nn.Module):
    """Two factorised convolutions and a shortcut, as in torchvision's R(2+1)D."""

    def __init__(self, before: int, after: int, between: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            Conv2Plus1D(before, after, between, stride),
            nn.BatchNorm3d(after),
            nn.ReLU(inplace=True),
        )
        self.second = nn.Sequential(Conv2Plus1D(after, after, between), nn.BatchNorm3d(after))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv3d(before, after, 1, stride=stride, bias=False), nn.BatchNorm3d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return total.relu()
