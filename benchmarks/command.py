"""What the scripts of this folder share on the command line."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def script_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser that shows a script's own text as its help."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_run_options(parser: argparse.ArgumentParser, *, runs: int) -> None:
    """Add what every measuring script takes: turns, a quick check only, JSON."""
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")


def tell(report: dict[str, Any], show: Callable[[dict[str, Any]], None], *, as_json: bool) -> None:
    """Print a report as JSON, or as its script shows it."""
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        show(report)
