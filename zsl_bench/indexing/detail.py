"""The detail of a check: one line a file, as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.scan import printable
from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, write_json
from zsl_bench.indexing.findings import rows_by_path
from zsl_bench.indexing.probe import FileProbe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.indexing.check import Check
    from zsl_bench.indexing.findings import Finding

KIND = "zsl-bench index detail"
SCHEMA = 1
_PROBED = tuple(
    field.name
    for field in fields(FileProbe)
    if field.name not in ("path", "level", "problem", "reason", "note", "segments")
)
COLUMNS = ("path", "rows", "labels", "frames", *_PROBED, "findings", "reason", "remedy")
"""The columns of the CSV file, which are the keys of a file in the JSON file."""


def write_detail(check: Check, path: str | Path) -> None:
    """Write what a check found, one line a file, rows without a file among them.

    In a CSV file several rows, labels or findings of a file are JSON lists; times of change are
    nanoseconds, ``duration`` is in seconds. A JSON file has the data set and the manifest's digest
    besides, and the segments of files whose rows are segments.

    Args:
        check: What was found.
        path: A file that ends in ``.csv`` or ``.json``.

    Raises:
        ResultError: The name ends otherwise, or the file cannot be written.
    """
    path = check_detail_name(path)
    if path.suffix.casefold() == ".json":
        write_json(path, {**_heading(check), "files": list(_lines(check, segments=True))})
        return
    with atomic_write(path) as stream:
        stream.write(_as_csv(check).encode("utf-8", "backslashreplace"))


def check_detail_name(path: str | Path) -> Path:
    """Return the path of a detail file, whose ending tells the format.

    Raises:
        ResultError: It ends neither in ``.csv`` nor in ``.json``.
    """
    path = Path(path)
    if path.suffix.casefold() not in (".csv", ".json"):
        raise ResultError(
            f"write {path}", found="a name without .csv or .json", fix="give one of these endings"
        )
    return path


def _heading(check: Check) -> dict[str, Any]:
    manifest = check.manifest
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "dataset": manifest.dataset,
        "split": manifest.split,
        "digest": manifest.digest,
        "root": printable(str(manifest.root)),
        "level": check.level,
    }


def _as_csv(check: Check) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _lines(check, segments=False):
        writer.writerow([_cell(line[name]) for name in COLUMNS])
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, list):
        return "" if value is None else value
    if len(value) == 1:
        return value[0]
    return json.dumps(value, ensure_ascii=False) if value else ""


def _lines(check: Check, *, segments: bool) -> Iterator[dict[str, Any]]:
    rows = rows_by_path(check.manifest)
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in check.findings:
        found[finding.path].append(finding)
    for path, probe in sorted(check.probes.items()):
        videos = rows.get(path, [])
        line = {
            "path": path,
            "rows": [video.id for video in videos],
            "labels": sorted({video.label for video in videos}),
            "frames": probe.frames,
            **{name: getattr(probe, name) for name in _PROBED},
            **_told(found[path]),
        }
        if segments and probe.segments:
            line["segments"] = [asdict(part) for part in probe.segments]
        yield line
    for finding in found[""]:
        labels = [] if finding.label is None else [finding.label]
        line = {**dict.fromkeys(COLUMNS), "rows": list(finding.rows), "labels": labels}
        yield line | _told([finding])


def _told(findings: list[Finding]) -> dict[str, Any]:
    return {
        "findings": [finding.kind for finding in findings],
        "reason": "; ".join(finding.reason for finding in findings),
        "remedy": "; ".join(dict.fromkeys(finding.remedy for finding in findings)),
    }
