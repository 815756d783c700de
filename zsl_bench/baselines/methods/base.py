"""What a method offers: it is fitted to seen classes and scores any classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zsl_bench.baselines.methods.inputs import ClipFeatures, checked_labels, unit_class_vectors
from zsl_bench.baselines.methods.settings import checked_settings
from zsl_bench.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from zsl_bench.baselines.methods.spec import MethodSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenVideos:
    """What a method learns from: videos of seen classes, and nothing of any other class.

    Attributes:
        videos: Their features.
        labels: ``(N,)`` int64, positions among the seen classes.
        class_vectors: ``(C, E)`` float64, unit length.
        seed: Of whatever is drawn at random.
    """

    videos: ClipFeatures
    labels: NDArray[np.int64]
    class_vectors: NDArray[np.float64]
    seed: int

    def of_classes(self, kept: NDArray[np.intp]) -> SeenVideos:
        """Return the videos of some classes, which are numbered anew in the order given."""
        place = np.full(len(self.class_vectors), -1)
        place[kept] = np.arange(len(kept))
        rows = np.flatnonzero(place[self.labels] >= 0)
        return SeenVideos(
            videos=self.videos.take(rows),
            labels=place[self.labels[rows]],
            class_vectors=self.class_vectors[kept],
            seed=self.seed,
        )


class FittedMethod(ABC):
    """A method after ``fit``; its public functions check what they are handed."""

    spec: MethodSpec

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned, for saving."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings that it was fitted with and chose, as JSON holds them."""

    @abstractmethod
    def scored(
        self, videos: ClipFeatures, class_vectors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Score at most ``CHUNK`` videos against unit class vectors, ``(N, C)``."""

    def embedded(self, videos: ClipFeatures) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Return a point for each video, ``(N, d)``; None for a method that scores pairs."""
        return None

    def points(self, class_vectors: NDArray[np.float64]) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Return a point for each class, ``(C, d)``; None for a method that scores pairs."""
        return None

    def score(
        self, features: ArrayLike, lengths: ArrayLike, class_vectors: ArrayLike
    ) -> NDArray[np.float64]:
        """Score videos against classes.

        Args:
            features: ``(N, T, D)`` clip features.
            lengths: ``(N,)`` clips of each video.
            class_vectors: ``(C, E)``; their lengths do not matter.

        Returns:
            ``(N, C)`` float64, higher is a better match.

        Raises:
            DatasetError: The input is malformed, or of other sizes than at the fit.
        """
        videos, vectors = ClipFeatures.of(features, lengths), unit_class_vectors(class_vectors)
        with fitting_sizes(self.spec.name, videos, vectors):
            return np.concatenate([self.scored(part, vectors) for part in videos.chunks()])

    def embed(self, features: ArrayLike, lengths: ArrayLike) -> NDArray[np.float64] | None:
        """Return a point for each video, ``(N, d)``; None for a method that scores pairs.

        Raises:
            DatasetError: The input is malformed, or of other sizes than at the fit.
        """
        videos = ClipFeatures.of(features, lengths)
        with fitting_sizes(self.spec.name, videos, None):
            parts = [self.embedded(part) for part in videos.chunks()]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known else None

    def class_points(self, class_vectors: ArrayLike) -> NDArray[np.float64] | None:
        """Return a point for each class, ``(C, d)``; None for a method that scores pairs.

        Raises:
            DatasetError: The input is malformed, or of other sizes than at the fit.
        """
        vectors = unit_class_vectors(class_vectors)
        with fitting_sizes(self.spec.name, None, vectors):
            return self.points(vectors)


class AdaptableMethod(FittedMethod):
    """A fitted method that may also look at the test videos, unlabelled."""

    @abstractmethod
    def adapted(self, videos: ClipFeatures, class_vectors: NDArray[np.float64]) -> FittedMethod:
        """Return it adapted to test videos and their candidates; its spec is transductive."""

    def adapt(
        self, features: ArrayLike, lengths: ArrayLike, class_vectors: ArrayLike
    ) -> FittedMethod:
        """Adapt to unlabelled test videos and the full list of candidates.

        Returns:
            A method of its own name, whose spec says that it is transductive.

        Raises:
            DatasetError: The input is malformed.
            ModelError: What comes back does not call itself transductive.
        """
        videos, vectors = ClipFeatures.of(features, lengths), unit_class_vectors(class_vectors)
        with fitting_sizes(self.spec.name, videos, vectors):
            adapted = self.adapted(videos, vectors)
        if not adapted.spec.transductive:
            raise ModelError(
                f"adapt {self.spec.name}",
                found=f"{adapted.spec.name}, which calls itself inductive",
                fix="mark what has seen test videos as transductive",
            )
        return adapted


class FeatureMethod(ABC):
    """A method before ``fit``.

    Attributes:
        spec: What it is.
        config: Dataclass of its settings, every field with a default.
        quick: Settings for small trials in seconds, such as those of the conformance suite.
    """

    spec: ClassVar[MethodSpec]
    config: ClassVar[type[Any]]
    quick: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def fitted(self, seen: SeenVideos, config: Any) -> FittedMethod:  # noqa: ANN401
        """Learn from checked videos of seen classes."""

    @abstractmethod
    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedMethod:
        """Make a fitted method of what was saved."""

    def fit(
        self,
        features: ArrayLike,
        lengths: ArrayLike,
        labels: ArrayLike,
        class_vectors: ArrayLike,
        *,
        seed: int = 0,
        config: object = None,
    ) -> FittedMethod:
        """Learn from videos of seen classes; the same seed gives the same bytes on a CPU.

        Args:
            features: ``(N, T, D)`` clip features.
            lengths: ``(N,)`` clips of each video.
            labels: ``(N,)`` positions among the seen classes.
            class_vectors: ``(C, E)`` of the seen classes; their lengths do not matter.
            seed: Of whatever is drawn at random.
            config: An instance of :attr:`config`, a mapping of some of its fields, or None for the
                defaults.

        Raises:
            DatasetError: The input is malformed.
            ModelError: There is no such setting, or the seed is below 0.
        """
        if seed < 0:
            raise ModelError(
                f"fit {self.spec.name}", found=f"seed {seed}", fix="give a whole number from 0"
            )
        videos, vectors = ClipFeatures.of(features, lengths), unit_class_vectors(class_vectors)
        seen = SeenVideos(
            videos=videos,
            labels=checked_labels(labels, len(videos), len(vectors)),
            class_vectors=vectors,
            seed=seed,
        )
        return self.fitted(seen, self.configured(config))

    def configured(self, config: object) -> Any:  # noqa: ANN401
        """Return settings as an instance of :attr:`config`.

        Raises:
            ModelError: There is no such setting, or it cannot be what is given.
        """
        if isinstance(config, self.config):
            return config
        return self.config(**checked_settings(self.spec.name, self.config, config))


def settings_of(config: object) -> dict[str, Any]:
    """Return a dataclass of settings as JSON holds it."""
    if not is_dataclass(config) or isinstance(config, type):
        raise TypeError("settings that are no dataclass")
    return asdict(config)


@contextmanager
def fitting_sizes(
    name: str, videos: ClipFeatures | None, class_vectors: NDArray[np.float64] | None
) -> Iterator[None]:
    """Say in one line that what a method is handed does not fit what it learned.

    Args:
        name: Of the method.
        videos: What it is handed, if any.
        class_vectors: The same.

    Raises:
        DatasetError: Arrays inside do not fit together.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        sizes = [] if videos is None else [f"{videos.dim} numbers a clip"]
        if class_vectors is not None:
            sizes.append(f"{class_vectors.shape[1]} a class vector")
        raise DatasetError(
            f"what was fitted by {name}",
            found=f"{' and '.join(sizes)}, which do not fit it ({error})",
            fix="give features of the model, and class vectors of the words, that it was fitted to",
        ) from error
