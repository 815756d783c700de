"""``zsl-bench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, print_json
from zsl_bench.cli.results import print_results
from zsl_bench.cli.scoring_options import all_rules_option, scoring_options
from zsl_bench.errors import DatasetError, ResultError

if TYPE_CHECKING:
    from zsl_bench.results import EvaluationResult


@click.command(
    epilog="Example: zsl-bench score features.npz --dataset ucf101 --protocol brattoli-half "
    "--protocol truze-v2 --trained-on kinetics400 --pretrained-on open --allow-partial"
)
@click.argument("features", type=click.Path(path_type=Path))
@click.option("--dataset", metavar="NAME", help="The data set whose videos these are.")
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="1, 2, half, full or an id of list protocols; may be given several times. Default: 1 and "
    "2, or half and full for videos that these do not take.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the model. Default: the file's.")
@click.option(
    "--test-list", metavar="LIST",
    help="An official test list (testlist01, split1, or a file) instead of all videos.",
)  # fmt: skip
@click.option(
    "--classes", "class_list", metavar="CLASSES",
    help="Class set or file that names the file's columns in their order, where it does not.",
)  # fmt: skip
@click.option(
    "--annotations", type=click.Path(path_type=Path), metavar="JSON",
    help="ActivityNet's official annotation file.",
)  # fmt: skip
@click.option(
    "--layout", type=click.Choice(("videos-by-classes", "classes-by-videos")),
    help="Which way round a square score matrix is.",
)  # fmt: skip
@click.option(
    "--pooling", type=click.Choice(("mean", "mean-of-unit")),
    help="Average several rows of one video.",
)  # fmt: skip
@scoring_options
@click.option(
    "--seen", type=click.Path(path_type=Path), metavar="FEATURES",
    help="Features of held-out videos of training classes, for the protocol gzsl.",
)  # fmt: skip
@click.option(
    "--train-manifest", type=click.Path(path_type=Path), metavar="FILE",
    help="Manifest of the training videos: ids that the test set shares are named.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("results"),
    show_default=True, help="Folder for the result and its arrays.",
)  # fmt: skip
@all_rules_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def score(
    ctx: click.Context,
    /,
    *,
    features: Path,
    dataset: str | None,
    protocols: tuple[str, ...],
    out: Path,
    all_rules: bool,
    as_json: bool,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Score features of your own, or a result again, without a model and without a video.

    FEATURES is a .npz, .safetensors, .parquet, .csv or .npy file with video vectors and class
    vectors, or with a score matrix, and the videos' ids or labels. Or it is a result file, with
    its arrays beside it: then all is scored anew, under the protocols it names or others.
    """
    if features.suffix == ".json":
        _refuse_options(ctx, ("features", "protocols", "out", "all_rules", "as_json"))
        result = _again(features, protocols, out)
    elif dataset is None:
        raise DatasetError(
            f"score {features}", found="no data set", fix="name it, such as --dataset ucf101"
        )
    else:
        from zsl_bench.assessment.given import score_features

        result = score_features(features, dataset, protocols=protocols or None, out=out, **settings)
    if as_json:
        print_json(result.to_json())
    else:
        print_results(console(), [result], out, all_rules=all_rules, with_data_notes=True)


def _again(path: Path, protocols: tuple[str, ...], out: Path) -> EvaluationResult:
    from zsl_bench.assessment.reload import rescore

    return rescore(path, protocols, out=out)


def _refuse_options(ctx: click.Context, allowed: tuple[str, ...]) -> None:
    given = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in allowed
        and ctx.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise ResultError(
            f"score {ctx.params['features']} again",
            found=f"the option {given[0]}, which a result has settled",
            fix="leave it out, or score the features anew",
        )
