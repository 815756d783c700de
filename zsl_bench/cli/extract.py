"""``zsl-bench extract``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.cache_options import clip_cache_option
from zsl_bench.cli.progress import ProgressBar
from zsl_bench.cli.render import INTERRUPTED, console, count, print_json
from zsl_bench.cli.scoring_options import model_options
from zsl_bench.errors import listing, one_line
from zsl_bench.evaluation.settings import PRECISIONS
from zsl_bench.video.decoders import DECODERS, PYAV

if TYPE_CHECKING:
    from zsl_bench.baselines.extracted import ClipFile, Leakage

_TYPES = ("float32", "float16")


def _pair(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, str]:
    name, equals, rest = value.partition("=")
    if not (name and equals and rest):
        raise click.BadParameter(
            f"{value!r} is not {param.metavar}, such as ucf101={value}", ctx=ctx, param=param
        )
    return name, rest


@click.command(
    epilog="Example: zsl-bench extract --model e2e-random --data ucf101=videos/ucf101 "
    "--policy paper-1 --allow-partial"
)
@click.option(
    "--model", required=True, metavar="REF",
    help="A model, named as for evaluate. Its features(clips) are taken where it has them, else "
    "its embed_clips.",
)  # fmt: skip
@click.option(
    "--data", required=True, callback=_pair, metavar="DATASET=PATH",
    help="A data set and its folder, as for evaluate.",
)  # fmt: skip
@click.option(
    "--test-list", metavar="LIST",
    help="Take an official test list of the data set (testlist01, split1, or a file).",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="The file. Default: features/ and the names of data set, model and policy.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice(_TYPES), default="float32", show_default=True,
    help="float16 takes half the space.",
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
@model_options
@click.option(
    "--trained-on", multiple=True, metavar="CLASSES",
    help="Declare the training classes of a model whose card is silent, as for evaluate.",
)  # fmt: skip
@click.option(
    "--pretrained-on", multiple=True, metavar="CLASSES", help="The same for its pretraining.",
)  # fmt: skip
@click.option(
    "--against", multiple=True, metavar="CLASSES", default=("ucf101", "hmdb51"),
    show_default=True, help="Test classes to hold what the model has seen against.",
)  # fmt: skip
@click.option("--vectors", metavar="PATH", help="Word vectors; see check-overlap.")
@click.option("--allow-approximate", is_flag=True, help="Stand in for words without a vector.")
@click.option("--allow-partial", is_flag=True, help="Put up with videos that are missing.")
@click.option("--allow-unreadable", is_flag=True, help="Put up with videos that do not decode.")
@clip_cache_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def extract(
    *,
    model: str,
    data: tuple[str, str],
    test_list: str | None,
    out: Path | None,
    dtype: str,
    against: tuple[str, ...],
    as_json: bool,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Write the features of every clip of a data set's videos, with what their model has seen.

    The file says which model made the features, what it was trained and pretrained on, and how the
    clips were cut; without that, features cannot be called free of leaks. Ctrl-C keeps the videos
    finished so far (exit status 130); the same command goes on from there.
    """
    from zsl_bench.baselines.extracted import leakage
    from zsl_bench.datasets import open_dataset
    from zsl_bench.evaluation.extract import extract as run
    from zsl_bench.splits import class_list

    tests = [class_list(reference) for reference in against]
    path = out or _default_place(model, data[0], settings["policy"])
    bar = ProgressBar()
    try:
        with redirect_stdout(sys.stderr):
            file = run(
                model,
                data=open_dataset(data[0], Path(data[1]), test_list=test_list),
                out=path,
                dtype=dtype,
                progress=bar,
                **settings,
            )
    except KeyboardInterrupt:
        bar.note("\nstopped by Ctrl-C; the same command goes on from the videos finished so far")
        raise click.exceptions.Exit(INTERRUPTED) from None
    found = {test.dataset: leakage(file, test, vectors=settings["vectors"]) for test in tests}
    if as_json:
        print_json(_content(path, file, found))
    else:
        _show(path, file, found)


def _default_place(model: str, dataset: str, policy: str | None) -> Path:
    name = "-".join(part for part in (dataset, model, policy) if part)
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    return Path("features") / f"{plain}.safetensors"


def _content(path: Path, file: ClipFile, found: dict[str, Leakage]) -> dict[str, Any]:
    assert file.backbone is not None  # noqa: S101
    return {
        "file": str(path),
        "videos": len(file),
        "clips": file.features.shape[1],
        "numbers": file.features.shape[2],
        "dtype": file.features.dtype.name,
        "classes": len(file.classes),
        "output": file.backbone.output,
        "model": file.backbone.card.name,
        "weights": dict(file.backbone.weights),
        "policy": file.run["clip_policy"],
        "unreadable": [{"id": name, "reason": why} for name, why in file.unreadable],
        "leakage": {dataset: leak.to_json() for dataset, leak in found.items()},
    }


def _show(path: Path, file: ClipFile, found: dict[str, Leakage]) -> None:
    content, out = _content(path, file, found), console()
    shape = " x ".join(f"{size:,}" for size in file.features.shape)
    out.print(f"file        {path}", soft_wrap=True)
    out.print(
        f"features    {shape} (videos x clips x numbers), {content['dtype']}, "
        f"{content['output']} of {one_line(content['model'])}, {content['policy']}",
        soft_wrap=True,
    )
    for dataset, leak in found.items():
        out.print(f"{one_line(dataset):<12}{one_line(leak)}", soft_wrap=True)
    if file.unreadable:
        names = listing((f"{one_line(i)} ({one_line(why)})" for i, why in file.unreadable), limit=3)
        out.print(f"unreadable  {count(len(file.unreadable), 'video')}: {names}", soft_wrap=True)
    out.print(f"next        zsl-bench fit rr --features {path}", soft_wrap=True)
