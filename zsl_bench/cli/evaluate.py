"""``zsl-bench evaluate``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.cache_options import clip_cache_option
from zsl_bench.cli.pairs import pairs
from zsl_bench.cli.progress import ProgressBar
from zsl_bench.cli.render import INTERRUPTED, console, print_json
from zsl_bench.cli.results import print_results
from zsl_bench.cli.scoring_options import all_rules_option, model_options, scoring_options
from zsl_bench.device import INFERENCES
from zsl_bench.errors import DatasetError
from zsl_bench.evaluation import evaluate as run
from zsl_bench.evaluation.processes import Processes
from zsl_bench.evaluation.settings import PRECISIONS, Silent
from zsl_bench.video.decoders import DECODERS, PYAV

if TYPE_CHECKING:
    from zsl_bench.videos import Manifest


@click.command(
    epilog="Example: zsl-bench evaluate --model e2e-random --data ucf101=videos/ucf101 "
    "--allow-partial --allow-approximate"
)
@click.option(
    "--model", required=True, metavar="REF",
    help="An installed name, path:FILE.py, path:FOLDER, hub:ORG/REPO@REVISION, "
    "py:PACKAGE.MODULE:LOAD, or a model of a library, such as transformers:ORG/REPO; see "
    "list models.",
)  # fmt: skip
@click.option(
    "--data", required=True, multiple=True, callback=pairs, metavar="DATASET=PATH",
    help="A data set and its folder; ucf101, hmdb51, or any name for a folder with one "
    "sub-folder a class. May be given several times.",
)  # fmt: skip
@click.option(
    "--test-list", "test_lists", multiple=True, callback=pairs, metavar="DATASET=LIST",
    help="Take an official test list of a data set (testlist01, split1, or a file) instead of "
    "all its videos.",
)  # fmt: skip
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="1, 2, half, full or an id of list protocols; may be given several times. Default: 1 and "
    "2, or half and full for videos that these do not take.",
)  # fmt: skip
@click.option("--policy", metavar="NAME", help="Clip policy. Default: the model's own.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@click.option("--batch-size", type=int, help="Clips in a batch. Default: by device.")
@click.option("--workers", type=int, help="Processes that decode. Default: by machine.")
@click.option(
    "--decoder", type=click.Choice(DECODERS), default=PYAV, show_default=True,
    help="torchcodec decodes the files whose frames it numbers as PyAV does.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True,
    help="bf16 runs the model under autocast.",
)  # fmt: skip
@click.option(
    "--inference", type=click.Choice(INFERENCES), default="fast", show_default=True,
    help="fast takes the faster form of a model that has one (the same to 1e-5); reference the "
    "network as it was written.",
)  # fmt: skip
@click.option("--compile", is_flag=True, help="Compile the model with torch.compile.")
@model_options
@scoring_options
@click.option(
    "--seen", multiple=True, callback=pairs, metavar="DATASET=PATH",
    help="Held-out videos of training classes, for the protocol gzsl.",
)  # fmt: skip
@click.option(
    "--train-manifest", type=click.Path(path_type=Path), metavar="FILE",
    help="Manifest of the training videos: ids and contents that the test set shares are named.",
)  # fmt: skip
@click.option(
    "--keep-clips", is_flag=True,
    help="Keep the vector of every clip beside the result, for zsl-bench sensitivity.",
)  # fmt: skip
@clip_cache_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("results"),
    show_default=True, help="Folder for results and for what a stopped run has done.",
)  # fmt: skip
@click.option("--allow-unreadable", is_flag=True, help="Put up with videos that do not decode.")
@all_rules_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, one object a result.")
def evaluate(
    *,
    model: str,
    data: dict[str, str],
    test_lists: dict[str, str],
    protocols: tuple[str, ...],
    seen: dict[str, str],
    out: Path,
    all_rules: bool,
    as_json: bool,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Run a model once over each data set and score it under every protocol.

    Every number stands beside its protocol, the videos it covers and the zero-shot verdict on
    the model's declared training and pretraining classes. Ctrl-C keeps the videos finished
    so far (exit status 130); the same command goes on from there. "torchrun ... -m zsl_bench
    evaluate" shares the videos among several processes.
    """
    processes = Processes.from_environment()
    bar = ProgressBar()
    try:
        with processes.told_in_turn(), redirect_stdout(sys.stderr):
            results = run(
                model,
                data=_manifests(data, test_lists),
                protocols=protocols or None,
                seen=seen,
                out=out,
                progress=bar if processes.leads else Silent(),
                share=processes.size > 1,
                **settings,
            )
    except KeyboardInterrupt:
        if processes.leads:
            bar.note(f"\n{bar.stopped(out)}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if not processes.leads:
        return
    if as_json:
        print_json([result.to_json() for result in results])
    else:
        print_results(console(), results, out, all_rules=all_rules, with_data_notes=False)


def _manifests(data: dict[str, str], test_lists: dict[str, str]) -> dict[str, str | Manifest]:
    from zsl_bench.datasets import open_dataset

    stray = sorted(set(test_lists) - set(data))
    if stray:
        raise DatasetError(
            f"--test-list {stray[0]}=...",
            found="no --data of that name",
            fix=f"add --data {stray[0]}=PATH",
        )
    return {
        name: open_dataset(name, Path(path), test_list=test_lists.get(name))
        for name, path in data.items()
    }
