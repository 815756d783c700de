"""Sets of training classes that are more or less alike: k-means clusters of class vectors."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ClassSetError, ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.wordvectors import ClassVectors

_STARTS = 10


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Training classes that were drawn within one cluster.

    Attributes:
        clusters: Number of clusters that all classes were divided into.
        cluster: Number of the cluster they come from, from 0, the largest first.
        repeat: Number of the draw, from 0.
        classes: Their names, in the order of the class set.
        diversity: Mean cosine distance between two of them, 0 to 2.
    """

    clusters: int
    cluster: int
    repeat: int
    classes: tuple[str, ...]
    diversity: float


def cluster_classes(
    vectors: ClassVectors, clusters: int, *, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Divide classes into clusters by k-means of their class vectors (paper section 5.2).

    The vectors have unit length, so that Euclidean distance orders pairs as cosine distance does.
    The best of ten starts is kept.

    Args:
        vectors: Those of the classes.
        clusters: How many; 1 gives all classes as one cluster.
        seed: Seed of the starts.

    Returns:
        For each cluster its class names in the set's order; the largest cluster first, of two
        equally large ones that with the earlier class.

    Raises:
        ZslBenchError: scikit-learn is missing, or there are fewer different vectors than clusters.
    """
    names = vectors.classes.names
    if clusters == 1:
        return (names,)
    different = len(np.unique(vectors.matrix, axis=0))
    if different < clusters:
        raise ClassSetError(
            f"{clusters} clusters of {vectors.classes.dataset}",
            found=f"{different} different class vectors",
            fix="ask for fewer clusters",
        )
    labels = _k_means(vectors, clusters, seed)
    groups = [
        tuple(name for name, label in zip(names, labels, strict=True) if label == number)
        for number in range(clusters)
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group), names.index(group[0]))))


def _k_means(vectors: ClassVectors, clusters: int, seed: int) -> list[int]:
    if find_spec("sklearn") is None:
        raise ZslBenchError(
            f"{clusters} clusters of classes",
            found="scikit-learn is missing",
            fix="pip install 'zsl-bench[plots]'",
        )
    from sklearn.cluster import KMeans

    fitted = KMeans(n_clusters=clusters, n_init=_STARTS, random_state=seed)
    return [int(label) for label in fitted.fit_predict(vectors.matrix.astype(np.float64))]


def mean_distance(vectors: ClassVectors, names: Sequence[str]) -> float:
    """Return the mean cosine distance between two of some classes, 0 to 2; 0 for one class."""
    rows = [vectors.classes.index(name) for name in names]
    if len(rows) < 2:
        return 0.0
    matrix = vectors.matrix[rows].astype(np.float64)
    distances = 1.0 - matrix @ matrix.T
    return float(distances[np.triu_indices(len(rows), k=1)].mean())


def draw_classes(
    vectors: ClassVectors, clusters: int, *, classes: int, repeats: int, seed: int
) -> tuple[Draw, ...]:
    """Draw classes uniformly at random, each time within one cluster (paper Fig. 5).

    The repeats go through the clusters in turn, the largest first, because the paper says both
    that each cluster was trained on and that there were ten repeats. Clusters with fewer classes
    than are drawn are passed over.

    Args:
        vectors: Those of all classes that may be trained on.
        clusters: Number of clusters.
        classes: How many classes are drawn.
        repeats: How many draws.
        seed: Seed of the clusters and the draws.

    Raises:
        ZslBenchError: No cluster is large enough, or the classes cannot be divided.
    """
    groups = cluster_classes(vectors, clusters, seed=seed)
    large = [number for number, group in enumerate(groups) if len(group) >= classes]
    if not large:
        raise ClassSetError(
            f"{classes} classes of one of {clusters} clusters of {vectors.classes.dataset}",
            found=f"the largest cluster has {len(groups[0])}",
            fix="draw fewer classes, or make fewer clusters",
        )
    draws = []
    for repeat in range(repeats):
        cluster = large[repeat % len(large)]
        rng = np.random.default_rng([seed, clusters, repeat])
        picked = sorted(rng.choice(len(groups[cluster]), size=classes, replace=False).tolist())
        names = tuple(groups[cluster][row] for row in picked)
        draws.append(
            Draw(
                clusters=clusters,
                cluster=cluster,
                repeat=repeat,
                classes=names,
                diversity=mean_distance(vectors, names),
            )
        )
    return tuple(draws)
