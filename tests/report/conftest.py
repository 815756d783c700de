"""Results that a report is made of."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from zsl_bench.results import GIVEN, EvaluationResult, load_result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = 'c_1 & <script>alert(1)</script> | 50% {x} "y" \\ $z$ #'


@dataclass(frozen=True, kw_only=True)
class Files:
    """Result files of three models on the same videos.

    Attributes:
        folder: Where they lie.
        a: A better model; complete by its own word.
        b: A worse one, comparable with it.
        c: As b, under a name full of signs, incomplete, and of another clip policy.
    """

    folder: Path
    a: Path
    b: Path
    c: Path


def restated(result: EvaluationResult, *, name: str, policy: str, complete: bool):
    """Return a result as a run would write it that knows what features cannot tell."""
    identity = {key: policy if value == GIVEN else value for key, value in result.identity.items()}
    model = {**identity["model"], "name": name, "code": "", "weights": f"sha256:{name}"}
    return replace(result, identity={**identity, "model": model}, complete=complete)


@pytest.fixture(scope="session")
def _made(
    write_results: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Files]:
    @cache
    def make() -> Files:
        folder = tmp_path_factory.mktemp("reported")
        write_results(folder)
        made = {}
        for key, source, name, policy, complete in (
            ("a", "a", "alpha", "uniform-1", True),
            ("b", "b", "beta", "uniform-1", True),
            ("c", "b", HOSTILE, "uniform-25", False),
        ):
            result = load_result(folder / "results" / f"{source}.json")
            known = restated(result, name=name, policy=policy, complete=complete)
            path = known.save(folder / "results")
            made[key] = path.rename(folder / "results" / f"known-{key}.json")
        return Files(folder=folder / "results", **made)

    return make


@pytest.fixture
def files(_made: Callable[[], Files], tmp_path: Path) -> Files:
    """Copies of the result files, with their arrays beside them."""
    made = _made()
    folder = tmp_path / "results"
    shutil.copytree(made.folder, folder)
    return Files(folder=folder, **{key: folder / getattr(made, key).name for key in "abc"})
