"""The overlap report's counts against slow ones, audits, verdicts and published counts."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list
from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.report.overlap_pairs import CLEAN, NOT_JUDGED, OVERLAPPING, overlap_report
from zsl_bench.splits import check_overlap
from zsl_bench.verdict.curated import curated_lists
from zsl_bench.words import words_of
from zsl_bench.wordvectors import class_vectors


@pytest.fixture(scope="module")
def report():
    return overlap_report(["kinetics400", "kinetics700"])


def test_every_training_set_meets_every_test_set(report):
    assert [pair.name for pair in report.pairs] == [
        f"{train}--{test}"
        for train in ("kinetics400", "kinetics700")
        for test in ("ucf101", "hmdb51", "activitynet200")
    ]


def test_nearest_training_classes_are_those_of_a_double_loop(report):
    pair = report.pairs[1]
    train = class_vectors(pair.train, allow_approximate=True).matrix.astype(float)
    test = class_vectors(pair.test, allow_approximate=True).matrix.astype(float)
    for number, row in list(enumerate(pair.rows))[::5]:
        words = sorted(pair.test.words[number])
        found = [
            0.0
            if sorted(bag) == words
            else 1 - sum(a * b for a, b in zip(test[number], v, strict=True))
            for bag, v in zip(pair.train.words, train, strict=True)
        ]
        assert row.distance == pytest.approx(min(found), abs=1e-12)
        assert found[pair.train.names.index(row.nearest)] == pytest.approx(row.distance, abs=1e-12)
        assert row.has_equal_words == any(sorted(bag) == words for bag in pair.train.words)


@pytest.mark.parametrize("threshold", [0.02, 0.05, 0.1, 0.3])
def test_counts_are_those_of_a_slow_count(report, threshold):
    for pair in report.pairs:
        at = pair.at(threshold)
        seen = [row for row in pair.rows if row.distance < threshold]
        assert at.classes == len(seen)
        assert at.share == len(seen) / len(pair.test)
        audit = check_overlap(pair.train, pair.test, threshold=threshold)
        assert at.removed == len(audit.removed)


def test_videos_are_those_of_the_official_list(report):
    ucf, activitynet = report.pairs[0], report.pairs[2]
    labels = Counter(video.label for video in official_list("ucf101").videos.values())
    assert {row.name: row.videos for row in ucf.rows} == labels
    assert ucf.videos == 13320
    at = ucf.at(0.05)
    assert at.videos == sum(labels[row.name] for row in ucf.seen(0.05))
    assert at.video_share == at.videos / 13320
    assert activitynet.videos is activitynet.at(0.05).videos is None


def test_zero_counts_equal_words_alone(report):
    for pair in report.pairs:
        bags = {tuple(sorted(words)) for words in pair.train.words}
        equal = [words for words in pair.test.words if tuple(sorted(words)) in bags]
        assert pair.at(0.0).classes == len(equal)
        assert [row.rules["same-words"] for row in pair.seen(0.0)] == [OVERLAPPING] * len(equal)


def test_more_is_seen_at_every_higher_threshold(report):
    for pair in report.pairs:
        counts = [pair.at(step / 100) for step in range(31)]
        for low, high in pairwise(counts):
            assert low.classes <= high.classes
            assert low.removed <= high.removed
            assert (low.videos or 0) <= (high.videos or 0)


def test_the_headline_verdict_sees_the_same_classes(report):
    for pair in report.pairs:
        assert [one.name for one in pair.verdicts[0].seen] == [
            row.name for row in pair.seen(report.threshold)
        ]


def test_curated_lists_are_told_class_by_class(report):
    truze = next(one for one in curated_lists() if one.id == "truze-v2")
    said = {row.name: row.rules["truze-v2"] for row in report.pairs[0].rows}
    assert {name for name, what in said.items() if what == OVERLAPPING} == set(
        truze.overlapping["ucf101"]
    )
    of_700 = {row.name: row.rules["truze-v2"] for row in report.pairs[3].rows}
    assert [name for name, what in of_700.items() if what == NOT_JUDGED] == ["JumpingJack"]
    assert Counter(said.values())[CLEAN] == 31


def test_published_counts_are_found_or_said_to_differ(report):
    found = {
        (one.train, len(one.tests), one.threshold, one.rules, one.claimed): one.found
        for one in report.counts
    }
    assert found == {
        ("kinetics400", 2, 0.05, "brattoli2020", 361): 361,
        ("activitynet200", 2, 0.05, "brattoli2020", 23): 23,
        ("kinetics700", 2, 0.05, "brattoli2020", 664): 662,
        ("kinetics700", 2, 0.01, "brattoli2020", 664): 664,
        ("kinetics700", 2, 0.05, "brattoli2020", 662): 662,
        ("kinetics700", 3, 0.05, "brattoli2020", 605): 586,
        ("kinetics700", 3, 0.05, "plain", 605): 605,
    }


def test_lists_of_ones_own_have_no_videos_and_no_curated_judgement(tmp_path):
    mine, theirs = tmp_path / "mine.txt", tmp_path / "theirs.txt"
    mine.write_text("folding napkins\nriding horse\n")
    theirs.write_text("horse riding\nswimming\n")
    (pair,) = overlap_report([mine], [theirs]).pairs
    first = pair.rows[0]
    assert (first.nearest, first.videos) == ("riding horse", None)
    assert set(first.rules) == {"exact-name", "same-words"}
    assert first.has_equal_words == (
        sorted(words_of("horse riding")) == sorted(pair.train.words[1])
    )


def test_a_vector_file_of_ones_own_decides(tmp_path):
    path = tmp_path / "mine.txt"
    rows = {"eat": (1, 0), "chew": (0.999, 0.04), "kiss": (0, 1)}
    zeros = " 0" * 62
    path.write_text("".join(f"{word} {x} {y}{zeros}\n" for word, (x, y) in rows.items()))
    (pair,) = overlap_report(["hmdb51"], ["hmdb51"], vectors=path).pairs
    assert pair.at(0.05).classes == 51
    (near,) = overlap_report(
        [_one(tmp_path, "chewing")], [_one(tmp_path, "eating")], vectors=path
    ).pairs
    assert 0 < near.rows[0].distance < 0.01


def _one(folder, name):
    path = folder / f"{name}.txt"
    path.write_text(f"{name}\n")
    return path


def test_json_holds_every_threshold_and_class(report):
    data = json.loads(json.dumps(report.to_json()))
    assert [len(pair["at"]) for pair in data["pairs"]] == [31] * 6
    assert [len(pair["classes"]) for pair in data["pairs"][:3]] == [101, 51, 200]
    assert len(load_class_set("kinetics400")) == 400


@pytest.mark.parametrize("trains", [[], ["kinetics400", "k400"]])
def test_no_set_or_one_twice_is_an_error(trains):
    with pytest.raises(ClassSetError, match="each once"):
        overlap_report(trains)


def test_a_threshold_that_no_distance_meets_is_an_error():
    with pytest.raises(ZslBenchError, match="threshold 3"):
        overlap_report(["kinetics400"], ["ucf101"], threshold=3)
