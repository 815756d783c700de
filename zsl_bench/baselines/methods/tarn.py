"""TARN: attention between a class and the segments of a video (Bishay et al., BMVC 2019)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch.nn import functional

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, settings_of
from zsl_bench.baselines.methods.inputs import unit_rows
from zsl_bench.baselines.methods.recurrent import (
    Plan,
    Scaling,
    as_tensor,
    batches,
    network_arrays,
    restore_network,
    seeded,
    trained,
)
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, MethodSpec
from zsl_bench.baselines.methods.tarn_network import TarnConfig, TarnNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.methods.base import SeenVideos
    from zsl_bench.baselines.methods.inputs import ClipFeatures
    from zsl_bench.baselines.methods.tarn_network import PairLoss

    Matrix = NDArray[np.float64]

_COMPARED = 2**24
"""Numbers in the widest tensor of one comparison of videos with classes."""

TARN = MethodSpec(
    name="tarn",
    title="TARN (Bishay, Zoumpourlis, Patras, 2019)",
    fidelity="close",
    side_data=("C3D of Sports-1M in the original; UCF101 attributes for some of its numbers",),
    sources=(
        "abstract, arXiv 1907.09021",
        "reader notes 'Daily Paper 52: TARN' (2020)",
        "unofficial few-shot code, Seleucia/TARN",
    ),
    assumed=(
        UNIT_CLASSES,
        "form: a relation score of segments, not a regression to word vectors",
        "attention: over the segments; over class rows it is 1 everywhere, the same as none",
        "rescale: attention times the number of segments, so that uniform attention is none",
        "loss: a sigmoid and binary cross-entropy, not a softmax over the classes before it",
        "compare_units = 64 in the comparison; distances over the square root of the width",
        "episodes of 10 classes with 3 videos; every other class is a negative, with weight 1",
        "dropout = 0",
        "clips are centred and divided by one deviation",
        "selection: the best of one class-wise check every 1,000 episodes",
        "the regression is by mean over segments, squared error and cosine",
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedTarn(FittedMethod):
    """A trained network; in the form ``relation`` it scores pairs and has no points.

    Attributes:
        spec: What it is.
        scaling: Measured on seen training videos.
        network: The network.
        episodes: How many it was trained for.
    """

    spec: MethodSpec
    scaling: Scaling
    network: TarnNetwork
    episodes: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the scaling and the weights."""
        scale = {"mean": self.scaling.mean, "deviation": np.array([self.scaling.deviation])}
        return {**scale, **network_arrays(self.network)}

    def settings(self) -> dict[str, Any]:
        """Return the settings, and the number of episodes."""
        return {**settings_of(self.network.config), "trained_episodes": self.episodes}

    def embedded(self, videos: ClipFeatures) -> Matrix | None:
        """Return word vectors of videos; None in the form ``relation``."""
        if self.network.config.form == "relation":
            return None
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self.network.to_word_vectors(self.network.segments(self.scaling.sequences(part)))
                for part in batches(videos)
            ]
        return torch.cat(parts).double().numpy()

    def points(self, class_vectors: Matrix) -> Matrix | None:
        """Return the class vectors; None in the form ``relation``."""
        return None if self.network.config.form == "relation" else class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return logits of pairs; cosines in the form ``regression``."""
        embedded = self.embedded(videos)
        if embedded is not None:
            return unit_rows(embedded) @ class_vectors.T
        parts = [self._logits(part, class_vectors) for part in batches(videos)]
        return np.concatenate(parts)

    def _logits(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        self.network.eval()
        widest = videos.num_clips * len(class_vectors) * self.network.config.compare_units
        with torch.inference_mode():
            described = self.network.describe(as_tensor(class_vectors))
            segments = self.network.segments(self.scaling.sequences(videos))
            logits = [
                self.network.relations(segments.take(rows), described)
                for rows in torch.split(torch.arange(len(videos)), max(_COMPARED // widest, 1))
            ]
        return torch.cat(logits).double().numpy()


class Tarn(FeatureMethod):
    """The temporal attentive relation network, trained by episodes of seen classes."""

    spec = TARN
    config = TarnConfig
    quick: ClassVar[Mapping[str, Any]] = {
        "hidden": 16,
        "episodes": 40,
        "check_every": 20,
        "learning_rate": 1e-3,
    }

    def fitted(self, seen: SeenVideos, config: TarnConfig) -> FittedMethod:
        """Train it, and take the network that does best on held-out seen classes.

        Raises:
            ModelError: The loss is not finite.
        """
        plan = Plan(
            steps=config.episodes,
            check_every=config.check_every,
            selection=config.selection,
            held_out=config.held_out,
        )
        learner, episodes = trained(seen, lambda videos: TarnLearner(videos, config), plan)
        return learner.fitted(episodes)

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedTarn:
        """Make it of what was saved.

        Raises:
            ValueError: The weights are those of another network.
        """
        config = TarnConfig(**{field.name: settings[field.name] for field in fields(TarnConfig)})
        relation = config.form == "relation"
        name = "network.describe.0.weight" if relation else "network.to_words.weight"
        words = arrays[name].shape[1 if relation else 0]
        with seeded(0):
            network = TarnNetwork(len(arrays["mean"]), words, config)
        restore_network(network, arrays)
        return FittedTarn(
            spec=TARN,
            scaling=Scaling(mean=arrays["mean"], deviation=float(arrays["deviation"][0])),
            network=network,
            episodes=int(settings["trained_episodes"]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """Some seen classes, and some videos of each.

    Attributes:
        classes: ``(K,)`` positions among the seen classes, none twice.
        rows: ``(B,)`` positions among the seen videos, none twice.
        truth: ``(B,)`` for each video its place in ``classes``.
    """

    classes: NDArray[np.int64]
    rows: NDArray[np.int64]
    truth: NDArray[np.int64]


def sample_episode(
    generator: np.random.Generator,
    rows_of: Mapping[int, NDArray[np.int64]],
    *,
    classes: int,
    videos: int,
) -> Episode:
    """Draw an episode; a class with fewer videos gives all of them.

    Args:
        generator: What draws.
        rows_of: Positions of the videos of each class that has one.
        classes: How many classes.
        videos: How many videos of each.
    """
    known = np.fromiter(rows_of, dtype=np.int64)
    drawn = generator.choice(known, size=min(classes, len(known)), replace=False)
    rows = [
        generator.choice(rows_of[int(one)], size=min(videos, len(rows_of[int(one)])), replace=False)
        for one in drawn
    ]
    truth = np.repeat(np.arange(len(drawn)), [len(part) for part in rows])
    return Episode(classes=drawn, rows=np.concatenate(rows), truth=truth)


def pair_loss(logits: Tensor, truth: Tensor, kind: PairLoss) -> Tensor:
    """Return the mean binary cross-entropy over all pairs of an episode.

    Args:
        logits: ``(B, K)``.
        truth: ``(B,)`` columns of the true classes.
        kind: What makes probabilities of logits.
    """
    target = functional.one_hot(truth, logits.shape[1]).to(logits.dtype)
    if kind == "sigmoid":
        return functional.binary_cross_entropy_with_logits(logits, target)
    return functional.binary_cross_entropy(logits.softmax(dim=1), target)


class TarnLearner:
    """The network in training.

    Attributes:
        network: The network.
    """

    def __init__(self, seen: SeenVideos, config: TarnConfig) -> None:
        """Start it; the caller seeds torch.

        Args:
            seen: Videos of seen classes.
            config: The settings.
        """
        self.network = TarnNetwork(seen.videos.dim, seen.class_vectors.shape[1], config)
        self._videos, self._vectors = seen.videos, as_tensor(seen.class_vectors)
        self._config, self._scaling = config, Scaling.of(seen.videos)
        self._rows = _rows_of(seen.labels)
        self._generator = np.random.default_rng([seen.seed, 10])
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def advance(self, done: int) -> float:  # noqa: ARG002
        """Learn from one episode and return its loss."""
        config = self._config
        episode = sample_episode(
            self._generator,
            self._rows,
            classes=config.episode_classes,
            videos=config.episode_videos,
        )
        self.network.train()
        self._optimizer.zero_grad()
        loss = self._loss(episode)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(loss.detach())

    def fitted(self, steps: int) -> FittedTarn:
        """Return it after some episodes."""
        return FittedTarn(spec=TARN, scaling=self._scaling, network=self.network, episodes=steps)

    def _loss(self, episode: Episode) -> Tensor:
        network, truth = self.network, torch.from_numpy(episode.truth)
        vectors = self._vectors[torch.from_numpy(episode.classes)]
        segments = network.segments(self._scaling.sequences(self._videos.take(episode.rows)))
        if self._config.form == "regression":
            missed = network.to_word_vectors(segments) - vectors[truth]
            return missed.square().sum(dim=1).mean()
        logits = network.relations(segments, network.describe(vectors))
        return pair_loss(logits, truth, self._config.loss)


def _rows_of(labels: NDArray[np.int64]) -> Mapping[int, NDArray[np.int64]]:
    return {int(one): np.flatnonzero(labels == one) for one in np.unique(labels)}
