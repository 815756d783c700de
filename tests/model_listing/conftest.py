"""Modules that are written, found on the path, and forgotten again."""

import importlib
import itertools
import sys

import pytest

NUMBERS = itertools.count()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a function that writes modules under names of their own and gives the first's name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def write(text, **more):
        number = next(NUMBERS)
        made.append(f"stranger_{number}")
        (tmp_path / made[-1]).mkdir()
        (tmp_path / made[-1] / "__init__.py").write_text(text)
        for name, content in more.items():
            (tmp_path / made[-1] / f"{name}.py").write_text(content)
        importlib.invalidate_caches()
        return made[-1]

    yield write
    for name in [n for n in sys.modules if n.partition(".")[0] in made]:
        del sys.modules[name]
