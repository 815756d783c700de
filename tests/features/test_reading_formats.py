"""Every format gives the same features back."""

from __future__ import annotations

import hashlib
import json
import struct
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from zsl_bench.errors import DatasetError
from zsl_bench.features import read_features
from zsl_bench.features.roles import NAMES, role_of
from zsl_bench.files import sha256_file, sha256_json


def check(features, arrays, *, has_classes=True):
    assert features.ids == tuple(arrays["video_ids"])
    assert features.labels == tuple(arrays["labels"])
    np.testing.assert_array_equal(features.video_vectors, arrays["video_vectors"])
    if has_classes:
        assert features.classes == tuple(arrays["classes"])
        np.testing.assert_array_equal(features.class_vectors, arrays["class_vectors"])
    assert len(features) == 4
    assert features.num_classes == (101 if has_classes else None)


def test_npz(arrays, npz):
    path = npz(arrays)
    features = read_features(str(path))
    check(features, arrays)
    assert features.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert features.source == "features.npz"
    assert features.video_vectors.dtype == np.float32


def test_compressed_npz_and_bytes(arrays, tmp_path):
    arrays["video_ids"] = arrays["video_ids"].astype("S")
    np.savez_compressed(tmp_path / "f.npz", **arrays)
    assert read_features(tmp_path / "f.npz").ids[0] == "v_Archery_g01_c01"


@pytest.mark.parametrize(
    ("role", "name"), [(role, name) for role, names in NAMES.items() for name in names]
)
def test_every_documented_name_has_its_role(role, name):
    assert role_of(name) == role_of(name.upper()) == role_of(name.replace("_", "")) == role


def test_synonyms_and_unused_arrays(arrays, npz):
    renamed = {
        "paths": arrays["video_ids"],
        "Targets": arrays["labels"],
        "embeddings": arrays["video_vectors"],
        "text_features": arrays["class_vectors"],
        "class_names": arrays["classes"],
        "frames": np.arange(4),
    }
    features = read_features(npz(renamed))
    check(features, arrays)
    assert features.unused == ("frames",)
    assert features.notes == ("not read: frames",)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", ">f8", "i1", "<u2", "<i8"])
def test_number_types(arrays, npz, kind):
    arrays["video_vectors"] = (10 * arrays["video_vectors"]).astype(kind)
    features = read_features(npz(arrays))
    single = kind in ("<f2", ">f4")
    assert features.video_vectors.dtype == (np.float32 if single else np.float64)
    np.testing.assert_array_equal(features.video_vectors, arrays["video_vectors"].astype("f8"))


def test_safetensors_with_metadata(arrays, tmp_path):
    path = tmp_path / "f.safetensors"
    tensors = {name: arrays[name] for name in ("video_vectors", "class_vectors")}
    texts = {name: json.dumps(arrays[name].tolist()) for name in ("video_ids", "labels", "classes")}
    save_file(tensors, path, metadata={**texts, "format": "np"})
    features = read_features(path)
    check(features, arrays)
    assert features.digest == sha256_file(path)


def test_safetensors_with_a_json_file(arrays, tmp_path):
    path = tmp_path / "f.safetensors"
    save_file({name: arrays[name] for name in ("video_vectors", "class_vectors")}, path)
    texts = {name: arrays[name].tolist() for name in ("video_ids", "labels", "classes")}
    (tmp_path / "f.json").write_text(json.dumps(texts))
    features = read_features(path)
    check(features, arrays)
    assert features.source == "f.safetensors, f.json"
    sums = {"features": sha256_file(path), "text": sha256_file(tmp_path / "f.json")}
    assert features.digest == sha256_json(sums)


def raw_safetensors(path, kind, shape, data, **texts):
    header = {"vectors": {"dtype": kind, "shape": shape, "data_offsets": [0, len(data)]}}
    header["__metadata__"] = {name: json.dumps(value) for name, value in texts.items()}
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    return path


def test_bfloat16_is_exact(tmp_path):
    halves = np.array([0x3F80, 0x4000, 0xBF80, 0x3EAB], dtype="<u2").tobytes()
    path = raw_safetensors(tmp_path / "f.safetensors", "BF16", [2, 2], halves, ids=["a", "b"])
    vectors = read_features(path).video_vectors
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[1.0, 2.0], [-1.0, 0.333984375]])


def test_float8_is_refused(tmp_path):
    path = raw_safetensors(tmp_path / "f.safetensors", "F8_E4M3", [2, 1], b"\0\1", ids=["a", "b"])
    with pytest.raises(DatasetError, match="'vectors' of type F8_E4M3; save it as float32"):
        read_features(path)


def lines(arrays, separator=","):
    yield separator.join(["id", "label", *(f"f{i}" for i in range(5))])
    for name, label, row in zip(
        arrays["video_ids"], arrays["labels"], arrays["video_vectors"], strict=True
    ):
        yield separator.join([name, label, *(repr(float(x)) for x in row)])


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_csv(arrays, tmp_path, suffix, separator):
    path = tmp_path / f"f.{suffix}"
    path.write_text("﻿" + "\r\n".join(lines(arrays, separator)) + "\r\n\r\n")
    check(read_features(path), arrays, has_classes=False)


def test_csv_with_quotes_and_class_vectors_beside_it(arrays, tmp_path):
    table = "\n".join(lines(arrays)).replace("v_Biking_g02_c03", '"v_Biking_g02_c03"')
    (tmp_path / "f.csv").write_text(table)
    rows = [
        ",".join([name, *(repr(float(x)) for x in row)])
        for name, row in zip(arrays["classes"], arrays["class_vectors"], strict=True)
    ]
    (tmp_path / "f.classes.csv").write_text("class,0,1,2,3,4\n" + "\n".join(rows))
    features = read_features(tmp_path / "f.csv")
    check(features, arrays)
    assert features.source == "f.csv, f.classes.csv"


def test_csv_of_scores_by_class_names(tmp_path):
    (tmp_path / "s.csv").write_text(
        "path,Archery,Biking\na/v_Archery_g01_c01.avi,0.5,-1e-3\nv_Biking_g01_c01.avi,1,2\n"
    )
    features = read_features(tmp_path / "s.csv")
    assert features.classes == ("Archery", "Biking")
    np.testing.assert_array_equal(features.scores, [[0.5, -1e-3], [1, 2]])


def test_csv_of_numbered_scores_and_labels(tmp_path):
    (tmp_path / "s.csv").write_text("id,label,score_1,score_2,split\na,1,0.5,3,x\nb,0,1,2,y\n")
    features = read_features(tmp_path / "s.csv")
    assert features.scores.shape == (2, 2)
    assert features.classes is None
    assert features.labels == (1, 0)
    assert features.unused == ("split",)


@pytest.mark.parametrize("as_list", ["fixed", "variable", None])
def test_parquet(arrays, tmp_path, as_list):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    vectors = arrays["video_vectors"]
    columns = {"name": arrays["video_ids"].tolist(), "label": arrays["labels"].tolist()}
    if as_list == "fixed":
        columns["features"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 5)
    elif as_list == "variable":
        columns["features"] = pa.array(vectors.tolist(), pa.list_(pa.float32()))
    else:
        columns |= {f"f{i}": vectors[:, i] for i in range(5)} | {"note": ["x"] * 4}
    parquet.write_table(pa.table(columns), tmp_path / "f.parquet")
    features = read_features(tmp_path / "f.parquet")
    check(features, arrays, has_classes=False)
    assert features.video_vectors.dtype == np.float32


def test_parquet_that_does_not_fit(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "f.parquet"

    def error(columns):
        parquet.write_table(pa.table(columns), path)
        with pytest.raises(DatasetError) as caught:
            read_features(path)
        return str(caught.value)

    assert "lists of 1 and 2 numbers" in error({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]})
    assert "1 empty cells in column 'vector'" in error({"id": ["a", "b"], "vector": [None, [1.0]]})
    assert "empty numbers" in error({"id": ["a"], "vector": pa.array([[1.0, None]])})
    assert "column 'vector' of type double" in error({"id": ["a"], "vector": [1.0]})
    assert "1 empty cells in column 'id'" in error({"id": [None, "b"], "vector": [[1.0], [2.0]]})
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match="no whole Parquet file"):
        read_features(path)


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r"pip install 'zsl-bench\[parquet\]'"):
        read_features(tmp_path / "f.parquet")


@pytest.mark.parametrize("given", ["folder", "file"])
def test_npy(arrays, tmp_path, given):
    np.save(tmp_path / "vectors.npy", arrays["video_vectors"])
    np.save(tmp_path / "class_vectors.npy", arrays["class_vectors"])
    (tmp_path / "classes.txt").write_text("\n".join(arrays["classes"]))
    rows = zip(arrays["video_ids"], arrays["labels"], strict=True)
    (tmp_path / "ids.csv").write_text("path,label\n" + "\n".join(f"{i},{c}" for i, c in rows))
    (tmp_path / "readme.md").write_text("not read")
    path = tmp_path if given == "folder" else tmp_path / "vectors.npy"
    features = read_features(path)
    check(features, arrays)
    names = sorted(features.source.split(", "))
    assert names == ["class_vectors.npy", "classes.txt", "ids.csv", "vectors.npy"]


def test_npy_of_scores_with_lists(tmp_path):
    np.save(tmp_path / "logits.npy", np.ones((3, 2)))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    (tmp_path / "labels.txt").write_text("1\n0\n1\n")
    (tmp_path / "classes.txt").write_text("Archery\nBiking\n")
    features = read_features(tmp_path / "logits.npy")
    assert features.scores.shape == (3, 2)
    assert features.labels == ("Biking", "Archery", "Biking")


def test_several_vectors_in_a_folder(arrays, tmp_path):
    for name in ("features.npy", "embeddings.npy"):
        np.save(tmp_path / name, arrays["video_vectors"])
    (tmp_path / "ids.txt").write_text("\n".join(arrays["video_ids"]))
    with pytest.raises(DatasetError, match=r"embeddings.npy and features.npy, which both could"):
        read_features(tmp_path)
    assert len(read_features(tmp_path / "embeddings.npy")) == 4


def test_npy_ids_without_header(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((2, 3)))
    (tmp_path / "ids.csv").write_text("a.avi\nb.avi\n")
    assert read_features(tmp_path).ids == ("a.avi", "b.avi")
    (tmp_path / "ids.csv").write_text("a.avi,1\nb.avi,2\n")
    with pytest.raises(DatasetError, match=r"no column of ids in ids.csv"):
        read_features(tmp_path)
    (tmp_path / "ids.csv").write_text("id,label\na.avi,1\nb.avi\n")
    with pytest.raises(DatasetError, match="lines of different lengths"):
        read_features(tmp_path)


def test_layout_told_by_the_shapes(npz):
    scores = np.arange(6.0).reshape(3, 2)
    names = {"ids": np.array(["a", "b", "c"]), "classes": np.array(["x", "y"])}
    upright = read_features(npz({**names, "scores": scores}))
    turned = read_features(npz({**names, "scores": scores.T.copy()}))
    unnamed = read_features(npz({"ids": names["ids"], "logits": scores.T.copy()}))
    for features in (upright, turned, unnamed):
        np.testing.assert_array_equal(features.scores, scores)


def test_square_scores_need_a_layout(npz):
    scores = np.array([[1.0, 2.0], [3.0, 4.0]])
    arrays = {"ids": np.array(["a", "b"]), "classes": np.array(["x", "y"]), "scores": scores}
    with pytest.raises(DatasetError, match=r"square scores.*--layout videos-by-classes"):
        read_features(npz(arrays))
    upright = read_features(npz(arrays), layout="videos-by-classes")
    turned = read_features(npz(arrays), layout="classes-by-videos")
    np.testing.assert_array_equal(upright.scores, scores)
    np.testing.assert_array_equal(turned.scores, scores.T)
    arrays["layout"] = np.array("classes-by-videos")
    np.testing.assert_array_equal(read_features(npz(arrays)).scores, scores.T)
    with pytest.raises(DatasetError, match="the layout 'sideways'"):
        read_features(npz(arrays), layout="sideways")


def test_pooling_of_repeated_ids(npz):
    vectors = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]], dtype=np.float32)
    arrays = {"ids": np.array(["a", "b", "a"]), "labels": np.array(["x", "y", "x"])}
    arrays["features"] = vectors
    with pytest.raises(DatasetError, match=r"ids that repeat, 1 of 2: 'a' \(2 times\).*--pooling"):
        read_features(npz(arrays))
    mean = read_features(npz(arrays), pooling="mean")
    assert mean.ids == ("a", "b")
    assert mean.labels == ("x", "y")
    np.testing.assert_allclose(mean.video_vectors, [[2.0, 2.0], [0.0, 2.0]])
    unit = read_features(npz(arrays), pooling="mean-of-unit")
    np.testing.assert_allclose(unit.video_vectors, [[0.8, 0.4], [0.0, 1.0]], rtol=1e-6)
    assert unit.notes == ("3 clips averaged to 2 videos (mean-of-unit)",)
    with pytest.raises(DatasetError, match="the pooling 'max'"):
        read_features(npz(arrays), pooling="max")
    arrays["labels"] = np.array(["x", "y", "z"])
    with pytest.raises(DatasetError, match="clips of 'a' with different labels: 'x' and 'z'"):
        read_features(npz(arrays), pooling="mean")


def test_pooling_of_a_clip_dimension(npz):
    clips = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    arrays = {"ids": np.array(["a", "b"]), "features": clips}
    with pytest.raises(DatasetError, match=r"\(2, 3, 4\), which look like several clips"):
        read_features(npz(arrays))
    features = read_features(npz(arrays), pooling="mean")
    np.testing.assert_allclose(features.video_vectors, clips.mean(axis=1), rtol=1e-5)
    assert features.notes == ("6 clips averaged to 2 videos (mean)",)
    arrays = {"ids": np.array(["a", "b"]), "scores": clips}
    with pytest.raises(DatasetError, match="scores, which have no length"):
        read_features(npz(arrays), pooling="mean-of-unit")


def test_pooling_changes_nothing_where_there_is_one_row_a_video(arrays, npz):
    features = read_features(npz(arrays), pooling="mean")
    check(features, arrays)
    assert features.notes == ()
