"""What changes a number changes the identity, and protocols do not disturb one another."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zsl_bench import load_class_set, load_result
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import rescore
from zsl_bench.datasets import official_list
from zsl_bench.errors import DatasetError, ProtocolError
from zsl_bench.protocols import resolve_protocol

UCF = load_class_set("ucf101")


@pytest.fixture
def generalised(tmp_path, write_features):
    """Features with fair-30's candidates and two training classes, and seen videos."""
    arrays = dict(np.load(write_features(tmp_path / "f.npz", noise=0.8)))
    rng = np.random.default_rng(3)
    fair = resolve_protocol("fair-30", UCF).trials[0].distractors
    names = [*fair, "mine/folding napkins", "mine/milking cow"]
    extra = rng.normal(size=(len(names), 24)).astype(np.float32)
    arrays["classes"] = np.array([*UCF.names, *names])
    arrays["class_vectors"] = np.concatenate([arrays["class_vectors"], extra])
    np.savez(tmp_path / "wide.npz", **arrays)
    truth = np.array([0, 0, 0, 1, 1])
    noise = 1.2 * rng.normal(size=(5, 24))
    np.savez(
        tmp_path / "seen.npz",
        labels=np.array(["folding napkins", "milking cow"])[truth],
        video_vectors=(extra[-2:][truth] + noise).astype(np.float32),
    )
    (tmp_path / "mine.txt").write_text("folding napkins\nmilking cow\n")
    return {
        "trained_on": (str(tmp_path / "mine.txt"),),
        "pretrained_on": ("none",),
        "seen": tmp_path / "seen.npz",
        "allow_partial": True,
    }


def test_a_protocol_is_not_changed_by_others_beside_it(tmp_path, generalised):
    path = tmp_path / "wide.npz"
    alone = score_features(path, "ucf101", protocols="gzsl", **generalised)
    beside = score_features(
        path, "ucf101", protocols=["gzsl", "fair-30", "open-label", "1"], **generalised
    )
    assert alone.scores["gzsl"] == beside.scores["gzsl"]
    assert beside.scores["gzsl"]["trials"][0]["num_classes"] == 103
    seen = set(alone.scores["gzsl"]["generalised"]["seen_per_class"])
    assert seen == {"mine/folding napkins", "mine/milking cow"}


def square(tmp_path):
    official = official_list("ucf101")
    ids = [
        next(i for i in sorted(official.videos) if official.videos[i].label == c) for c in UCF.names
    ]
    scores = np.random.default_rng(5).normal(size=(101, 101)) + 2 * np.eye(101)
    np.savez(tmp_path / "s.npz", video_ids=np.array(ids), scores=scores)
    return tmp_path / "s.npz"


def test_the_way_round_of_scores_is_part_of_the_identity(tmp_path):
    path = square(tmp_path)
    settings = {"class_list": "ucf101", "allow_partial": True, "protocols": "2"}
    one, other = (
        score_features(path, "ucf101", layout=layout, **settings)
        for layout in ("videos-by-classes", "classes-by-videos")
    )
    assert one.sha256 != other.sha256


def test_the_order_of_columns_is_part_of_the_identity(tmp_path):
    path = square(tmp_path)
    (tmp_path / "reversed.txt").write_text("\n".join(reversed(UCF.names)))
    settings = {"layout": "videos-by-classes", "allow_partial": True, "protocols": "2"}
    one = score_features(path, "ucf101", class_list="ucf101", **settings)
    other = score_features(path, "ucf101", class_list=str(tmp_path / "reversed.txt"), **settings)
    assert one.scores["brattoli-full"]["mean"]["top1"] > 0.3
    assert other.scores["brattoli-full"]["mean"]["top1"] < 0.1
    assert one.sha256 != other.sha256


def test_scoring_again_into_the_same_folder_loses_nothing(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    first = score_features(path, "ucf101", allow_partial=True, out=tmp_path)
    place = tmp_path / f"{first.stem}.json"
    rescore(place, out=tmp_path)
    again = load_result(place)
    assert again.environment["features"] == "f.npz"
    assert again.environment["time"] == first.environment["time"]
    assert again.environment["scored_again"]["from"] == place.name
    assert again.scores == json.loads(json.dumps(first.scores))


def test_videos_known_by_labels_alone_serve_no_list_of_videos(tmp_path):
    official = official_list("hmdb51")
    hmdb = load_class_set("hmdb51")
    labels = np.array([hmdb.index(video.label) for video in official.videos.values()])
    rng = np.random.default_rng(1)
    points = rng.normal(size=(51, 8)).astype(np.float32)
    np.savez(
        tmp_path / "l.npz",
        labels=np.array([hmdb.names[i] for i in labels]),
        video_vectors=points[labels] + rng.normal(size=(len(labels), 8)).astype(np.float32),
        class_vectors=points,
        classes=np.array(hmdb.names),
    )
    with pytest.raises(DatasetError, match="add video_ids"):
        score_features(tmp_path / "l.npz", "hmdb51", protocols="xclip-3splits")
    result = score_features(tmp_path / "l.npz", "hmdb51", protocols="2", out=tmp_path)
    assert result.complete
    assert result.coverage["named_videos"] is False
    with pytest.raises(ProtocolError, match="labels alone"):
        rescore(tmp_path / f"{result.stem}.json", ["xclip-3splits"])


def test_without_protocols_those_that_fit_the_videos_are_taken(tmp_path):
    official = official_list("ucf101")
    ids = sorted(official.splits["testlist01"])
    rng = np.random.default_rng(2)
    np.savez(
        tmp_path / "t.npz",
        video_ids=np.array(ids),
        video_vectors=rng.normal(size=(len(ids), 4)).astype(np.float32),
        class_vectors=rng.normal(size=(101, 4)).astype(np.float32),
        classes=np.array(UCF.names),
    )
    result = score_features(tmp_path / "t.npz", "ucf101")
    assert [name.partition("@")[0] for name in result.scores] == ["half", "full"]
    with pytest.raises(ProtocolError, match="testlist01"):
        score_features(tmp_path / "t.npz", "ucf101", protocols="1")


def test_restricting_and_a_frozen_protocol_exclude_each_other(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    with pytest.raises(ProtocolError, match="custom alone"):
        score_features(path, "ucf101", protocols="truze-v2", restrict_to_present=True)


def test_the_verdict_of_a_row_is_of_its_own_classes(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    result = score_features(
        path,
        "ucf101",
        protocols=["2", "truze-v2"],
        allow_partial=True,
        trained_on=("kinetics400",),
        pretrained_on=("none",),
    )
    findings = {name: entry["verdicts"] for name, entry in result.scores.items()}
    assert findings["brattoli-full"][0]["finding"] == "overlapping"
    by_rule = {verdict["rule"]: verdict for verdict in findings["truze-v2"]}
    assert by_rule["brattoli2020"]["finding"] == "disjoint"
    assert by_rule["truze-v2"]["num_seen"] == 0
    entry = result.scores["truze-v2"]["contamination"]
    assert all("overlapping" not in part["verdict"] for part in entry)
