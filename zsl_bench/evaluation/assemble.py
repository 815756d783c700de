"""From finished runs to scored videos: which rows, which columns, which held-out videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.assessment.scored import Clips, Scored, SeenVideos
from zsl_bench.assessment.seen import seen_columns
from zsl_bench.errors import VideoError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.assessment.planning import Planned
    from zsl_bench.assessment.scored import ClassColumns, Sight
    from zsl_bench.evaluation.runner import FinishedRun
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is to be run and scored on one data set.

    Attributes:
        manifest: The videos.
        planned: What to score under, and the candidates beside the test classes.
        sight: What the model has seen.
        columns: Class vectors of the test classes and the distractors.
    """

    manifest: Manifest
    planned: Planned
    sight: Sight
    columns: ClassColumns


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchedSeen:
    """Held-out videos whose class is a column behind the test classes.

    Attributes:
        manifest: These videos only.
        columns: For each class of the manifest its column.
        merged: Videos left out because their class counts as a test class.
    """

    manifest: Manifest
    columns: Mapping[str, int]
    merged: int

    def videos(self, run: FinishedRun) -> SeenVideos:
        """Return the held-out videos with their vectors."""
        rows = [self.manifest.videos[i] for i in np.flatnonzero(run.vectors.readable).tolist()]
        return SeenVideos(
            ids=tuple(video.id for video in rows),
            labels=np.array([self.columns[video.label] for video in rows], dtype=np.int64),
            vectors=run.vectors.vectors,
            dataset=self.manifest.dataset,
            digest=self.manifest.digest,
            merged=self.merged,
            unreadable=tuple(
                (self.manifest.videos[p].id, why) for p, why in sorted(run.vectors.reasons.items())
            ),
        )


def match_seen(seen: Manifest, plan: Plan) -> MatchedSeen:
    """Find the columns of held-out videos of training classes.

    Args:
        seen: The held-out videos.
        plan: The plan of the test set, with its distractors.

    Raises:
        DatasetError: A class is none that the model declares, or all count as test classes.
    """
    columns = seen_columns(
        [name for name, count in seen.counts().items() if count],
        plan.sight.declared,
        plan.planned.declared,
        num_test_classes=len(plan.manifest.classes),
        asked=f"held-out videos of {seen.dataset} for {plan.manifest.dataset}",
    )
    kept = {video.id for video in seen.videos if video.label in columns}
    return MatchedSeen(
        manifest=seen.only(kept),
        columns=columns,
        merged=len(seen.videos) - len(kept),
    )


def scored_run(plan: Plan, run: FinishedRun, seen: SeenVideos | None) -> Scored:
    """Join a finished run with its plan."""
    kept = run.vectors.clips
    clips = None
    if kept is not None:
        clips = Clips(vectors=kept.vectors, weights=kept.weights, counts=kept.counts)
    return Scored(
        manifest=plan.manifest,
        positions=np.flatnonzero(run.vectors.readable),
        rows=run.vectors.vectors,
        columns=plan.columns,
        reasons=run.vectors.reasons,
        sight=plan.sight,
        run=run.identity,
        environment=run.environment,
        clips=clips,
        seen=seen,
    )


def check_unreadable(manifest: Manifest, reasons: Mapping[str, str]) -> None:
    """Refuse to go on when videos cannot be read.

    Args:
        manifest: The videos.
        reasons: For each unreadable one, by id, why.

    Raises:
        VideoError: There are some; they are named.
    """
    if not reasons:
        return
    places = {video.id: video.path for video in manifest.videos}
    named = [f"{places[video]} ({why})" for video, why in reasons.items()]
    raise VideoError(
        f"evaluate on {manifest.dataset}",
        found=f"{len(named)} of {len(manifest.videos)} videos are unreadable: "
        f"{listing(named, limit=3)}",
        fix="replace them, or give --allow-unreadable (bounds beside every number); "
        "the others are not run again",
    )
