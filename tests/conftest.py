"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from playwright.sync_api import Browser, Page, Route

if "PYTEST_XDIST_WORKER" in os.environ:  # a process of tests for each processor: one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real clips and lists beside the project, where there is one."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real clips and lists of ../shared/data are not here")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("ZSL_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _no_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print as in a pipe; processes that run tests side by side are given a width of their own."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def _random_state_untouched() -> None:
    """Restore the global random states, which nothing here may depend on."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(python)
    np.random.set_state(legacy)  # noqa: NPY002


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip GPU tests without a GPU, unless ``ZSL_BENCH_REQUIRE_GPU=1`` says that one must be."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if torch.cuda.is_available():
        return
    if os.environ.get("ZSL_BENCH_REQUIRE_GPU") == "1":
        pytest.fail("ZSL_BENCH_REQUIRE_GPU=1, and there is no CUDA device")
    pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Return a function that encodes a small real video of one colour that brightens."""
    import av

    def write(
        path: Path,
        colour: tuple[int, int, int] = (200, 40, 40),
        *,
        frames: int = 20,
        size: tuple[int, int] = (64, 48),
        codec: str = "mpeg4",
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                picture = np.empty((size[1], size[0], 3), dtype=np.uint8)
                picture[:] = np.clip(np.array(colour) + number, 0, 255)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def write_features() -> Callable[..., Path]:
    """Return a function that writes vectors of some real UCF101 videos, better or worse ones."""
    from zsl_bench.classes import load_class_set
    from zsl_bench.datasets import official_list

    def write(path: Path, *, noise: float = 1.0, seed: int = 0, every: int = 40) -> Path:
        classes, official = load_class_set("ucf101"), official_list("ucf101")
        rng = np.random.default_rng(7)
        points = rng.normal(size=(len(classes), 24))
        ids = sorted(official.videos)[::every]
        labels = np.array([classes.index(official.videos[i].label) for i in ids])
        spread = np.random.default_rng(seed).normal(size=(len(ids), 24))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            video_ids=np.array(ids),
            labels=labels,
            video_vectors=(points[labels] + noise * spread).astype(np.float32),
            classes=np.array(classes.names),
            class_vectors=points.astype(np.float32),
        )
        return path

    return write


@pytest.fixture(scope="session")
def write_results(
    write_features: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    """Return a function that puts features of two models and their results a and b somewhere."""
    from zsl_bench.assessment.given import score_features

    @cache
    def made() -> Path:
        folder = tmp_path_factory.mktemp("results")
        for name, noise in (("a", 1.0), ("b", 1.6)):
            features = write_features(folder / f"features-{name}.npz", noise=noise)
            result = score_features(
                features,
                "ucf101",
                name=name,
                out=folder / "results",
                trained_on=("kinetics400",),
                pretrained_on=("none",),
                allow_partial=True,
            )
            (folder / "results" / f"{result.stem}.json").rename(folder / "results" / f"{name}.json")
        return folder

    def write(folder: Path) -> None:
        shutil.copytree(made(), folder, dirs_exist_ok=True)

    return write


@pytest.fixture(scope="module")
def load_benchmark() -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that loads a script, as ``python benchmarks/NAME.py`` would."""
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        path = BENCHMARKS / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"{name}_benchmark", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield load
    ours = {path.stem for path in BENCHMARKS.glob("*.py")}
    for name in (set(sys.modules) - before) & ours:
        del sys.modules[name]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page of a file, open in a browser.

    Attributes:
        page: Playwright's page, with ``locator``, ``click``, ``screenshot`` and the rest.
        requests: Whatever it asked for but itself and other pages beside it; all of it was refused.
        problems: Errors and warnings of its console, and exceptions of its scripts.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def _browser() -> Iterator[Browser]:
    """A browser for one file of tests: Playwright's loop must end before others want their own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no browser here: install the package chromium")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = started.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(_browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a page from its file, with nothing else to be had.

    ``visit = browser_page(tmp_path / "report.html", width=400)`` gives a :class:`Visit`;
    ``visit.page`` is Playwright's page, on which a test clicks, types and reads. Links to pages in
    the same folder or below it work. Afterwards ``assert visit.problems == []`` and
    ``assert visit.requests == []`` say that it loaded nothing and complained of nothing. The test
    skips without Playwright or a browser; everything is closed at its end.
    """
    contexts = []

    def open_page(file: Path, *, width: int = 1280, height: int = 900) -> Visit:
        folder = f"{file.resolve().parent.as_uri()}/"
        context = _browser.new_context(
            viewport={"width": width, "height": height}, service_workers="block"
        )
        contexts.append(context)
        visit = Visit(page=context.new_page())

        def answer(route: Route) -> None:
            asked = route.request
            if asked.is_navigation_request() and asked.url.startswith(folder):
                route.continue_()
            else:
                visit.requests.append(asked.url)
                route.abort()

        context.route("**/*", answer)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        visit.page.on(
            "console",
            lambda told: (
                visit.problems.append(told.text) if told.type in ("error", "warning") else None
            ),
        )
        visit.page.goto(file.resolve().as_uri())
        return visit

    yield open_page
    for context in contexts:
        context.close()
