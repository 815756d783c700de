"""Videos in common: ids in their spellings, sources, contents, and what could not be compared."""

from __future__ import annotations

import pytest

from zsl_bench.assessment.shared_videos import shared_videos, source_id
from zsl_bench.classes import class_set_from_names
from zsl_bench.videos import Manifest, Video


def manifest(root, rows, *, dataset="made", missing=()):
    """Make a manifest of ``(id, path, group, content)``; content None writes no file."""
    for _, path, _, content in rows:
        if content is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    return Manifest(
        dataset=dataset,
        classes=class_set_from_names(["running"], dataset=dataset, source="test"),
        split="all",
        root=root,
        videos=tuple(
            Video(id=name, label="running", path=path, group=group) for name, path, group, _ in rows
        ),
        missing=missing,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abseiling/0wR5jVB-WPk_000417_000427", "0wR5jVB-WPk"),
        ("abseiling/0wR5jVB-WPk_000417_000427.mp4", "0wR5jVB-WPk"),
        ("v_0wR5jVB-WPk", "0wR5jVB-WPk"),
        ("v_0wR5jVB-WPk_012", "0wR5jVB-WPk"),
        ("0wR5jVB-WPk_012", "0wR5jVB-WPk_012"),
        ("v_0wR5jVB-WPk.mp4@1.5-20", "0wR5jVB-WPk"),
        ("0wR5jVB-WPk", "0wR5jVB-WPk"),
        ("0WR5JVB-WPK", "0WR5JVB-WPK"),
        ("v_abcdefghi", "v_abcdefghi"),
        ("v_ApplyEyeMakeup_g01_c01", "v_ApplyEyeMakeup_g01_c01"),
        ("Archery/v_Archery_g01_c01.avi", "v_Archery_g01_c01"),
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "April_09_brush_hair_u_nm_np1_ba_goo_0"),
        ("running/one.final.mp4", "one.final"),
        ("running/one.5", "one.5"),
    ],
)
def test_source_ids(name, expected):
    assert source_id(name) == expected


def test_a_kinetics_clip_and_an_activitynet_segment_of_one_video(tmp_path):
    train = manifest(
        tmp_path / "k",
        [
            ("run/0wR5jVB-WPk_000417_000427", "a.mp4", "0wR5jVB-WPk", None),
            ("run/AAAAAAAAAAA_000000_000010", "b.mp4", "AAAAAAAAAAA", None),
        ],
        missing=("run/CCCCCCCCCCC_000001_000011",),
    )
    test = manifest(
        tmp_path / "a",
        [
            ("segment one", "v_0wR5jVB-WPk.mp4", "0wR5jVB-WPk", None),
            ("v_aaaaaaaaaaa", "v_aaaaaaaaaaa.mp4", "aaaaaaaaaaa", None),
            ("v_CCCCCCCCCCC", "v_CCCCCCCCCCC.mp4", "CCCCCCCCCCC", None),
        ],
        dataset="other",
    )
    found = shared_videos(train, test, content=False)
    assert [s.key for s in found.ids] == ["CCCCCCCCCCC"]
    assert found.ids[0].train == ("run/CCCCCCCCCCC_000001_000011",)
    (group,) = found.groups
    assert (group.key, group.test) == ("0wR5jVB-WPk", ("segment one",))
    assert found.test_rows == ("segment one", "v_CCCCCCCCCCC")
    assert found.not_compared == ("contents: not asked for",)
    assert (found.train, found.test) == ("made (all)", "other (all)")


def test_contents_are_found_under_other_names_and_few_files_are_read(tmp_path, monkeypatch):
    import zsl_bench.assessment.shared_videos as module

    read = []
    digest = module.sha256_file
    monkeypatch.setattr(module, "sha256_file", lambda path: read.append(path.name) or digest(path))
    train = manifest(
        tmp_path / "train",
        [
            ("run/the-first", "first.mp4", "first-source", b"same bytes"),
            ("run/the-second", "second.mp4", "second-source", b"other byte"),
            ("run/the-third", "third.mp4", "third-source", b"long and alone"),
        ],
    )
    test = manifest(
        tmp_path / "test",
        [
            ("renamed", "renamed.mp4", "renamed-source", b"same bytes"),
            ("renamed@1-2", "renamed.mp4", "renamed-source", b"same bytes"),
            ("unlike-any", "unlike.mp4", "unlike-source", b"short"),
        ],
    )
    found = shared_videos(train, test, content=True)
    assert found.ids == found.groups == found.not_compared == ()
    (shared,) = found.contents
    assert shared.train == ("run/the-first",)
    assert shared.test == ("renamed", "renamed@1-2")
    assert len(shared.key) == 64
    assert sorted(read) == ["first.mp4", "renamed.mp4", "second.mp4"]


def test_files_that_are_not_there_are_named(tmp_path):
    train = manifest(
        tmp_path / "train",
        [("run/the-first", "first.mp4", "g-train", None)],
        missing=("run/the-absent",),
    )
    test = manifest(tmp_path / "test", [("other-name", "t.mp4", "g-test", b"bytes")])
    found = shared_videos(train, test, content=True)
    assert found.contents == ()
    (note,) = found.not_compared
    assert note.startswith("2 of 2 training rows by content: no file that can be read")


def test_empty_files_are_no_evidence(tmp_path):
    train = manifest(tmp_path / "train", [("run/the-first", "first.mp4", "g-train", b"")])
    test = manifest(tmp_path / "test", [("other-name", "t.mp4", "g-test", b"")])
    assert shared_videos(train, test, content=True).contents == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    import zsl_bench.assessment.shared_videos as module

    def refuse(path):
        raise PermissionError(13, "permission denied")

    monkeypatch.setattr(module, "sha256_file", refuse)
    train = manifest(tmp_path / "train", [("run/the-first", "first.mp4", "g-train", b"123456")])
    test = manifest(tmp_path / "test", [("other-name", "t.mp4", "g-test", b"654321")])
    found = shared_videos(train, test, content=True)
    assert [note.partition(" rows")[0] for note in found.not_compared] == [
        "1 of 1 training",
        "1 of 1 test",
    ]


def test_names_that_say_nothing_are_not_compared(tmp_path):
    train = manifest(tmp_path / "train", [("a/0001", "1.mp4", "a/0001", None)])
    test = manifest(tmp_path / "test", [("b/0001", "1.mp4", "b/0001", None)])
    found = shared_videos(train, test, content=False)
    assert found.ids == found.groups == ()
    assert found.not_compared[0].startswith("1 training rows by id")
    assert found.not_compared[1].startswith("1 test rows by id")


def test_one_data_set_against_itself(tmp_path):
    rows = [(f"v_Archery_g0{g}_c01", f"{g}.avi", f"Archery_g0{g}", b"%d" % g) for g in (1, 2, 3)]
    whole = manifest(tmp_path, rows)
    found = shared_videos(whole, whole, content=True)
    assert len(found.ids) == len(found.contents) == 3
    assert found.groups == ()
    assert found.to_json()["test_rows"] == [row[0] for row in rows]
    parts = manifest(tmp_path, rows[:2]), manifest(tmp_path, rows[2:])
    apart = shared_videos(*parts, content=True)
    assert apart.test_rows == ()
