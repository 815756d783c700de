"""Action2Vec: a hierarchical LSTM into the space of word vectors (Hahn, Silva, Rehg, 2019)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zsl_bench.baselines.methods.action2vec_network import Action2VecConfig, Action2VecNetwork
from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, settings_of
from zsl_bench.baselines.methods.inputs import unit_rows
from zsl_bench.baselines.methods.recurrent import (
    Plan,
    Sequences,
    as_sequences,
    as_tensor,
    batches,
    network_arrays,
    restore_network,
    seeded,
    trained,
)
from zsl_bench.baselines.methods.seen_classifier import ranking_loss
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, MethodSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.methods.base import SeenVideos
    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

_FLAT = 1e-6
"""Variance, as a share of the greatest, below which a direction is noise of float32."""

ACTION2VEC = MethodSpec(
    name="action2vec",
    title="Action2Vec (Hahn, Silva, Rehg, 2019)",
    fidelity="reconstruction",
    side_data=("C3D of Sports-1M in the original",),
    sources=("abstract, arXiv 1901.00484", "two short summaries by others"),
    assumed=(
        UNIT_CLASSES,
        "window = 4 clips; the state of the first LSTM starts anew in each (carry_state)",
        "attention: a softmax of u.tanh(h) within a window",
        "global_units = 512 in the second LSTM; its last state is the video",
        "dropout = 0.5, before the map to word vectors alone",
        "margin = 0.2; negatives: all other seen classes",
        "classification = 1 in the first half of the epochs, later_classification = 0.1 after",
        "learning_rate = 1e-4 (Adam), batch = 64, epochs = 50, clip_norm = 5",
        "patience = 10 epochs without a better class-wise check; selection: the best of them",
        "PCA without whitening, then divided by one deviation; components = 500",
        "the clips given are taken; 52 clips of stride 8 are the original's",
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reduction:
    """Principal components of clips of seen training videos.

    Attributes:
        mean: ``(D,)`` float64, over all clips.
        basis: ``(D, K)`` float32, directions of greatest variance, scaled.
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float32]

    @classmethod
    def of(cls, seen: ClipFeatures, components: int, *, whiten: bool = False) -> Self:
        """Measure them.

        Args:
            seen: Seen training videos.
            components: How many; at most D.
            whiten: Divide each component by its own deviation, and not all by one.
        """
        clips = int(seen.lengths.sum())
        mean = seen.lengths @ seen.means() / clips
        covariance = np.zeros((seen.dim, seen.dim))
        for part in batches(seen):
            rows = part.clips[part.inside] - mean.astype(np.float32)
            covariance += rows.T @ rows
        values, basis = np.linalg.eigh(covariance / clips)
        values, basis = values[::-1][:components], basis[:, ::-1][:, :components]
        signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
        scale = values if whiten else np.full(len(values), values.clip(0).mean())
        flat = scale <= _FLAT * values[0]
        scaled = basis * signs / np.sqrt(np.where(flat, 1, scale)) * ~(flat & whiten)
        return cls(mean=mean, basis=scaled.astype(np.float32))

    def sequences(self, videos: ClipFeatures) -> Sequences:
        """Return reduced clips, no longer than the longest video."""
        clips = videos.clips[:, : int(videos.lengths.max())] - self.mean.astype(np.float32)
        return as_sequences(clips @ self.basis, videos.lengths)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedAction2Vec(FittedMethod):
    """A trained network, scored by cosine with the word vectors.

    Attributes:
        spec: What it is.
        reduction: Measured on seen training videos.
        network: The network.
        epochs: How many it was trained for.
    """

    spec: MethodSpec
    reduction: Reduction
    network: Action2VecNetwork
    epochs: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the components and the weights."""
        arrays = network_arrays(self.network)
        return {"mean": self.reduction.mean, "basis": self.reduction.basis, **arrays}

    def settings(self) -> dict[str, Any]:
        """Return the settings, and the number of epochs."""
        return {**settings_of(self.network.config), "trained_epochs": self.epochs}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Map videos to word vectors."""
        self.network.eval()
        with torch.inference_mode():
            parts = [self.network(self.reduction.sequences(part)) for part in batches(videos)]
        return torch.cat(parts).double().numpy()

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors."""
        return class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return cosines."""
        return unit_rows(self.embedded(videos)) @ class_vectors.T


class Action2Vec(FeatureMethod):
    """The hierarchical LSTM with its joint loss of ranking and classification."""

    spec = ACTION2VEC
    config = Action2VecConfig
    quick: ClassVar[Mapping[str, Any]] = {
        "local_units": 32,
        "global_units": 32,
        "epochs": 5,
        "learning_rate": 2e-3,
    }

    def fitted(self, seen: SeenVideos, config: Action2VecConfig) -> FittedMethod:
        """Train it, and take the network that does best on held-out seen classes.

        Raises:
            ModelError: The loss is not finite.
        """
        plan = Plan(
            steps=config.epochs,
            check_every=1,
            selection=config.selection,
            held_out=config.held_out,
            patience=config.patience,
        )
        learner, epochs = trained(seen, lambda videos: Action2VecLearner(videos, config), plan)
        return learner.fitted(epochs)

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedAction2Vec:
        """Make it of what was saved.

        Raises:
            ValueError: The weights are those of another network.
        """
        names = [field.name for field in fields(Action2VecConfig)]
        config = Action2VecConfig(**{name: settings[name] for name in names})
        classes, words = arrays["network.classify.weight"].shape
        with seeded(0):
            network = Action2VecNetwork(arrays["basis"].shape[1], words, classes, config)
        restore_network(network, arrays)
        return FittedAction2Vec(
            spec=ACTION2VEC,
            reduction=Reduction(mean=arrays["mean"], basis=arrays["basis"]),
            network=network,
            epochs=int(settings["trained_epochs"]),
        )


class Action2VecLearner:
    """The network in training.

    Attributes:
        network: The network.
    """

    def __init__(self, seen: SeenVideos, config: Action2VecConfig) -> None:
        """Start it; the caller seeds torch.

        Args:
            seen: Videos of seen classes.
            config: The settings.
        """
        self._config = config
        self._reduction = Reduction.of(seen.videos, config.components, whiten=config.whiten)
        self._videos = self._sequences(seen.videos)
        self._truth, self._vectors = torch.from_numpy(seen.labels), as_tensor(seen.class_vectors)
        classes, words = seen.class_vectors.shape
        width = self._reduction.basis.shape[1]
        self.network = Action2VecNetwork(width, words, classes, config)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self._generator = np.random.default_rng([seen.seed, 11])

    def advance(self, done: int) -> float:
        """Learn from all videos once, and return the mean loss of the batches."""
        config = self._config
        early = 2 * done < config.epochs
        weight = config.classification if early else config.later_classification
        order = torch.from_numpy(self._generator.permutation(len(self._truth)))
        self.network.train()
        losses = [self._learned(rows, weight) for rows in torch.split(order, config.batch)]
        return float(np.mean(losses))

    def fitted(self, steps: int) -> FittedAction2Vec:
        """Return it after some epochs."""
        return FittedAction2Vec(
            spec=ACTION2VEC, reduction=self._reduction, network=self.network, epochs=steps
        )

    def _sequences(self, videos: ClipFeatures) -> Sequences:
        parts = [self._reduction.sequences(part) for part in batches(videos)]
        longest = max(part.steps.shape[1] for part in parts)
        steps = [
            functional.pad(part.steps, (0, 0, 0, longest - part.steps.shape[1])) for part in parts
        ]
        return Sequences(
            steps=torch.cat(steps), lengths=torch.cat([part.lengths for part in parts])
        )

    def _learned(self, rows: Tensor, weight: float) -> float:
        self._optimizer.zero_grad()
        points, truth = self.network(self._videos.take(rows)), self._truth[rows]
        loss = self._ranked(points, truth)
        if weight:
            loss = loss + weight * functional.cross_entropy(self.network.classify(points), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.clip_norm)
        self._optimizer.step()
        return float(loss.detach())

    def _ranked(self, points: Tensor, truth: Tensor) -> Tensor:
        margin = self._config.margin
        cosines = functional.normalize(points) @ self._vectors.T
        if self._config.negatives == "all":
            return ranking_loss(cosines, truth, margin=margin)
        there, places = np.unique(truth.numpy(), return_inverse=True)
        among = cosines[:, torch.from_numpy(there)]
        return ranking_loss(among, torch.from_numpy(places), margin=margin)
