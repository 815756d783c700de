"""``zsl-bench list``: what is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zsl_bench.cli.catalogue import protocols, videos
from zsl_bench.cli.models import models
from zsl_bench.cli.render import console, print_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("list", epilog="Example: zsl-bench list classes ucf101")
def list_() -> None:
    """Show class sets, splits, protocols, videos, clip policies, models and configurations."""


list_.add_command(protocols)
list_.add_command(videos)
list_.add_command(models)


@list_.command("classes", epilog="Example: zsl-bench list classes ucf101 --json")
@click.argument("name", required=False)
@click.option(
    "--words", metavar="RULES",
    help="Rule set of the words: brattoli2020, or plain for the same without lemmatisation. "
    "Default: a split's own, else brattoli2020.",
)  # fmt: skip
@_JSON
def classes(*, name: str | None, words: str | None, as_json: bool) -> None:
    """Show the class sets, or the classes of NAME: names, words, labels, aliases.

    NAME is a bundled set or split, or a file of one's own. Without NAME, --words counts the classes
    whose words differ from those under brattoli2020.
    """
    from zsl_bench.splits import class_list

    if name is None:
        _show(_class_sets(words), as_json=as_json)
        return
    chosen = class_list(name, words)
    _show(
        [
            {"name": n, "words": list(w), "label": label, "aliases": list(a)}
            for n, w, label, a in zip(
                chosen.names, chosen.words, chosen.labels, chosen.aliases, strict=True
            )
        ],
        as_json=as_json,
    )


def _class_sets(rules: str | None) -> list[dict[str, object]]:
    from zsl_bench.classes import bundled_class_sets, load_class_set

    rows: list[dict[str, object]] = []
    for known in bundled_class_sets():
        usual = load_class_set(known)
        row: dict[str, object] = {"name": known, "classes": len(usual), "version": usual.version}
        if rules is not None:
            pairs = zip(usual.words, load_class_set(known, rules).words, strict=True)
            row |= {"words": rules, "differing": sum(one != other for one, other in pairs)}
        rows.append({**row, "source": usual.source})
    return rows


@list_.command("splits", epilog="Example: zsl-bench list splits tp1")
@click.argument("name", required=False)
@_JSON
def splits(*, name: str | None, as_json: bool) -> None:
    """Show the bundled class splits, or the kept classes of NAME."""
    from zsl_bench.splits import bundled_splits, load_split

    if name is not None:
        split = load_split(name)
        if as_json:
            print_json(split.to_json())
        else:
            _show([{"kept": kept} for kept in split.kept], as_json=False)
        return
    rows = []
    for known in bundled_splits():
        split = load_split(known)
        rows.append(
            {
                "name": known,
                "version": split.version,
                "kept": len(split.kept),
                "removed": len(split.removed),
                "against": [test[0] for test in split.tests],
                "threshold": split.threshold,
                "sha256": split.sha256 if as_json else split.sha256[:12],
            }
        )
    _show(rows, as_json=as_json)


@list_.command("policies", epilog="Example: zsl-bench list policies")
@_JSON
def policies(*, as_json: bool) -> None:
    """Show the clip policies."""
    from zsl_bench.video import POLICIES

    _show([{"name": name, "clips": text} for name, text in POLICIES.items()], as_json=as_json)


@list_.command("configs", epilog="Example: zsl-bench list configs")
@_JSON
def configs(*, as_json: bool) -> None:
    """Show the bundled training configurations."""
    from zsl_bench.baselines.training.config_files import bundled_configs, load_config

    rows = [
        {
            "name": config.name,
            "description": config.description,
            "network": config.model.network,
            "data": config.data.dataset,
        }
        for config in map(load_config, bundled_configs())
    ]
    _show(rows, as_json=as_json)


def _show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        console(stderr=True).print("none")
        return
    grid = table()
    for column in rows[0]:
        grid.add_column(column, overflow="fold", no_wrap=column in ("protocol", "name"))
    for row in rows:
        grid.add_row(*(_cell(value) for value in row.values()))
    console().print(grid)


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return (
            " ".join(str(v) for v in value)
            if all(" " not in str(v) for v in value)
            else ", ".join(str(v) for v in value)
        )
    return str(value)
