"""Versions, and a command that can be given again."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

from zsl_bench.provenance import environment, package_versions


def test_libraries_that_a_number_comes_from_are_named_with_their_versions():
    versions = package_versions()
    for name in ("zsl-bench", "torch", "av", "transformers", "open-clip-torch", "mteb"):
        assert versions[name] == metadata.version(name)
    assert environment()["packages"] == versions


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/somewhere/bin/zsl-bench", "list", "models"], ["zsl-bench", "list", "models"]),
        (["/a/zsl_bench/__main__.py", "list"], ["python", "-m", "zsl_bench", "list"]),
        ([], []),
    ],
)
def test_the_command_is_told_without_the_place_of_the_program(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    assert environment()["command"] == command


def test_it_imports_nothing_heavy():
    program = (
        "import json, sys; from zsl_bench.provenance import environment; environment(); "
        "print(json.dumps(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == []
