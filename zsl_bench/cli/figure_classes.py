"""``zsl-bench figure``: the charts that are made of class lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import click

from zsl_bench.cli.figure_options import Output, output_options, result_options, tell_charts
from zsl_bench.overlap import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.overlap import OverlapAudit

_TESTS = ("ucf101", "hmdb51")
_VECTORS = "Word-vector file. Default: the bundled subset of GoogleNews."


def _class_options(verb: Any) -> Any:  # noqa: ANN401
    """Add the class lists, the threshold and the word vectors."""
    options = (
        click.argument("train"),
        click.option(
            "--against", "against", multiple=True, metavar="TEST", default=_TESTS,
            show_default=True, help="Test set; may be given several times.",
        ),
        click.option(
            "--threshold", type=float, default=DEFAULT_THRESHOLD, show_default=True,
            help="Cosine distance below which a training class is removed, 0 to 2.",
        ),
        click.option("--vectors", metavar="PATH", help=_VECTORS),
        output_options,
    )  # fmt: skip
    for option in reversed(options):
        verb = option(verb)
    return verb


@click.command(
    "overlap", epilog="Example: zsl-bench figure overlap kinetics700 --against ucf101 --format png"
)
@_class_options
@click.option(
    "--closest", type=click.IntRange(min=1), default=40, show_default=True, metavar="N",
    help="How many training classes to name, beside those of equal words.",
)  # fmt: skip
def overlap(
    *,
    train: str,
    against: tuple[str, ...],
    threshold: float,
    vectors: str | None,
    closest: int,
    **output: Unpack[Output],
) -> None:
    """Draw the training classes by distance to their nearest test class.

    Paper Fig. 3, with the number of classes that each threshold removes. TRAIN and --against are
    what check-overlap takes.
    """
    from zsl_bench.figures.overlap import overlap_chart

    audit = _audit(train, against, threshold, vectors)
    tell_charts([overlap_chart(audit, closest=closest)], **output)


@click.command(
    "class-map",
    epilog="Example: zsl-bench figure class-map kinetics400 --against hmdb51 --format png",
)
@_class_options
def class_map(
    *,
    train: str,
    against: tuple[str, ...],
    threshold: float,
    vectors: str | None,
    **output: Unpack[Output],
) -> None:
    """Draw training classes, removed ones and test classes on one map of their class vectors.

    Paper Fig. 2, by t-SNE. TRAIN and --against are what check-overlap takes. Needs scikit-learn.
    """
    from zsl_bench.figures.class_map import class_map_chart

    audit = _audit(train, against, threshold, vectors)
    tell_charts([class_map_chart(audit, vectors=vectors)], **output)


@click.command(
    "nearer-classes",
    epilog="Example: zsl-bench figure nearer-classes results/a.json results/b.json --anyway "
    "--before kinetics400 --added sun397 --format png",
)
@result_options()
@click.option(
    "--before", "before", multiple=True, metavar="TRAIN",
    help="Training set of the first model; may be given several times. Default: what the results "
    "declare.",
)  # fmt: skip
@click.option(
    "--added", "added", multiple=True, metavar="TRAIN",
    help="Training set that the second model has beside it; with --before only.",
)  # fmt: skip
@click.option("--vectors", metavar="PATH", help=f"{_VECTORS} With --before only.")
def nearer_classes(
    *,
    results: tuple[Path, ...],
    protocol: str | None,
    anyway: bool,
    before: tuple[str, ...],
    added: tuple[str, ...],
    vectors: str | None,
    **output: Unpack[Output],
) -> None:
    """Draw what a further training set brings nearer to the test classes, and what that gains.

    Supplement Fig. 1. RESULT twice: the model without the further set, then the one with it.
    """
    from zsl_bench.assessment.reload import reload_result
    from zsl_bench.figures.nearer import TrainingSets, nearer_classes_chart
    from zsl_bench.splits import class_list

    if len(results) != 2:
        raise click.UsageError("give two results: before and after")
    if bool(before) != bool(added) or (vectors and not before):
        raise click.UsageError("give --before and --added together")
    first, second = map(reload_result, results)
    rules = first.evidence.classes.rules
    sets = (
        TrainingSets(
            before=tuple(class_list(name, rules) for name in before),
            added=tuple(class_list(name, rules) for name in added),
            vectors=vectors,
        )
        if before
        else None
    )
    chart = nearer_classes_chart(first, second, sets=sets, protocol=protocol, anyway=anyway)
    tell_charts([chart], **output)


def _audit(
    train: str, against: tuple[str, ...], threshold: float, vectors: str | None
) -> OverlapAudit:
    from zsl_bench.splits import check_overlap

    return check_overlap(train, list(against), threshold=threshold, vectors=vectors)
