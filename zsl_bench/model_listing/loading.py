"""Installed models, really loaded: each in a process of its own, with a time limit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import MissingWeightsError, ZslBenchError
from zsl_bench.files import read_json, write_json
from zsl_bench.model import LoadOptions
from zsl_bench.model_listing.listed import AMBIGUOUS, BROKEN, NEEDS_WEIGHTS, OK, ListedModel
from zsl_bench.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TIME_LIMIT = 120.0
"""Seconds that a model may take to load."""

_ANSWER = "answer.json"
_PROGRAM = f"import sys; from {__name__} import answer; answer(*sys.argv[1:])"


def loaded_models(
    models: Iterable[ListedModel], *, time_limit: float = TIME_LIMIT
) -> Iterator[ListedModel]:
    """Load each model in a process of its own and tell what came of it.

    Args:
        models: Models as listed.
        time_limit: Seconds that each may take.

    Yields:
        Each model again with its state and reason after loading. The cards stay those of the
        source. A model that raises :class:`zsl_bench.errors.MissingWeightsError` ``needs weights``;
        with any other error it is broken.
    """
    for listed in models:
        state, reason = _tried(listed, time_limit)
        yield replace(listed, state=state, reason=reason)


def _tried(listed: ListedModel, time_limit: float) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(prefix="zsl-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ended = _ended(f"py:{listed.model.value}", folder, time_limit)
        if not (folder / _ANSWER).is_file():
            return BROKEN, ended
        said: dict[str, Any] = read_json(folder / _ANSWER, what="what a model's process said")
    if (said["state"], listed.state) == (OK, AMBIGUOUS):
        return listed.state, listed.reason
    return said["state"], said["reason"]


def _ended(reference: str, folder: Path, time_limit: float) -> str:
    """Run :func:`answer` in a process and say how that ended, for want of an answer.

    What it writes goes to a file: the end of a pipe may be held open by processes that it left.
    """
    command = [sys.executable, "-c", _PROGRAM, reference, str(folder / _ANSWER)]
    written = folder / "written.txt"
    nothing = subprocess.DEVNULL
    with written.open("wb") as stream:
        try:
            status = subprocess.run(  # noqa: S603
                command, stdin=nothing, stdout=nothing, stderr=stream, timeout=time_limit,
                check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not loaded after {time_limit:g} s"
    lines = written.read_text("utf-8", errors="replace").strip().splitlines()
    last = lines[-1] if lines else f"exit status {status}"
    return f"its process ended without an answer: {last[:200]}"


def answer(reference: str, file: str) -> None:
    """Load a model and write to a file what came of it.

    Args:
        reference: The model.
        file: Where to write the answer, JSON with ``state`` and ``reason``.
    """
    state, reason = OK, ""
    try:
        load_model(reference, options=LoadOptions(allow_approximate=True))
    except MissingWeightsError as error:
        state, reason = NEEDS_WEIGHTS, f"{error.found}; {error.fix}"
    except ZslBenchError as error:
        state, reason = BROKEN, f"{error.found}; {error.fix}"
    write_json(Path(file), {"state": state, "reason": reason})
