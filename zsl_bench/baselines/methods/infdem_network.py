"""Dropout passes of a small network over the seen classes: how sure it is of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from zsl_bench.baselines.methods.seen_classifier import Descent, Examples, softmax, train_to_best

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.methods.base import SeenVideos
    from zsl_bench.baselines.methods.inputs import Centring, ClipFeatures

    Matrix = NDArray[np.float64]

LAYERS = ("first", "first_bias", "second", "second_bias")
"""Names of the network's arrays."""


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Settings of the gate.

    Attributes:
        units: Hidden units of the seen-class classifier.
        dropout: Share of the units cleared, in training and in each pass.
        learning_rate: Of Adam.
        weight_decay: Of Adam.
        batch_size: Videos a step.
        epochs: How many.
        passes: Dropout passes over a video.
        held_out: Share of the seen videos on which limits are measured.
        percentile: Of a class's uncertainty there, above which it votes for *new*.
        council: Share of the classes that are informed about a leader.
        least: Videos that a leader needs for limits of its own; else those of all leaders serve.
        folds: Parts of the held-out videos; a part's novelty is judged by limits of the others.
        false_alarms: Share of held-out seen videos that may be called new.
    """

    units: int = 256
    dropout: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 128
    epochs: int = 60
    passes: int = 100
    held_out: float = 0.2
    percentile: float = 95.0
    council: float = 0.5
    least: int = 10
    folds: int = 5
    false_alarms: float = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Passes:
    """What dropout passes make of videos.

    Attributes:
        mean: ``(N, C)`` probabilities, their mean over the passes.
        variance: ``(N, C)``, their variance.
        plain: ``(N, C)`` probabilities without dropout.
    """

    mean: Matrix
    variance: Matrix
    plain: Matrix

    @property
    def leaders(self) -> NDArray[np.intp]:
        """``(N,)``, the likeliest class of each video."""
        leaders: NDArray[np.intp] = self.mean.argmax(axis=1)
        return leaders

    def take(self, rows: NDArray[np.bool_]) -> Passes:
        """Return some of the videos."""
        return Passes(mean=self.mean[rows], variance=self.variance[rows], plain=self.plain[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class DropoutClassifier:
    """A network with one hidden layer over the seen classes.

    Attributes:
        centring: Measured on seen training videos.
        layers: ``first`` (D, H), ``first_bias`` (H,), ``second`` (H, C), ``second_bias`` (C,),
            float32.
        masks: ``(P, H)``, which units each pass keeps; the same for every video, so that a video's
            uncertainty does not depend on its neighbours.
        dropout: Share of the units that a pass clears.
    """

    centring: Centring
    layers: Mapping[str, NDArray[np.float32]]
    masks: NDArray[np.bool_]
    dropout: float

    @classmethod
    def of(
        cls, seen: SeenVideos, centring: Centring, learned: NDArray[np.bool_], config: GateConfig
    ) -> Self:
        """Train one on some of the seen videos.

        Args:
            seen: Videos of seen classes.
            centring: Measured on all of them.
            learned: ``(N,)``, which of them to learn from.
            config: Settings of the gate.
        """
        generator = torch.Generator().manual_seed(seen.seed)
        examples = Examples.of(_network_rows(centring, seen.videos), seen.labels)
        first = _layer(seen.videos.dim, config.units, generator)
        second = _layer(config.units, len(seen.class_vectors), generator)
        parameters = (*first, *second)

        def logits(rows: Tensor) -> Tensor:
            hidden = (rows @ parameters[0] + parameters[1]).relu()
            kept = torch.rand(hidden.shape, generator=generator) >= config.dropout
            return hidden * kept / (1 - config.dropout) @ parameters[2] + parameters[3]

        batches = -(-int(learned.sum()) // config.batch_size)
        plan = Descent(
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            batch_size=config.batch_size,
            steps=config.epochs * batches,
        )
        nothing = examples.take(np.zeros(len(learned), dtype=np.bool_))
        train_to_best(parameters, logits, (examples.take(learned), nothing), plan, generator)
        masks = torch.rand((config.passes, config.units), generator=generator) >= config.dropout
        return cls(
            centring=centring,
            layers={
                name: one.detach().numpy() for name, one in zip(LAYERS, parameters, strict=True)
            },
            masks=masks.numpy(),
            dropout=config.dropout,
        )

    def hidden(self, videos: ClipFeatures) -> Matrix:
        """Return the hidden layer without dropout, ``(N, H)``."""
        rows = _network_rows(self.centring, videos)
        hidden: Matrix = np.maximum(
            rows @ self.layers["first"].astype(np.float64) + self.layers["first_bias"], 0.0
        )
        return hidden

    def probabilities(self, hidden: Matrix) -> Matrix:
        """Return the softmax over seen classes of hidden layers, ``(N, C)``."""
        second = self.layers["second"].astype(np.float64)
        return softmax(hidden @ second + self.layers["second_bias"])

    def passes(self, videos: ClipFeatures) -> Passes:
        """Return what the dropout passes make of videos.

        Equal passes have a variance of exactly 0.
        """
        parts = [self._passes(self.hidden(part)) for part in videos.chunks()]
        return Passes(
            mean=np.concatenate([part.mean for part in parts]),
            variance=np.concatenate([part.variance for part in parts]),
            plain=np.concatenate([part.plain for part in parts]),
        )

    def _passes(self, hidden: Matrix) -> Passes:
        plain = self.probabilities(hidden)
        mean, squares = np.zeros_like(plain), np.zeros_like(plain)
        for done, kept in enumerate(self.masks, start=1):
            now = self.probabilities(hidden * (kept / (1 - self.dropout)))
            change = now - mean
            mean += change / done
            squares += change * (now - mean)
        return Passes(mean=mean, variance=squares / len(self.masks), plain=plain)


def _network_rows(centring: Centring, videos: ClipFeatures) -> Matrix:
    """Return centred rows whose numbers have about unit spread, as a network wants them."""
    rows: Matrix = centring.rows(videos) * np.sqrt(videos.dim)
    return rows


def _layer(wide: int, out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bound = wide**-0.5
    weights = torch.empty(wide, out).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(out).uniform_(-bound, bound, generator=generator)
    return weights.requires_grad_(), bias.requires_grad_()
