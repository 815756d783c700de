"""``zsl-bench check-model``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import FOUND, print_json
from zsl_bench.cli.rule_lines import show_rules
from zsl_bench.cli.scoring_options import model_options

if TYPE_CHECKING:
    from zsl_bench.model import Model


@click.command("check-model", epilog="Example: zsl-bench check-model e2e-random")
@click.argument("reference", metavar="REF")
@model_options
@click.option("--vectors", metavar="PATH", help="Word vectors; see check-overlap.")
@click.option("--allow-approximate", is_flag=True, help="Stand in for words without a vector.")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@click.option(
    "--classes", metavar="CLASSES",
    help="Classes to try it on: a class set, a split or a file. Default: five everyday actions.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_model(*, reference: str, device: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Check a model against every rule that the benchmark relies on.

    REF is an installed name, path:FILE.py, py:PACKAGE.MODULE:LOAD, or any other reference of
    evaluate. Exit status 3 where a rule is broken, 1 where the model does not load.
    """
    from zsl_bench.device import choose_device
    from zsl_bench.splits import class_list
    from zsl_bench.testing import Trial, run_rules

    classes = class_list(given["classes"]) if given["classes"] else None
    chosen = str(choose_device(device))
    with redirect_stdout(sys.stderr):
        model = _loaded(reference, chosen, given)
        trial = Trial(model=model, classes=classes, device=chosen)
        outcomes = run_rules(trial)
    if as_json:
        found = {
            "reference": reference,
            "model": model.card.name,
            "device": chosen,
            "classes": len(trial.classes),
            "broken": sum(outcome.state == "broken" for outcome in outcomes),
            "rules": [outcome.to_json() for outcome in outcomes],
        }
        print_json(found)
    else:
        show_rules(model.card.name, outcomes)
    if any(outcome.state == "broken" for outcome in outcomes):
        raise click.exceptions.Exit(FOUND)


def _loaded(reference: str, device: str, given: dict[str, Any]) -> Model:
    from zsl_bench.model import LoadOptions, parse_settings
    from zsl_bench.registry import load_model

    options = LoadOptions(
        weights=given["weights"],
        vectors=given["vectors"],
        allow_approximate=given["allow_approximate"],
        device=device,
        settings=parse_settings(given["model_settings"]),
        trust_remote_code=given["trust_remote_code"],
    )
    return load_model(reference, options=options)
