"""Kinetics as it lies on people's disks: parts, class folders, flat copies, replacements."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import DatasetRequest, dataset_name, summary_lines
from zsl_bench.datasets.kinetics import open_kinetics
from zsl_bench.datasets.kinetics_names import (
    clip_key,
    part_of_annotations,
    part_of_folder,
    release_of,
)
from zsl_bench.errors import DatasetError
from zsl_bench.videos import Manifest

A, B, C, D = "0wR5jVB-WPk", "-3B32lodo2M", "_cbZlhduYJY", "---QUuC4vJs"
VAL = (
    ("abseiling", A, 417, 427),
    ("massaging person's head", B, 59, 69),
    ("passing American football (not in game)", C, 503, 513),
    ("hurling (sport)", D, 84, 94),
)
TRAIN = (("abseiling", "trainvideo1", 0, 10), ("zumba", "trainvideo2", 7, 17))
HEADER = "label,youtube_id,time_start,time_end,split,is_cc"


def read(name, root, split=None, annotations=None):
    return open_kinetics(
        DatasetRequest(
            dataset=dataset_name(name),
            asked=name,
            root=Path(root),
            test_list=split,
            annotations=annotations,
        )
    )


def csv_of(clips, part="val"):
    return "\n".join(
        [HEADER, *(f"{label},{source},{s},{e},{part},0" for label, source, s, e in clips)]
    )


def timed(clip, ending=".mp4"):
    return f"{clip[1]}_{clip[2]:06d}_{clip[3]:06d}{ending}"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def torchvision(label):
    return label.replace(" ", "_").replace("'", "").replace("(", "").replace(")", "")


def underscores(label):
    return label.replace(" ", "_")


# Where files and annotations lie, as projects' own pages and scripts describe it: the folder of a
# clip of val, the file's name, and the place of the annotations.
LAYOUTS = {
    "cvdf": (lambda _: "val", timed, "annotations/val.csv"),
    "cvdf k600": (lambda _: "val", timed, "annotations/val.txt"),
    "cvdf in a folder": (lambda _: "k400/val", timed, "k400/annotations/val.csv"),
    "cvdf parts of parts": (lambda c: f"val/part_{c[2] % 2}", timed, "annotations/val.csv"),
    "cvdf arranged": (lambda c: f"k400/videos/val/{c[0]}", timed, "k400/annotations/val.csv"),
    "torchvision": (lambda c: f"val/{torchvision(c[0])}", timed, "annotations/val.csv"),
    "official crawler": (lambda c: f"val/{c[0]}", timed, "kinetics-400_val.csv"),
    "deepmind": (lambda c: f"val/{c[0]}", timed, "annotations/kinetics400/validate.csv"),
    "mmaction2": (
        lambda c: f"videos_val/{underscores(c[0])}",
        timed,
        "annotations/kinetics_val.csv",
    ),
    "opendatalab": (lambda _: "Kinetics-400/videos/val", timed, "Kinetics-400/annotations/val.csv"),
    "short side 256, ids alone": (
        lambda c: f"val_256/{underscores(c[0])}",
        lambda c: f"{c[1]}.mp4",
        "kinetics400_val.csv",
    ),
    "flat without a part": (lambda _: "", timed, "val.csv"),
    "classes without a part": (lambda c: c[0], timed, "labels/k400_val.csv"),
    "mixed containers": (
        lambda _: "valid",
        lambda c: timed(c, (".mkv", ".webm", ".mp4.mkv", ".MP4")[c[3] % 4]),
        "k400-validation.csv",
    ),
    "times without padding": (
        lambda _: "validation",
        lambda c: f"{c[1]}_{c[2]}_{c[3]}.mp4",
        "annotations.csv",
    ),
    "seconds of floats": (
        lambda _: "Validate",
        lambda c: f"{c[1]}_{c[2]}.0_{c[3]}.0.mp4",
        "annotations/kinetics400.csv",
    ),
}


def build(root, layout, plant, clips=VAL, part="val"):
    folder, name, annotations = LAYOUTS[layout]
    plant(*(f"{folder(clip)}/{name(clip)}".lstrip("/") for clip in clips), root=root)
    write(root / annotations, csv_of(clips, part))
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_manifest(layout, plant, tmp_path):
    expected = read("k400", build(tmp_path / "first", "cvdf", plant))
    manifest = read("k400", build(tmp_path / "k", layout, plant))
    assert manifest.digest == expected.digest
    assert (manifest.dataset, manifest.split) == ("kinetics400", "val")
    assert {v.id: (v.label, v.group) for v in manifest.videos} == {
        f"{source}_{start:06d}_{end:06d}": (label, source) for label, source, start, end in VAL
    }
    assert (manifest.missing, manifest.extra, manifest.unreadable) == ((), (), ())
    assert manifest.expected["abseiling"] == 1
    assert sum(manifest.expected.values()) == 4
    assert all(manifest.resolve(video).is_file() for video in manifest.videos)
    assert read("k400", tmp_path / "k", "val").digest == expected.digest
    manifest.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == manifest


def test_the_root_may_be_the_part_itself(plant, tmp_path):
    root = build(tmp_path / "k400", "cvdf arranged", plant)
    for place in ("k400/videos/val", "k400/videos", "k400"):
        manifest = read("kinetics400", root / place)
        assert (manifest.split, len(manifest)) == ("val", 4)
    with pytest.raises(DatasetError, match=r"split 'train' of .*a folder of val"):
        read("kinetics400", root / "k400/videos/val", "train")


def both_parts(root, plant):
    build(root, "torchvision", plant)
    plant(*(f"train/{torchvision(c[0])}/{timed(c)}" for c in TRAIN), root=root)
    write(root / "annotations/train.csv", csv_of(TRAIN, "train"))
    return root


def test_a_part_must_be_chosen_where_there_are_several(plant, tmp_path):
    root = both_parts(tmp_path / "k", plant)
    with pytest.raises(DatasetError, match=r"the parts train, val; say which .*--split val"):
        read("k400", root)
    assert (read("k400", root, "train").split, len(read("k400", root, "train"))) == ("train", 2)
    assert read("k400", root, "validation").split == "val"
    for name in ("all", "train+val", "val+train"):
        manifest = read("k400", root, name)
        assert (manifest.split, len(manifest), manifest.extra) == ("train+val", 6, ())
    with pytest.raises(DatasetError, match=r"split 'test' of .*only train, val"):
        read("k400", root, "test")
    with pytest.raises(DatasetError, match=r"neither a part nor a file.*did you mean 'train'"):
        read("k400", root, "trian")


def test_a_part_of_empty_folders_is_none(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant)
    (root / "train" / "abseiling").mkdir(parents=True)
    (root / "test").mkdir()
    assert read("k400", root).split == "val"


def test_all_three_parts_are_all(plant, tmp_path):
    root = both_parts(tmp_path / "k", plant)
    plant("test/testvideo_1_000003_000013.mp4", root=root)
    write(root / "annotations/test.csv", csv_of([("zumba", "testvideo_1", 3, 13)], "test"))
    assert read("k400", root, "all").split == "all"


def test_annotations_of_one_part_are_not_enough_for_two(plant, tmp_path):
    root = both_parts(tmp_path / "k", plant)
    (root / "annotations/val.csv").unlink()
    with pytest.raises(DatasetError, match="annotations of train, none of val"):
        read("k400", root, "all")


def test_without_parts_the_annotations_that_fit_tell_the_part(plant, tmp_path):
    root = build(tmp_path / "k", "flat without a part", plant)
    write(root / "train.csv", csv_of(TRAIN, "train"))
    assert read("k400", root).split == "val"
    plant(timed(TRAIN[0]), root=root)
    with pytest.raises(DatasetError, match=r"several parts \(1 of train, 4 of val\); say which"):
        read("k400", root)
    manifest = read("k400", root, "val")
    assert (len(manifest), manifest.extra) == (4, ())


def test_class_folders_beside_a_test_folder(plant, tmp_path):
    root = build(tmp_path / "k", "classes without a part", plant)
    plant("test/abseiling/testvideo_1_000003_000013.mp4", root=root)
    with pytest.raises(DatasetError, match="the parts test beside class folders; say which"):
        read("k400", root)
    manifest = read("k400", root, "val")
    assert (manifest.split, len(manifest), manifest.extra) == ("val", 4, ())
    assert [video.id for video in read("k400", root, "test").videos] == [
        "abseiling/testvideo_1_000003_000013.mp4"
    ]


def test_missing_and_extra_clips_are_told(plant, tmp_path):
    root = build(tmp_path / "k", "torchvision", plant, clips=VAL[:2])
    write(root / "annotations/val.csv", csv_of(VAL))
    plant("val/abseiling/unlistedone_000001_000011.mp4", "val/stray.mp4", root=root)
    manifest = read("k400", root)
    assert manifest.missing == (timed(VAL[3], ""), timed(VAL[2], ""))
    assert manifest.extra == ("val/abseiling/unlistedone_000001_000011.mp4", "val/stray.mp4")
    assert manifest.is_partial
    assert summary_lines(manifest)[0] == "kinetics400, val: 2 of 4 videos, 2 of 400 classes"
    assert "the annotations name 4 of 400 classes" in manifest.notes


def test_the_replacement_wins_and_is_noted(plant, tmp_path):
    root = build(tmp_path / "k400", "cvdf arranged", plant)
    folder = "k400/replacement/replacement_for_corrupted_k400"
    plant(f"{folder}/{timed(VAL[1])}", f"{folder}/{timed(TRAIN[0])}", root=root, content=b"better")
    manifest = read("k400", root)
    paths = {video.group: video.path for video in manifest.videos}
    assert paths[B] == f"{folder}/{timed(VAL[1])}"
    assert paths[A].startswith("k400/videos/val/")
    assert manifest.extra == ()
    note = "clips taken from the folder of replacements instead of their own: 1 ("
    assert any(text.startswith(note + timed(VAL[1], "")) for text in manifest.notes)


def test_an_empty_replacement_does_not_win(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant)
    plant(f"replacement/{timed(VAL[0])}", root=root, content=b"")
    manifest = read("k400", root)
    assert [v.path for v in manifest.videos if v.group == A] == [f"val/{timed(VAL[0])}"]
    assert manifest.unreadable == ()


def test_replacements_serve_class_folders_without_annotations(plant, tmp_path):
    root = plant(f"val/abseiling/{timed(VAL[0])}", f"val/zumba/{timed(TRAIN[1])}")
    plant(f"val/abseiling/{timed(VAL[0])}", root=root, content=b"")
    plant(f"replacement_for_corrupted_k400/{timed(VAL[0])}", root=root)
    manifest = read("k400", root)
    assert manifest.unreadable == ()
    assert [(v.id, v.path) for v in manifest.videos] == [
        (f"abseiling/{timed(VAL[0])}", f"replacement_for_corrupted_k400/{timed(VAL[0])}"),
        (f"zumba/{timed(TRAIN[1])}", f"val/zumba/{timed(TRAIN[1])}"),
    ]


def test_links_by_class_beside_the_flat_part_are_one_copy(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant)
    for clip in VAL:
        link = root / "videos/val" / clip[0] / timed(clip)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / "val" / timed(clip))
    manifest = read("k400", root)
    assert (len(manifest), manifest.extra) == (4, ())
    assert any(
        note.startswith("clips with one file under several names: 4") for note in manifest.notes
    )


def test_one_clip_as_two_files(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant)
    plant(f"val/{timed(VAL[0], '.mkv')}", root=root, content=b"")
    manifest = read("k400", root)
    assert (len(manifest), manifest.unreadable, manifest.extra) == (4, (), ())
    assert any("cannot be read, left out: 1" in note for note in manifest.notes)
    plant(f"val/{timed(VAL[0], '.mkv')}", root=root, content=b"other")
    with pytest.raises(DatasetError, match=r"more than one file for 1 of them, such as 0wR5jVB"):
        read("k400", root)
    (root / "val" / timed(VAL[0], ".mkv")).unlink()
    plant(f"val/abseiling/{timed(VAL[0])}", root=root, content=b"in its class")
    manifest = read("k400", root)
    assert f"val/abseiling/{timed(VAL[0])}" in {video.path for video in manifest.videos}
    assert any("outside the folders of classes, left out: 1" in note for note in manifest.notes)


def test_a_file_in_the_folder_of_another_class_is_not_the_clip(plant, tmp_path):
    root = build(tmp_path / "k", "torchvision", plant)
    (root / "val" / "zumba").mkdir()
    (root / "val/abseiling" / timed(VAL[0])).rename(root / "val/zumba" / timed(VAL[0]))
    manifest = read("k400", root)
    assert manifest.missing == (timed(VAL[0], ""),)
    assert manifest.extra == (f"val/zumba/{timed(VAL[0])}",)
    assert any("folder of another class than the annotations say: 1" in n for n in manifest.notes)


def test_names_that_are_nearly_a_missing_clips(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant, clips=VAL[:1])
    write(root / "annotations/val.csv", csv_of(VAL))
    names = ("3B32lodo2M_000059_000069.mp4", f"{C}_000502_000512.mp4", "QUuC4vJs.mp4", "other.mp4")
    plant(*(f"val/{name}" for name in names), root=root)
    manifest = read("k400", root)
    assert len(manifest.missing) == 3
    assert len(manifest.extra) == 4
    notes = "\n".join(manifest.notes)
    assert f"with other times, or none: 1 (val/{names[1]} ({timed(VAL[2], '')}))" in notes
    assert f"nearly as a missing clip; rename them to count them: 2 (val/{names[0]}" in notes


def test_one_id_with_several_times(plant, tmp_path):
    clips = [("abseiling", A, 10, 20), ("abseiling", A, 40, 50), ("zumba", A, 45, 55)]
    root = plant(f"val/{A}_000010_000020.mp4", f"val/{A}_000045_000055.mp4", f"val/{A}.mp4")
    write(root / "annotations/val.csv", csv_of(clips))
    manifest = read("kinetics600", root)
    assert [(v.id, v.label, v.group) for v in manifest.videos] == [
        (f"{A}_000010_000020", "abseiling", A),
        (f"{A}_000045_000055", "zumba", A),
    ]
    assert manifest.missing == (f"{A}_000040_000050",)
    assert manifest.extra == (f"val/{A}.mp4",)
    assert manifest.overlapping == (f"{A}_000045_000055",)


def test_a_clip_with_two_labels_is_a_row_for_each(plant, tmp_path):
    clips = [("zumba", A, 10, 20), ("abseiling", A, 10, 20)]
    name = f"{A}_000010_000020"
    root = plant(f"val/{name}.mp4")
    write(root / "annotations/val.csv", csv_of(clips))
    flat = read("k700", root)
    assert [(v.id, v.label) for v in flat.videos] == [
        (f"{name}@abseiling", "abseiling"),
        (f"{name}@zumba", "zumba"),
    ]
    assert len(flat.overlapping) == 2
    other = plant(f"val/abseiling/{name}.mp4", f"val/zumba/{name}.mp4", root=tmp_path / "other")
    write(other / "annotations/val.csv", csv_of(clips[::-1]))
    manifest = read("k700", other)
    assert manifest.digest == flat.digest
    assert [v.path.split("/")[1] for v in manifest.videos] == ["abseiling", "zumba"]
    assert manifest.extra == ()


def test_class_folders_alone(plant):
    root = plant(f"val_256/arm_wrestling/{timed(VAL[0])}", "val_256/abseiling/x.webm")
    manifest = read("k400", root)
    assert manifest.split == "val"
    assert manifest.expected is None
    assert [(v.id, v.path, v.group) for v in manifest.videos] == [
        ("abseiling/x.webm", "val_256/abseiling/x.webm", "abseiling/x"),
        (f"arm wrestling/{timed(VAL[0])}", f"val_256/arm_wrestling/{timed(VAL[0])}", A),
    ]
    inside = read("k400", root / "val_256")
    assert (inside.split, inside.digest) == ("val", manifest.digest)
    plant("train/zumba/y.mp4", root=root)
    assert read("k400", root, "all").split == "train+val"
    plant("train/abseiling/x.webm", root=root)
    with pytest.raises(DatasetError, match=r"one video as 'train/abseiling/x.webm' and 'val_256/"):
        read("k400", root, "all")


@pytest.mark.parametrize("wrapper", ["", "videos/", "k400/compress/", "val/k400_val/"])
def test_class_folders_in_folders(wrapper, plant):
    root = plant(f"{wrapper}abseiling/x.mp4", f"{wrapper}training_dog/y.mp4")
    manifest = read("k400", root)
    assert manifest.split == ("val" if wrapper.startswith("val") else "all")
    assert [v.path for v in manifest.videos] == [
        f"{wrapper}abseiling/x.mp4",
        f"{wrapper}training_dog/y.mp4",
    ]


def test_annotations_of_other_files_do_not_matter(plant, tmp_path):
    root = plant("abseiling/x.mp4")
    write(tmp_path / "val.csv", csv_of(VAL))
    manifest = read("k400", root)
    assert (manifest.split, [v.id for v in manifest.videos]) == ("all", ["abseiling/x.mp4"])
    assert any(n.endswith("no part or none of these files: ../val.csv") for n in manifest.notes)


def test_clips_without_labels_need_annotations(plant, tmp_path):
    root = plant(*(f"val/{timed(clip)}" for clip in VAL))
    message = r"clips \(4\), such as .* but no class folders and no annotations .*; put .*val.csv"
    with pytest.raises(DatasetError, match=message):
        read("k400", root)
    write(root / "annotations/val.csv", f"youtube_id,time_start,time_end,split\n{A},417,427,val")
    with pytest.raises(DatasetError, match=r"and val.csv has no labels"):
        read("k400", root)
    write(root / "annotations/val.csv", csv_of(TRAIN))
    with pytest.raises(DatasetError, match=r"annotations/val.csv names none of them"):
        read("k400", root)


def test_a_part_of_other_clips_is_an_error(plant, tmp_path):
    root = plant("x.mp4", "y.mp4")
    write(root / "val.csv", csv_of(VAL))
    with pytest.raises(DatasetError, match=r"not one of 4, such as 0wR5jVB-WPk_000417_000427"):
        read("k400", root, "val")
    with pytest.raises(DatasetError, match="no folder and no annotations of that part"):
        read("k400", root, "test")


def test_class_folders_of_another_release_are_told(plant):
    root = plant("abseiling/x.mp4", "battle rope training/y.mp4", "zumba/z.mp4")
    with pytest.raises(
        DatasetError, match=r"none of its classes: battle rope training; .*kinetics"
    ):
        read("k400", root)
    root = plant("abseilin/x.mp4", root=root.parent / "typo")
    with pytest.raises(DatasetError, match="did you mean 'abseiling'"):
        read("k400", root)


def test_releases_of_700(plant, tmp_path):
    root = build(tmp_path / "k700-2020", "torchvision", plant)
    new, old = read("Kinetics-700-2020", root, "val"), read("k700", root, "val")
    assert (new.dataset, new.split, old.split) == ("kinetics700", "2020-val", "val")
    assert new.digest != old.digest
    assert read("k700", root, "2020-val").digest == new.digest
    assert not any("asked for" in note for note in new.notes)
    assert "the folder is named after kinetics700-2020, and kinetics700 was asked for" in old.notes
    with pytest.raises(DatasetError, match="ask for kinetics700-2020, or leave 2020 out"):
        read("k400", root, "2020-val")
    assert read("k7002020", plant("abseiling/x.mp4", root=tmp_path / "o")).split == "2020-all"


def test_releases_side_by_side(plant, tmp_path):
    root = tmp_path / "data"
    for release in ("k400", "kinetics600", "k700", "k700-2020"):
        plant(f"{release}/val/abseiling/{release}.mp4", root=root)
    for name, folder in [
        ("k400", "k400"),
        ("k600", "kinetics600"),
        ("k700", "k700"),
        ("k700-2020", "k700-2020"),
    ]:
        (video,) = read(name, root).videos
        assert video.path == f"{folder}/val/abseiling/{folder}.mp4"


def test_two_copies_of_one_part(plant, tmp_path):
    root = plant(f"val/abseiling/{timed(VAL[0])}", f"val_256/abseiling/{timed(VAL[0])}")
    with pytest.raises(DatasetError, match=r"one video as .*give the folder of one copy"):
        read("k400", root)
    write(root / "annotations/val.csv", csv_of(VAL))
    with pytest.raises(DatasetError, match=r"more than one file .*give the folder of one copy"):
        read("k400", root)
    assert len(read("k400", root / "val_256")) == 1


def test_a_root_given_from_inside_another_folder(plant, tmp_path, monkeypatch):
    root = build(tmp_path / "k", "cvdf", plant)
    (root / "val" / "deeper").mkdir()
    digest = read("k400", root).digest
    monkeypatch.chdir(root / "val")
    assert read("k400", ".").digest == digest
    monkeypatch.chdir(root / "val" / "deeper")
    assert read("k400", "..").digest == digest
    assert read("k400", "../..").digest == digest


def test_bad_roots(tmp_path, plant):
    (tmp_path / "empty").mkdir()
    plant("val/part_0.tar.gz", root=tmp_path / "packed")
    for path, message in [
        (tmp_path / "absent", "no such file or directory"),
        (tmp_path / "empty", "no video files"),
        (tmp_path / "packed", "unpack its .gz archives first"),
        (plant("kinetics400.tar") / "kinetics400.tar", "an archive; unpack it"),
    ]:
        with pytest.raises(DatasetError, match=message):
            read("k400", path)


def test_names_that_are_not_utf8_are_extra(plant, tmp_path):
    root = build(tmp_path / "k", "cvdf", plant)
    try:
        (root / "val" / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert read("k400", root).extra == (r"val/caf\xe9.mp4",)


@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600", "kinetics700"])
def test_every_class_in_every_spelling(dataset, tmp_path):
    names = load_class_set(dataset).names
    spellings = (
        str,
        underscores,
        torchvision,
        str.title,
        lambda n: underscores(n).lower().replace("(", "-").replace(")", "-"),
    )
    digests = set()
    for number, spell in enumerate(spellings):
        root = tmp_path / str(number)
        for position, name in enumerate(names):
            (root / spell(name)).mkdir(parents=True)
            (root / spell(name) / f"vid{position:08d}_000000_000010.mp4").write_bytes(b"x")
        manifest = read(dataset, root)
        assert set(manifest.counts().values()) == {1}
        assert [v.label for v in manifest.videos] == [v.id.split("/")[0] for v in manifest.videos]
        digests.add(manifest.digest)
    assert len(digests) == 1


@pytest.mark.datasets
def test_the_real_clips(shared_data, tmp_path):
    root = shared_data / "videos" / "kinetics"
    manifest = read("kinetics600", root)
    assert (len(manifest), manifest.split, manifest.extra) == (15, "all", ())
    annotations = write(
        tmp_path / "kinetics600_val.csv",
        csv_of([("arm wrestling", "C4lCVBZ3ux0", 28, 38), ("using segway", "R6llTwEh07w", 20, 30)]),
    )
    given = read("kinetics600", root, annotations=annotations)
    assert [(v.id, v.path) for v in given.videos] == [
        ("C4lCVBZ3ux0_000028_000038", "arm wrestling/C4lCVBZ3ux0_000028_000038.mp4"),
        ("R6llTwEh07w_000020_000030", "using segway/R6llTwEh07w.mp4"),
    ]
    assert len(given.extra) == 13


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "train") for name in ("train", "videos_train", "train_256", "Train-Videos")),
        *((name, "train") for name in ("kinetics_trimmed_processed_train", "k400_train_ext")),
        *((name, "val") for name in ("val", "valid", "validate", "Validation", "k400val")),
        *((name, None) for name in ("latest", "trainval_x", "rawframes_train", "train_list")),
        *((name, None) for name in ("train_test", "annotations_val", "abseiling", "")),
    ],
)
def test_names_of_parts(name, part):
    assert part_of_folder(name) == part


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        *((s, "val") for s in ("val", "validate", "k400_val", "kinetics-400_val", "val_256")),
        *((s, "val") for s in ("kinetics400_val_list_videos", "kinetics_val", "val_list")),
        *((s, "whole") for s in ("kinetics400", "annotations", "kinetics_400_labels")),
        *((s, None) for s in ("kinetics600_val", "k700_2020_val", "my_val", "readme", "labels")),
        *((s, None) for s in ("k400_val_path", "train_val", "kinetics600_holdout_test")),
    ],
)
def test_names_of_annotations(stem, part):
    assert part_of_annotations(stem, "kinetics400", is_2020=False) == part


def test_names_of_clips_and_releases():
    assert clip_key("abcdefghijk_000001_000011.mp4.mkv") == "abcdefghijk_000001_000011"
    assert clip_key("--coBvtS-eQ_1_11.webm") == "--coBvtS-eQ_000001_000011"
    assert clip_key("-_x45678901_000010_000020_256p.mp4") == "-_x45678901_000010_000020"
    assert clip_key("abcdefghijk.f137.mp4") == "abcdefghijk.f137"
    assert clip_key(".mp4") == ".mp4"
    assert release_of("K700-2020") == "700-2020"
    assert release_of("compress") is None
    assert part_of_annotations("k700_2020_val", "kinetics700", is_2020=True) == "val"
