"""Every bad file gives one clear line."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from zsl_bench.classes import load_class_set
from zsl_bench.errors import ClassSetError, DatasetError, ZslBenchError
from zsl_bench.features import match_features, read_features


def error_of(path, **options):
    with pytest.raises(ZslBenchError) as caught:
        read_features(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(("features ", "class file", "test list"))
    return message


def with_nan(arrays, name):
    matrix = arrays[name].copy()
    matrix[2, 1] = np.nan
    matrix[3, 0] = np.inf
    return matrix


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_ids": None, "labels": None}, "no ids and no labels"),
        ({"video_vectors": None}, "neither video vectors nor scores"),
        ({"scores": np.ones((4, 101))}, "both video vectors and scores"),
        ({"video_vectors": np.ones((0, 5))}, "an empty array, (0, 5)"),
        ({"video_vectors": np.ones((4, 0))}, "an empty array, (4, 0)"),
        ({"video_vectors": np.ones(4)}, "an array of shape (4,) for the videos"),
        ({"video_vectors": np.ones((5, 4))}, "turn the array"),
        ({"video_vectors": np.ones((3, 5))}, "4 ids for an array of shape (3, 5)"),
        ({"labels": np.array(["Archery"])}, "1 labels for an array of shape (4, 5)"),
        ({"groups": np.array(["g"])}, "1 groups for an array of shape (4, 5)"),
        ({"class_vectors": np.ones((101, 7))}, "class vectors of shape (101, 7), and video vec"),
        ({"class_vectors": np.ones((51, 5))}, "101 class names and vectors of 51 classes"),
        ({"video_ids": np.array(["a", "b", "a", "a"])}, "ids that repeat, 1 of 2: 'a' (3 times)"),
        ({"video_ids": np.array(["a", "b", " ", "c"])}, "an empty id at position 2"),
        ({"labels": np.array(["a", "", "b", "c"])}, "an empty label at position 1"),
        ({"video_ids": np.arange(4)}, "video_ids that are numbers, such as 0"),
        ({"video_ids": np.ones(4)}, "video_ids of shape (4,) and type float64"),
        ({"video_ids": np.array([["a", "b"], ["c", "d"]])}, "video_ids of shape (2, 2)"),
        ({"video_ids": np.array([b"\xff", b"b", b"c", b"d"])}, "video_ids that are not UTF-8"),
        ({"video_vectors": np.full((4, 5), "x")}, "video_vectors of shape (4, 5) and type <U1"),
        ({"video_vectors": np.ones((4, 5), complex)}, "and type complex128"),
        ({"labels": np.array([0, 1, 2, 101])}, "labels from 0 to 101 for 101 classes"),
        ({"labels": np.array([-1, 1, 2, 3])}, "labels from -1 to 3 for 101 classes"),
        ({"labels": np.ones(4)}, "give one dimension of text or whole numbers"),
        ({"embeddings": np.ones((4, 5))}, "which both could be the video_vectors"),
        ({"video_ids": np.array(["a", 2, None, "d"], dtype=object)}, "pickled Python objects"),
    ],
)
def test_npz(arrays, npz, change, message):
    assert message in error_of(npz({**arrays, **change}))


def test_numbers_that_are_not_finite_name_the_first_video(arrays, npz):
    message = error_of(npz({**arrays, "video_vectors": with_nan(arrays, "video_vectors")}))
    assert "for 2 of 4 videos, the first is 'v_YoYo_g25_c01'" in message
    message = error_of(npz({**arrays, "class_vectors": with_nan(arrays, "class_vectors")}))
    assert "for 2 of 101 classes, the first is 'Archery'" in message
    arrays = {**arrays, "video_vectors": with_nan(arrays, "video_vectors"), "video_ids": None}
    assert "the first is number 2 (from 0)" in error_of(npz(arrays))


def test_repeated_classes(arrays, npz):
    arrays["classes"][1] = arrays["classes"][0]
    assert "class names that repeat, 1 of 100: 'ApplyEyeMakeup'" in error_of(npz(arrays))


def test_scores_that_fit_no_way_round(npz):
    arrays = {"ids": np.array(["a", "b"]), "classes": np.array(["x", "y", "z"])}
    assert "2 ids for an array of shape (4, 4)" in error_of(
        npz({**arrays, "scores": np.ones((4, 4))})
    )
    scores = np.ones((2, 5))
    assert "3 class names and columns of scores for 5" in error_of(
        npz({**arrays, "scores": scores})
    )
    arrays["class_vectors"] = np.ones((3, 3))
    scores = np.ones((2, 3))
    assert "class vectors beside scores" in error_of(npz({**arrays, "scores": scores}))


def test_files_that_are_not_what_they_say(tmp_path, arrays):
    assert "no such file" in error_of(tmp_path / "absent.npz")
    assert "no such file" in error_of(tmp_path / "absent")
    for name in ("f.npz", "f.npy"):
        (tmp_path / name).write_bytes(pickle.dumps({"ids": ["a"]}))
        assert "pickled Python objects, which are never read" in error_of(tmp_path / name)
    (tmp_path / "f.pt").write_bytes(b"x")
    assert "a pickle, never read; write the arrays as one of .npz" in error_of(tmp_path / "f.pt")
    (tmp_path / "f.mat").write_bytes(b"x")
    assert "a file that ends in '.mat'; write" in error_of(tmp_path / "f.mat")
    (tmp_path / "f.npz").write_bytes(b"PK\x03\x04 and no more")
    assert "no whole npz file" in error_of(tmp_path / "f.npz")
    (tmp_path / "f.npz").write_bytes(b"")
    assert "no whole npz file" in error_of(tmp_path / "f.npz")
    (tmp_path / "f.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0 no json")
    assert "no whole safetensors file" in error_of(tmp_path / "f.safetensors")
    (tmp_path / "f.npy").write_bytes(b"\x93NUMPY and no more")
    assert "f.npy is no whole .npy file" in error_of(tmp_path / "f.npy")
    np.savez(tmp_path / "g.npz", **arrays)
    (tmp_path / "g.npz").rename(tmp_path / "f.npy")
    assert "f.npy is an npz file" in error_of(tmp_path / "f.npy")
    np.save(tmp_path / "h.npy", np.ones((2, 2)))
    (tmp_path / "h.npy").rename(tmp_path / "h.npz")
    assert "one array, not an npz file" in error_of(tmp_path / "h.npz")
    np.save(tmp_path / "o.npy", np.array([None, "x"], dtype=object))
    assert "o.npy holds pickled" in error_of(tmp_path / "o.npy")
    (tmp_path / "empty").mkdir()
    assert "a folder without video vectors" in error_of(tmp_path / "empty")


def test_a_cut_npz(arrays, npz):
    path = npz(arrays)
    path.write_bytes(path.read_bytes()[:-200])
    assert "no whole npz file" in error_of(path)
    damaged = bytearray(npz(arrays).read_bytes())
    at = damaged.find(arrays["video_vectors"].tobytes())
    damaged[at] ^= 255
    path.write_bytes(damaged)
    assert "no whole npz file (Bad CRC-32" in error_of(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no lines"),
        ("\n\n", "no lines"),
        ("a,1,2\nb,3,4\n", "no column of ids or labels among a, 1, 2"),
        ("id,label\na,x\n", "no columns of numbers"),
        ("id,f0,f1\n", "an empty array, (0, 2)"),
        ("id,f0,f1\na,1\n", "line 2: 2 cells under a header of 3"),
        ("id,f0,f1\na,1,2\nb,1,x\n", "line 3: 'x' in column 'f1', where a number is wanted"),
        ("id,f0,f1\na,1,\n", "line 2: '' in column 'f1'"),
        ('id,f0,f1\n"a,1,2\n', "line 2: unexpected end of data; mend the quotes"),
        (
            "id,f0,f1\na,1,2\nb,nan,3\n",
            "NaN or infinite numbers for 1 of 2 videos, the first is 'b'",
        ),
        ("id,name,f0,f1\na,b,1,2\n", "'id' and 'name', which both could be the video_ids"),
        ("id,f0,f0\na,1,2\n", "columns that repeat: f0"),
    ],
)
def test_csv(tmp_path, text, message):
    (tmp_path / "f.csv").write_text(text)
    assert message in error_of(tmp_path / "f.csv")


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "f.csv").write_bytes("id,f0,f1\nv\u00e9lo,1,2\n".encode("latin-1"))
    assert "no UTF-8 text" in error_of(tmp_path / "f.csv")
    (tmp_path / "g.csv").write_text("id,f0,f1\na,1,2\n")
    (tmp_path / "g.classes.csv").write_text("class,x\nArchery,1\n")
    assert "no class vectors; begin it with a header such as class,f0" in error_of(
        tmp_path / "g.csv"
    )


def test_text_beside_safetensors(tmp_path):
    path, beside = tmp_path / "f.safetensors", tmp_path / "f.json"
    save_file({"vectors": np.ones((2, 3), np.float32)}, path, metadata={"ids": "a,b"})
    assert "'ids' that is no JSON list of text" in error_of(path)
    save_file({"vectors": np.ones((2, 3), np.float32)}, path, metadata={"ids": '["a", "b"]'})
    beside.write_text("{")
    assert "with f.json: no valid JSON" in error_of(path)
    beside.write_text("[]")
    assert "with f.json: JSON that is no object" in error_of(path)
    beside.write_text(json.dumps({"ids": ["a", "b"]}))
    assert "ids both in the file and in f.json" in error_of(path)
    beside.write_text(json.dumps({"labels": ["a", 2]}))
    assert "'labels' that is no JSON list of text" in error_of(path)


def matching_error(path, dataset, **options):
    with pytest.raises(ZslBenchError) as caught:
        match_features(read_features(path), dataset, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_features_of_another_data_set(full):
    path = full("hmdb51")
    assert "this looks like hmdb51: " in matching_error(path, "ucf101")
    path = full("ucf101", [f"/k400/val/abseiling/-3B32lodo2{c}_000059_000069.mp4" for c in "abcd"])
    assert "looks like Kinetics or ActivityNet" in matching_error(path, "ucf101")
    path = full("ucf101", ["one", "two"])
    message = matching_error(path, "ucf101")
    assert "not one of 2 ids is a video of ucf101, such as 'one'; give ids such as" in message


def test_clips_are_recognised(full):
    path = full("ucf101", [f"v_Archery_g01_c01_clip{i}" for i in range(3)])
    message = matching_error(path, "ucf101")
    assert "'v_Archery_g01_c01_clip0' looks like a clip of v_Archery_g01_c01" in message


def test_classes_of_another_data_set(arrays, npz):
    arrays["classes"] = np.array([f"class {i} of mine" for i in range(101)])
    message = matching_error(npz({**arrays, "labels": None}), "ucf101")
    assert "no column or vector for 101 of 101 classes of ucf101: ApplyEyeMakeup" in message
    hmdb = {**arrays, "labels": None, "class_vectors": np.ones((51, 5))}
    hmdb["classes"] = np.array(load_class_set("hmdb51").names)
    assert "this looks like hmdb51: 51 of 51 class names" in matching_error(npz(hmdb), "ucf101")


def test_one_class_misspelt(arrays, npz):
    arrays["classes"] = np.array([n.replace("Archery", "Archeryy") for n in arrays["classes"]])
    message = matching_error(npz(arrays), "ucf101")
    assert "no column or vector for 1 of 101 classes of ucf101: Archery" in message
    assert "the file has 'Archeryy': is that the class?" in message


def test_one_class_twice(arrays, npz):
    arrays["classes"] = np.append(arrays["classes"], "archery")
    arrays["class_vectors"] = np.ones((102, 5))
    message = matching_error(npz(arrays), "ucf101")
    assert "'Archery' and 'archery', which both are the class Archery" in message


def test_classes_without_names(arrays, npz):
    arrays["classes"] = None
    message = matching_error(npz(arrays), "ucf101")
    assert "of 101 classes without their names" in message
    assert "--classes ucf101" in message
    with pytest.raises(DatasetError, match="2 class names and vectors of 101 classes"):
        match_features(read_features(npz(arrays)), "ucf101", class_list=["Archery", "Biking"])


def test_class_list_beside_class_names(arrays, npz):
    with pytest.raises(ClassSetError, match="class names in the file, and a class list beside it"):
        match_features(read_features(npz(arrays)), "ucf101", class_list=["Archery"])


def test_labels_that_disagree(arrays, npz):
    arrays["labels"] = np.array(["Archery", "YoYo", "Biking", "archery"])
    message = matching_error(npz(arrays), "ucf101")
    assert (
        "not the official ones, 2 of 4: v_Biking_g02_c03 (file: YoYo, official: Biking)" in message
    )
    arrays["labels"][1] = "Bikking"
    message = matching_error(npz(arrays), "ucf101")
    assert (
        "label 'Bikking' of v_Biking_g02_c03, which is no class of ucf101; did you mean" in message
    )
    numbers = {**arrays, "classes": None, "class_vectors": None}
    numbers["labels"] = np.array([7, 5, 5, 7])
    assert "5 for Biking and YoYo" in matching_error(npz(numbers), "ucf101")
    numbers["labels"] = np.array([7, 5, 4, 3])
    assert "for Archery" in matching_error(npz(numbers), "ucf101")


def test_folders_that_disagree(full):
    path = full("ucf101", ["Biking/v_Archery_g01_c01.avi", "YoYo/v_YoYo_g01_c01.avi"])
    message = matching_error(path, "ucf101")
    assert "'Biking/v_Archery_g01_c01.avi', which is a video of Archery" in message


def test_several_rows_of_one_video(full):
    path = full("ucf101", ["a/v_YoYo_g01_c01.avi", "v_YoYo_g01_c01", "V_yoyo_g01_c01.mp4"])
    message = matching_error(path, "ucf101")
    assert "several rows of one video (1 videos): 'a/v_YoYo_g01_c01.avi' and " in message
    path = full("ucf101", ["v_YoYo_g01_c01", "V_yoyo_g01_c01.mp4"])
    assert "'v_YoYo_g01_c01' and 'V_yoyo_g01_c01.mp4'" in matching_error(path, "ucf101")


def test_lists_and_options_that_do_not_fit(full, npz):
    path = full("ucf101", ["v_YoYo_g20_c01", "v_YoYo_g21_c01"])
    message = matching_error(path, "ucf101", test_list="testlist01")
    assert "no video of that list among 2 of the data set" in message
    assert "did you mean" in matching_error(path, "ucf101", test_list="testlst01")
    assert "none; leave them out" in matching_error(path, "ucf101", annotations="a.json")
    given = npz({"labels": np.array(["red", "blue"]), "features": np.ones((2, 2))})
    assert "no official lists are known" in matching_error(given, "toys", test_list="split1")
    assert "no ids of the videos" in matching_error(given, "activitynet200")
    path = full("activitynet200", ["v_QOlSCBRmfWY_000"])
    assert "no annotations to match them with" in matching_error(path, "activitynet200")


def test_data_sets_of_ones_own(npz):
    vectors = np.ones((2, 2))
    numbers = {"ids": np.array(["a", "b"]), "labels": np.array([0, 1]), "features": vectors}
    assert "labels that are numbers, and no class names" in matching_error(npz(numbers), "toys")
    unknown = {**numbers, "labels": np.array(["red", "bleu"]), "classes": np.array(["red", "blue"])}
    message = matching_error(npz(unknown), "toys")
    assert "label 'bleu' of 'b', which is no class of toys; did you mean 'blue'?" in message
    unlabelled = {"ids": np.array(["abseiling/x.mp4", "y.mp4"]), "features": vectors}
    message = matching_error(npz(unlabelled), "kinetics400")
    assert "no labels, and no class of kinetics400 in the path 'y.mp4'" in message


def test_labels_alone_that_fit_no_list(npz):
    labels = {"labels": np.array(["Archery", "Biking"]), "features": np.ones((2, 2))}
    message = matching_error(npz(labels), "ucf101")
    assert "labels without ids, 2 in all, whose counts per class fit no list" in message
    labels["labels"] = np.array(["wave", "cartwheel"])
    assert "this looks like hmdb51" in matching_error(npz(labels), "ucf101")
    labels["labels"] = np.array([0, 1])
    assert "labels that are numbers" in matching_error(npz(labels), "ucf101")


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_labels_of_thousands_of_digits_are_one_line(tmp_path, suffix):
    label = "9" * 5000
    if suffix == ".csv":
        (tmp_path / "f.csv").write_text(f"id,label,f0,f1\nv_Archery_g01_c01,{label},1,2\n")
    else:
        np.save(tmp_path / "f.npy", np.ones((1, 2)))
        (tmp_path / "ids.txt").write_text("v_Archery_g01_c01\n")
        (tmp_path / "labels.txt").write_text(f"{label}\n")
    with pytest.raises(ZslBenchError, match="label '9999") as caught:
        match_features(read_features(tmp_path / f"f{suffix}"), "ucf101")
    assert len(str(caught.value)) < 500


def test_a_column_with_a_number_of_thousands_of_digits_is_none_of_the_vector(tmp_path):
    header = ",".join(["id", "f0", "f1", "f" + "9" * 5000])
    (tmp_path / "f.csv").write_text(f"{header}\nv_Archery_g01_c01,1,2,3\n")
    assert read_features(tmp_path / "f.csv").video_vectors.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_mean_of_unit_vectors_holds_at_any_size(npz, scale):
    vectors = np.array([[3.0, 4.0], [0.6, 0.8]]) * np.array([[scale], [1.0]])
    path = npz({"video_ids": np.array(["v_Archery_g01_c01"] * 2), "video_vectors": vectors})
    pooled = read_features(path, pooling="mean-of-unit").video_vectors
    assert pooled[0] == pytest.approx([0.6, 0.8])
