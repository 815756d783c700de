"""``zsl-bench score`` as a user sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from zsl_bench.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


@pytest.fixture
def features(tmp_path, write_features, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_features(tmp_path / "f.npz")


def test_rows_that_match_no_video_are_told(features):
    arrays = dict(np.load(features))
    ids = arrays["video_ids"].astype("U80")
    ids[:5] = [f"{name}-copy" for name in ids[:5]]
    np.savez(features, **{**arrays, "video_ids": ids})
    done = run(features, "--dataset", "ucf101", "--allow-partial", "--protocol", "2")
    assert done.exit_code == 0, done.output
    assert "328 of 13,320 videos, INCOMPLETE, undeclared" in done.output
    assert done.output.count("ids that are no video of ucf101, not scored: 5") == 1
    assert "--trained-on declares it" in done.output


def test_a_user_who_declares_is_named_beside_the_verdict(features):
    done = run(
        features, "--dataset", "ucf101", "--allow-partial", "--trained-on", "none",
        "--pretrained-on", "none", "--protocol", "2", "--protocol", "truze-v2",
    )  # fmt: skip
    assert "declared by --trained-on and --pretrained-on, not on a card" in done.output


def test_each_row_has_the_verdict_of_its_own_classes(features):
    done = run(
        features, "--dataset", "ucf101", "--allow-partial", "--trained-on", "kinetics400",
        "--pretrained-on", "none", "--protocol", "2", "--protocol", "truze-v2",
    )  # fmt: skip
    rows = {line.split()[0]: line.split()[-1] for line in done.output.splitlines() if line.strip()}
    assert rows["brattoli-full"] == "overlapping"
    assert rows["truze-v2"] == "disjoint"


def test_json_is_the_result_file(features, tmp_path):
    done = run(features, "--dataset", "ucf101", "--allow-partial", "--json", "--out", "out")
    (path,) = (tmp_path / "out").glob("*.json")
    assert json.loads(done.stdout) == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["f.npz"], "name it, such as --dataset ucf101"),
        (["f.npz", "--dataset", "ucf101"], "--allow-partial"),
        (["f.npz", "--dataset", "hmdb51", "--allow-partial"], "this looks like ucf101"),
        (["f.npz", "--dataset", "ucf101", "--protocol", "xu-5", "--allow-partial"], "'xu-50'"),
        (["f.npz", "--dataset", "ucf101", "--restrict-to-present", "--protocol", "1"], "custom"),
        (["nothing.npz", "--dataset", "ucf101"], "no such file"),
        (["nothing.json"], "No such file"),
    ],
)
def test_mistakes_are_one_line(features, arguments, words):
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_result_has_settled_its_options(features, tmp_path):
    assert run(features, "--dataset", "ucf101", "--allow-partial").exit_code == 0
    (path,) = (tmp_path / "results").glob("*.json")
    again = run(path)
    assert again.exit_code == 0, again.output
    assert "brattoli-half" in again.output
    refused = run(path, "--trained-on", "kinetics400")
    assert refused.exit_code == 1
    assert "the option --trained-on, which a result has settled" in refused.stderr
