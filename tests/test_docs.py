"""Every example in README and docs runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text("utf-8"))
    return [code for name, code in found if name == language]


def commands(page: Path) -> list[str]:
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("zsl-bench ")]


@pytest.fixture
def workplace(tmp_path, monkeypatch, write_video, write_results):
    """A folder with the files that the examples name."""
    write_results(tmp_path)
    shutil.copy(tmp_path / "features-a.npz", tmp_path / "features.npz")
    for number, name in enumerate(("Archery", "Diving")):
        for clip in (1, 2):
            path = f"videos/ucf101/{name}/v_{name}_g0{number + 1}_c0{clip}.avi"
            write_video(tmp_path / path, (40 * number, 90, 90), frames=17)
    for number, name in enumerate(("red ball", "blue ball", "green ball", "grey ball")):
        write_video(tmp_path / f"videos/mine/{name}/one.mp4", (50 * number, 60, 9), frames=17)
    (tmp_path / "my_classes.txt").write_text("ApplyEyeMakeup\nfolding napkins\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_examples_run(page, workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(workplace))
    namespace = {"__name__": "example"}
    for code in blocks(page, "python"):
        first = code.splitlines()[0]
        if first.startswith("# file: "):
            Path(first.removeprefix("# file: ").strip()).write_text(code)
        exec(compile(code, str(page), "exec", dont_inherit=True), namespace)  # noqa: S102


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: p.name)
def test_commands_run(page, workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(workplace))
    for code in blocks(page, "python"):
        first = code.splitlines()[0]
        if first.startswith("# file: "):
            path = Path(first.removeprefix("# file: ").strip())
            path.write_text(code)
            if path.name.startswith("make_"):
                made = compile(code, str(page), "exec", dont_inherit=True)
                exec(made, {"__name__": "__main__"})  # noqa: S102
    for line in commands(page):
        done = CliRunner().invoke(main, shlex.split(line, comments=True)[1:])
        assert done.exit_code in (0, 3), f"{line}\n{done.output}"


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text("utf-8"))
        for target, anchor in links:
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name} links to {target}"
            if anchor:
                assert anchor in anchors(path), f"{page.name} links to {target}#{anchor}"
