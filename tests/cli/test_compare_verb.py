"""``zsl-bench compare``: tables, JSON, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
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
    assert lines[0].startswith("differs beside the models: ")
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
    assert one["differs"] == two["differs"]
    assert all(field.endswith("(unknown)") for field in one["differs"])
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
    assert "manifest.digest" in done.output.splitlines()[0]
    assert "ucf101, 167 videos that both have (166 others left out)" in done.output


def test_a_result_against_itself_is_no_comparison(results):
    done = run(results, results / "a.json", results / "a.json")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "A and B are the same result: their identities are equal"
    same = "top-1, per class, top-5: A and B give the same answers, right or wrong, on every video"
    assert lines.count(same) == 2
    assert "A wins 0, B wins 0, 101 equal" in done.output
    assert "largest" not in done.output
    assert not any(mark in done.output for mark in "†‡°")
    told = json.loads(run(results, results / "a.json", results / "a.json", "--json").output)
    assert told["same_result"]
    for one in told["protocols"]:
        assert all(figure["identical"] for figure in one["figures"].values())
        assert one["figures"]["top1"]["classes"]["interval"] is None


def test_intervals_of_few_units_carry_a_mark_with_its_meaning(tmp_path, write_features):
    paths = []
    for seed in (0, 1):
        path = write_features(tmp_path / f"{seed}.npz", noise=1.0)
        with np.load(path) as stored:
            arrays = dict(stored)
        kept = np.flatnonzero(arrays["labels"] < 6)
        for name in ("video_ids", "labels", "video_vectors"):
            arrays[name] = arrays[name][kept]
        if seed:
            arrays["video_vectors"][0] *= -1
        np.savez(path, **arrays)
        stored = score_features(
            path, "ucf101", name=str(seed), out=tmp_path, allow_partial=True,
            protocols=("brattoli-full",), trained_on=("none",), pretrained_on=("none",),
        )  # fmt: skip
        paths.append(tmp_path / f"{stored.stem}.json")
    done = run(tmp_path, *paths)
    assert done.exit_code == 0, done.output
    assert "‡" in done.output
    (legend,) = (line for line in done.output.splitlines() if line.startswith("* ‡"))
    assert legend == (
        "* ‡ exact intervals of gains and of losses, joined: too few sources or classes differ"
    )
    assert "* †" not in done.output or "†" in done.output.partition("* †")[0]
    figure = json.loads(run(tmp_path, *paths, "--json").output)["protocols"][0]["figures"]["top1"]
    assert not figure["identical"]
    for test in (figure["groups"], figure["classes"]):
        low, high = test["interval"]["low"], test["interval"]["high"]
        assert low <= 0.0 <= high
        assert (high - low) / 2 < test["detectable"] < high - low


def test_a_protocol_that_hangs_on_the_model_is_one_true_line(results):
    for name in ("gzsl", "open-label"):
        done = run(results, results / "a.json", results / "b.json", "--protocol", name)
        assert done.exit_code == 1
        assert len(done.output.splitlines()) == 1
        assert "--trained-on" not in done.output
        assert "training classes" in done.output


def test_missing_file_is_one_line(results):
    done = run(results, results / "a.json", results / "none.json")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


def test_help_ends_in_an_example(results):
    done = run(results, "--help")
    assert "Example: zsl-bench compare results/a.json" in done.output
