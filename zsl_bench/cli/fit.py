"""``zsl-bench fit``."""

from __future__ import annotations

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, print_json
from zsl_bench.errors import listing, one_line

if TYPE_CHECKING:
    from zsl_bench.baselines.extracted import FittedFolder


@click.command(epilog="Example: zsl-bench fit rr --features clips.safetensors --against hmdb51")
@click.argument("method")
@click.option(
    "--features", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Clip features of seen videos, from zsl-bench extract.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="The folder. Default: methods/ and the names of method and features.",
)  # fmt: skip
@click.option(
    "--classes", metavar="CLASSES",
    help="The seen classes: a class set, a split or a class file. Default: all of the features.",
)  # fmt: skip
@click.option(
    "--against", multiple=True, metavar="CLASSES", default=("ucf101", "hmdb51"),
    show_default=True,
    help="Test classes that seen and pretraining classes must keep away from. May be given several "
    "times.",
)  # fmt: skip
@click.option("--threshold", type=float, help="Distance below which two classes count as one.")
@click.option(
    "--remove-overlap", is_flag=True, help="Leave overlapping seen classes out instead of stopping."
)
@click.option(
    "--allow-overlap", is_flag=True,
    help="Fit although classes overlap, or the model's are unknown; the folder says so.",
)  # fmt: skip
@click.option("--vectors", metavar="PATH", help="Word vectors; see check-overlap.")
@click.option("--allow-approximate", is_flag=True, help="Stand in for words without a vector.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="A setting of the method, such as regulariser=1. May be given several times.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fit(
    *,
    method: str,
    features: Path,
    out: Path | None,
    threshold: float | None,
    settings: tuple[str, ...],
    as_json: bool,
    **given: Any,  # noqa: ANN401
) -> None:
    """Fit METHOD to the clip features of seen classes, and write a folder that evaluate runs.

    METHOD is a compared method such as rr or eszsl, or one that an installed package brings. Seen
    and pretraining classes are audited against the test classes first, as train does.
    """
    from zsl_bench.baselines.extracted import FitSettings, fit_method

    plain = "".join(c if c.isalnum() or c in "-_.+" else "-" for c in method)
    folder = out or Path("methods") / f"{plain}-{features.stem}"
    if threshold is not None:
        given["threshold"] = threshold
    with redirect_stdout(sys.stderr):
        fitted = fit_method(method, features, folder, FitSettings(method=settings, **given))
    if as_json:
        print_json(_content(folder, fitted))
    else:
        _show(folder, fitted)


def _content(folder: Path, fitted: FittedFolder) -> dict[str, Any]:
    spec = fitted.method.spec
    return {
        "folder": str(folder),
        "method": spec.name,
        "title": spec.title,
        "fidelity": spec.fidelity,
        "setting": spec.setting,
        "assumed": list(spec.assumed),
        "settings": fitted.method.settings(),
        "seen_classes": list(fitted.seen.names),
        "features": dict(fitted.features),
        "audit": dict(fitted.audit),
    }


def _show(folder: Path, fitted: FittedFolder) -> None:
    content, out = _content(folder, fitted), console()
    audit = content["audit"]
    chosen = listing(f"{name}={value}" for name, value in content["settings"].items())
    out.print(f"folder      {folder}", soft_wrap=True)
    out.print(
        f"method      {one_line(content['title'])}: {content['fidelity']}, {content['setting']}, "
        f"{one_line(chosen)}",
        soft_wrap=True,
    )
    seen = content["seen_classes"]
    out.print(
        f"seen        {len(seen):,} classes, {content['features']['videos']:,} videos: "
        f"{one_line(listing(seen, limit=4))}",
        soft_wrap=True,
    )
    for test, line in zip(audit["against"], audit["pretraining"], strict=True):
        out.print(f"{one_line(test['dataset']):<12}{one_line(line)}", soft_wrap=True)
    if audit["removed"]:
        out.print(f"left out    {one_line(listing(audit['removed']))}", soft_wrap=True)
    if audit["overlap"]:
        pairs = listing(f"{n['name']} = {n['nearest']}" for n in audit["overlap"])
        out.print(f"overlap     {one_line(pairs)}", soft_wrap=True)
    model = shlex.quote(f"method:{folder}")
    out.print(f"next        zsl-bench evaluate --model {model} --data DATASET=PATH", soft_wrap=True)
