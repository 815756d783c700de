"""Videos, labels and class vectors of result files: what was dropped, swapped or relabelled."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.scored import array_digest
from zsl_bench.assessment.verify import verify_result
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.datasets import official_list
from zsl_bench.errors import DatasetError
from zsl_bench.videos import Manifest, Video


def states(path, **at_hand):
    return {check.name: check.state for check in verify_result(path, **at_hand).checks}


def failures(path, **at_hand):
    return {check.name for check in verify_result(path, **at_hand).failed}


def test_dropped_videos_are_found_although_every_count_follows(forger):
    scores = forger.arrays["video_vectors"] @ forger.arrays["class_vectors"].T
    lengths = np.linalg.norm(forger.arrays["class_vectors"], axis=1)
    right = (scores / lengths).argmax(axis=1) == forger.arrays["labels"]
    assert 0 < right.sum() < len(right)
    forger.keep(right)
    forger.count()
    forger.data["complete"] = True
    found = states(forger.save(scored_again=True))
    assert found["coverage"] == found["scores"] == "pass"
    wrong = {name for name, state in found.items() if state == "fail"}
    assert wrong == {"expected-counts", "video-list", "manifest"}


def test_counts_that_do_not_add_up_are_found(forger):
    forger.data["coverage"]["per_class"]["Archery"]["scored"] += 1
    forger.data["coverage"]["scored"] += 1
    verified = verify_result(forger.save())
    assert {check.name for check in verified.failed} == {"coverage"}
    assert "Archery" in verified.failed[0].told


def test_a_part_that_is_called_complete_is_found(forger):
    forger.data["complete"] = True
    assert failures(forger.save()) == {"complete"}


def test_swapped_videos_are_found_by_their_scores(forger):
    forger.arrays["video_vectors"] = forger.arrays["video_vectors"][::-1]
    assert "scores" in failures(forger.save())


def test_arrays_of_another_result_are_found(tmp_path, forge, write_results):
    write_results(tmp_path)
    a, b = (forge(tmp_path / "results" / f"{name}.json") for name in "ab")
    a.arrays = b.arrays
    assert failures(a.save()) == {"scores", "intervals", "contamination"}


def test_other_class_vectors_are_found_although_the_scores_are_theirs(forger):
    forger.arrays["class_vectors"] = forger.arrays["class_vectors"] + 0.1
    assert failures(forger.save(scored_again=True)) == {"class-vectors"}


def test_permuted_labels_are_found_although_the_scores_are_theirs(forger):
    labels = forger.arrays["labels"]
    others = np.where(labels == 0, 1, np.where(labels == 1, 0, labels))
    counts = np.bincount(labels)
    assert counts[0] == counts[1] > 0
    forger.arrays["labels"] = others
    verified = verify_result(forger.save(scored_again=True))
    assert {check.name for check in verified.failed} == {"labels"}
    assert "ApplyLipstick, by the official list ApplyEyeMakeup" in verified.failed[0].told


def test_videos_that_have_names_are_not_known_by_their_labels_alone(forger):
    labels = forger.arrays["labels"]
    forger.arrays["labels"] = np.where(labels == 0, 1, np.where(labels == 1, 0, labels))
    forger.data["coverage"]["named_videos"] = False
    assert failures(forger.save(scored_again=True)) == {"labels"}


def test_videos_known_by_their_labels_alone_leave_labels_not_possible(tmp_path):
    official, rng = official_list("hmdb51"), np.random.default_rng(5)
    videos = sorted(official.splits["split1-test"])
    labels = [official.videos[i].label for i in videos]
    features = tmp_path / "labelled.npz"
    np.savez(
        features,
        labels=np.array(labels),
        video_vectors=rng.normal(size=(len(labels), 300)).astype(np.float32),
    )
    made = score_features(
        features, "hmdb51", protocols="full", out=tmp_path, trained_on=("none",),
        pretrained_on=("none",), allow_approximate=True, test_list="split1-test",
    )  # fmt: skip
    found = states(tmp_path / f"{made.stem}.json")
    assert found["labels"] == found["video-list"] == "not possible"
    assert "fail" not in found.values()


def test_other_sources_are_found_that_would_narrow_an_interval(forger):
    forger.arrays["groups"] = forger.arrays["video_ids"]
    assert failures(forger.save(scored_again=True)) == {"labels"}


def test_a_list_of_videos_that_the_identity_does_not_have(forger):
    forger.save()
    forger.identity["scored"] = "0" * 64
    forger._write()
    assert failures(forger.path) == {"scored-list"}


def test_arrays_that_are_gone_changed_or_odd_leave_nothing_to_check(forger):
    forger.arrays["labels"] = forger.arrays["labels"] + 101
    assert failures(forger.save()) == {"contents"}
    forger.path.with_name("forged.npz").write_bytes(b"PK")
    assert failures(forger.path) == {"array-hash"}
    forger.path.with_name("forged.npz").unlink()
    assert failures(forger.path) == {"array-hash"}


def test_names(forger, tmp_path):
    path = forger.save()
    assert states(path)["file-name"] == "not possible"
    result = verify_result(path).result
    own = Path(shutil.copy(path, tmp_path / f"{result.stem}.json"))
    assert states(own)["file-name"] == "pass"
    other = Path(shutil.copy(path, tmp_path / "golden--ucf101--0123456789ab.json"))
    assert states(other)["file-name"] == "fail"


def test_other_classes_than_the_data_set_has_are_found(forger):
    forger.data["class_table"]["words"][0] = ["archery"]
    classes = replace(
        load_class_set("ucf101"),
        words=tuple(map(tuple, forger.data["class_table"]["words"])),
    )
    forger.identity["classes"]["fingerprint"] = classes.fingerprint
    assert "class-list" in failures(forger.save())


@pytest.fixture
def by_words(tmp_path, forge):
    """Features without class vectors, scored against the bundled word vectors."""
    official, rng = official_list("ucf101"), np.random.default_rng(3)
    ids = sorted(official.videos)[::60]
    features = tmp_path / "words.npz"
    np.savez(
        features,
        video_ids=np.array(ids),
        video_vectors=rng.normal(size=(len(ids), 300)).astype(np.float32),
    )
    made = score_features(
        features,
        "ucf101",
        protocols="open-label",
        out=tmp_path,
        trained_on=("kinetics400",),
        pretrained_on=("none",),
        allow_partial=True,
        allow_approximate=True,
    )
    return forge(tmp_path / f"{made.stem}.json")


def test_class_vectors_are_made_again_from_words(by_words):
    verified = verify_result(by_words.path)
    assert verified.fully, verified.failed
    assert "declared classes" in next(c.told for c in verified.checks if c.name == "distractors")
    matrix = by_words.arrays["class_vectors"]
    matrix[:101] = np.roll(matrix[:101], 1, axis=0)
    by_words.identity["class_vectors"]["sha256"] = array_digest(matrix[:101])
    by_words.path = by_words.path.with_name("forged.json")
    assert failures(by_words.save(scored_again=True)) >= {"word-vectors"}


def test_candidates_left_out_are_found(by_words):
    by_words.path = by_words.path.with_name("forged.json")
    by_words.data["zero_shot"]["declared_distractors"].pop()
    assert failures(by_words.save()) >= {"protocols", "distractors"}


@pytest.fixture
def own(tmp_path, forge):
    """A result on a data set that the package has no list of, and its manifest."""
    names = ("juggling", "skipping", "whistling")
    videos = tuple(
        Video(id=f"{name}/{n}", label=name, path=f"{name}/{n}.mp4", group=f"{name}/{n}")
        for name in names
        for n in range(4)
    )
    rng = np.random.default_rng(0)
    features = tmp_path / "own.npz"
    np.savez(
        features,
        video_ids=np.array([video.id for video in videos]),
        labels=np.array([names.index(video.label) for video in videos]),
        video_vectors=rng.normal(size=(12, 5)),
        classes=np.array(names),
        class_vectors=rng.normal(size=(3, 5)),
    )
    made = score_features(features, "mine", protocols="full", out=tmp_path)
    result = forge(tmp_path / f"{made.stem}.json")
    return result, Manifest(
        dataset="mine",
        classes=class_set_from_names(names, dataset="mine", source="these tests"),
        split="all",
        root=tmp_path,
        videos=videos,
    )


def test_a_data_set_of_ones_own_is_held_against_its_manifest(own, tmp_path):
    result, manifest = own
    lists = ("expected-counts", "video-list", "labels", "manifest")
    found = states(result.path)
    assert {found[name] for name in lists} == {"not possible"}
    assert verify_result(result.path).ok
    found = states(result.path, data={"mine": manifest})
    assert {found[name] for name in lists} == {"pass"}
    manifest.save(tmp_path / "manifest.json")
    assert states(result.path, data={"mine": tmp_path / "manifest.json"}) == found
    result.keep(np.arange(11))
    result.count()
    result.path = result.path.with_name("forged.json")
    result.save(scored_again=True)
    assert failures(result.path) == set()
    assert failures(result.path, data={"mine": manifest}) == {"expected-counts", "video-list"}
    with pytest.raises(DatasetError):
        verify_result(result.path, data={"mine": tmp_path / "absent"})
