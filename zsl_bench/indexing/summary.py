"""A check on one screen, and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.summary import summary
from zsl_bench.errors import listing
from zsl_bench.indexing.findings import REMEDIES
from zsl_bench.indexing.probe import is_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zsl_bench.indexing.check import Check
    from zsl_bench.indexing.findings import Finding, Kind

_EXAMPLES = 3
_CLASSES = 5
_MOST_NOTES = 4
_UNITS = ("B", "kB", "MB", "GB", "TB")


def check_summary(check: Check) -> dict[str, Any]:
    """Return what a check found as plain JSON values.

    Returns:
        What :func:`zsl_bench.datasets.summary` says of the manifest, and ``level``, ``jobs``,
        ``probed``, ``cached``, ``seconds``; ``files`` with ``count``, ``bytes``, ``containers``,
        ``codecs``, and least, median and greatest ``frames`` and ``duration``; ``problems``, their
        number; ``findings``, for each kind its ``count``, ``is_problem``, ``examples`` and
        ``remedy``; and ``short_classes``, those that lack videos, the worst first.
    """
    probes = [probe for path, probe in check.probes.items() if path not in check.manifest.extra]
    return {
        **summary(check.manifest),
        "level": check.level,
        "jobs": check.jobs,
        "probed": check.probed,
        "cached": check.cached,
        "seconds": round(check.seconds, 3),
        "files": {
            "count": len(probes),
            "bytes": sum(probe.size for probe in probes),
            "containers": _counted(probe.container for probe in probes),
            "codecs": _counted(probe.codec for probe in probes),
            "frames": _spread(p.frames for p in probes if not is_image(p.path)),
            "duration": _spread(probe.duration for probe in probes),
        },
        "problems": sum(finding.is_problem for finding in check.findings),
        "findings": {
            kind: {
                "count": len(found),
                "is_problem": found[0].is_problem,
                "examples": [_example(finding) for finding in found[:_EXAMPLES]],
                "remedy": REMEDIES[kind],
            }
            for kind, found in _by_kind(check.findings).items()
        },
        "short_classes": _short_classes(check),
        "check_notes": list(check.notes),
    }


def check_lines(check: Check) -> tuple[str, ...]:
    """Return what a check found as lines for a person, less than a screenful."""
    facts = check_summary(check)
    lines = [_totals(facts), *_files(facts["files"]), _work(facts)]
    lines += [_finding_line(kind, found) for kind, found in facts["findings"].items()]
    short = facts["short_classes"]
    if short:
        shown = (f"{name} {at_hand} of {expected}" for name, at_hand, expected in short)
        lines.append(f"classes short of videos: {len(short):,} ({listing(shown, limit=_CLASSES)})")
    empty = facts["num_classes"] - facts["classes"]
    if empty and facts["expected_videos"] is None:
        lines.append(
            f"classes without videos: {empty:,} of {facts['num_classes']:,}; no list tells what "
            "should be there"
        )
    notes = [*facts["notes"], *facts["check_notes"]]
    lines += notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        lines.append(f"and {len(notes) - _MOST_NOTES} more notes in the JSON")
    lines.append(_verdict(facts))
    return tuple(lines)


def _totals(facts: Mapping[str, Any]) -> str:
    total = facts["expected_videos"]
    of = "" if total is None else f" of {total:,}"
    noun = "rows" if facts["files"]["count"] < facts["videos"] else "videos"
    return (
        f"{facts['dataset']}, {facts['split']}: {facts['videos']:,}{of} {noun}, "
        f"{facts['classes']} of {facts['num_classes']} classes, {facts['groups']:,} groups"
    )


def _files(files: Mapping[str, Any]) -> list[str]:
    counted = files["containers"] or {}
    kinds = [f"{name} {n:,}" for name, n in (*counted.items(), *files["codecs"].items())]
    lines = [
        f"files: {files['count']:,}, {_size(files['bytes'])}"
        + (f"; {listing(kinds, limit=6)}" if kinds else "")
    ]
    ranges = [
        f"{least:,.{digits}f} to {most:,.{digits}f} {unit} (median {middle:,.{digits}f})"
        for name, unit, digits in (("frames", "frames", 0), ("duration", "s", 1))
        if files[name] is not None
        for least, middle, most in [files[name]]
    ]
    return [*lines, f"length: {', '.join(ranges)}"] if ranges else lines


def _work(facts: Mapping[str, Any]) -> str:
    probed, seconds = facts["probed"], max(facts["seconds"], 1e-3)
    line = f"checked ({facts['level']}) in {seconds:.1f} s: "
    parts = []
    if probed:
        speed = f"{probed / seconds:,.0f} files/s, jobs: {facts['jobs']}"
        parts.append(f"{probed:,} files opened ({speed})")
    if facts["cached"]:
        parts.append(f"{facts['cached']:,} known from before")
    return line + (", ".join(parts) or "no file opened")


def _finding_line(kind: str, found: Mapping[str, Any]) -> str:
    return (
        f"{kind}: {found['count']:,} ({listing(found['examples'], limit=_EXAMPLES)}"
        f"{_more(found)}) -> {found['remedy']}"
    )


def _more(found: Mapping[str, Any]) -> str:
    more = found["count"] - len(found["examples"])
    return f" and {more:,} more" if more else ""


def _verdict(facts: Mapping[str, Any]) -> str:
    readable = facts["videos"] - facts["unreadable"]
    noun = "rows" if facts["files"]["count"] < facts["videos"] else "videos"
    told = "can be read" if facts["level"] != "names" else "are there, not opened"
    if not facts["problems"]:
        return f"no problems: all {readable:,} {noun} {told}"
    at_hand = facts["problems"] - facts["missing"]
    of_files = f" ({at_hand:,} of files at hand)" if facts["missing"] and at_hand else ""
    return f"problems: {facts['problems']:,}{of_files}; {readable:,} {noun} {told}"


def _example(finding: Finding) -> str:
    name = finding.path or finding.rows[0]
    return name if finding.kind == "missing" else f"{name}: {finding.reason}"


def _by_kind(findings: Iterable[Finding]) -> dict[Kind, list[Finding]]:
    found: dict[Kind, list[Finding]] = defaultdict(list)
    for finding in findings:
        found[finding.kind].append(finding)
    return found


def _short_classes(check: Check) -> list[tuple[str, int, int]]:
    """Return name, readable and expected number of the classes that lack videos, worst first."""
    manifest = check.manifest
    broken = {row for row, _ in manifest.unreadable}
    readable = Counter(video.label for video in manifest.videos if video.id not in broken)
    expected = manifest.counts() if manifest.expected is None else manifest.expected
    short = [(name, readable[name], n) for name, n in expected.items() if readable[name] < n]
    return sorted(short, key=lambda entry: (entry[1] / entry[2], -entry[2], entry[0]))


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(name for name in names if name is not None).most_common())


def _spread(values: Iterable[float | None]) -> tuple[float, float, float] | None:
    known = [value for value in values if value is not None]
    return (min(known), median(known), max(known)) if known else None


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
