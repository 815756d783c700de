"""The settings and the network of Action2Vec (Hahn, Silva, Rehg, 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import nn
from torch.nn import functional

from zsl_bench.baselines.methods.recurrent import (
    SELECTIONS,
    Selection,
    Sequences,
    run_recurrent,
)
from zsl_bench.baselines.methods.settings import check_settings
from zsl_bench.baselines.methods.validation import HELD_OUT

if TYPE_CHECKING:
    from torch import Tensor

Attention = Literal["soft", "none"]
Negatives = Literal["all", "batch"]


@dataclass(frozen=True, kw_only=True)
class Action2VecConfig:
    """Settings of ``action2vec``.

    Attributes:
        components: Principal components of the clips; all where there are fewer.
        whiten: Bring each component to a deviation of 1, and not all by one factor.
        window: Clips that the first LSTM reads at a time.
        carry_state: Keep its state from window to window.
        attention: ``soft`` weighs the clips of a window; ``none`` takes their mean.
        local_units: Units of the first LSTM.
        global_units: Units of the second.
        dropout: Share of the second's last state that is dropped in training.
        margin: Cosine by which a video's own class is to win.
        negatives: Classes that it is to win against: ``all`` seen ones or those of the ``batch``.
        classification: Weight of the cross-entropy in the first half of the epochs.
        later_classification: The same in the second half.
        batch: Videos in a step.
        epochs: Epochs at most.
        patience: Epochs without a better check after which to stop; 0 never stops.
        clip_norm: Greatest length of a gradient.
        selection: See :class:`~zsl_bench.baselines.methods.recurrent.Plan`.
        held_out: Share of the seen classes that is held out for the checks.
        learning_rate: Of Adam.
    """

    components: int = 500
    whiten: bool = False
    window: int = 4
    carry_state: bool = False
    attention: Attention = "soft"
    local_units: int = 1024
    global_units: int = 512
    dropout: float = 0.5
    margin: float = 0.2
    negatives: Negatives = "all"
    classification: float = 1.0
    later_classification: float = 0.1
    batch: int = 64
    epochs: int = 50
    patience: int = 10
    clip_norm: float = 5.0
    selection: Selection = "keep"
    held_out: float = HELD_OUT
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        counts = ("components", "window", "local_units", "global_units", "batch", "epochs")
        weights = ("margin", "classification", "later_classification", "clip_norm", "learning_rate")
        check_settings(
            "action2vec",
            self,
            whole={**dict.fromkeys(counts, 1), "patience": 0},
            ranges={
                **dict.fromkeys(weights, (0, math.inf)),
                "dropout": (0, 0.99),
                "held_out": (0, 1),
            },
            choices={
                "attention": get_args(Attention),
                "negatives": get_args(Negatives),
                "selection": SELECTIONS,
            },
        )


class Action2VecNetwork(nn.Module):
    """One LSTM within windows of clips, one over the windows, and a map to word vectors.

    Attributes:
        config: The settings.
        classify: Word vectors to seen classes, for the cross-entropy alone.
    """

    def __init__(self, dim: int, words: int, classes: int, config: Action2VecConfig) -> None:
        """Start it with random weights.

        Args:
            dim: Numbers in a reduced clip.
            words: Numbers in a class vector.
            classes: Number of seen classes.
            config: The settings.
        """
        super().__init__()
        self.config = config
        self.local = nn.LSTM(dim, config.local_units, batch_first=True)
        self.attend = nn.Linear(config.local_units, 1, bias=False)
        self.whole = nn.LSTM(config.local_units, config.global_units, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.to_words = nn.Linear(config.global_units, words)
        self.classify = nn.Linear(words, classes)

    def forward(self, videos: Sequences) -> Tensor:
        """Map videos to word vectors: ``(N, T, D)`` to ``(N, E)``."""
        windows = self.windows(videos)
        states = run_recurrent(self.whole, windows)
        last = states[torch.arange(len(states)), windows.lengths - 1]
        mapped: Tensor = self.to_words(self.dropout(last))
        return mapped

    def windows(self, videos: Sequences) -> Sequences:
        """Read the windows of videos: ``(N, T, D)`` to ``(N, T / window, local_units)``."""
        size = self.config.window
        read = (
            videos.with_steps(run_recurrent(self.local, videos))
            if self.config.carry_state
            else videos
        )
        parts = _windows(read, size)
        if not self.config.carry_state:
            parts = parts.with_steps(run_recurrent(self.local, parts))
        summaries = (self.weights(parts)[:, :, None] * parts.steps).sum(dim=1)
        counts = (videos.lengths + size - 1) // size
        there = torch.arange(int(counts.max())) < counts[:, None]
        steps = summaries.new_zeros(*there.shape, summaries.shape[1])
        return Sequences(steps=steps.masked_scatter(there[:, :, None], summaries), lengths=counts)

    def weights(self, parts: Sequences) -> Tensor:
        """Return how much each clip of a window counts, ``(R, window)``; 1 in all."""
        if self.config.attention == "none":
            return parts.inside / parts.lengths[:, None]
        energies = self.attend(parts.steps.tanh()).squeeze(-1)
        weights: Tensor = energies.masked_fill(~parts.inside, -math.inf).softmax(dim=1)
        return weights


def _windows(videos: Sequences, size: int) -> Sequences:
    """Cut videos into windows that hold a clip: ``(N, T, F)`` to ``(R, size, F)``."""
    videos_count, longest, width = videos.steps.shape
    windows = -(-longest // size)
    padded = functional.pad(videos.steps, (0, 0, 0, windows * size - longest))
    lengths = (videos.lengths[:, None] - size * torch.arange(windows)).clamp(0, size)
    kept = lengths > 0
    parts = padded.reshape(videos_count, windows, size, width)[kept]
    return Sequences(steps=parts, lengths=lengths[kept])
