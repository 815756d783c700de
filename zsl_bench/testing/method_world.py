"""Made-up videos whose right answer is known: classes put together of a verb and an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.baselines.methods import FittedMethod

    Matrix = NDArray[np.float64]

_UNSEEN_EVERY = 4
_ORDERS = 2


@dataclass(frozen=True, kw_only=True)
class WorldSize:
    """How large a made-up world is, and how noisy.

    The defaults give 108 seen and 36 unseen classes; chance is 2.8%.

    Attributes:
        verbs: Number of verbs.
        objects: Number of objects.
        videos: Videos of each class.
        clips: Clips of each video; at most, where ``ragged``.
        dim: Numbers in a clip's feature.
        words: Numbers in a class vector.
        noise: Standard deviation of what is added to each video and, again, to each of its clips;
            the codes of verbs and objects have standard deviation 1.
        ragged: Whether videos differ in their number of clips.
    """

    verbs: int = 12
    objects: int = 12
    videos: int = 15
    clips: int = 8
    dim: int = 512
    words: int = 300
    noise: float = 2.5
    ragged: bool = False


SMALL = WorldSize(verbs=4, objects=4, videos=6, clips=4, dim=16, words=12, noise=0.5, ragged=True)
"""12 seen and 4 unseen classes, with videos of 1 to 4 clips: what the contract is tried on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledVideos:
    """Clip features of videos with their classes.

    Attributes:
        features: ``(N, T, D)`` float32, zero behind a video's length.
        lengths: ``(N,)`` int64.
        labels: ``(N,)`` int64, positions among ``class_vectors``.
        class_vectors: ``(C, E)`` float64.
    """

    features: NDArray[np.float32]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    class_vectors: Matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Videos of seen classes to learn from, and videos of unseen ones.

    Attributes:
        seen: The former.
        unseen: The latter; every verb and every object of theirs occurs among the former.
    """

    seen: LabelledVideos
    unseen: LabelledVideos


def compositional_world(size: WorldSize | None = None, *, seed: int = 0) -> World:
    """Make a world in which a linear map from clips to class vectors exists.

    A verb and an object have a code each among the words and another, independent one among the
    features. A class vector is the sum of its two word codes; a clip is the sum of its two feature
    codes, of noise of its video and of noise of its own. Every fourth pair is unseen, spread as in
    a Latin square, so that no verb and no object is new.

    Args:
        size: How large; the defaults of :class:`WorldSize` where None.
        seed: Of all that is drawn.
    """
    size = size or WorldSize()
    generator = np.random.default_rng(seed)
    verb, thing = np.divmod(np.arange(size.verbs * size.objects), size.objects)
    words = [generator.standard_normal((count, size.words)) for count in (size.verbs, size.objects)]
    codes = [generator.standard_normal((count, size.dim)) for count in (size.verbs, size.objects)]
    vectors = (words[0][verb] + words[1][thing]) / np.sqrt(size.words)
    centres = codes[0][verb] + codes[1][thing]
    hidden = (verb + thing) % _UNSEEN_EVERY == 0
    return World(
        seen=_videos(size, generator, centres[~hidden][:, None], vectors[~hidden]),
        unseen=_videos(size, generator, centres[hidden][:, None], vectors[hidden]),
    )


def order_world(size: WorldSize | None = None, *, seed: int = 0) -> World:
    """Make a world whose verbs are the order of a video's halves: the temporal control.

    Two classes of an object hold the same clips, first half P and second half Q, or the reverse.
    The videos of unseen classes come in pairs of which one is the other played backwards, so that
    whatever averages clips is right in exactly one half of the cases (:func:`order_accuracy`).

    Args:
        size: How large; ``verbs`` is not read, clips are an even number and not ``ragged``.
        seed: Of all that is drawn.

    Raises:
        ValueError: There is no half of that many clips, or videos are to differ in length.
    """
    size = size or WorldSize(noise=0.5)
    if size.clips % 2 or size.ragged:
        raise ValueError("halves need an even number of clips, the same in every video")
    generator = np.random.default_rng(seed)
    thing, order = np.divmod(np.arange(size.objects * _ORDERS), _ORDERS)
    words = [generator.standard_normal((count, size.words)) for count in (_ORDERS, size.objects)]
    vectors = (words[0][order] + words[1][thing]) / np.sqrt(size.words)
    halves = np.repeat(generator.standard_normal((_ORDERS, size.dim)), size.clips // 2, axis=0)
    objects = generator.standard_normal((size.objects, size.dim))
    centres = objects[thing][:, None] + np.where(order[:, None, None], halves[::-1], halves)
    hidden = thing % _UNSEEN_EVERY == 0
    forwards = _videos(size, generator, centres[hidden][::2], vectors[hidden])
    return World(
        seen=_videos(size, generator, centres[~hidden], vectors[~hidden]),
        unseen=LabelledVideos(
            features=np.concatenate([forwards.features, forwards.features[:, ::-1]]),
            lengths=np.tile(forwards.lengths, 2),
            labels=np.concatenate([2 * forwards.labels, 2 * forwards.labels + 1]),
            class_vectors=forwards.class_vectors,
        ),
    )


def order_accuracy(scores: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """Return the share of videos that score higher for their own order than for the other.

    Args:
        scores: ``(N, C)`` of unseen videos of an :func:`order_world`.
        labels: Their classes; one and the next, from an even one, are the two orders of an object.
    """
    rows = np.arange(len(labels))
    return float((scores[rows, labels] > scores[rows, labels ^ 1]).mean())


def derangement(count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return an order of ``count`` things, at least 2, that leaves none in its place."""
    generator = np.random.default_rng([seed, 7])
    cycle = generator.permutation(count)
    moved = np.empty(count, dtype=np.int64)
    moved[cycle] = np.roll(cycle, 1)
    return moved


def unseen_accuracy(fitted: FittedMethod, unseen: LabelledVideos) -> float:
    """Return the share of videos whose own class scores higher than every other."""
    scores = fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)
    own = np.take_along_axis(scores, unseen.labels[:, None], axis=1)
    return float(((scores >= own).sum(axis=1) == 1).mean())


def _videos(
    size: WorldSize, generator: np.random.Generator, centres: Matrix, vectors: Matrix
) -> LabelledVideos:
    """Draw the videos of classes with ``centres``, ``(C, 1 or T, D)``."""
    labels = np.repeat(np.arange(len(centres)), size.videos)
    shape = (len(labels), size.clips, size.dim)
    noise = generator.standard_normal((shape[0], 1, shape[2])) + generator.standard_normal(shape)
    features = (centres[labels] + size.noise * noise).astype(np.float32)
    lengths = np.full(len(labels), size.clips)
    if size.ragged:
        lengths = generator.integers(1, size.clips + 1, len(labels))
    features[np.arange(size.clips) >= lengths[:, None]] = 0
    return LabelledVideos(features=features, lengths=lengths, labels=labels, class_vectors=vectors)
