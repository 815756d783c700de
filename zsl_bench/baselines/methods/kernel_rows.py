"""Video vectors as they are, or as similarities to some seen videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zsl_bench.baselines.methods.inputs import Centring, unit_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.base import SeenVideos
    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

_DRAW = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarities:
    """A Gaussian kernel to some seen videos.

    Attributes:
        centres: ``(m, D)`` their vectors, centred and of unit length.
        bandwidth: sigma of ``exp(-|x - c|^2 / 2 sigma^2)``, the mean distance between them.
        mean: ``(m,)`` mean similarities of the seen videos.
    """

    centres: Matrix
    bandwidth: float
    mean: Matrix

    @classmethod
    def of(cls, rows: Matrix, *, centres: int, seed: int) -> Self:
        """Draw centres among the rows of seen videos, and measure."""
        from scipy.spatial.distance import pdist

        generator = np.random.default_rng([seed, _DRAW])
        count = min(centres, len(rows))
        chosen = rows[np.sort(generator.choice(len(rows), size=count, replace=False))]
        bandwidth = float(pdist(chosen).mean()) if count > 1 else 0.0
        raw = cls(centres=chosen, bandwidth=bandwidth or 1.0, mean=np.zeros(count))
        return cls(centres=chosen, bandwidth=raw.bandwidth, mean=raw.raw(rows).mean(axis=0))

    def raw(self, rows: Matrix) -> Matrix:
        """Return the similarities of rows, ``(N, m)``."""
        from scipy.spatial.distance import cdist

        apart = cdist(rows, self.centres, "sqeuclidean")
        similar: Matrix = np.exp(-apart / (2 * self.bandwidth**2))
        return similar

    def rows(self, rows: Matrix) -> Matrix:
        """Return them centred and of unit length."""
        return unit_rows(self.raw(rows) - self.mean)


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelRows:
    """How a video becomes a row.

    Attributes:
        centring: Measured on seen training videos.
        similarities: None for a linear kernel: the row is the centred vector of unit length.
    """

    centring: Centring
    similarities: Similarities | None

    @classmethod
    def of(cls, seen: SeenVideos, *, centres: int | None) -> Self:
        """Measure it on seen videos; ``centres`` is None for a linear kernel."""
        centring = Centring.of(seen.videos)
        if centres is None:
            return cls(centring=centring, similarities=None)
        rows = centring.rows(seen.videos)
        return cls(
            centring=centring,
            similarities=Similarities.of(rows, centres=centres, seed=seen.seed),
        )

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], bandwidth: float | None) -> Self:
        """Make it of :meth:`arrays` and the bandwidth."""
        kept = None
        if bandwidth is not None:
            kept = Similarities(
                centres=arrays["kernel_centres"],
                bandwidth=float(bandwidth),
                mean=arrays["kernel_mean"],
            )
        return cls(centring=Centring(mean=arrays["mean"]), similarities=kept)

    @property
    def bandwidth(self) -> float | None:
        """Sigma; None for a linear kernel."""
        return self.similarities.bandwidth if self.similarities else None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was measured, but the bandwidth."""
        if self.similarities is None:
            return {"mean": self.centring.mean}
        return {
            "mean": self.centring.mean,
            "kernel_centres": self.similarities.centres,
            "kernel_mean": self.similarities.mean,
        }

    def rows(self, videos: ClipFeatures) -> Matrix:
        """Return a row for each video, of unit length."""
        rows = self.centring.rows(videos)
        return rows if self.similarities is None else self.similarities.rows(rows)
