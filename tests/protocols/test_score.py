"""Protocol scores against a brute-force scorer that shares no code with the package."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import official_list
from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.protocols import (
    ListedVideos,
    custom_protocol,
    rank_trials,
    resolve_protocol,
    score_protocol,
)
from zsl_bench.scoring import ScoreMatrix, cosine_scores


def brute_trial(classes, labels, scores, trial) -> tuple[float, float, float]:
    """Top-1, top-5, mean per class by sorting each video's candidates, truth last on a tie."""
    chosen = set(trial)
    first, five, by_class = 0, 0, {}
    count = 0
    for row, label in zip(scores.tolist(), labels, strict=True):
        if classes[label] not in chosen:
            continue
        count += 1
        candidates = [
            (-row[c], c == label, name) for c, name in enumerate(classes) if name in chosen
        ]
        order = [name for _, _, name in sorted(candidates)]
        place = order.index(classes[label])
        first += place == 0
        five += place < 5
        by_class.setdefault(label, []).append(place == 0)
    means = [sum(hits) / len(hits) for hits in by_class.values()]
    return first / count, five / count, math.fsum(means) / len(means)


def random_matrix(dataset: str, num_videos: int, seed: int, *, duplicates: bool) -> ScoreMatrix:
    rng = np.random.default_rng(seed)
    classes = load_class_set(dataset).names
    vectors = rng.normal(size=(len(classes), 16)).astype(np.float32)
    if duplicates:
        vectors[5::7] = vectors[0]
    labels = rng.integers(len(classes), size=num_videos)
    videos = (vectors[labels] + 1.5 * rng.normal(size=(num_videos, 16))).astype(np.float32)
    return ScoreMatrix(
        classes=classes,
        video_ids=tuple(f"v{i}" for i in range(num_videos)),
        labels=labels.astype(np.int64),
        scores=cosine_scores(videos, vectors),
    )


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
@pytest.mark.parametrize("protocol", ["1", "2"])
def test_scores_equal_the_brute_force_scorer(dataset, protocol, duplicates):
    matrix = random_matrix(dataset, 400, seed=len(dataset), duplicates=duplicates)
    resolved = resolve_protocol(protocol, load_class_set(dataset))
    scored = score_protocol(matrix, resolved)
    expected = [
        brute_trial(matrix.classes, matrix.labels, matrix.scores, trial.classes)
        for trial in resolved.trials
    ]
    for trial, (top1, top5, per_class) in zip(scored.trials, expected, strict=True):
        assert trial.top1 == top1
        assert trial.top5 == top5
        assert trial.mean_per_class == pytest.approx(per_class, abs=1e-12)
        assert trial.top1_bounds == (top1, top1)
    assert scored.mean["top1"] == pytest.approx(statistics.fmean(e[0] for e in expected), abs=1e-12)
    assert scored.std["top1"] == pytest.approx(statistics.pstdev(e[0] for e in expected), abs=1e-12)
    assert scored.mean["top5"] == pytest.approx(statistics.fmean(e[1] for e in expected), abs=1e-12)
    assert scored.unscorable == ()


def hand_made() -> tuple[ScoreMatrix, object]:
    ucf = load_class_set("ucf101")
    names = ["Archery", "Basketball", "Diving"]
    columns = [ucf.names.index(name) for name in names]
    scores = np.full((3, 101), -1.0)
    scores[0, columns] = [0.9, 0.5, 0.1]
    scores[1, columns] = [0.9, 0.5, 0.1]
    scores[2, columns] = [0.2, 0.8, 0.8]
    matrix = ScoreMatrix(
        classes=ucf.names,
        video_ids=("a", "b", "c"),
        labels=np.array([columns[0], columns[1], columns[2]]),
        scores=scores,
    )
    return matrix, custom_protocol(ucf, names)


def test_missing_videos_give_bounds_and_never_touch_the_candidates():
    matrix, protocol = hand_made()
    expected = dict.fromkeys(matrix.classes, 0) | {"Archery": 4, "Basketball": 1, "Diving": 1}
    (trial,) = score_protocol(matrix, protocol, expected=expected).trials
    assert trial.num_classes == 3
    assert trial.chance == pytest.approx(1 / 3)
    assert (trial.num_videos, trial.num_expected) == (3, 6)
    assert trial.top1 == pytest.approx(1 / 3), "the tie of c does not count as right"
    assert trial.top1_bounds == (pytest.approx(1 / 6), pytest.approx(4 / 6))
    assert trial.top5_bounds == (0.5, 1.0)
    assert trial.per_class == {"Archery": (1, 1.0), "Basketball": (1, 0.0), "Diving": (1, 0.0)}


def test_trials_without_a_video_are_not_scorable_and_not_zero():
    matrix, _ = hand_made()
    part = ScoreMatrix(
        classes=matrix.classes,
        video_ids=("a",),
        labels=matrix.labels[:1],
        scores=matrix.scores[:1],
    )
    resolved = resolve_protocol("1", load_class_set("ucf101"))
    scored = score_protocol(part, resolved)
    without = [i for i, trial in enumerate(resolved.trials) if "Archery" not in trial.classes]
    assert 0 < len(without) < 10
    assert list(scored.unscorable) == without
    assert all(scored.trials[i].top1 is None for i in without)
    assert scored.mean["top1"] == 1.0
    assert scored.mean["top1_upper"] == 1.0
    expected = dict.fromkeys(part.classes, 1)
    bounds = score_protocol(part, resolved, expected=expected)
    unknown = bounds.trials[without[0]]
    assert unknown.top1 is None
    assert unknown.top1_bounds == (0.0, 1.0)
    with_video = [1 / 50 for i in range(10) if i not in without]
    assert bounds.mean["top1_lower"] == pytest.approx(sum(with_video) / 10)
    assert bounds.mean["top1_upper"] == 1.0


def test_nothing_scored_at_all_gives_none_everywhere():
    matrix, protocol = hand_made()
    empty = ScoreMatrix(
        classes=matrix.classes,
        video_ids=(),
        labels=matrix.labels[:0],
        scores=matrix.scores[:0],
    )
    scored = score_protocol(empty, protocol)
    assert scored.unscorable == (0,)
    assert set(scored.mean.values()) == {None}


def official_matrix(dataset: str, step: int, extra: tuple[str, ...] = ()) -> ScoreMatrix:
    """Random scores for every ``step``-th official video."""
    rng = np.random.default_rng(step)
    names = load_class_set(dataset).names
    videos = list(official_list(dataset).videos.values())[::step]
    labels = np.array([names.index(video.label) for video in videos])
    scores = rng.integers(0, 9, size=(len(videos), len(names) + len(extra))).astype(np.float64)
    scores[np.arange(len(videos)), labels] += rng.integers(0, 9, size=len(videos))
    return ScoreMatrix(
        classes=names + extra,
        video_ids=tuple(video.id for video in videos),
        labels=labels,
        scores=scores,
    )


def official_lists(dataset: str) -> dict[str, ListedVideos]:
    official = official_list(dataset)
    names = load_class_set(dataset).names
    return {
        name: ListedVideos(ids=ids, expected=official.counts(ids, names))
        for name, ids in official.splits.items()
    }


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_each_trial_takes_the_rows_and_the_expected_videos_of_its_list(dataset):
    matrix, lists = official_matrix(dataset, 7), official_lists(dataset)
    protocol = resolve_protocol("xclip-3splits", load_class_set(dataset))
    scored = score_protocol(matrix, protocol, lists=lists, expected=lists["all"].expected)
    for trial, found in zip(protocol.trials, scored.trials, strict=True):
        ids = lists[trial.videos].ids
        rows = [i for i, video in enumerate(matrix.video_ids) if video in ids]
        assert found.videos == trial.videos
        assert found.num_videos == len(rows)
        assert found.num_expected == len(ids)
        top1, top5, per_class = brute_trial(
            matrix.classes, matrix.labels[rows], matrix.scores[rows], trial.classes
        )
        assert (found.top1, found.top5) == (top1, top5)
        assert found.mean_per_class == pytest.approx(per_class, abs=1e-12)
    assert len({trial.num_videos for trial in scored.trials}) > 1


def test_a_matrix_that_is_the_list_needs_no_lists():
    lists = official_lists("ucf101")
    matrix = official_matrix("ucf101", 5)
    protocol = resolve_protocol("weng-half-list01", load_class_set("ucf101"))
    part = [i for i, v in enumerate(matrix.video_ids) if v in lists["testlist01"].ids]
    listed = ScoreMatrix(
        classes=matrix.classes,
        video_ids=tuple(matrix.video_ids[i] for i in part),
        labels=matrix.labels[part],
        scores=matrix.scores[part],
    )
    expected = lists["testlist01"].expected
    alone = score_protocol(listed, protocol, expected=expected)
    assert alone == score_protocol(matrix, protocol, lists=lists)
    assert alone == score_protocol(matrix, protocol, lists=lists, expected=lists["all"].expected)


def test_different_lists_cannot_be_guessed():
    matrix = official_matrix("hmdb51", 31)
    protocol = resolve_protocol("xclip-3splits", load_class_set("hmdb51"))
    with pytest.raises(ProtocolError, match="no list split1-test"):
        rank_trials(matrix, protocol)
    lists = official_lists("hmdb51")
    del lists["split2-test"]
    with pytest.raises(ProtocolError, match="no list split2-test"):
        rank_trials(matrix, protocol, lists=lists)


def test_distractors_are_candidates_and_no_truth():
    extra = tuple(f"kinetics400/class {i}" for i in range(40))
    matrix = official_matrix("hmdb51", 9, extra)
    classes = load_class_set("hmdb51")
    protocol = resolve_protocol("open-label", classes, distractors=extra)
    (found,) = score_protocol(matrix, protocol).trials
    top1, top5, per_class = brute_trial(
        matrix.classes, matrix.labels, matrix.scores, matrix.classes
    )
    assert (found.num_classes, found.num_distractors) == (91, 40)
    assert found.chance == pytest.approx(1 / 91)
    assert (found.top1, found.top5) == (top1, top5)
    assert found.mean_per_class == pytest.approx(per_class, abs=1e-12)
    assert not any("/" in name for name in found.per_class)
    (closed,) = score_protocol(matrix, resolve_protocol("2", classes)).trials
    assert closed.top1 > found.top1
    with pytest.raises(ResultError, match="no column for 'kinetics400/class 0'"):
        score_protocol(official_matrix("hmdb51", 9), protocol)


def test_ranks_given_are_not_computed_again():
    matrix = random_matrix("hmdb51", 90, seed=1, duplicates=True)
    protocol = resolve_protocol("1", load_class_set("hmdb51"))
    ranked = rank_trials(matrix, protocol)
    assert score_protocol(matrix, protocol, ranked=ranked) == score_protocol(matrix, protocol)
    for one in ranked:
        assert [matrix.classes[i] for i in matrix.labels[one.rows]] == [
            one.trial.classes[i] for i in one.labels
        ]
        assert one.rows.dtype == one.labels.dtype == one.ranks.dtype == np.int64


def test_a_matrix_is_ranked_in_parts_that_change_nothing(monkeypatch):
    matrix = random_matrix("ucf101", 130, seed=2, duplicates=True)
    protocol = resolve_protocol("xu-50", load_class_set("ucf101"))
    whole = score_protocol(matrix, protocol)
    monkeypatch.setattr("zsl_bench.protocols.ranking._CHUNK_ENTRIES", 1000)
    assert score_protocol(matrix, protocol) == whole


def test_videos_of_test_classes_alone_give_no_harmonic_mean():
    extra = ("kinetics400/abseiling",)
    classes = load_class_set("hmdb51")
    protocol = resolve_protocol("gzsl", classes, distractors=extra)
    assert protocol.metric == "harmonic_mean"
    matrix = official_matrix("hmdb51", 99, extra)
    scored = score_protocol(matrix, protocol)
    assert "harmonic_mean" not in scored.mean
    same = score_protocol(matrix, resolve_protocol("open-label", classes, distractors=extra))
    assert scored.trials == same.trials


def test_the_json_keeps_the_fields_of_the_first_results():
    matrix, protocol = hand_made()
    written = score_protocol(matrix, protocol).to_json()
    assert set(written) >= {
        "protocol", "version", "sha256", "dataset", "trials", "unscorable", "mean", "std"
    }  # fmt: skip
    assert set(written["trials"][0]) >= {
        "num_classes", "num_videos", "num_expected", "chance", "top1", "top5", "top1_bounds",
        "top5_bounds", "mean_per_class", "per_class",
    }  # fmt: skip
    assert written["metric"] == "top1"
