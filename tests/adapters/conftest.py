"""Fixtures for the tests of adapters."""

import importlib.util
import sys
from functools import cache
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Compute on one thread: the networks are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_transformers():
    """The module ``tiny_transformers``, which lies beside this file."""
    name = "tiny_transformers"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def saved(tiny_transformers, tmp_path_factory):
    """A function from the kind of a tiny model of transformers to its folder, to be read only."""
    root = tmp_path_factory.mktemp("tiny-transformers")
    return cache(lambda kind: tiny_transformers.make(kind, root))
