"""Which frames of a video a model sees: clip policies as pure arithmetic on the frame count.

A policy name is ``<rule>-<count>[x<frames>][s<stride>]``:

* ``paper-25``: 25 clips of 16 consecutive frames, starts evenly spaced from the first to the last
  possible one and rounded down. Clips of a short video overlap; a video shorter than a clip
  repeats its last frame.
* ``official-25``: what the released loader of the paper does. It keeps the *set* of the frames that
  25 evenly spaced clips want, so frames that clips share are lost, fills up by repeating from the
  beginning and cuts the list into consecutive blocks of 16.
* ``first-16``: one clip, the first 16 frames.
* ``uniform-8``: one clip of 8 frames, each the centre of one of 8 equal parts of the video.

``x8`` gives ``paper`` and ``official`` clips of 8 frames, and ``s4`` puts the frames of ``paper``
and ``first`` clips 4 apart: ``paper-10x8s8``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from zsl_bench.errors import ProtocolError, VideoError, listing, near_matches

POLICIES = {
    "paper-25": "25 overlapping clips of 16 consecutive frames, starts evenly spaced",
    "official-25": "25 clips of 16 frames as the paper's released loader really makes them",
    "first-16": "one clip, the first 16 frames",
    "uniform-8": "one clip of 8 frames evenly spaced over the video",
    "uniform-16": "one clip of 16 frames evenly spaced over the video",
    "uniform-32": "one clip of 32 frames evenly spaced over the video",
}
"""Policies to choose from, with a line on each; other numbers work as well."""

_GRAMMAR = re.compile(
    r"(?P<rule>paper|official|first|uniform)-(?P<count>[1-9][0-9]{0,5})"
    r"(?:x(?P<frames>[1-9][0-9]{0,5}))?(?:s(?P<stride>[1-9][0-9]{0,5}))?"
)
_MANY_CLIPS = ("paper", "official")
_STRIDED = ("paper", "first")
_CLIP_FRAMES = 16
_MOST_SLOTS = 100_000


@dataclass(frozen=True, kw_only=True)
class ClipPolicy:
    """A named rule from a frame count to clips; make one with :func:`clip_policy`.

    Attributes:
        name: The policy's name, such as ``paper-25``.
        clips: Number of clips N, repeated ones counted.
        frames: Frames in each clip T.
        stride: Distance between neighbouring frames of a clip; 1 where the rule has none.
    """

    name: str
    clips: int
    frames: int
    stride: int = 1

    def __post_init__(self) -> None:
        """Check that the fields are those that the name stands for.

        Raises:
            ProtocolError: The name is unknown or stands for other numbers.
        """
        said = (self.name, self.clips, self.frames, self.stride)
        if said != _parse(self.name):
            raise ProtocolError(
                f"clip policy {self.name!r}",
                found=f"{self.clips} clips of {self.frames} frames with stride {self.stride}",
                fix=f"use clip_policy({self.name!r})",
            )

    @property
    def rule(self) -> str:
        """The rule's name: ``paper``, ``official``, ``first`` or ``uniform``."""
        return self.name.partition("-")[0]

    def indices(self, total: int, *, available: int | None = None) -> np.ndarray:
        """Return the frames of every clip.

        Args:
            total: The video's frame count.
            available: How many frames can be read, where that is not ``total``. The ``official``
                rule does its arithmetic with ``total``, as the released loader does with the
                container's count, and puts a copy of the last frame that it could read where one
                is missing. Every other rule takes ``available`` as the frame count.

        Returns:
            Frame indices, shape (N, T), int64, each in [0, total), or in [0, available).

        Raises:
            VideoError: There is no frame.
        """
        readable = total if available is None else available
        if total < 1 or readable < 1:
            raise VideoError(
                f"clips under policy {self.name!r}",
                found="a video without frames",
                fix="leave the video out or replace the file",
            )
        if self.rule == "official":
            return _official(self.clips, self.frames, total, readable)
        if self.rule == "uniform":
            centres = (2 * np.arange(self.frames, dtype=np.int64) + 1) * readable
            return (centres // (2 * self.frames))[None]
        return _windows(self, readable)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipPlan:
    """The work that a policy asks for, without repetition.

    Attributes:
        frames: The frames to read, shape (U,), int64, sorted and unique.
        slots: Per distinct clip its frames, as positions in ``frames``, shape (K, T), int64; clips
            in the order in which the policy first names them.
        weights: How often the policy repeats each clip, shape (K,), int64; the sum is N.
    """

    frames: np.ndarray
    slots: np.ndarray
    weights: np.ndarray


def clip_policy(name: str) -> ClipPolicy:
    """Return the policy of a name such as ``paper-25``, ``official-25`` or ``uniform-8``.

    Raises:
        ProtocolError: The name is unknown, or asks for an option that its rule has not.
    """
    parsed, clips, frames, stride = _parse(name)
    return ClipPolicy(name=parsed, clips=clips, frames=frames, stride=stride)


def plan_clips(policy: ClipPolicy, total: int, *, available: int | None = None) -> ClipPlan:
    """Return the distinct frames and clips of a policy on a video of ``total`` frames.

    Args:
        policy: The policy.
        total: The video's frame count.
        available: How many frames can be read; see :meth:`ClipPolicy.indices`.

    Raises:
        VideoError: There is no frame.
    """
    indices = policy.indices(total, available=available)
    frames, inverse = np.unique(indices, return_inverse=True)
    slots, first, weights = np.unique(
        inverse.reshape(indices.shape), axis=0, return_index=True, return_counts=True
    )
    order = np.argsort(first)
    return ClipPlan(frames=frames, slots=slots[order], weights=weights[order])


def _parse(name: str) -> tuple[str, int, int, int]:
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        raise ProtocolError(
            f"clip policy {name!r}", found="no such policy", fix=near_matches(name, POLICIES)
        )
    rule, count = match["rule"], int(match["count"])
    if (match["frames"] and rule not in _MANY_CLIPS) or (match["stride"] and rule not in _STRIDED):
        raise ProtocolError(
            f"clip policy {name!r}",
            found=f"an option that the rule {rule!r} does not have",
            fix=f"use {rule}-{count}; 'x' goes with {listing(_MANY_CLIPS)}, "
            f"'s' with {listing(_STRIDED)}",
        )
    clips, frames = (count, _CLIP_FRAMES) if rule in _MANY_CLIPS else (1, count)
    frames, stride = int(match["frames"] or frames), int(match["stride"] or 1)
    if clips * frames * stride > _MOST_SLOTS:
        raise ProtocolError(
            f"clip policy {name!r}",
            found=f"clips x frames x stride above {_MOST_SLOTS}",
            fix="ask for fewer frames",
        )
    length = f"x{frames}" if match["frames"] and frames != _CLIP_FRAMES else ""
    return f"{rule}-{count}{length}" + (f"s{stride}" if stride > 1 else ""), clips, frames, stride


def _windows(policy: ClipPolicy, total: int) -> np.ndarray:
    steps = policy.stride * np.arange(policy.frames, dtype=np.int64)
    room = max(total - 1 - int(steps[-1]), 0)
    starts = np.arange(policy.clips, dtype=np.int64) * room // max(policy.clips - 1, 1)
    clips: np.ndarray = np.minimum(starts[:, None] + steps, total - 1)
    return clips


def _official(clips: int, frames: int, total: int, readable: int) -> np.ndarray:
    period = max(total // clips, 1)
    starts = period * np.arange(min(clips, total // period), dtype=np.int64)
    wanted = np.unique(starts[:, None] + np.arange(frames, dtype=np.int64))
    last_read = wanted[wanted < readable][-1]
    listed: np.ndarray = np.minimum(wanted, last_read)
    return listed[np.arange(clips * frames) % listed.size].reshape(clips, frames)
