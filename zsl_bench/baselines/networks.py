"""The paper's networks, R(2+1)D-18, R3D-18 and C3D, and a tiny one, each with a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchvision.models import video as torchvision_video

from zsl_bench.baselines.tiny import FEATURE_DIM, TinyR2Plus1D
from zsl_bench.errors import ModelError, WeightsError, near_matches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WORD_VECTOR_DIM = 300
VIDEO_MEAN = (0.43216, 0.394666, 0.37645)
VIDEO_STD = (0.22803, 0.22145, 0.216989)
_LEVELS = 255.0


class C3D(nn.Module):
    """The C3D network of Tran et al. (2015) up to its first fully connected layer, ``fc6``.

    As in the code released with the paper, ``fc7`` and the classifier are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64)
        self.conv2 = _conv(64, 128)
        self.conv3a = _conv(128, 256)
        self.conv3b = _conv(256, 256)
        self.conv4a = _conv(256, 512)
        self.conv4b = _conv(512, 512)
        self.conv5a = _conv(512, 512)
        self.conv5b = _conv(512, 512)
        self.pool1 = nn.MaxPool3d((1, 2, 2))
        self.pool = nn.MaxPool3d(2)
        self.pool5 = nn.MaxPool3d(2, padding=(0, 1, 1))
        self.fc6 = nn.Linear(8192, 4096)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised clips ``(B, 3, 16, 112, 112)`` to ``(B, 4096)``.

        Raises:
            ModelError: The clips are not 16 frames of 112 x 112.
        """
        if x.shape[2:] != (16, 112, 112):
            frames, height, width = x.shape[2:]
            raise ModelError(
                "c3d features",
                found=f"clips of {frames} frames of {width} x {height}",
                fix="hand it clips of 16 frames of 112 x 112",
            )
        x = self.pool1(self.conv1(x).relu())
        x = self.pool(self.conv2(x).relu())
        x = self.pool(self.conv3b(self.conv3a(x).relu()).relu())
        x = self.pool(self.conv4b(self.conv4a(x).relu()).relu())
        x = self.pool5(self.conv5b(self.conv5a(x).relu()).relu())
        features: Tensor = self.fc6(x.flatten(1)).relu()
        return features


def _conv(channels_in: int, channels_out: int) -> nn.Conv3d:
    return nn.Conv3d(channels_in, channels_out, kernel_size=3, padding=1)


class ZeroShotNetwork(nn.Module):
    """A video network whose last layer points into the space of word vectors.

    Normalisation is part of the network: clips come as RGB levels. The statistics are the video
    mean and deviation of the released code for every backbone; they are not in the state dict.

    Args:
        backbone: Maps normalised clips ``(B, 3, T, H, W)`` to features ``(B, F)``.
        feature_dim: F.
        dropout: Probability of dropping a feature before the linear layer, in training.
        dim: Size of the word vectors.
    """

    level_mean: Tensor
    level_std: Tensor

    def __init__(
        self, backbone: nn.Module, *, feature_dim: int, dropout: float, dim: int = WORD_VECTOR_DIM
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(feature_dim, dim)
        for name, values in (("level_mean", VIDEO_MEAN), ("level_std", VIDEO_STD)):
            levels = torch.tensor(values, dtype=torch.float32, device="cpu") * _LEVELS
            self.register_buffer(name, levels.view(1, 3, 1, 1, 1), persistent=False)

    def normalise(self, clips: Tensor) -> Tensor:
        """Turn levels into what the backbone reads.

        Args:
            clips: ``(B, T, 3, H, W)``, RGB levels 0 to 255, uint8 or floating point.

        Returns:
            ``(B, 3, T, H, W)``: (level / 255 - mean) / deviation, a new tensor.

        Raises:
            ModelError: The clips have another shape.
        """
        if clips.ndim != 5 or clips.shape[2] != 3:
            raise ModelError(
                "embed clips",
                found=f"a tensor of shape {tuple(clips.shape)}",
                fix="hand over (clips, frames, 3, height, width)",
            )
        levels = clips.permute(0, 2, 1, 3, 4).float()
        normalised = torch.sub(levels, self.level_mean.float()).div_(self.level_std.float())
        return normalised.to(self.head.weight.dtype)

    def features(self, clips: Tensor) -> Tensor:
        """Return the vectors before the linear layer, ``(B, F)``, of clips ``(B, T, 3, H, W)``."""
        features: Tensor = self.backbone(self.normalise(clips))
        return features

    def forward(self, clips: Tensor) -> Tensor:
        """Return one vector a clip, ``(B, dim)``, not normalised, of clips ``(B, T, 3, H, W)``."""
        vectors: Tensor = self.head(self.dropout(self.features(clips)))
        return vectors


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """How a network is built.

    Attributes:
        build: Makes the backbone.
        feature_dim: Length of its features.
        dropout: Dropout before the linear layer, as in the released code.
    """

    build: Callable[[], nn.Module]
    feature_dim: int
    dropout: float


def _without_classifier(network: nn.Module) -> nn.Module:
    network.fc = nn.Identity()
    return network


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "c3d": Architecture(build=C3D, feature_dim=4096, dropout=0.10),
        "r2plus1d_18": Architecture(
            build=lambda: _without_classifier(torchvision_video.r2plus1d_18(weights=None)),
            feature_dim=512,
            dropout=0.05,
        ),
        "r2plus1d_tiny": Architecture(build=TinyR2Plus1D, feature_dim=FEATURE_DIM, dropout=0.05),
        "r3d_18": Architecture(
            build=lambda: _without_classifier(torchvision_video.r3d_18(weights=None)),
            feature_dim=512,
            dropout=0.05,
        ),
    }
)
"""The networks by name."""


def create_network(name: str, *, seed: int, dim: int = WORD_VECTOR_DIM) -> ZeroShotNetwork:
    """Make a network with random weights, the same for the same seed.

    The weights are drawn on the CPU; the global random state stays as it was.

    Args:
        name: ``r2plus1d_18``, ``r3d_18``, ``c3d`` or ``r2plus1d_tiny``.
        seed: Seed of the weights.
        dim: Length of the output, the size of the word vectors.

    Returns:
        The network in training mode, on the CPU.

    Raises:
        ModelError: There is no network of that name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _build(name, dim)


def empty_network(name: str, *, dim: int = WORD_VECTOR_DIM) -> ZeroShotNetwork:
    """Make a network whose weights are on the ``meta`` device, waiting for a state dict.

    Raises:
        ModelError: There is no network of that name.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return _build(name, dim)


def identify_network(state: Mapping[str, Tensor], *, asked: str) -> tuple[str, int]:
    """Say which network a bare state dict is for.

    Args:
        state: Tensors by key.
        asked: What is being read, for the message.

    Returns:
        The name of the network with which it shares the most tensors by key and shape (the head's
        length aside), and then the most keys, and the length of its output.

    Raises:
        WeightsError: It shares keys with none of them.
    """
    found = {name: _shared(state, empty_network(name).state_dict()) for name in ARCHITECTURES}
    best = max(sorted(found), key=lambda name: found[name])
    if found[best][1] <= len({"head.weight", "head.bias"}):
        raise WeightsError(
            asked,
            found=f"keys of no known network, such as {next(iter(sorted(state)), 'none')!r}",
            fix=f"give weights of {', '.join(ARCHITECTURES)} as saved by zsl-bench",
        )
    head = state.get("head.weight")
    return best, WORD_VECTOR_DIM if head is None or head.ndim != 2 else len(head)


def _shared(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[int, int]:
    """Count the keys that two state dicts share with tensors of one shape, and at all."""
    keys = state.keys() & wanted.keys()
    length = {"head.weight": 1, "head.bias": 1}
    alike = sum(
        state[key].shape[length.get(key, 0) :] == wanted[key].shape[length.get(key, 0) :]
        for key in keys
    )
    return alike, len(keys)


def _build(name: str, dim: int) -> ZeroShotNetwork:
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise ModelError(
            f"network {name!r}",
            found="no network of that name",
            fix=near_matches(name, ARCHITECTURES),
        )
    return ZeroShotNetwork(
        architecture.build(),
        feature_dim=architecture.feature_dim,
        dropout=architecture.dropout,
        dim=dim,
    )
