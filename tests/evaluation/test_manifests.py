"""Manifests as data: files, prepared copies, segments that overlap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zsl_bench.classes import class_set_from_names
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError
from zsl_bench.evaluation import evaluate
from zsl_bench.results import comparable
from zsl_bench.videos import Manifest, Video


def test_a_manifest_file_gives_the_result_of_its_folder(colour_model, colour_folder, tmp_path):
    open_dataset("things", colour_folder).save(tmp_path / "things.json")
    (folder,), (file,) = (
        evaluate(colour_model(), data={"things": place})
        for place in (colour_folder, tmp_path / "things.json")
    )
    assert folder.identity == file.identity
    assert folder.scores == file.scores


def test_prepared_files_are_named_in_the_identity_and_not_comparable(colour_model, colour_folder):
    originals = open_dataset("things", colour_folder)
    prepared = replace(originals, preparation={"short_side": 128, "source": originals.digest})
    (plain,), (made,) = (
        evaluate(colour_model(), data={"things": place}) for place in (originals, prepared)
    )
    assert made.identity["manifest"]["preparation"]["source"] == originals.digest
    assert made.identity["manifest"]["digest"] == prepared.digest
    assert any("preparation" in field for field in comparable(plain, made))
    assert "preparation" not in plain.identity["manifest"]


def test_the_manifests_unreadable_rows_are_an_error_before_any_decoding(
    colour_model, colour_folder
):
    listed = open_dataset("things", colour_folder)
    broken = replace(listed, unreadable=((listed.videos[0].id, "truncated"),))
    model = colour_model()
    with pytest.raises(Exception, match=r"1 of 15 videos are unreadable: .*\(truncated\)"):
        evaluate(model, data={"things": broken})
    assert model.clips_run == 0


def test_overlapping_segments_are_counted_and_scored_without(colour_model, tmp_path, write_video):
    write_video(tmp_path / "v_a.mp4", (210, 30, 30), frames=50)
    write_video(tmp_path / "v_b.mp4", (30, 30, 200), frames=50)
    rows = [
        ("v_a_000", "red thing", "v_a.mp4", 0.0, 1.0),
        ("v_a_001", "green thing", "v_a.mp4", 0.5, 1.5),
        ("v_b_000", "blue thing", "v_b.mp4", 0.0, 1.0),
    ]
    manifest = Manifest(
        dataset="segments",
        classes=class_set_from_names(
            ["red thing", "green thing", "blue thing"], dataset="segments", source="a test"
        ),
        split="all",
        root=tmp_path,
        videos=tuple(
            Video(id=i, label=label, path=path, group=path, start=start, end=end)
            for i, label, path, start, end in rows
        ),
        overlapping=("v_a_000", "v_a_001"),
    )
    (result,) = evaluate(colour_model(), data={"segments": manifest}, protocols="full")
    assert result.coverage["overlapping_segments"] == 2
    (entry,) = result.scores.values()
    assert entry["mean"]["top1"] == pytest.approx(2 / 3)
    assert entry["without_overlapping_segments"]["top1"] == 1.0


def test_a_manifest_of_another_data_set_is_refused(colour_model, colour_folder, tmp_path):
    open_dataset("things", colour_folder).save(tmp_path / "things.json")
    with pytest.raises(DatasetError, match="a manifest of things"):
        evaluate(colour_model(), data={"toys": tmp_path / "things.json"})
