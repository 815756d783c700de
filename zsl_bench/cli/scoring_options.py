"""Options that verbs share: of models, declarations, words, and what to put up with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.classes import RULE_SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OPTIONS = (
    click.option(
        "--trained-on", multiple=True, metavar="CLASSES",
        help="Declare the training classes of a model whose card is silent: a class set such as "
        "kinetics400, a split, a class file, open (web data) or none. May be given several times.",
    ),
    click.option(
        "--pretrained-on", multiple=True, metavar="CLASSES", help="The same for its pretraining.",
    ),
    click.option(
        "--words", type=click.Choice(RULE_SETS),
        help="Rule set that makes words of class names. Default: brattoli2020.",
    ),
    click.option("--vectors", metavar="PATH", help="Word vectors; see check-overlap."),
    click.option(
        "--allow-approximate", is_flag=True, help="Stand in for words without a vector."
    ),
    click.option("--allow-partial", is_flag=True, help="Put up with videos that are missing."),
    click.option(
        "--restrict-to-present", is_flag=True,
        help="Only classes with a video are candidates; the one protocol is then called custom.",
    ),
)  # fmt: skip

all_rules_option = click.option(
    "--all-rules", is_flag=True,
    help="Show clean and overlapping rows by every rule; the result file has them anyway.",
)  # fmt: skip


_MODEL_OPTIONS = (
    click.option(
        "--weights", type=click.Path(path_type=Path), help="Weights for a model given by name."
    ),
    click.option(
        "--set", "model_settings", multiple=True, metavar="NAME=VALUE",
        help="A setting of the model, such as prompts=bare. May be given several times.",
    ),
    click.option(
        "--trust-remote-code", is_flag=True,
        help="Let code that comes with downloaded weights run on this machine.",
    ),
)  # fmt: skip


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a model's loader is told to a verb."""
    return _with(command, _MODEL_OPTIONS)


def scoring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a verb."""
    return _with(command, _OPTIONS)


def _with(
    command: Callable[..., Any], options: Sequence[Callable[[Callable[..., Any]], Any]]
) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
