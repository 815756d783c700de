"""Options that are given as ``NAME=VALUE``, several times."""

from __future__ import annotations

import click


def pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return what a repeated option such as ``--data DATASET=PATH`` was given, by name.

    Raises:
        click.BadParameter: A value is no pair, or a name is given twice.
    """
    found: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise click.BadParameter(
                f"{value!r} is not {param.metavar}, such as ucf101={value}", ctx=ctx, param=param
            )
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", ctx=ctx, param=param)
        found[name] = rest
    return found
