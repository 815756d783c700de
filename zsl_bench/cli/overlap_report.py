"""``zsl-bench overlap-report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import console, count, percent, print_json, table
from zsl_bench.overlap import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from zsl_bench.report.overlap_pairs import OverlapReport

_PAGE = Path("overlap.html")


@click.command(
    "overlap-report",
    epilog="Example: zsl-bench overlap-report kinetics700 --against ucf101 --out overlap.html",
)
@click.argument("trains", nargs=-1, metavar="[TRAIN...]")
@click.option(
    "--against", "tests", multiple=True, metavar="TEST",
    help="Test set; may be given several times. Default: ucf101, hmdb51, activitynet200.",
)  # fmt: skip
@click.option(
    "--threshold", type=float, default=DEFAULT_THRESHOLD, show_default=True,
    help="Cosine distance below which two classes count as one, 0 to 2; the page has all others.",
)  # fmt: skip
@click.option(
    "--vectors", metavar="PATH",
    help="Word-vector file. Default: the bundled subset of GoogleNews.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="The page. Default: overlap.html, and none with --json.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def overlap_report(
    *,
    trains: tuple[str, ...],
    tests: tuple[str, ...],
    threshold: float,
    vectors: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Write what training sets have shown of test sets, as one page.

    Pair by pair: each test class with the nearest training class, what every rule says of it, and
    how many classes and videos are seen at each threshold. TRAIN and --against are what
    check-overlap takes; without TRAIN: kinetics400, kinetics600 and kinetics700.
    """
    from zsl_bench.files import atomic_write
    from zsl_bench.report.overlap_page import overlap_page
    from zsl_bench.report.overlap_pairs import TESTS, TRAINS
    from zsl_bench.report.overlap_pairs import overlap_report as hold

    report = hold(trains or TRAINS, tests or TESTS, vectors=vectors, threshold=threshold)
    page = out or (None if as_json else _PAGE)
    if page is not None:
        given = [*trains, *(part for test in tests for part in ("--against", test))]
        if threshold != DEFAULT_THRESHOLD:
            given += ["--threshold", f"{threshold:g}"]
        if vectors:
            given += ["--vectors", Path(vectors).name]
        content = overlap_page(report, arguments=given, is_bundled=not vectors)
        with atomic_write(page) as stream:
            stream.write(content.encode())
    if as_json:
        print_json(report.to_json())
    else:
        _render(report)
    if page is not None:
        console(stderr=True).print(f"page written to {page}", soft_wrap=True)


def _render(report: OverlapReport) -> None:
    to = console()
    grid = table(f"test classes seen below {report.threshold:g}")
    for heading in ("training set", "test set"):
        grid.add_column(heading)
    for heading in ("seen", "of", "%", "equal words", "% of videos", "training classes removed"):
        grid.add_column(heading, justify="right")
    for pair in report.pairs:
        at = pair.at(report.threshold)
        grid.add_row(
            pair.train.dataset,
            pair.test.dataset,
            str(at.classes),
            str(len(pair.rows)),
            percent(at.share),
            str(pair.at(0.0).classes),
            percent(at.video_share),
            str(at.removed),
        )
    to.print(grid)
    if report.approximate_words:
        to.print(
            f"{count(len(report.approximate_words), 'word')} without a vector in "
            f"{report.vectors}: the distance of a class with one is usually too large, "
            "unless its words are equal.",
            soft_wrap=True,
        )
