"""``zsl-bench convert``."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, count, print_json
from zsl_bench.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.baselines.convert.conversion import Conversion
    from zsl_bench.baselines.convert.keys import KeyReport

_GROUPED = {"mapped": 0, "filled": 1}
_TOLD_OPTIONS = ("network", "dataset", "n_classes", "class_overlap", "n_epochs", "epochs", "bs")


@click.command(epilog="Example: zsl-bench convert checkpoint.pth.tar --out weights/e2e")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Weights folder to write. Default: weights/NAME.",
)  # fmt: skip
@click.option(
    "--network", metavar="NAME",
    help="r2plus1d_18, r3d_18 or c3d, where its keys leave doubt.",
)  # fmt: skip
@click.option(
    "--vectors", type=click.Path(path_type=Path), metavar="PATH",
    help="Word-vector file; the vectors of the bundled classes are saved with the weights.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the model. Default: the file's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every key.")
def convert(
    *,
    file: Path,
    out: Path | None,
    network: str | None,
    vectors: Path | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Turn a released checkpoint into a weights folder, without running code that it may carry.

    FILE is a checkpoint of the paper's code (.pth.tar), a state dict of its networks, torchvision's
    weights of r2plus1d_18 or r3d_18, or C3D's weights of Sports-1M. The last two have no linear
    layer yet: what is written is a backbone that training starts from. Every key is accounted for;
    where one does not fit, nothing is written and the exit status is 1.
    """
    from zsl_bench.baselines.convert.conversion import convert as plan
    from zsl_bench.baselines.convert.conversion import default_name, save_conversion

    conversion = plan(file, network=network)
    called = name or default_name(file)
    try:
        written = save_conversion(
            conversion, out or Path("weights") / called, name=called, vectors=vectors
        )
    except WeightsError:
        _tell(conversion, None, as_json=as_json)
        raise
    _tell(conversion, written, as_json=as_json)


def _tell(conversion: Conversion, written: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json(_content(conversion, written))
        return
    to = console()
    findings = () if written is None else (*_findings(conversion), *_next(conversion, written))
    for title, text in (*_keys(conversion), *findings):
        to.print(f"{title:<13}{text}", soft_wrap=True)


def _content(conversion: Conversion, written: Path | None) -> dict[str, Any]:
    plan, declared = conversion.plan, conversion.declared
    return {
        "file": str(conversion.checkpoint.path),
        "sha256": conversion.checkpoint.sha256,
        "kind": conversion.kind,
        "network": plan.network,
        "dim": None if plan.is_backbone else plan.dim,
        "family": None if plan.is_backbone else declared.family,
        "torchvision": conversion.origin,
        "opt": conversion.checkpoint.options,
        "accuracy": conversion.checkpoint.accuracy,
        "ignored": list(conversion.checkpoint.ignored),
        "notes": list(declared.notes),
        "keys": [asdict(key) for key in plan.keys],
        "written": None if written is None else str(written),
        "next": dict(_next(conversion, written)).get("next"),
    }


def _keys(conversion: Conversion) -> Iterator[tuple[str, str]]:
    plan = conversion.plan
    outputs = "" if plan.is_backbone else f", {count(plan.dim, 'output')}"
    yield "read", f"{conversion.kind} {conversion.checkpoint.path}: {plan.network}{outputs}"
    yield from _key_lines(plan.keys)


def _findings(conversion: Conversion) -> Iterator[tuple[str, str]]:
    plan, checkpoint = conversion.plan, conversion.checkpoint
    if checkpoint.ignored:
        yield "not used", ", ".join(checkpoint.ignored)
    options = checkpoint.options or {}
    told = [f"{name} {options[name]}" for name in _TOLD_OPTIONS if name in options]
    if told:
        yield "options", ", ".join(told)
    if checkpoint.accuracy is not None:
        yield "accuracy", f"{checkpoint.accuracy} (stored)"
    for note in () if plan.is_backbone else conversion.declared.notes:
        yield "note", note


def _key_lines(keys: tuple[KeyReport, ...]) -> Iterator[tuple[str, str]]:
    """Yield a line for the keys that go over under one rule, and one for each that does not."""
    groups: dict[tuple[str, str], int] = {}
    for key in keys:
        if key.outcome in _GROUPED:
            group = key.outcome, _rule(key)
            groups[group] = groups.get(group, 0) + 1
    for (outcome, rule), number in sorted(groups.items(), key=lambda item: _GROUPED[item[0][0]]):
        yield outcome, f"{rule}: {count(number, 'tensor')}"
    for key in keys:
        if key.outcome not in _GROUPED:
            yield key.outcome, _key_line(key)


def _rule(key: KeyReport) -> str:
    """Return what is done to a key and to all others like it."""
    if key.outcome == "filled":
        return key.why
    source, target = str(key.source).split("."), str(key.target).split(".")
    while source and target and source[-1] == target[-1]:
        del source[-1], target[-1]
    moved = f"{'.'.join([*source, '*'])} -> {'.'.join([*target, '*'])}"
    return f"{moved}, {key.why}" if key.why else moved


def _key_line(key: KeyReport) -> str:
    if key.outcome == "other shape":
        return f"{key.source}: {key.found} for {key.wanted} of {key.target}"
    said = f"{key.source or key.target}: {key.found or key.wanted}"
    return f"{said} ({key.why})" if key.why else said


def _next(conversion: Conversion, written: Path | None) -> Iterator[tuple[str, str]]:
    if written is None:
        return
    if not conversion.plan.is_backbone:
        yield "weights", str(written)
        model = shlex.quote(f"path:{written}")
        yield "next", f"zsl-bench evaluate --model {model} --data ucf101=PATH --data hmdb51=PATH"
        return
    yield "backbone", f"{written}, without a linear layer: one has to be trained"
    if conversion.origin is not None:
        yield "note", f"the file is torchvision's {conversion.origin}, by its SHA-256"
    seen = "undeclared" if conversion.origin is None else "kinetics400"
    settings = (
        f"model.network={conversion.plan.network}",
        f"model.weights={written}",
        f"model.pretrained_on={seen}",
    )
    chosen = " ".join(f"--set {shlex.quote(setting)}" for setting in settings)
    yield "next", f"zsl-bench train CONFIG {chosen}"
