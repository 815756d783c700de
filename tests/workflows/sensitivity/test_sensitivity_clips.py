"""Clip subsets, pooling, word rules, protocols: against loops and against other parts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.assessment.array_file import Rows
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.scored import Clips
from zsl_bench.classes import class_set_from_names, load_class_set, with_rules
from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.protocols import resolve_protocol, score_protocol
from zsl_bench.scoring import ScoreMatrix, cosine_scores
from zsl_bench.wordvectors import class_vectors
from zsl_bench.workflows.sensitivity import sensitivity
from zsl_bench.workflows.sensitivity.clip_subsets import (
    SUBSETS,
    StackedClips,
    mean_chosen,
    pooled_subset,
)
from zsl_bench.workflows.sensitivity.run import result_file

CHOSEN = {
    "first clip": lambda _: [0],
    "middle clip": lambda n: [n // 2],
    "last clip": lambda n: [n - 1],
    "every other clip": lambda n: [i for i in range(n) if i % 2 == 0],
    "first half": lambda n: [i for i in range(n) if 2 * i < n],
    "second half": lambda n: [i for i in range(n) if 2 * i + 1 >= n],
}


def rows_of(array):
    return Rows(shape=array.shape, parts=(lambda: array,))


def slow_pool(rows, weights, pooling):
    """Average clip vectors with loops."""
    total, weight = np.zeros(rows.shape[1]), 0.0
    for row, times in zip(rows.tolist(), weights.tolist(), strict=True):
        length = sum(x * x for x in row) ** 0.5
        for i, x in enumerate(row):
            total[i] += times * (x / (length or 1.0) if pooling == "mean-of-unit" else x)
        weight += times
    return total / weight


@given(
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    pooling=st.sampled_from(["mean", "mean-of-unit"]),
    name=st.sampled_from(sorted(SUBSETS)),
    seed=st.integers(0, 99),
)
def test_subsets_equal_a_loop(counts, pooling, name, seed):
    rng = np.random.default_rng(seed)
    total = sum(counts)
    vectors = rng.normal(size=(total, 3)).astype(np.float32)
    weights = rng.integers(1, 5, size=total)
    number = np.array(counts)
    clips = StackedClips(vectors, weights, number)
    pooled = pooled_subset(clips, choose=SUBSETS[name], pooling=pooling)
    start, sizes = 0, []
    for video, count in enumerate(counts):
        own = [start + i for i in CHOSEN[name](count)]
        sizes.append(len(own))
        assert sizes[-1] >= 1
        expected = slow_pool(vectors[own], weights[own], pooling)
        assert pooled[video] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        start += count
    assert mean_chosen(number, SUBSETS[name]) == pytest.approx(np.mean(sizes))


@pytest.mark.parametrize("count", range(1, 27))
def test_the_halves_hold_every_clip_and_share_the_middle_one(count):
    first, second = (
        set(range(count)[SUBSETS[name](count)]) for name in ("first half", "second half")
    )
    assert first | second == set(range(count))
    assert first & second == ({count // 2} if count % 2 else set())


@pytest.fixture
def clip_case(make_case):
    """Random clips of 40 videos of 6 classes, with the vectors that they pool to."""
    rng = np.random.default_rng(7)
    names = ("Archery", "Basketball", "Bowling", "Diving", "Fencing", "Surfing")
    classes = class_set_from_names(names, dataset="six", source="test")
    labels = [i % 6 for i in range(40)]
    prototypes = rng.normal(size=(6, 8))
    counts = rng.integers(1, 6, size=40)
    weights = rng.integers(1, 30, size=counts.sum())
    owners = np.repeat(np.arange(40), counts)
    vectors = prototypes[np.array(labels)[owners]] + 1.6 * rng.normal(size=(counts.sum(), 8))
    vectors = (vectors * rng.uniform(0.5, 2.0, size=(len(vectors), 1))).astype(np.float32)
    rows = np.stack(
        [slow_pool(vectors[owners == v], weights[owners == v], "mean") for v in range(40)]
    )
    return make_case(
        classes=classes,
        rows=rows.astype(np.float32),
        labels=labels,
        class_vectors=prototypes,
        clips=Clips(vectors=rows_of(vectors), weights=weights, counts=counts),
        protocols=("full", "half"),
    )


def accuracy(rows, case):
    """Top-1 with loops; a tie is wrong."""
    right = 0
    for row, label in zip(rows, case.labels, strict=True):
        scores = [
            float(row @ c / np.linalg.norm(row) / np.linalg.norm(c)) for c in case.class_vectors
        ]
        right += all(scores[label] > s for i, s in enumerate(scores) if i != label)
    return right / len(rows)


def test_every_clip_variant_is_what_loops_give(clip_case, write_result):
    study = sensitivity(write_result(clip_case))
    rows = {row.name: row for row in study.rows}
    full = next(p.id for p in study.protocols if p.id.startswith("full"))
    clips, vectors = clip_case.clips, clip_case.clips.vectors.stacked()
    owners = np.repeat(np.arange(40), clips.counts)
    own = [np.flatnonzero(owners == v) for v in range(40)]
    expected = {
        name: [own[v][choose(len(own[v]))] for v in range(40)] for name, choose in CHOSEN.items()
    }
    for name, chosen in expected.items():
        pooled = [slow_pool(vectors[i], clips.weights[i], "mean") for i in chosen]
        assert rows[name].scores[full].top1 == pytest.approx(accuracy(pooled, clip_case)), name
    assert accuracy(clip_case.rows, clip_case) != rows["each distinct clip once"].scores[full].top1
    once = [slow_pool(vectors[i], np.ones(len(i)), "mean") for i in own]
    assert rows["each distinct clip once"].scores[full].top1 == accuracy(once, clip_case)
    other = [slow_pool(vectors[i], clips.weights[i], "mean-of-unit") for i in own]
    assert rows["mean-of-unit"].scores[full].top1 == accuracy(other, clip_case)
    assert rows["baseline"].scores[full].top1 == accuracy(clip_case.rows, clip_case)
    assert len({row.scores[full].top1 for row in study.rows}) > 3, "a case that tells them apart"
    assert study.difference(rows["first clip"], full) == pytest.approx(
        rows["first clip"].scores[full].top1 - rows["baseline"].scores[full].top1
    )
    assert f"1.0 of {clips.counts.mean():.1f} distinct clips" in rows["first clip"].detail


def test_spreads_are_the_extremes_of_the_rows(clip_case, write_result):
    study = sensitivity(write_result(clip_case))
    for protocol in study.protocols:
        values = [row.scores[protocol.id].top1 for row in study.rows]
        spread = study.spreads(protocol.id)[-1]
        assert (spread.kind, spread.low, spread.high) == ("all", min(values), max(values))
        assert spread.variants == len(study.rows)
        for part in study.spreads(protocol.id)[:-1]:
            assert part.width <= spread.width
    assert [s.kind for s in study.spreads(study.protocols[0].id)] == ["clips", "pooling", "all"]


def test_a_run_pooled_by_unit_vectors_is_varied_the_other_way(clip_case, write_result):
    clips, vectors = clip_case.clips, clip_case.clips.vectors.stacked()
    owners = np.repeat(np.arange(40), clips.counts)
    clip_case.card = replace(clip_case.card, pooling="mean-of-unit")
    mean = clip_case.rows
    clip_case.rows = np.stack(
        [
            slow_pool(vectors[owners == v], clips.weights[owners == v], "mean-of-unit")
            for v in range(40)
        ]
    ).astype(np.float32)
    study = sensitivity(write_result(clip_case), protocols=["full"])
    (row,) = (row for row in study.rows if row.kind == "pooling")
    assert row.name == "mean"
    (figures,) = row.scores.values()
    assert figures.top1 == accuracy(mean, clip_case)


def test_no_clips_or_one_clip_a_video_is_a_reason(clip_case, write_result, tmp_path):
    one = replace(
        clip_case.clips,
        vectors=rows_of(clip_case.rows),
        weights=np.full(40, 25),
        counts=np.ones(40, dtype=np.int64),
    )
    for number, (clips, words) in enumerate(((None, "--keep-clips"), (one, "one clip a video"))):
        clip_case.clips = clips
        study = sensitivity(write_result(clip_case, tmp_path / str(number)))
        reasons = [item.reason for item in study.left_out if item.kind in ("clips", "pooling")]
        assert len(reasons) == 8
        assert all(words in reason for reason in reasons)


def test_clips_that_do_not_give_the_vectors_are_refused(clip_case, write_result, tmp_path):
    good = clip_case.clips
    for number, change in enumerate(
        (
            {"vectors": rows_of(good.vectors.stacked() + 0.1)},
            {"counts": good.counts[::-1].copy()},
            {"counts": np.append(good.counts[:-1], good.counts[-1] + 1)},
            {"counts": good.counts[:-1]},
            {"weights": good.weights[:-1]},
        )
    ):
        clip_case.clips = replace(good, **change)
        path = write_result(clip_case, tmp_path / str(number))
        with pytest.raises(ResultError, match=r"do not pool|for \d+ clips|'clip_\w+' of shape"):
            sensitivity(path)


def test_a_scoring_model_has_clip_subsets_but_one_pooling(clip_case, write_result):
    matrix = cosine_scores(clip_case.clips.vectors.stacked(), clip_case.class_vectors).astype(
        np.float32
    )
    owners = np.repeat(np.arange(40), clip_case.clips.counts)
    weights = clip_case.clips.weights
    clip_case.rows = np.stack(
        [slow_pool(matrix[owners == v], weights[owners == v], "mean") for v in range(40)]
    )
    clip_case.clips = replace(clip_case.clips, vectors=rows_of(matrix))
    clip_case.class_vectors = None
    study = sensitivity(write_result(clip_case), protocols=["full"])
    first = [matrix[owners == v][0] for v in range(40)]
    right = [
        int(np.argmax(row)) == label for row, label in zip(first, clip_case.labels, strict=True)
    ]
    (figures,) = next(row for row in study.rows if row.name == "first clip").scores.values()
    assert figures.top1 == np.mean(right)
    reasons = {item.kind: item.reason for item in study.left_out}
    assert reasons["pooling"] == "scores are averaged as they are"


@pytest.fixture
def word_case(make_case):
    """A run over HMDB51 whose class vectors come from the bundled word vectors."""
    classes = load_class_set("hmdb51")
    made = class_vectors(classes, allow_approximate=True)
    rng = np.random.default_rng(3)
    labels = [i % 51 for i in range(153)]
    rows = made.matrix[labels] + 0.08 * rng.normal(size=(153, 300))
    return make_case(
        classes=classes,
        rows=rows.astype(np.float32),
        labels=labels,
        class_vectors=made.matrix.astype(np.float64),
        kind="word vectors",
        source={"source": made.source, "digest": made.digest},
        protocols=("brattoli-full", "brattoli-half"),
        allow_approximate=True,
    )


def test_word_rules_are_scored_with_the_words_of_the_other_rules(word_case, write_result):
    study = sensitivity(write_result(word_case))
    (row,) = (row for row in study.rows if row.kind == "word rules")
    assert row.name == "plain"
    plain = with_rules(word_case.classes, "plain")
    vectors = class_vectors(plain, allow_approximate=True).matrix
    matrix = ScoreMatrix(
        classes=plain.names,
        video_ids=tuple(f"video{i:03d}" for i in range(153)),
        labels=np.array(word_case.labels),
        scores=cosine_scores(word_case.rows, vectors),
    )
    for protocol in study.protocols:
        expected = score_protocol(matrix, protocol).mean["top1"]
        assert row.scores[protocol.id].top1 == expected
    changed = sum(a != b for a, b in zip(word_case.classes.words, plain.words, strict=True))
    assert row.detail.startswith(f"{changed} of 51 classes")
    texts = {item.reason for item in study.left_out if item.kind in ("class text", "prompts")}
    assert texts == {"the class vectors come from words, not from text"}


def test_words_without_a_vector_are_a_reason_where_the_run_allowed_none(word_case, write_result):
    word_case.allow_approximate = False
    study = sensitivity(write_result(word_case))
    reason = {item.kind: item.reason for item in study.left_out}["word rules"]
    assert "have a word without a vector" in reason


def test_word_vectors_that_are_not_the_runs_are_a_reason(word_case, write_result):
    word_case.class_vectors = word_case.class_vectors[::-1].copy()
    study = sensitivity(write_result(word_case))
    reason = {item.kind: item.reason for item in study.left_out}["word rules"]
    assert "name the run's own with --vectors" in reason


def test_every_protocol_that_fits_is_there_and_every_other_says_why(word_case, write_result):
    study = sensitivity(write_result(word_case), protocols=["brattoli-half"])
    rows = {row.id: row for row in study.protocol_rows}
    reasons = {item.name: item.reason for item in study.left_out if item.kind == "protocols"}
    assert next(iter(rows)) == "brattoli-half"
    assert {"brattoli-full", "truze-v2"} <= set(rows)
    assert reasons["full"] == "the same trials as brattoli-full"
    assert "er-k600" in reasons
    assert reasons["fair-30"].startswith("candidates without a score, ucf101/")
    assert not set(rows) & set(reasons)
    for name, row in rows.items():
        protocol = resolve_protocol(name, word_case.classes)
        sizes = [len(trial.classes) for trial in protocol.trials]
        assert row.candidates == (min(sizes), max(sizes))


def test_protocols_with_other_candidates_are_not_subtracted(word_case, write_result):
    study = sensitivity(write_result(word_case))
    told = study.to_json()["all_protocols"]
    assert len(told) > 2
    assert not any("difference" in row for row in told)


def test_what_the_arrays_lack_is_said_once_and_truly(word_case, write_result):
    path = write_result(word_case)
    for chosen in ((), ("brattoli-half", "gzsl", "open")):
        said = sensitivity(path, protocols=chosen).left_out
        names = [item.name for item in said if item.kind == "protocols"]
        assert len(set(names)) == len(names)
        reasons = {item.name: item.reason for item in said}
        assert reasons["gzsl"].startswith("its harmonic mean needs")
        for name in ("open-label", "open"):
            assert reasons[name].startswith("no vectors of the declared training classes")
    with pytest.raises(ProtocolError, match="no vectors of the declared training classes"):
        sensitivity(path, protocols=["open-label"])


def test_videos_known_by_their_labels_alone_serve_no_list(write_features, tmp_path):
    path = write_features(tmp_path / "bare.npz", every=1)
    with np.load(path) as stored:
        np.savez(path, **{name: stored[name] for name in stored.files if name != "video_ids"})
    stored = score_features(
        path,
        "ucf101",
        protocols=("brattoli-full",),
        out=tmp_path / "results",
        trained_on=("none",),
        pretrained_on=("none",),
    )
    study = sensitivity(tmp_path / "results" / f"{stored.stem}.json")
    left_out = {item.name for item in study.left_out}
    for name in ("xclip-3splits", "weng-half-list01"):
        assert name in left_out
        assert name not in [row.id for row in study.protocol_rows]


def test_distractors_keep_their_protocol_where_class_vectors_stay(
    two_classes, write_result, text_model
):
    two_classes.class_vectors = np.vstack([two_classes.class_vectors, [[0.6, 0.8]]])
    two_classes.distractors = ("other/thing",)
    two_classes.protocols = ("open", "full")
    study = sensitivity(write_result(two_classes), model=text_model())
    opened = next(p.id for p in study.protocols if p.id.startswith("open"))
    rows = {row.name: row for row in study.rows}
    assert rows["baseline"].scores[opened].top1 == 0.5, "two videos are nearest to it"
    assert opened not in rows["official name"].scores
    assert rows["official name"].scores
    said = [item.reason for item in study.left_out if item.name == "official name"]
    assert said == [f"not under {opened}: the vectors of its distractors are not varied"]


def test_a_result_without_arrays_or_with_edited_ones_is_refused(two_classes, write_result):
    path = write_result(two_classes)
    arrays = path.with_suffix(".npz")
    data = bytearray(arrays.read_bytes())
    data[len(data) // 2] ^= 1
    arrays.write_bytes(data)
    with pytest.raises(ResultError, match="does not match the SHA-256"):
        sensitivity(path)
    arrays.unlink()
    with pytest.raises(ResultError, match="no such file"):
        sensitivity(path)


def test_a_folder_stands_for_its_only_result(two_classes, write_result, tmp_path):
    path = write_result(two_classes)
    assert result_file(path.parent) == path
    assert sensitivity(path.parent).file == path.name
    with pytest.raises(ResultError, match="no result file"):
        result_file(tmp_path)
    path.with_name(path.name.replace("mine", "yours")).write_bytes(path.read_bytes())
    with pytest.raises(ResultError, match="2 result files"):
        result_file(path.parent)


def test_an_unknown_protocol_is_one_line(two_classes, write_result):
    with pytest.raises(ProtocolError, match="did you mean"):
        sensitivity(write_result(two_classes), protocols=["brattoli-ful"])


def test_the_json_holds_every_row_and_reason(clip_case, write_result):
    study = sensitivity(write_result(clip_case))
    content = json.loads(json.dumps(study.to_json(), allow_nan=False))
    assert content["kind"] == "sensitivity"
    assert content["result"]["identity_sha256"] == study.result.sha256
    assert [row["name"] for row in content["variants"]] == [row.name for row in study.rows]
    first = next(iter(content["protocols"]))
    assert content["variants"][0]["scores"][first]["difference"] == 0.0
    assert content["protocols"][first]["spreads"][-1]["kind"] == "all"
    assert len(content["left_out"]) == len(study.left_out)
