"""A features file gives the manifest that the same videos give when read from a folder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list, open_dataset
from zsl_bench.features import match_features, read_features
from zsl_bench.videos import Manifest, Video

DATASETS = ("ucf101", "hmdb51")


def plant(root, paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def same(manifest, other):
    assert manifest.digest == other.digest
    assert manifest.split == other.split
    assert manifest.missing == other.missing
    assert manifest.expected == other.expected
    assert manifest.classes.fingerprint == other.classes.fingerprint
    assert manifest.is_partial == other.is_partial
    assert [(v.id, v.label, v.group) for v in manifest.videos] == [
        (v.id, v.label, v.group) for v in other.videos
    ]


@pytest.mark.datasets
@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("test_list", [None, "split1"])
def test_real_clips(dataset, test_list, shared_data, full):
    root = shared_data / "videos" / dataset
    folder = open_dataset(dataset, root, test_list=test_list)
    paths = sorted(str(path) for path in root.rglob("*.*"))
    matched = match_features(read_features(full(dataset, paths)), dataset, test_list=test_list)
    same(matched.manifest, folder)
    assert len(matched.manifest.extra) == len(folder.extra)
    for video, row in zip(matched.manifest.videos, matched.rows, strict=True):
        assert f"/{video.id}." in paths[row]


@pytest.mark.datasets
def test_real_kinetics_clips(shared_data, full):
    folder = open_dataset("kinetics600", shared_data / "videos" / "kinetics")
    ids = [video.id for video in folder.videos]
    matched = match_features(read_features(full("kinetics600", ids[::-1])), "Kinetics-600")
    same(matched.manifest, folder)
    assert matched.rows.tolist() == list(range(len(ids)))[::-1]


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("number", [None, 1, 3])
def test_empty_files_of_official_names(dataset, number, full, tmp_path):
    name = {"ucf101": f"testlist0{number}", "hmdb51": f"split{number}-test"}[dataset]
    ids = sorted(official_list(dataset).splits["all" if number is None else name])[:: number or 40]
    root = plant(tmp_path / "videos", [f"{i}.avi" for i in ids])
    test_list = None if number is None else f"split{number}"
    matched = match_features(read_features(full(dataset, ids)), dataset, test_list=test_list)
    same(matched.manifest, open_dataset(dataset, root, test_list=test_list))


@pytest.mark.parametrize("dataset", DATASETS)
def test_exactly_a_list_is_recognised(dataset, full):
    for name, ids in official_list(dataset).splits.items():
        if "2" in name or name == "all":
            matched = match_features(read_features(full(dataset, sorted(ids))), dataset)
            assert matched.manifest.split == name
            assert matched.manifest.missing == ()
            used = (f"the videos are exactly those of {name}, which is used",)
            assert matched.manifest.notes == (() if name == "all" else used)


def test_nearly_a_list_is_told_and_not_assumed(full):
    ids = sorted(official_list("ucf101").splits["testlist01"])[:-10]
    matched = match_features(read_features(full("ucf101", ids)), "ucf101")
    assert matched.manifest.split == "all"
    assert len(matched.manifest.missing) == 13320 - 3773
    (note,) = matched.manifest.notes
    assert note.startswith("all videos are in testlist01 (3,773 of 3,783): give --test-list testl")
    listed = match_features(read_features(full("ucf101", ids)), "ucf101", test_list="testlist01")
    assert len(listed.manifest.missing) == 10
    assert listed.manifest.is_partial


def test_more_than_a_list(full):
    features = read_features(full("ucf101"))
    matched = match_features(features, "ucf101", test_list="testlist01")
    assert len(matched.manifest) == len(matched.rows) == 3783
    assert matched.manifest.notes == ("rows of other videos than those of testlist01: 9,537",)
    assert matched.manifest.extra == ()


def test_a_list_file(full, tmp_path):
    (tmp_path / "mine.txt").write_text("YoYo/v_YoYo_g01_c01.avi\nYoYo/v_YoYo_g01_c02.avi\n")
    features = read_features(full("ucf101", ["v_YoYo_g01_c01", "v_Archery_g01_c01"]))
    manifest = match_features(features, "ucf101", test_list=tmp_path / "mine.txt").manifest
    assert manifest.split == "custom-mine"
    assert manifest.missing == ("v_YoYo_g01_c02",)


def test_unmatched_ids_are_named(full):
    ids = ["v_YoYo_g01_c01", "cat.mp4", "v_YoYo_g01_c02_clip7", "A.AVI"]
    manifest = match_features(read_features(full("ucf101", ids)), "ucf101").manifest
    assert manifest.extra == ("A.AVI", "cat.mp4", "v_YoYo_g01_c02_clip7")
    assert manifest.notes[0].startswith("ids that are no video of ucf101, not scored: 3 (cat.mp4, ")
    assert "'v_YoYo_g01_c02_clip7' looks like a clip of v_YoYo_g01_c02" in manifest.notes[0]


def test_groups_and_labels_are_the_official_ones(arrays, npz):
    path = npz({**arrays, "groups": np.array(["a", "b", "c", "d"])})
    matched = match_features(read_features(path), "ucf101")
    groups = {video.id: video.group for video in matched.manifest.videos}
    assert groups["v_Biking_g02_c03"] == "Biking_g02"
    assert matched.manifest.notes == ("groups of the file are not used: the official ones are",)


def test_zero_vectors_are_told(arrays, npz):
    arrays["video_vectors"][1] = 0
    manifest = match_features(read_features(npz(arrays)), "ucf101").manifest
    assert manifest.notes == ("video vectors that are all zeros: 1; their scores all tie",)


def test_label_numbers_without_names_are_checked_as_far_as_can_be(arrays, npz):
    path = npz(
        {**arrays, "labels": np.array([9, 0, 77, 9]), "classes": None, "class_vectors": None}
    )
    assert match_features(read_features(path), "ucf101").columns is None


def test_one_folder_is_no_class_folder(full):
    ids = [f"/exp/diving/{i}.npy" for i in ("v_YoYo_g01_c01", "v_Archery_g01_c01")]
    assert len(match_features(read_features(full("ucf101", ids)), "ucf101").manifest) == 2


def test_rows_and_columns_follow_the_manifest(arrays, npz):
    rng = np.random.default_rng(0)
    order = rng.permutation(102)
    names = np.array([*arrays["classes"], "kinetics400/abseiling"])[order]
    vectors = np.vstack([arrays["class_vectors"], np.ones((1, 5), np.float32)])[order]
    spelt = np.array([n if "/" in n else n.lower() for n in names])
    matched = match_features(
        read_features(npz({**arrays, "classes": spelt, "class_vectors": vectors})), "ucf101"
    )
    assert matched.candidates == (*load_class_set("ucf101").names, "kinetics400/abseiling")
    np.testing.assert_array_equal(matched.candidate_vectors[:-1], arrays["class_vectors"])
    np.testing.assert_array_equal(matched.candidate_vectors[-1], np.ones(5))
    ids = [video.id for video in matched.manifest.videos]
    for video, vector in zip(ids, matched.video_vectors, strict=True):
        at = arrays["video_ids"].tolist().index(video)
        np.testing.assert_array_equal(vector, arrays["video_vectors"][at])
    assert matched.candidate_scores is None


def test_scores_follow_the_manifest(arrays, npz):
    scores = np.arange(4 * 102.0).reshape(4, 102)
    names = ["spare class", *(f"ucf101/{name}" for name in arrays["classes"])]
    ids = [
        f"{label}\\{i}.avi" for i, label in zip(arrays["video_ids"], arrays["labels"], strict=True)
    ]
    path = npz({"ids": np.array(ids), "classes": np.array(names), "scores": scores.T.copy()})
    matched = match_features(read_features(path), "ucf101")
    assert matched.distractors == ("spare class",)
    assert [video.id for video in matched.manifest.videos] == sorted(arrays["video_ids"])
    expected = scores[np.argsort(arrays["video_ids"])]
    np.testing.assert_array_equal(matched.candidate_scores[:, -1], expected[:, 0])
    np.testing.assert_array_equal(matched.candidate_scores[:, :-1], expected[:, 1:])
    assert matched.video_vectors is matched.candidate_vectors is None


def test_arrays_beside_a_result(npz):
    """Integer labels by the class list, scores, distractors in an array of their own."""
    ids = sorted(official_list("hmdb51").splits["split1-test"])[::7]
    names = load_class_set("hmdb51").names
    labels = np.array([names.index(official_list("hmdb51").videos[i].label) for i in ids])
    arrays = {"video_ids": np.array(ids), "labels": labels, "classes": np.array(names)}
    scores = np.random.default_rng(0).standard_normal((len(ids), 53))
    arrays["distractors"] = np.array(["kinetics400/abseiling", "mine/wave"])
    matched = match_features(read_features(npz({**arrays, "scores": scores})), "hmdb51")
    assert matched.distractors == ("kinetics400/abseiling", "mine/wave")
    assert matched.rows.tolist() == list(range(len(ids)))
    assert matched.columns.tolist() == list(range(51))
    np.testing.assert_array_equal(matched.candidate_scores, scores)


def test_square_scores_beside_a_result_and_distractors_of_ones_own(npz):
    scores = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    arrays = {"video_ids": np.array(["a", "b", "c"]), "labels": np.array([1, 0, 0])}
    arrays |= {"classes": np.array(["red", "blue"]), "distractors": np.array(["theirs/blue"])}
    matched = match_features(read_features(npz({**arrays, "scores": scores})), "toys")
    assert matched.candidates == ("blue", "red", "theirs/blue")
    np.testing.assert_array_equal(matched.candidate_scores, scores[:, [1, 0, 2]])
    none = {**arrays, "distractors": np.array([], dtype=str), "scores": scores[:, :2]}
    assert match_features(read_features(npz(none)), "toys").candidates == ("blue", "red")


def test_a_class_list_names_columns_and_label_numbers(arrays, npz):
    names = arrays.pop("classes")[::-1]
    arrays["labels"] = np.array([names.tolist().index(label) for label in arrays["labels"]])
    features = read_features(npz(arrays))
    matched = match_features(features, "ucf101", class_list=names.tolist())
    np.testing.assert_array_equal(matched.candidate_vectors[::-1], arrays["class_vectors"])
    ordered = load_class_set("ucf101")
    with pytest.raises(Exception, match="labels that are not the official ones"):
        match_features(features, "ucf101", class_list=ordered)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_classes_changes_nothing(arrays, npz, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(4), rng.permutation(101)
    shuffled = {name: arrays[name][rows] for name in ("video_ids", "labels", "video_vectors")}
    shuffled |= {name: arrays[name][columns] for name in ("class_vectors", "classes")}
    one, other = (match_features(read_features(npz(a)), "ucf101") for a in (arrays, shuffled))
    assert one.manifest.digest == other.manifest.digest
    np.testing.assert_array_equal(one.video_vectors, other.video_vectors)
    np.testing.assert_array_equal(one.candidate_vectors, other.candidate_vectors)


def labels_of(dataset, name):
    official = official_list(dataset)
    return np.array([official.videos[i].label for i in sorted(official.splits[name])])


def test_labels_alone(npz):
    labels = labels_of("ucf101", "testlist01")
    vectors = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    matched = match_features(read_features(npz({"labels": labels, "features": vectors})), "ucf101")
    manifest = matched.manifest
    assert not matched.has_ids
    assert manifest.split == "testlist01"
    assert not manifest.is_partial
    assert manifest.expected == manifest.counts()
    assert "labels alone" in manifest.notes[0]
    official = open_like(manifest, "testlist01")
    assert manifest.digest != official
    assert [video.label for video in manifest.videos] == labels[matched.rows].tolist()


def open_like(manifest, name):
    videos = official_list(manifest.dataset)
    rows = tuple(
        Video(id=i, label=videos.videos[i].label, path=i, group=i) for i in videos.splits[name]
    )
    return Manifest(
        dataset=manifest.dataset,
        classes=manifest.classes,
        split=name,
        root=manifest.root,
        videos=rows,
    ).digest


def test_labels_alone_that_fit_several_lists(npz):
    labels = labels_of("hmdb51", "split1-test")
    features = read_features(npz({"labels": labels, "features": np.ones((1530, 2))}))
    with pytest.raises(Exception, match="fit split1-test, split2-test, split3-test; give one"):
        match_features(features, "hmdb51")
    matched = match_features(features, "hmdb51", test_list="split2")
    assert matched.manifest.split == "split2-test"


def test_kinetics_as_given(npz):
    ids = ["arm_wrestling/a-345678901_000001_000011.mp4", "x\\abseiling\\b"]
    arrays = {"ids": np.array(ids), "features": np.ones((2, 3))}
    manifest = match_features(read_features(npz(arrays)), "kinetics400").manifest
    assert {v.id: v.label for v in manifest.videos} == dict(
        zip(ids, ("arm wrestling", "abseiling"), strict=True)
    )
    assert [v.group for v in manifest.videos] == ["a-345678901", "x\\abseiling\\b"]
    assert [v.path for v in manifest.videos] == [ids[0], "x/abseiling/b"]
    assert manifest.expected is None
    assert manifest.is_partial


def test_a_data_set_of_ones_own(npz, tmp_path):
    names = ["blue ball/one.mp4", "red ball/one.mp4", "red ball/two.mp4"]
    folder = open_dataset("toys", plant(tmp_path / "toys", names))
    arrays = {"ids": np.array(names[::-1]), "features": np.ones((3, 2))}
    same(match_features(read_features(npz(arrays)), "toys").manifest, folder)
    arrays |= {"labels": np.array([1, 1, 0]), "classes": np.array(["blue ball", "red ball"])}
    same(match_features(read_features(npz(arrays)), "toys").manifest, folder)
    arrays |= {"class_vectors": np.ones((2, 2)), "groups": np.array(["a", "a", "b"])}
    matched = match_features(read_features(npz(arrays)), "toys")
    assert [video.group for video in matched.manifest.videos] == ["b", "a", "a"]
    wider = match_features(
        read_features(npz({"ids": arrays["ids"], "features": arrays["features"]})),
        "toys",
        class_list=["red ball", "green ball", "blue ball"],
    ).manifest
    assert wider.classes.names == ("red ball", "green ball", "blue ball")
    assert wider.is_partial


def test_distractors_of_a_data_set_of_ones_own(npz):
    path = npz(
        {
            "ids": np.array(["a", "b"]),
            "labels": np.array(["red", "blue"]),
            "classes": np.array(["red", "ucf101/Archery", "blue"]),
            "scores": np.arange(6.0).reshape(2, 3),
        }
    )
    matched = match_features(read_features(path), "toys")
    assert matched.candidates == ("blue", "red", "ucf101/Archery")
    np.testing.assert_array_equal(matched.candidate_scores, [[2, 0, 1], [5, 3, 4]])


def test_odd_ids_of_ones_own(npz):
    ids = ["/abs/../up.mp4", "C:\\x\\y.mp4", ".."]
    path = npz({"ids": np.array(ids), "labels": np.array(["red"] * 3), "features": np.ones((3, 2))})
    manifest = match_features(read_features(path), "toys").manifest
    assert [video.path for video in manifest.videos] == ["video", "abs/up.mp4", "C_/x/y.mp4"]


def test_labels_alone_of_ones_own(npz):
    path = npz({"labels": np.array(["b", "a", "b"]), "features": np.ones((3, 2))})
    matched = match_features(read_features(path), "toys")
    assert [video.id for video in matched.manifest.videos] == ["a/000000", "b/000000", "b/000001"]
    assert matched.rows.tolist() == [1, 0, 2]
