"""The settings and the network of TARN (Bishay et al., BMVC 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import nn

from zsl_bench.baselines.methods.recurrent import (
    SELECTIONS,
    Selection,
    masked_mean,
    run_recurrent,
)
from zsl_bench.baselines.methods.settings import check_settings
from zsl_bench.baselines.methods.validation import HELD_OUT

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.baselines.methods.recurrent import Sequences

Form = Literal["relation", "regression"]
Attention = Literal["segments", "none"]
Encoder = Literal["bigru", "none"]
PairLoss = Literal["sigmoid", "softmax"]
_LEAST = 1e-12


@dataclass(frozen=True, kw_only=True)
class TarnConfig:
    """Settings of ``tarn``.

    Attributes:
        form: ``relation`` compares segments with a class; ``regression`` maps a video to a word
            vector, as Brattoli et al. (2020, section 4.4) describe the method.
        encoder: ``bigru``, or ``none`` to compare the clips as they are.
        attention: Over the ``segments`` of a video, or ``none``.
        rescale: Multiply the attention by the number of segments.
        loss: Binary cross-entropy after a ``sigmoid`` or a ``softmax`` over an episode's classes.
        hidden: Units of the GRU in each direction.
        compare_units: Units of the comparison.
        dropout: Share of a segment's numbers that are dropped in training.
        episode_classes: Classes in an episode; all where there are fewer.
        episode_videos: Videos of each; all where there are fewer.
        episodes: Steps of training at most.
        check_every: Episodes between two checks.
        selection: See :class:`~zsl_bench.baselines.methods.recurrent.Plan`.
        held_out: Share of the seen classes that is held out for the checks.
        learning_rate: Of Adam.
        weight_decay: Of Adam.
    """

    form: Form = "relation"
    encoder: Encoder = "bigru"
    attention: Attention = "segments"
    rescale: bool = True
    loss: PairLoss = "sigmoid"
    hidden: int = 256
    compare_units: int = 64
    dropout: float = 0.0
    episode_classes: int = 10
    episode_videos: int = 3
    episodes: int = 20_000
    check_every: int = 1000
    selection: Selection = "keep"
    held_out: float = HELD_OUT
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        counts = ("hidden", "compare_units", "episode_classes", "episode_videos", "episodes")
        check_settings(
            "tarn",
            self,
            whole=dict.fromkeys((*counts, "check_every"), 1),
            ranges={
                "dropout": (0, 0.99),
                "held_out": (0, 1),
                "learning_rate": (0, math.inf),
                "weight_decay": (0, math.inf),
            },
            choices={
                "form": get_args(Form),
                "encoder": get_args(Encoder),
                "attention": get_args(Attention),
                "loss": get_args(PairLoss),
                "selection": SELECTIONS,
            },
        )


class TarnNetwork(nn.Module):
    """Segments of videos and descriptions of classes, of one width; and what compares them.

    Attributes:
        config: The settings.
        width: Numbers in a segment and in a description.
    """

    def __init__(self, dim: int, words: int, config: TarnConfig) -> None:
        """Start it with random weights.

        Args:
            dim: Numbers in a clip's feature.
            words: Numbers in a class vector.
            config: The settings.
        """
        super().__init__()
        self.config = config
        recurrent = config.encoder == "bigru"
        self.width = 2 * config.hidden if recurrent else dim
        self.encoder = (
            nn.GRU(dim, config.hidden, batch_first=True, bidirectional=True) if recurrent else None
        )
        self.dropout = nn.Dropout(config.dropout)
        if config.form == "regression":
            self.to_words = nn.Linear(self.width, words)
            return
        self.describe = nn.Sequential(
            nn.Linear(words, self.width), nn.ReLU(), nn.Linear(self.width, self.width)
        )
        self.key = nn.Linear(self.width, self.width)
        self.compare = nn.Sequential(
            nn.Linear(2, config.compare_units), nn.ReLU(), nn.Linear(config.compare_units, 1)
        )

    def segments(self, videos: Sequences) -> Sequences:
        """Encode clips: ``(N, M, D)`` to ``(N, M, width)``."""
        encoded = videos.steps if self.encoder is None else run_recurrent(self.encoder, videos)
        return videos.with_steps(self.dropout(encoded))

    def attended(self, segments: Sequences, described: Tensor) -> Tensor:
        """Return how strongly each class attends to each segment.

        Args:
            segments: ``(N, M, width)``.
            described: ``(C, width)``.

        Returns:
            ``(N, M, C)``, 0 behind a video's length; the mean over a video's segments is 1, or the
            sum without ``rescale``.
        """
        there = segments.inside[:, :, None]
        if self.config.attention == "none":
            return there.to(described.dtype).expand(-1, -1, len(described))
        energies = segments.steps @ self.key(described).T
        weights: Tensor = energies.masked_fill(~there, -math.inf).softmax(dim=1)
        return weights * segments.lengths[:, None, None] if self.config.rescale else weights

    def relations(self, segments: Sequences, described: Tensor) -> Tensor:
        """Compare videos with classes; no segment is ever paired with a whole description.

        A segment q and an attended class k s need only q.s, |q| and |s|: ``|q - k s|^2 = |q|^2 +
        k^2 |s|^2 - 2 k q.s``.

        Args:
            segments: ``(N, M, width)``.
            described: ``(C, width)``.

        Returns:
            ``(N, C)`` logits.
        """
        weights = self.attended(segments, described)
        products = segments.steps @ described.T
        long, wide = segments.steps.square().sum(dim=2)[:, :, None], described.square().sum(dim=1)
        cosines = products / (long * wide).clamp_min(_LEAST).sqrt()
        squares = long + weights.square() * wide - 2 * weights * products
        distances = (squares.clamp_min(_LEAST) / self.width).sqrt()
        compared: Tensor = self.compare(torch.stack([cosines, distances], dim=-1)).squeeze(-1)
        return masked_mean(compared, segments)

    def to_word_vectors(self, segments: Sequences) -> Tensor:
        """Map videos to word vectors, ``(N, E)``: the form ``regression``."""
        mapped: Tensor = self.to_words(masked_mean(segments.steps, segments))
        return mapped
