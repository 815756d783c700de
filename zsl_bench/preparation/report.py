"""What a preparation did: sizes, speed, and what was odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import listing
from zsl_bench.preparation.space import as_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from zsl_bench.preparation.encode import Outcome
    from zsl_bench.preparation.plan import Row
    from zsl_bench.videos import Manifest

KIND = "zsl-bench preparation report"
_SCHEMA = 1
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Work:
    """What this run did, beside what was finished before.

    Attributes:
        seconds: How long it took.
        jobs: Processes.
        keys: The rows that it prepared.
    """

    seconds: float
    jobs: int
    keys: AbstractSet[str]


def make_report(
    manifest: Manifest,
    outcomes: Sequence[tuple[Row, Outcome]],
    work: Work,
    shards: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the report as JSON values.

    ``bytes_before`` counts every source file once, also where several segments were cut from it,
    and only files of which something was prepared.

    Args:
        manifest: The manifest of the prepared files.
        outcomes: Every row and what became of it.
        work: What this run did.
        shards: The shards: file, videos and bytes.
    """
    fine = [(row, outcome) for row, outcome in outcomes if not outcome.problem]
    before = sum({row.task.source: o.source_bytes for row, o in fine}.values())
    after = sum(outcome.bytes for _, outcome in fine)
    return {
        "kind": KIND,
        "schema": _SCHEMA,
        "dataset": manifest.dataset,
        "split": manifest.split,
        "manifest": manifest.digest,
        "preparation": dict(manifest.preparation or {}),
        "videos": len(outcomes),
        "prepared": len(fine),
        "unreadable": dict(manifest.unreadable),
        "bytes_before": before,
        "bytes_after": after,
        "ratio": before / after if after else None,
        "frames": sum(outcome.frames for _, outcome in fine),
        "changed_frames": {
            row.video.id: {"container": outcome.counted, "prepared": outcome.frames}
            for row, outcome in fine
            if outcome.counted not in (0, outcome.frames)
        },
        "odd": {row.video.id: outcome.note for row, outcome in fine if outcome.note},
        "least_psnr_db": min((outcome.psnr for _, outcome in fine), default=None),
        "shards": [dict(shard) for shard in shards],
        "this_run": _this_run(fine, work),
    }


def _this_run(fine: Sequence[tuple[Row, Outcome]], work: Work) -> dict[str, Any]:
    mine = [outcome for row, outcome in fine if row.key in work.keys]
    frames = sum(outcome.frames for outcome in mine)
    return {
        "videos": len(mine),
        "from_before": len(fine) - len(mine),
        "frames": frames,
        "jobs": work.jobs,
        "seconds": work.seconds,
        "videos_per_second": len(mine) / work.seconds if mine else None,
        "frames_per_second": frames / work.seconds if mine else None,
    }


def report_lines(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a report as a few lines to read."""
    before, after = as_size(report["bytes_before"]), as_size(report["bytes_after"])
    ratio = "" if report["ratio"] is None else f", a ratio of {report['ratio']:.1f}"
    counts = f"{report['prepared']:,} of {report['videos']:,} videos prepared"
    lines = [
        f"{report['dataset']}, {report['split']}: {counts}, {report['frames']:,} frames",
        f"{before} before, {after} after{ratio}",
        _speed_line(report["this_run"]),
    ]
    if report["shards"]:
        size = as_size(sum(shard["bytes"] for shard in report["shards"]))
        lines.append(f"shards: {len(report['shards']):,}, {size}")
    changed = {
        name: f"{counts['container']}, {counts['prepared']} decode"
        for name, counts in report["changed_frames"].items()
    }
    lines += _listed("frames other than the container's count", changed)
    lines += _listed("cannot be prepared", report["unreadable"])
    return tuple(lines)


def _speed_line(run: Mapping[str, Any]) -> str:
    earlier = f"from before: {_videos(run['from_before'])}"
    if not run["videos"]:
        return earlier
    line = (
        f"{_videos(run['videos'])} in {run['seconds']:.1f} s, {run['videos_per_second']:.1f} "
        f"videos/s, {run['frames_per_second']:,.0f} frames/s, jobs {run['jobs']}"
    )
    return f"{line}; {earlier}" if run["from_before"] else line


def _videos(count: int) -> str:
    return f"{count:,} video{'' if count == 1 else 's'}"


def _listed(what: str, reasons: Mapping[str, str]) -> list[str]:
    if not reasons:
        return []
    shown = listing((f"{name} ({reason})" for name, reason in reasons.items()), limit=_SHOWN)
    return [f"{what}, {len(reasons):,}: {shown}"]
