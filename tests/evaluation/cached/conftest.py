"""Few short videos, and runs over them with a cache of clip outputs."""

from __future__ import annotations

import pytest

from zsl_bench.clip_cache import digests
from zsl_bench.evaluation import evaluate


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Let files that were only just written count as settled."""
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**12))


class Notes:
    """A progress that remembers what it is told."""

    def __init__(self) -> None:
        self.notes, self.total, self.done, self.kept = [], 0, 0, 0

    def note(self, line: str) -> None:
        self.notes.append(line)

    def start(self, dataset: str, *, total: int, done: int) -> None:
        assert dataset
        self.total, self.done = total, done

    def advance(self, videos: int) -> None:
        self.done += videos

    def keep(self, videos: int) -> None:
        self.kept += videos

    def finish(self) -> None:
        pass


@pytest.fixture
def notes():
    """The class of a progress that remembers."""
    return Notes


@pytest.fixture
def place(tmp_path, write_video):
    """Three classes of two short videos."""
    folder = tmp_path / "videos"
    for name, colour in (("red thing", (210, 30, 30)), ("green thing", (30, 190, 30))):
        for number, frames in enumerate((5, 18)):
            write_video(folder / name / f"clip{number}.avi", colour, frames=frames, size=(48, 32))
    return tmp_path


@pytest.fixture
def run(place):
    """Return a function that evaluates a model with the cache, and says what the model ran."""
    counter = iter(range(1000))

    def evaluated(model, data=None, **more):
        more = {"workers": 0, "batch_size": 4, "cache": place / "cache", **more}
        before = model.clips_run
        (result,) = evaluate(
            model, data={"colours": data or place / "videos"}, protocols="full",
            out=place / f"out{next(counter)}", **more,
        )  # fmt: skip
        return result, model.clips_run - before

    return evaluated
