"""The command line: parse, call one function, render."""

from __future__ import annotations

from zsl_bench.cli.app import main

__all__ = ["main"]
