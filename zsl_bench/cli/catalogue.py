"""``zsl-bench list protocols`` and ``list videos``: what a number means, to the last class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, print_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FIELDS = ("metric", "candidates", "averaging", "source")
_METRICS = {
    "top1": "top-1 over videos; a tie never helps (top-5 and the mean per class stand beside it)",
    "mean_per_class": "mean of the classes' top-1; a tie never helps",
    "harmonic_mean": "harmonic mean of the mean per-class top-1 of seen and unseen classes",
}


@click.command("protocols", epilog="Example: zsl-bench list protocols brattoli-half")
@click.argument("name", required=False)
@_JSON
def protocols(*, name: str | None, as_json: bool) -> None:
    """Show the protocols, or all of NAME: definition, traps, source, hash and class lists."""
    from zsl_bench.protocols import RECIPES, list_protocols, load_definition

    if name in RECIPES:
        text = RECIPES[name]
        print_json({"id": name, "recipe": text}) if as_json else console().print(f"{name}: {text}")
        return
    if name is not None:
        definition = load_definition(name)
        print_json(definition) if as_json else _show_definition(definition)
        return
    known = [load_definition(protocol) for protocol in list_protocols()]
    if as_json:
        print_json(known)
        return
    _show_overview(known, RECIPES)
    console().print("zsl-bench list protocols ID shows definition, traps, source and class lists")


@click.command("videos", epilog="Example: zsl-bench list videos")
@_JSON
def videos(*, as_json: bool) -> None:
    """Show the video lists and rules that protocols name."""
    rows = list(_video_rows())
    if as_json:
        print_json(rows)
        return
    grid = table()
    grid.add_column("name", no_wrap=True)
    grid.add_column("data set", no_wrap=True)
    grid.add_column("videos", justify="right")
    grid.add_column("what it is", overflow="fold")
    for row in rows:
        number = "-" if row["videos"] is None else f"{row['videos']:,}"
        text = row["what"] + (f" ({row['quoted']})" if row["quoted"] else "")
        grid.add_row(row["name"], row["data set"], number, text)
    console().print(grid)
    console().print("-: counted from the annotation file at hand")


def _show_overview(known: list[dict[str, Any]], recipes: Mapping[str, str]) -> None:
    grid = table()
    grid.add_column("protocol", no_wrap=True)
    grid.add_column("v", no_wrap=True)
    for column in ("data set", "classes x trials", "videos"):
        grid.add_column(column, no_wrap=True)
    grid.add_column("what it is", overflow="fold", min_width=24)
    for definition in known:
        names = [definition["id"], *(f"  alias {alias}" for alias in definition["aliases"])]
        datasets = definition["datasets"]
        declared = definition["declared_distractors"]
        grid.add_row(
            "\n".join(names),
            str(definition["version"]),
            "\n".join(datasets),
            "\n".join(_size(frozen, declared=declared) for frozen in datasets.values()),
            "\n".join(_videos(frozen["videos"]) for frozen in datasets.values()),
            definition["summary"],
        )
    sizes = {"half": "n // 2 x 10", "full": "n x 1", "open": "n+seen x 1"}
    for name in recipes:
        grid.add_row(name, "1", "any class set", sizes[name], "as given", "recipe, written out")
    console().print(grid)


def _size(frozen: Mapping[str, Any], *, declared: bool) -> str:
    """Return classes, distractors and trials, such as ``8+22 x 1``."""
    extra = "+seen" if declared else f"+{len(frozen.get('distractors', ()))}"
    shown = "" if extra == "+0" else extra
    return f"{len(frozen['trials'][0])}{shown} x {len(frozen['trials'])}"


def _videos(named: str | list[str] | None) -> str:
    if named is None:
        return "as given"
    return named if isinstance(named, str) else f"{len(named)} test lists"


def _show_definition(definition: dict[str, Any]) -> None:
    out = console()

    def line(text: str) -> None:
        out.print(text, soft_wrap=True)

    aliases = "".join(f", alias {alias}" for alias in definition["aliases"])
    line(f"{definition['id']} v{definition['version']}{aliases}: {definition['title']}")
    shown = {**definition, "metric": _METRICS[definition["metric"]]}
    for field in _FIELDS:
        line(f"{field}: {shown[field]}")
    for note in definition["notes"]:
        line(f"note: {note}")
    for dataset, frozen in definition["datasets"].items():
        size = _size(frozen, declared=definition["declared_distractors"])
        named = frozen["videos"]
        listed = ", ".join(named) if isinstance(named, list) else _videos(named)
        line(f"\n{dataset}: {size} trials, videos {listed}, sha256 {frozen['sha256']}")
        for part, title in (("trials", "trial"), ("validation", "validation classes of trial")):
            for number, names in enumerate(frozen.get(part, ())):
                line(f"{dataset} {title} {number}: {', '.join(names)}")
        if "distractors" in frozen:
            line(f"{dataset} distractors: {', '.join(frozen['distractors'])}")


def _video_rows() -> Iterator[dict[str, Any]]:
    from zsl_bench.datasets.expected import official_list
    from zsl_bench.protocols import VIDEO_RULES

    for dataset in ("ucf101", "hmdb51"):
        official = official_list(dataset)
        for name, ids in official.splits.items():
            others = [alias for alias, known in official.aliases.items() if known == name]
            yield {
                "name": name,
                "data set": dataset,
                "videos": len(ids),
                "what": _list_text(name) + "".join(f", alias {alias}" for alias in others),
                "quoted": "",
                "source": "the data set's official lists",
            }
    for rule in VIDEO_RULES:
        yield {
            "name": rule.name,
            "data set": rule.dataset,
            "videos": None,
            "what": rule.what,
            "quoted": rule.quoted,
            "source": rule.source,
        }


def _list_text(name: str) -> str:
    if name == "all":
        return "every video of the data set"
    kinds = [text for kind, text in (("train", "training"), ("test", "test")) if kind in name]
    number = int(re.findall(r"\d+", name)[0])
    return f"official {' and '.join(kinds)} list{'s' * (len(kinds) > 1)} {number}"
