"""``zsl-bench compare``: tables, JSON, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zsl_bench.assessment.given import score_features
from zsl_bench.cli import main


@pytest.fixture(scope="module")
def results(tmp_path_factory, write_results, write_features):
    """Folder of the results a, b and c; c has fewer videos."""
    folder = tmp_path_factory.mktemp("compare")
    write_results(folder)
    path = write_features(folder / "c.npz", noise=1.6, every=80)
    stored = score_features(
        path, "ucf101", name="c", out=folder / "results", allow_partial=True,
        trained_on=("none",), pretrained_on=("none",),
    )  # fmt: skip
    (folder / "results" / f"{stored.stem}.json").rename(folder / "results" / "c.json")
    return folder / "results"


def run(folder, *arguments):
    return CliRunner().invoke(main, ["compare", *[str(a) for a in arguments]])


def test_table(results):
    done = run(results, results / "a.json", results / "b.json")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "differs beside the models: nothing but the models"
    assert lines[1].startswith("A: a, overlapping (brattoli2020, 0.05)")
    assert "brattoli-half v1, 10 trials, 333 videos" in lines
    assert "brattoli-full v1, 1 trial, 333 videos" in lines
    assert sum(line.startswith("top-1 by class: A wins") for line in lines) == 2


def test_other_way_round_has_the_other_sign(results):
    both = [("a", "b"), ("b", "a")]
    one, two = (
        json.loads(run(results, results / f"{x}.json", results / f"{y}.json", "--json").output)
        for x, y in both
    )
    for ours, theirs in zip(one["protocols"], two["protocols"], strict=True):
        for name, figure in ours["figures"].items():
            assert figure["difference"] == -theirs["figures"][name]["difference"]
            assert figure["groups"]["p_value"] == theirs["figures"][name]["groups"]["p_value"]
    assert one["differs"] == two["differs"] == []
    assert (one["a"]["model"], one["b"]["file"], one["num_videos"]) == ("a", "b.json", 333)


def test_protocol_and_no_classes(results):
    done = run(
        results, results / "a.json", results / "b.json", "--protocol", "truze-v2", "--top", 0
    )
    assert done.exit_code == 0, done.output
    assert "truze-v2" in done.output
    assert "brattoli" not in done.output.replace("(brattoli2020", "")
    assert "largest" not in done.output


def test_other_videos(results):
    done = run(results, results / "a.json", results / "c.json")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert "give --common for those that both have" in done.output
    done = run(results, results / "a.json", results / "c.json", "--common", "--top", 0)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0].startswith("differs beside the models: manifest.digest")
    assert "ucf101, 167 videos that both have (166 others left out)" in done.output


def test_missing_file_is_one_line(results):
    done = run(results, results / "a.json", results / "none.json")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


def test_help_ends_in_an_example(results):
    done = run(results, "--help")
    assert "Example: zsl-bench compare results/a.json" in done.output
