"""Files of clip features: written and read back, foreign ones, damaged ones."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from zsl_bench.baselines.extracted import ClipFile, read_clip_file, write_clip_file
from zsl_bench.baselines.extracted.record import classes_from_json, classes_to_json
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import DatasetError


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_written_is_read_back_and_by_the_library_too(made, dtype):
    path, content, rows = made(dtype=dtype, trained_on=["running"], pretrained_on="open")
    read, plain = read_clip_file(path), load_file(path)
    assert isinstance(read.features, np.memmap)
    assert set(plain) == {"features", "lengths", "labels"}
    assert np.array_equal(read.features, plain["features"])
    for i, row in enumerate(rows):
        assert np.array_equal(read.features[i, : len(row)], row.astype(dtype))
        assert not read.features[i, len(row) :].any()
    assert np.array_equal(read.lengths, [len(row) for row in rows])
    for name in ("ids", "groups", "classes", "backbone", "run", "unreadable", "versions"):
        assert getattr(read, name) == getattr(content, name), name
    assert read.declared.pretrained_on == "open"
    assert read.declared.trained_on[0].names == ("running",)


def test_the_same_content_gives_the_same_bytes(made):
    first, *_ = made("a.safetensors")
    second, *_ = made("b.safetensors")
    assert first.read_bytes() == second.read_bytes()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    size=st.integers(1, 9),
    name=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8),
)
def test_any_lengths_and_names_come_back(tmp_path, lengths, size, name):
    rows = [np.full((n, size), i + 1, dtype=np.float32) for i, n in enumerate(lengths)]
    content = ClipFile(
        source="x",
        features=np.zeros((len(rows), max(lengths), size), dtype=np.float32),
        lengths=np.array(lengths),
        labels=np.zeros(len(rows), dtype=np.int64),
        classes=class_set_from_names(["one"], dataset="d", source="s"),
        ids=tuple(f"{name}{i}" for i in range(len(rows))),
        groups=tuple(name for _ in rows),
    )
    path = tmp_path / "any.safetensors"
    write_clip_file(path, content, rows)
    read = read_clip_file(path)
    assert read.ids == content.ids
    assert read.features.sum() == pytest.approx(sum(row.sum() for row in rows))


def test_rows_of_classes_are_a_loop(made):
    path, *_ = made()
    read = read_clip_file(path)
    chosen = ("washing car", "cooking rice")
    expected = [i for i, label in enumerate(read.labels) if read.classes.names[label] in chosen]
    assert read.rows_of(chosen).tolist() == expected


def test_a_file_of_ones_own_has_an_unknown_backbone(tmp_path):
    arrays = {
        "features": np.ones((2, 3, 4), dtype=np.float16),
        "lengths": np.array([1, 3]),
        "labels": np.array([0, 1], dtype=np.int32),
    }
    path = tmp_path / "own.safetensors"
    save_file(arrays, path, {"classes": json.dumps(["Archery", "juggling"])})
    read = read_clip_file(path)
    assert read.backbone is None
    assert read.declared.trained_on is read.declared.pretrained_on is None
    assert read.classes.words == (("archery",), ("juggle",))
    save_file(arrays, path)
    with pytest.raises(DatasetError, match="no class names"):
        read_clip_file(path)


def test_a_bundled_class_set_comes_back_with_its_other_spellings():
    ucf = load_class_set("ucf101")
    assert classes_from_json(classes_to_json(ucf), asked="x") is ucf
    part = ucf.select(ucf.names[:3])
    assert classes_from_json(classes_to_json(part), asked="x").fingerprint == part.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": np.full(12, 9)}, "lengths that are not all from 1 to"),
        ({"lengths": np.zeros(12, dtype=int)}, "lengths that are not all from 1 to"),
        ({"labels": np.full(12, 4)}, "labels that are not all from 0 to 3"),
        ({"labels": np.zeros(11, dtype=int)}, "11 labels for 12 videos"),
        ({"ids": ("a",) * 12}, "a video id twice"),
        ({"features": np.zeros((12, 5))}, "features of shape"),
        ({"features": np.zeros((12, 5, 7))}, "type float64"),
    ],
)
def test_parts_that_do_not_fit_are_refused(made, change, words):
    _, content, _ = made()
    with pytest.raises(DatasetError, match=words):
        replace(content, **change)


def test_nothing_is_left_where_a_row_does_not_fit(made, tmp_path):
    _, content, rows = made()
    place = tmp_path / "other" / "x.safetensors"
    for bad, words in (
        (rows[:-1], "features of 11 videos, not 12"),
        ([*rows[:-1], rows[-1][:, :3]], "features of shape"),
        ([rows[0] * np.nan, *rows[1:]], "float32 cannot hold"),
    ):
        with pytest.raises(DatasetError, match=words):
            write_clip_file(place, content, bad)
        assert not list(place.parent.iterdir())


def test_what_float16_cannot_hold_is_refused(made, tmp_path):
    _, content, rows = made(dtype="float16")
    with pytest.raises(DatasetError, match="write float32"):
        write_clip_file(tmp_path / "big", content, [row + 1e6 for row in rows])


def edited(path, edit):
    """Write the file again with another record in its metadata."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    about = json.loads(header["__metadata__"]["zsl_bench_clips"])
    edit(about)
    header["__metadata__"]["zsl_bench_clips"] = json.dumps(about)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda a: a.update(format=2), "another format"),
        (lambda a: a.pop("ids"), "no ids"),
        (lambda a: a.update(classes={"names": ["x"]}), "no class set"),
        (lambda a: a["classes"]["names"].append(3), "no class set"),
        (lambda a: a.update(backbone=[]), "a backbone that is no object"),
        (lambda a: a["backbone"].pop("weights"), "a backbone without weights"),
        (lambda a: a["backbone"]["card"].pop("trained_on"), "no trained_on"),
        (lambda a: a["backbone"].update(reference=3), "without reference"),
        (lambda a: a["backbone"].update(weights={}), "without weights"),
        (lambda a: a["backbone"].update(output="../x"), "without output"),
        (lambda a: a["backbone"].update(given={"settings": 7}), "without given"),
        (lambda a: a["backbone"].update(given={"settings": ["x"]}), "without given"),
        (lambda a: a["backbone"].update(given={"weights": 5}), "without given"),
        (lambda a: a.update(unreadable=[5]), "no pairs of unreadable"),
        (lambda a: a.update(unreadable=[{"a": 1, "b": 2}]), "no pairs of unreadable"),
    ],
)
def test_damaged_records_are_refused(made, edit, words):
    path, *_ = made()
    edited(path, edit)
    with pytest.raises(DatasetError, match=words):
        read_clip_file(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": np.array(2)}, r"lengths of shape \(\)"),
        ({"lengths": np.ones((2, 1), dtype=int)}, r"lengths of shape \(2, 1\)"),
        ({"labels": np.zeros(2)}, "labels of shape .* and type float64"),
        ({"features": np.ones((2, 3, 4))}, "features of type F64"),
        ({"features": np.ones((), dtype=np.float32)}, "features of shape"),
    ],
)
def test_foreign_arrays_are_refused_by_name(tmp_path, change, words):
    arrays = {
        "features": np.ones((2, 3, 4), dtype=np.float32),
        "lengths": np.array([1, 3]),
        "labels": np.array([0, 1]),
    }
    path = tmp_path / "own.safetensors"
    save_file({**arrays, **change}, path, {"classes": json.dumps(["cooking rice", "swimming"])})
    with pytest.raises(DatasetError, match=words):
        read_clip_file(path)


def test_cut_and_missing_files_are_refused_in_one_line(made, tmp_path):
    path, *_ = made()
    path.write_bytes(path.read_bytes()[:-5])
    for place in (path, tmp_path / "nowhere.safetensors"):
        with pytest.raises(DatasetError) as caught:
            read_clip_file(place)
        assert "\n" not in str(caught.value)
