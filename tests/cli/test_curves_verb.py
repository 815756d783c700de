"""``zsl-bench curves``: tables, JSON, CSV, and what it refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from zsl_bench.assessment.given import score_features
from zsl_bench.classes import load_class_set
from zsl_bench.cli import main
from zsl_bench.datasets import official_list

HMDB = load_class_set("hmdb51")


def score(folder, *, every=20, only=None, protocols=("2",), **declared):
    """Score random features of every 20th video and return the path of the result."""
    official = official_list("hmdb51")
    ids = sorted(official.videos)[::every]
    ids = [i for i in ids if only is None or official.videos[i].label == only]
    labels = [HMDB.index(official.videos[i].label) for i in ids]
    rng = np.random.default_rng(0)
    classes = rng.normal(size=(51, 8))
    np.savez(
        folder / "mine.npz",
        ids=np.array(ids),
        video_vectors=classes[labels] + rng.normal(size=(len(ids), 8)),
        class_vectors=classes,
        classes=np.array(HMDB.names),
    )
    result = score_features(
        folder / "mine.npz",
        "hmdb51",
        protocols=protocols,
        out=folder,
        allow_partial=True,
        **declared,
    )
    return folder / f"{result.stem}.json"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return the paths of two results: a model that declares Kinetics-400, and one that is open."""
    folder = tmp_path_factory.mktemp("curves")
    return [
        score(folder, trained_on=(trained,), pretrained_on=("none",))
        for trained in ("kinetics400", "open")
    ]


def run(*arguments):
    return CliRunner().invoke(main, ["curves", *map(str, arguments)])


def test_both_curves_with_all_candidates(results):
    done = run(results[0])
    assert done.exit_code == 0, done.output
    assert "clean rows by overlap threshold (minimum distance)" in done.output
    assert "mean distance to the 10 nearest declared classes (paper Fig. 7)" in done.output
    rows = [line.split() for line in done.output.splitlines() if line.strip().startswith("0.0")]
    assert [row[:3] for row in rows] == [
        ["0.00", "1", "51"],
        ["0.05", "1", "40"],
        ["0.00", "1", "51"],
    ]
    assert {row[4] for row in rows} == {"51"}


def test_the_header_says_what_the_curves_are_of(results):
    first = run(results[0]).output.splitlines()[0]
    assert (
        first == "mine on hmdb51, 339 of 6,766 videos, INCOMPLETE, overlapping (brattoli2020, 0.05)"
    )


def test_rows_are_not_called_clean_beside_an_open_field(tmp_path):
    path = score(tmp_path, trained_on=("kinetics400",), pretrained_on=("open",))
    done = run(path)
    assert "rows not found by overlap threshold (minimum distance)" in done.output
    assert "clean" not in done.output
    (told,) = json.loads(run(path, "--json").stdout)
    assert told["clean_is_known"] is False
    assert "clean" not in told["curves"][0]["name"]


def test_a_protocol_without_a_row_is_one_line(tmp_path):
    path = score(tmp_path, only="kiss", protocols=("2", "truze-v2"), trained_on=("kinetics400",))
    done = run(path, "--protocol", "truze-v2")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1:] == [
        "truze-v2: no curve, as no video of its classes is scored",
        "",
    ]


def test_classes_with_a_stand_in_are_named(tmp_path):
    (tmp_path / "odd.txt").write_text("qqzv chew\nzumba\n")
    odd = str(tmp_path / "odd.txt")
    path = score(tmp_path, trained_on=("kinetics400", odd), pretrained_on=("none",))
    done = run(path)
    named = next(line for line in done.output.splitlines() if "without a vector" in line)
    assert named.startswith("* nearest distance rests on a word without a vector: ")
    assert "chew" in named


def test_json_agrees_with_the_result(results):
    stored = json.loads(results[0].read_text())
    (told,) = json.loads(run(results[0], "--kind", "overlap", "--json").stdout)
    (curve,) = told["curves"]
    assert told["restricted"] is False
    scores = stored["scores"]["brattoli-full"]
    assert curve["points"][0]["top1"] == pytest.approx(scores["mean"]["top1"], abs=1e-15)
    clean = next(e for e in scores["contamination"] if e["rule"] == "brattoli2020")["mean"]["clean"]
    at = next(point for point in curve["points"] if point["threshold"] >= 0.05)
    for name in ("top1", "mean_per_class", "num_videos", "num_classes", "num_candidates"):
        assert at[name] == pytest.approx(clean["all_candidates"][name])


def test_csv_holds_every_step(results, tmp_path):
    done = run(results[0], "--restricted", "--protocol", "half", "--csv", tmp_path / "c.csv")
    assert done.exit_code == 0, done.output
    with (tmp_path / "c.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["curve"] for row in rows} == {"overlap", "nearest-10"}
    assert {row["candidates"] for row in rows} == {"kept"}
    assert all(row["protocol"].startswith("half@") for row in rows)
    overlap = [row for row in rows if row["curve"] == "overlap"]
    thresholds = [float(row["threshold"]) for row in overlap]
    assert thresholds == sorted(thresholds)
    assert float(overlap[0]["num_candidates"]) == 25
    assert float(overlap[-1]["num_candidates"]) < 25


def test_a_model_that_declares_no_classes_is_refused_in_one_line(results):
    done = run(results[1])
    assert done.exit_code == 1
    assert "declares no training class" in done.stderr
    assert "--trained-on" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_file_is_refused_in_one_line(tmp_path):
    done = run(tmp_path / "none.json")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
