"""``zsl-bench prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.progress import FileBar
from zsl_bench.cli.render import FOUND, INTERRUPTED, console, print_json
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from zsl_bench.videos import Manifest

_SCALERS = ("evaluation", "area", "bicubic", "bilinear")


@click.command(
    epilog="Example: zsl-bench prepare ucf101 videos/ucf101 prepared/ucf101 --short-side 128"
)
@click.argument("dataset")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--split", metavar="NAME",
    help="Which videos, as for index: testlist01, split1, anet13-video, ... Default: all.",
)  # fmt: skip
@click.option(
    "--annotations", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Annotations or a list of videos, as for index.",
)  # fmt: skip
@click.option(
    "--short-side", metavar="PIXELS", default="128", show_default=True,
    help="Scale the short side down to this; 0 or original keeps the size.",
)  # fmt: skip
@click.option(
    "--gop", type=click.IntRange(min=1), default=16, show_default=True,
    help="Frames from one key frame to the next.",
)  # fmt: skip
@click.option("--codec", default="h264", show_default=True, help="h264, h265, mjpeg or vp9.")
@click.option(
    "--quality", type=int, metavar="N",
    help="The encoder's quality (crf; for mjpeg qscale): smaller is closer and larger. Default: 18 "
    "(mjpeg 3).",
)  # fmt: skip
@click.option(
    "--scaler", type=click.Choice(_SCALERS), default="evaluation", show_default=True,
    help="evaluation scales as the paper's model is evaluated; the others are FFmpeg's.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes. Default: by machine.")
@click.option(
    "--shard-videos", type=click.IntRange(min=1), metavar="N",
    help="Write webdataset tar shards of N videos instead of plain files.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with status 3 where a video was left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prepare(
    *,
    dataset: str,
    path: Path,
    out: Path,
    split: str | None,
    annotations: Path | None,
    short_side: str,
    gop: int,
    codec: str,
    quality: int | None,
    scaler: str,
    jobs: int | None,
    shard_videos: int | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Re-encode videos small and with many key frames, for fast training and evaluation.

    PATH is a folder, or a manifest that index wrote. OUT gets videos, manifest.json (for --data
    DATASET=OUT/manifest.json) and report.json. Segments are cut. Every file is verified after it
    was written. The same command goes on after it was stopped.
    """
    from zsl_bench import preparation

    settings = preparation.PrepareSettings(
        short_side=_pixels(short_side), gop=gop, codec=codec, quality=quality, scaler=scaler
    )
    manifest = _manifest(dataset, path, split, annotations)
    bar = FileBar()
    try:
        made = preparation.prepare(
            manifest, out, settings, jobs=jobs, shard_videos=shard_videos, progress=bar
        )
    except KeyboardInterrupt:
        bar.note("\nstopped; the same command goes on from there")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        print_json(made.report)
    else:
        for line in preparation.report_lines(made.report):
            console().print(line, soft_wrap=True)
        console().print(f"manifest written: {out / 'manifest.json'}", soft_wrap=True)
    if strict and made.manifest.unreadable:
        raise click.exceptions.Exit(FOUND)


def _pixels(text: str) -> int | None:
    if text in ("0", "original"):
        return None
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a number of pixels nor 'original'", param_hint="--short-side"
        ) from None


def _manifest(dataset: str, path: Path, split: str | None, annotations: Path | None) -> Manifest:
    from zsl_bench.datasets import open_dataset
    from zsl_bench.datasets.names import dataset_name
    from zsl_bench.videos import Manifest

    if path.suffix != ".json" or not path.is_file():
        return open_dataset(dataset, path, test_list=split, annotations=annotations)
    manifest = Manifest.load(path)
    asked = dataset_name(dataset)
    if manifest.dataset != asked:
        raise DatasetError(
            f"prepare {asked} from {path}",
            found=f"a manifest of {manifest.dataset}",
            fix=f"give {manifest.dataset}, or the manifest of {asked}",
        )
    if split is not None or annotations is not None:
        raise DatasetError(
            f"prepare {asked} from {path}",
            found="a split or annotations beside a manifest, which has settled them",
            fix="leave the option out, or give the folder",
        )
    return manifest
