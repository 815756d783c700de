"""What a protocol is: trials of classes, videos and distractors, a metric, and their digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zsl_bench.errors import ProtocolError
from zsl_bench.files import sha256_json

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_VIDEOS = "all"
METRICS = ("top1", "mean_per_class", "harmonic_mean")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One scoring with one set of candidates.

    Attributes:
        classes: The test classes, the truth of the trial's rows.
        videos: Name of the video list whose rows count; None for every row at hand.
        distractors: Candidates that are no row's truth, written ``<dataset>/<class>``.
    """

    classes: tuple[str, ...]
    videos: str | None = ALL_VIDEOS
    distractors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a trial without classes, and a candidate that comes twice."""
        asked = f"trial of {len(self.classes)} classes"
        if not self.classes:
            raise ProtocolError(asked, found="no classes", fix="name at least one class")
        if len(set(self.candidates)) < len(self.candidates):
            twice = next(c for c in self.candidates if self.candidates.count(c) > 1)
            raise ProtocolError(asked, found=f"candidate {twice!r} twice", fix="name it once")

    @property
    def candidates(self) -> tuple[str, ...]:
        """The classes, then the distractors."""
        return self.classes + self.distractors


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One protocol on one data set, with explicit class lists.

    Attributes:
        id: Such as ``brattoli-half``, ``half@3f0c...`` or ``custom``.
        version: Raised whenever a number under this id could change.
        dataset: The data set that the class lists belong to.
        trials: The trials; a figure is averaged over them.
        title: What it is, in a few words.
        metric: The figure that the protocol publishes: ``top1`` (over videos), ``mean_per_class``
            or ``harmonic_mean`` (of seen and unseen classes). All that apply are computed.
        averaging: How the trials become one number.
        source: Where the definition comes from.
        notes: Traps, and what the source leaves open.
        drawn_size: Where the trials are uniform random subsets of all the data set's classes, their
            size, so that an expectation over all draws exists; else None.
        aliases: Other names of the protocol.
    """

    id: str
    version: int
    dataset: str
    trials: tuple[Trial, ...]
    title: str
    metric: str
    averaging: str
    source: str
    notes: tuple[str, ...] = ()
    drawn_size: int | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a protocol without trials or with a metric that nothing computes."""
        if not self.trials:
            raise ProtocolError(f"protocol {self.id}", found="no trials", fix="give at least one")
        if self.metric not in METRICS:
            raise ProtocolError(
                f"protocol {self.id}",
                found=f"metric {self.metric!r}",
                fix=f"choose from {', '.join(METRICS)}",
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over id, version, data set, metric, and every trial's classes and videos."""
        return protocol_digest(self.id, self.version, self.dataset, self.metric, self.trials)


def protocol_digest(
    protocol: str, version: int, dataset: str, metric: str, trials: Sequence[Trial]
) -> str:
    """Return the SHA-256 that identifies a protocol on one data set."""
    return sha256_json(
        {
            "id": protocol,
            "version": version,
            "dataset": dataset,
            "metric": metric,
            "trials": [
                {
                    "classes": list(trial.classes),
                    "videos": trial.videos,
                    "distractors": list(trial.distractors),
                }
                for trial in trials
            ],
        }
    )
