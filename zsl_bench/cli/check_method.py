"""``zsl-bench check-method``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click

from zsl_bench.cli.render import FOUND, print_json
from zsl_bench.cli.rule_lines import show_rules


@click.command("check-method", epilog="Example: zsl-bench check-method rr --quick")
@click.argument("method")
@click.option("--quick", is_flag=True, help="Leave out the world that it has to learn.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="A setting of the method, such as regulariser=1. May be given several times.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_method(*, method: str, quick: bool, settings: tuple[str, ...], as_json: bool) -> None:
    """Check METHOD, a method on clip features, against every rule for such methods.

    METHOD is a compared method such as rr or eszsl, one that an installed package brings, or
    py:PACKAGE.MODULE:CLASS. The rules of the contract are tried on a small made-up data set, with
    the settings that the method has for small trials. Then it learns a larger one, whose right
    answer is known, by its default settings: seconds for methods in closed form, many minutes for
    recurrent ones. Exit status 3 where a rule is broken, 1 where the method does not load.
    """
    from zsl_bench.baselines.methods.catalogue import load_method
    from zsl_bench.baselines.methods.settings import typed_settings
    from zsl_bench.testing.methods import run_method_rules

    with redirect_stdout(sys.stderr):
        loaded, chosen = load_method(method), typed_settings(settings)
        outcomes = run_method_rules(loaded, settings=chosen, quick=quick)
    broken = sum(outcome.state == "broken" for outcome in outcomes)
    if as_json:
        found = {
            "reference": method,
            "method": loaded.spec.name,
            "quick": quick,
            "settings": chosen,
            "broken": broken,
            "rules": [outcome.to_json() for outcome in outcomes],
        }
        print_json(found)
    else:
        show_rules(loaded.spec.name, outcomes)
    if broken:
        raise click.exceptions.Exit(FOUND)
