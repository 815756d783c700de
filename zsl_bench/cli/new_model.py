"""``zsl-bench new-model``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from zsl_bench.cli.render import console, print_json


@click.command("new-model", epilog="Example: zsl-bench new-model my-model")
@click.argument("name")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where to write it; not there yet, or empty. Default: a folder NAME here.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def new_model(*, name: str, folder: Path | None, as_json: bool) -> None:
    """Write a package with a model to start from: code, card, a test of every rule, a README.

    NAME names the package and the model: small letters, digits, and -, _ or . between them. The
    model runs as it is; put a network in its place.
    """
    from zsl_bench.workflows.new_plugin import new_plugin

    made = new_plugin(name, folder)
    commands = [
        f"pip install -e {shlex.quote(_local(made.folder))}",
        f"zsl-bench check-model {made.name}",
        f"zsl-bench evaluate --model {made.name} --data ucf101=PATH",
    ]
    if as_json:
        print_json(
            {
                "name": made.name,
                "module": made.module,
                "folder": str(made.folder),
                "files": list(made.files),
                "commands": commands,
            }
        )
        return
    out = console()
    out.print(f"{made.folder}: {', '.join(made.files)}", soft_wrap=True)
    for command in commands:
        out.print(f"  {command}", soft_wrap=True)


def _local(folder: Path) -> str:
    """Return a folder so that pip takes it for one, not for the name of a package."""
    return str(folder) if folder.is_absolute() else f"./{folder.as_posix()}"
