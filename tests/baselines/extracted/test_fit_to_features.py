"""Fitting to a file of features: which rows, which audit, what the folder keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zsl_bench.baselines.extracted import (
    FitSettings,
    fit_method,
    read_clip_file,
    read_fitted_folder,
)
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ClassSetError, ModelError, ResultError, WeightsError
from zsl_bench.wordvectors import class_vectors


def test_a_fit_is_the_methods_own_on_the_rows_of_its_classes(made, tmp_path):
    path, *_ = made()
    listed = tmp_path / "seen.txt"
    listed.write_text("washing car\ncooking rice\npainting walls\n")
    settings = FitSettings(classes=str(listed), method=("regulariser=0.5",), seed=4)
    folder = fit_method("rr", path, tmp_path / "m", settings)
    file = read_clip_file(path)
    names = ("washing car", "cooking rice", "painting walls")
    rows = [i for i, label in enumerate(file.labels) if file.classes.names[label] in names]
    expected = load_method("rr").fit(
        np.array(file.features[rows]),
        file.lengths[rows],
        [names.index(file.classes.names[file.labels[i]]) for i in rows],
        class_vectors(file.classes.select(names)).matrix,
        seed=4,
        config={"regulariser": 0.5},
    )
    again = read_fitted_folder(tmp_path / "m")
    for method in (folder.method, again.method):
        assert method.settings() == expected.settings()
        for name, array in expected.arrays().items():
            assert np.array_equal(method.arrays()[name], array)
    assert again.seen == folder.seen
    assert again.seen.names == names
    assert again.backbone == file.backbone
    assert again.features["videos"] == 9
    assert again.audit["leak_free"] is True
    assert again.digest() == folder.digest()


def test_overlapping_seen_classes_stop_the_fit_or_are_left_out(made, tmp_path):
    path, *_ = made(names=("Archery", "cooking rice", "Rowing"))
    with pytest.raises(ClassSetError, match=r"2 seen classes.*Archery = Archery \(ucf101\)"):
        fit_method("rr", path, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    kept = fit_method("rr", path, tmp_path / "m", FitSettings(remove_overlap=True))
    assert kept.seen.names == ("cooking rice",)
    assert sorted(kept.audit["removed"]) == ["Archery", "Rowing"]
    assert kept.audit["leak_free"] is True
    anyway = fit_method("rr", path, tmp_path / "n", FitSettings(allow_overlap=True))
    assert len(anyway.seen) == 3
    assert anyway.audit["leak_free"] is False
    assert {entry["name"] for entry in anyway.audit["overlap"]} == {"Archery", "Rowing"}
    other = fit_method("rr", path, tmp_path / "o", FitSettings(against=("hmdb51",)))
    assert other.audit["leak_free"] is True


@pytest.mark.parametrize(
    "fields",
    [{"backbone": False}, {"pretrained_on": None}, {"pretrained_on": ("Archery",)}],
)
def test_a_backbone_that_is_not_clean_stops_the_fit(made, tmp_path, fields):
    path, *_ = made(**fields)
    with pytest.raises(ClassSetError, match="a backbone that is not clean of ucf101"):
        fit_method("rr", path, tmp_path / "m")
    folder = fit_method("rr", path, tmp_path / "m", FitSettings(allow_overlap=True))
    assert folder.audit["leak_free"] is False


def test_what_cannot_be_fitted_is_refused(made, tmp_path):
    path, *_ = made()
    strange = tmp_path / "strange.txt"
    strange.write_text("flying kites\n")
    for settings, kind, words in (
        (FitSettings(classes=str(strange)), ClassSetError, "classes that are none of mine"),
        (FitSettings(method=("regulariser",)), ModelError, "NAME=VALUE"),
        (FitSettings(method=("regularizer=1",)), ModelError, "did you mean 'regulariser'"),
        (FitSettings(against=()), ClassSetError, "no test set"),
    ):
        with pytest.raises(kind, match=words):
            fit_method("rr", path, tmp_path / "m", settings)
    with pytest.raises(ModelError, match="no such method"):
        fit_method("rrr", path, tmp_path / "m")
    path, *_ = made("all.safetensors", names=("Archery", "Rowing"))
    with pytest.raises(ClassSetError, match="every one of 2 classes overlaps"):
        fit_method("rr", path, tmp_path / "m", FitSettings(remove_overlap=True))
    assert not (tmp_path / "m").exists()


def test_a_method_that_evaluate_cannot_run_is_not_fitted(made, tmp_path):
    path, *_ = made()
    with pytest.raises(ModelError, match="study compared-methods"):
        fit_method("infdem-gate", path, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_folder_of_other_files_is_left_alone(made, tmp_path):
    path, *_ = made()
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    with pytest.raises(ResultError, match="a folder of other files"):
        fit_method("rr", path, weights)
    assert [one.name for one in weights.iterdir()] == ["config.json"]
    fit_method("rr", path, tmp_path / "m")
    again = fit_method("rr", path, tmp_path / "m", FitSettings(seed=3))
    assert read_fitted_folder(tmp_path / "m").seed == again.seed == 3


def test_a_fit_to_all_videos_maps_them_and_copies_nothing(made, tmp_path, monkeypatch):
    path, *_ = made()
    handed, ridge = [], type(load_method("rr"))
    fitted = ridge.fitted

    def watched(self, seen, config):
        handed.append(seen.videos.source)
        return fitted(self, seen, config)

    monkeypatch.setattr(ridge, "fitted", watched)
    fit_method("rr", path, tmp_path / "m")
    assert isinstance(handed[0], np.memmap) or isinstance(handed[0].base, np.memmap)


def test_declarations_of_a_fit_lose_nothing(made, tmp_path):
    kinetics = load_class_set("kinetics400")
    cases = (
        ({"trained_on": kinetics}, 1, ("kinetics400",)),
        ({"trained_on": kinetics, "pretrained_on": "open"}, 2, "open"),
        ({"trained_on": None, "pretrained_on": kinetics}, 2, None),
        ({"trained_on": "open", "pretrained_on": None}, 1, None),
        ({}, 1, ()),
    )
    for number, (fields, trained, pretrained) in enumerate(cases):
        path, *_ = made(f"{number}.safetensors", **fields)
        folder = fit_method("rr", path, tmp_path / str(number), FitSettings(allow_overlap=True))
        declared = folder.declared()
        assert declared.trained_on[0] == folder.seen
        assert len(declared.trained_on) == trained
        found = declared.pretrained_on
        assert (
            tuple(s.dataset for s in found) if isinstance(found, tuple) else found
        ) == pretrained


def test_damaged_and_mixed_folders_are_refused(made, tmp_path):
    path, *_ = made()
    for name, value in (("a", 1), ("b", 2)):
        fit_method("rr", path, tmp_path / name, FitSettings(method=(f"regulariser={value}",)))
    mixed = tmp_path / "a" / "method.json"
    before = mixed.read_bytes()
    mixed.write_bytes((tmp_path / "b" / "method.json").read_bytes())
    with pytest.raises(WeightsError, match="files of another fit"):
        read_fitted_folder(tmp_path / "a")
    mixed.unlink()
    with pytest.raises(WeightsError, match="a file is missing"):
        read_fitted_folder(tmp_path / "a")
    mixed.write_bytes(before)
    note = tmp_path / "a" / "fit.json"
    whole = json.loads(note.read_text())
    for change, words in (
        ({"format": 2}, "another format"), ({"seed": "x"}, "no seed"), ({"seen": []}, "class set"),
    ):  # fmt: skip
        note.write_text(json.dumps({**whole, **change}))
        with pytest.raises(WeightsError, match=words):
            read_fitted_folder(tmp_path / "a")


def test_a_folder_cannot_name_code(made, tmp_path):
    from zsl_bench.files import sha256_file

    path, *_ = made()
    fit_method("rr", path, tmp_path / "m")
    about = json.loads((tmp_path / "m" / "method.json").read_text())
    (tmp_path / "m" / "method.json").write_text(json.dumps({**about, "method": "py:this:load"}))
    note = json.loads((tmp_path / "m" / "fit.json").read_text())
    note["files"]["method.json"] = sha256_file(tmp_path / "m" / "method.json")
    (tmp_path / "m" / "fit.json").write_text(json.dumps(note))
    with pytest.raises(WeightsError, match="named 'py:this:load'"):
        read_fitted_folder(tmp_path / "m")
