"""Whole videos out of the kept vectors of their clips, and their scores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ModelError
from zsl_bench.model import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.store import KeptClips, VideoVectors
    from zsl_bench.model import VideoScoringModel

AT_ONCE = 1024
"""Videos that are scored at once."""


def clips_of_videos(clips: KeptClips) -> Iterator[NDArray[np.float32]]:
    """Yield the ``(K, D)`` clip vectors of each readable video, one block in memory at a time.

    A clip that the policy repeats stands as often as it does, repetitions side by side, so that the
    plain mean over a video's rows is the mean over the policy's clips.
    """
    counts, video, start = clips.counts.tolist(), 0, 0
    for part in clips.vectors.parts:
        rows, at = part(), 0
        while at < len(rows):
            count = counts[video]
            weights = clips.weights[start + at : start + at + count]
            yield np.repeat(rows[at : at + count], weights, axis=0)
            at, video = at + count, video + 1
        start += at


def video_lengths(clips: KeptClips) -> NDArray[np.int64]:
    """Return how many clips each readable video has, ``(V,)``, repetitions counted."""
    ends = np.cumsum(clips.counts)
    sums = np.concatenate([[0], np.cumsum(clips.weights)])
    lengths: NDArray[np.int64] = sums[ends] - sums[ends - clips.counts]
    return lengths


def padded(videos: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return videos as ``(N, K, D)`` with zeros behind each, and their ``(N,)`` lengths."""
    lengths = np.array([len(video) for video in videos], dtype=np.int64)
    features = np.zeros((len(videos), int(lengths.max()), videos[0].shape[1]), dtype=np.float32)
    for row, video in zip(features, videos, strict=True):
        row[: len(video)] = video
    return features, lengths


def score_whole_videos(
    model: VideoScoringModel, vectors: VideoVectors, classes: ClassSet
) -> VideoVectors:
    """Return the scores of all readable videos in place of their vectors.

    Args:
        model: The model.
        vectors: Videos with the vectors of their clips.
        classes: The candidates, all of them at once.

    Raises:
        ModelError: The model gives scores of the wrong shape, or such as are not finite.
    """
    if vectors.clips is None:
        return replace(vectors, vectors=np.zeros((0, len(classes)), dtype=np.float32))
    videos = clips_of_videos(vectors.clips)
    parts = []
    while batch := list(islice(videos, AT_ONCE)):
        parts.append(_scores(model, batch, classes))
    return replace(vectors, vectors=np.concatenate(parts), clips=None)


def _scores(
    model: VideoScoringModel, videos: Sequence[NDArray[np.float32]], classes: ClassSet
) -> NDArray[np.float32]:
    asked = f"score_videos of {model.card.name}"
    features, lengths = padded(videos)
    scores = np.asarray(guarded(partial(model.score_videos, features, lengths, classes), asked))
    if scores.shape != (len(videos), len(classes)):
        raise ModelError(
            asked,
            found=f"scores of {scores.shape}, not ({len(videos)}, {len(classes)})",
            fix="return one score a video and class",
        )
    if not np.isfinite(scores).all():
        raise ModelError(asked, found="scores that are not finite", fix="mend score_videos")
    return scores.astype(np.float32)
