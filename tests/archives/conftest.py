"""A writer of rar files for the tests of this folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rar():
    """The module ``rar_writer``, which lies beside this file."""
    spec = importlib.util.spec_from_file_location(
        "rar_writer", Path(__file__).with_name("rar_writer.py")
    )
    import sys

    module = importlib.util.module_from_spec(spec)
    sys.modules["rar_writer"] = module
    spec.loader.exec_module(module)
    return module
