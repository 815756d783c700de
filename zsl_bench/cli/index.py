"""``zsl-bench index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.progress import FileBar
from zsl_bench.cli.render import FOUND, INTERRUPTED, console, print_json
from zsl_bench.errors import listing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console

    from zsl_bench.assessment.shared_videos import SharedVideos
    from zsl_bench.indexing import Check

LEVELS = ("names", "quick", "decode")


@click.command(
    epilog="Example: zsl-bench index ucf101 videos/ucf101 --out ucf101.json --detail ucf101.csv"
)
@click.argument("dataset")
@click.argument("path")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the manifest here, for --data DATASET=FILE. Without it the check is all.",
)  # fmt: skip
@click.option(
    "--split", metavar="NAME",
    help="Which videos: testlist01 (UCF101), split1 (HMDB51), train or val (Kinetics), "
    "anet13-video (ActivityNet), Training_01 (SUN397), or a list file. Default: all.",
)  # fmt: skip
@click.option(
    "--annotations", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Annotations of Kinetics or ActivityNet, where they do not lie beside the videos; or a "
    "CSV or JSONL list (path, label, start, end) of a data set of your own.",
)  # fmt: skip
@click.option("--images", is_flag=True, help="Class folders of images; sun397 needs no flag.")
@click.option(
    "--check", "level", type=click.Choice(LEVELS), default="quick", show_default=True,
    help="names opens no file; quick reads the header, the first frame and the packets; decode "
    "decodes every frame.",
)  # fmt: skip
@click.option("--digest", is_flag=True, help="SHA-256 of every file, not of equal sizes only.")
@click.option(
    "--min-frames", type=click.IntRange(min=1), default=16, show_default=True,
    help="Name videos with fewer frames than a clip has.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes. Default: by machine.")
@click.option("--fresh", is_flag=True, help="Probe files again that an earlier check has probed.")
@click.option(
    "--unpack-to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where the videos of an archive or of a Hub repository go. Default: beside the archive.",
)  # fmt: skip
@click.option(
    "--detail", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="One line a file, as .csv or .json.",
)  # fmt: skip
@click.option(
    "--overlap-with", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A manifest, such as that of the training videos: ids, sources and contents that both "
    "have. May be given several times.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with status 3 where something is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def index(
    *,
    dataset: str,
    path: str,
    out: Path | None,
    detail: Path | None,
    overlap_with: tuple[Path, ...],
    strict: bool,
    fresh: bool,
    as_json: bool,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Find the videos of a data set, check every file, and write a manifest.

    PATH is a folder, an archive as downloaded (a rar, a rar of rars, zip, tar), a manifest, or
    hub:ORG/NAME@REVISION. Files are probed in parallel; a check that was stopped goes on where it
    was, and files that did not change are not probed twice.
    """
    from zsl_bench.assessment.shared_videos import shared_videos
    from zsl_bench.indexing import check_detail_name, check_summary, index_dataset, write_detail
    from zsl_bench.videos import Manifest

    if detail is not None:
        check_detail_name(detail)
    others = [Manifest.load(file) for file in overlap_with]
    bar = FileBar()
    try:
        check = index_dataset(dataset, path, use_cache=not fresh, progress=bar, **settings)
    except KeyboardInterrupt:
        bar.note("\nstopped; the same command goes on from there")
        raise click.exceptions.Exit(INTERRUPTED) from None
    shared = [shared_videos(other, check.manifest, content=True) for other in others]
    if detail is not None:
        write_detail(check, detail)
    if out is not None:
        check.manifest.save(out)
    if as_json:
        compared = [found.to_json() for found in shared]
        print_json({**check_summary(check), "shared": compared, "manifest": out and str(out)})
    else:
        _print(console(), check, shared, (("manifest", out), ("detail", detail)))
    if strict and any(finding.is_problem for finding in check.findings):
        raise click.exceptions.Exit(FOUND)


def _print(
    to: Console,
    check: Check,
    shared: Sequence[SharedVideos],
    written: Sequence[tuple[str, Path | None]],
) -> None:
    from zsl_bench.indexing import check_lines

    at_hand = {video.id for video in check.manifest.videos}
    lines = [*check_lines(check)]
    lines += [line for found in shared for line in _shared_lines(found, at_hand)]
    lines += [f"{what} written: {path}" for what, path in written if path is not None]
    for line in lines:
        to.print(line, soft_wrap=True)


def _shared_lines(found: SharedVideos, at_hand: Collection[str]) -> list[str]:
    rows = [row for row in found.test_rows if row in at_hand]
    missing = len(found.test_rows) - len(rows)
    if not found.test_rows:
        lines = [f"shared with {found.train}: nothing found"]
    else:
        kinds = (("id", found.ids), ("source", found.groups), ("content", found.contents))
        counts = ", ".join(f"{len(these):,} by {kind}" for kind, these in kinds if these)
        beside = f", and {missing:,} that are missing here" if missing else ""
        named = f": {listing(rows, limit=3)}" if rows else ""
        here = f"{len(rows):,} of {len(at_hand):,} rows here"
        lines = [f"shared with {found.train}: {here}{named}{beside} ({counts})"]
    return [*lines, *(f"  not compared, {reason}" for reason in found.not_compared)]
