"""Videos and manifests: checks, digest, paths, files."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.videos import Manifest, Video

CLASSES = ClassSet(
    dataset="toys",
    version=1,
    names=("ball", "kite"),
    words=(("ball",), ("kite",)),
    labels=("ball", "kite"),
    aliases=((), ("drake",)),
    source="a test",
)


def video(number: int = 0, **changes: object) -> Video:
    fields = {"id": f"v{number}", "label": "ball", "path": f"ball/v{number}.mp4", "group": "g"}
    return Video(**(fields | changes))


def manifest(*videos: Video, **changes: object) -> Manifest:
    fields = {"dataset": "toys", "classes": CLASSES, "split": "all", "root": Path("/data/toys")}
    return Manifest(**(fields | {"videos": videos or (video(),)} | changes))


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../x.avi", "ball/../../x.avi", "ball/..", "./x.avi", "ball//x.avi"),
        *("ball/", "/", "..\\x.avi", "ball\\..\\..\\x.avi", "C:\\x.avi", "C:x.avi", "\\\\host\\x"),
    ],
)
def test_paths_that_could_leave_the_root_are_refused(path):
    with pytest.raises(DatasetError, match="could lead out of the data set's folder"):
        video(path=path)


@pytest.mark.parametrize(
    "path",
    [
        "x.avi",
        "a b/Tips_-_300+_Yards!!!.avi",
        "a/..b/c..avi",
        "a/x: y.mp4",
        "a/b\\c.mp4",
        "é/ö.avi",
    ],
)
def test_odd_but_harmless_paths_are_kept(path):
    assert video(path=path).path == path


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.mp4", "~"]), min_size=1, max_size=6))
def test_no_path_that_is_accepted_leaves_the_root(parts):
    path = "/".join(parts)
    root = Path("/data/toys").absolute()
    try:
        one = video(path=path)
    except DatasetError:
        assert {"", ".", ".."} & set(parts)
        return
    resolved = manifest(one).resolve(one)
    assert resolved != root
    assert resolved.is_relative_to(root)
    assert resolved == root.joinpath(*parts)


def test_resolve_looks_at_the_path_again():
    one = video()
    object.__setattr__(one, "path", "../x.avi")
    with pytest.raises(DatasetError, match="lead out"):
        manifest(video(1)).resolve(one)


def test_resolve_follows_no_links_itself(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "ball").symlink_to(tmp_path / "elsewhere")
    resolved = manifest(root=tmp_path / "root").resolve(video())
    assert resolved == tmp_path / "root" / "ball" / "v0.mp4"


def test_a_relative_root_resolves_below_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert manifest(root=Path()).resolve(video()) == tmp_path / "ball" / "v0.mp4"


@pytest.mark.parametrize("field", ["id", "label", "path", "group"])
@pytest.mark.parametrize("text", ["", "a\0b", "a\udcffb", 3, None])
def test_texts_must_be_there_and_utf8(field, text):
    with pytest.raises(DatasetError, match=f"{field} of video"):
        video(**{field: text})


@pytest.mark.parametrize(
    ("start", "end"),
    [(-1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (float("nan"), None), (0.0, float("nan")), (None, 0.0)],
)
def test_times_run_forward(start, end):
    with pytest.raises(DatasetError, match="start < end"):
        video(start=start, end=end)


def test_endless_times_and_negative_counts_are_refused():
    with pytest.raises(DatasetError, match="start < end"):
        video(end=float("inf"))
    with pytest.raises(DatasetError, match="frames of video"):
        video(frames=-1)


def test_a_manifest_needs_videos():
    with pytest.raises(DatasetError, match="no videos"):
        Manifest(dataset="toys", classes=CLASSES, split="all", root=Path("/data"), videos=())


def test_ids_are_unique():
    with pytest.raises(DatasetError, match="ids given twice: 'v1'"):
        manifest(video(1), video(1, label="kite", path="kite/v1.mp4"))


def test_labels_are_official_names_and_near_ones_are_suggested():
    with pytest.raises(DatasetError, match=r"label 'kites'.*did you mean 'kite'"):
        manifest(video(label="kites"))
    with pytest.raises(DatasetError, match="label 'drake'"):
        manifest(expected={"drake": 3})


def test_missing_and_unreadable_fit_the_rows():
    with pytest.raises(DatasetError, match="both present and missing"):
        manifest(missing=("v0",))
    with pytest.raises(DatasetError, match="unreadable without a row"):
        manifest(unreadable=(("v9", "zero length"),))


def test_counts_name_every_class():
    rows = manifest(video(1), video(2), video(3, label="kite", path="kite/3.mp4"))
    assert rows.counts() == {"ball": 2, "kite": 1}
    assert manifest().counts() == {"ball": 1, "kite": 0}
    assert len(rows) == 3


def test_partial_is_a_missing_video_or_without_a_list_an_empty_class():
    both = (video(1), video(2, label="kite", path="kite/2.mp4"))
    assert not manifest(*both).is_partial
    assert manifest().is_partial
    assert not manifest(expected={"ball": 1, "kite": 0}).is_partial
    assert manifest(*both, expected={"ball": 2, "kite": 1}, missing=("v7",)).is_partial


rows_strategy = st.lists(
    st.builds(
        Video,
        id=st.text("abc/ é", min_size=1, max_size=6),
        label=st.sampled_from(CLASSES.names),
        path=st.just("ball/x.mp4"),
        group=st.just("g"),
        start=st.none() | st.floats(0, 10),
        end=st.none() | st.floats(11, 20),
        frames=st.none() | st.integers(0, 999),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row.id,
)


@given(rows_strategy, st.randoms(use_true_random=False), st.sampled_from(["/a", "/b c", "/é"]))
def test_digest_ignores_order_root_paths_groups_and_frames(rows, random, root):
    first = manifest(*rows)
    changed = [replace(row, path="other/y.avi", frames=7, group="h") for row in rows]
    random.shuffle(changed)
    second = manifest(*changed, root=Path(root), notes=("hello",), extra=("z.avi",))
    assert first.digest == second.digest
    assert [row.id for row in second.videos] == sorted(row.id for row in rows)


@given(rows_strategy)
def test_a_manifest_survives_json(rows):
    first = manifest(*rows, expected={"ball": 3}, unreadable=((rows[0].id, "zero length"),))
    again = Manifest.from_json(json.loads(json.dumps(first.to_json())))
    assert again == first
    assert again.digest == first.digest


@pytest.mark.parametrize(
    "change",
    [
        {"id": "v9"},
        {"label": "kite"},
        {"start": 0.0},
        {"end": 1.5},
    ],
)
def test_digest_sees_what_is_scored(change):
    assert manifest(video(**change)).digest != manifest().digest


def test_digest_sees_data_set_and_split():
    assert manifest(split="testlist01").digest != manifest().digest
    assert manifest(dataset="other").digest != manifest().digest


def test_digest_is_that_of_plain_json():
    text = '{"dataset":"toys","rows":[["v0","ball",1.0,null]],"split":"all"}'
    assert manifest(video(start=1)).digest == hashlib.sha256(text.encode()).hexdigest()


def test_save_and_load(tmp_path):
    first = manifest(root=tmp_path / "a", missing=("v9",), expected={"ball": 2}, notes=("so",))
    first.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == first
    first.save(f"{tmp_path}/n.json")
    assert Manifest.load(f"{tmp_path}/n.json") == first
    assert Manifest.load(f"{tmp_path}/n.json", root=f"{tmp_path}/b").root == tmp_path / "b"
    moved = Manifest.load(tmp_path / "m.json", root=tmp_path / "b")
    assert (moved.root, moved.digest) == (tmp_path / "b", first.digest)
    assert pickle.loads(pickle.dumps(moved)) == moved  # noqa: S301


def test_the_root_may_be_edited(tmp_path):
    value = manifest().to_json() | {"root": "/moved"}
    assert Manifest.from_json(value).root == Path("/moved")


def edit(change):
    value = json.loads(json.dumps(manifest(missing=("v9",)).to_json()))
    change(value)
    return value


def resign(value):
    from zsl_bench.files import sha256_json

    body = {key: entry for key, entry in value.items() if key not in ("root", "sha256")}
    return value | {"sha256": sha256_json(body)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["videos"][0].update(label="kite"), "does not fit its sha256"),
        (lambda v: v.update(missing=[]), "does not fit its sha256"),
        (lambda v: v.update(digest="0" * 64), "does not fit its sha256"),
        (lambda v: v.update(schema=2), "schema 2, this version knows 1"),
        (lambda v: v.update(kind="a result"), "something else"),
        (lambda v: v.pop("sha256"), "does not fit its sha256"),
    ],
)
def test_a_changed_file_is_refused(change, message):
    with pytest.raises(DatasetError, match=message):
        Manifest.from_json(edit(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["videos"][0].update(label="kite"), "do not fit its digest"),
        (lambda v: v["videos"][0].update(path="../../etc/passwd"), "could lead out"),
        (lambda v: v["videos"][0].update(colour="red"), "absent or odd"),
        (lambda v: v["videos"][0].update(start="soon"), "absent or odd"),
        (lambda v: v["videos"][0].pop("group"), "absent or odd"),
        (lambda v: v.update(videos=3), "absent or odd"),
        (lambda v: v.update(unreadable=[["v0"]]), "absent or odd"),
        (lambda v: v.pop("classes"), "absent or odd"),
        (lambda v: v["classes"].update(names=["ball", "ball"]), "absent or odd"),
    ],
)
def test_a_resigned_file_is_still_checked(change, message):
    with pytest.raises(DatasetError, match=message):
        Manifest.from_json(resign(edit(change)))


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_something_else_is_no_manifest(value):
    with pytest.raises(DatasetError, match="read a manifest: something else"):
        Manifest.from_json(value)


def test_load_names_the_file(tmp_path):
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"m\.json"):
        Manifest.load(tmp_path / "m.json")
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(ResultError, match=r"m\.json"):
        Manifest.load(tmp_path / "m.json")
    with pytest.raises(ResultError, match=r"absent\.json"):
        Manifest.load(tmp_path / "absent.json")


def test_a_root_that_is_not_utf8_cannot_be_written():
    with pytest.raises(DatasetError, match="not UTF-8"):
        manifest(root=Path("/data/\udcff")).to_json()


def test_a_bundled_class_set_survives_json():
    classes = load_class_set("hmdb51")
    rows = (video(label="clap"),)
    first = Manifest(dataset="hmdb51", classes=classes, split="all", root=Path("/d"), videos=rows)
    again = Manifest.from_json(json.loads(json.dumps(first.to_json())))
    assert again.classes == classes
    assert again.classes.fingerprint == classes.fingerprint


def test_preparation_is_part_of_the_digest_and_survives_the_file(tmp_path):
    plain = manifest()
    prepared = replace(plain, preparation={"short_side": 128, "source": plain.digest})
    other = replace(plain, preparation={"short_side": 256, "source": plain.digest})
    assert len({plain.digest, prepared.digest, other.digest}) == 3
    prepared.save(tmp_path / "m.json")
    again = Manifest.load(tmp_path / "m.json", root=plain.root)
    assert again == prepared
    assert again.digest == prepared.digest


def test_a_manifest_without_preparation_is_written_as_ever():
    written = manifest().to_json()
    assert {"preparation", "overlapping"}.isdisjoint(written)
    assert Manifest.from_json(written).preparation is None


def test_overlapping_segments_are_rows_and_survive_the_file(tmp_path):
    rows = (video(0, start=0.0, end=2.0), video(1, start=1.0, end=3.0, label="kite"))
    made = manifest(*rows, overlapping=("v1", "v0"))
    assert made.overlapping == ("v0", "v1")
    made.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json").overlapping == ("v0", "v1")
    with pytest.raises(DatasetError, match="without a row: v9"):
        manifest(overlapping=("v9",))


def test_only_keeps_what_belongs_to_the_videos_kept():
    whole = manifest(
        video(0),
        video(1),
        video(2, label="kite"),
        expected={"ball": 4, "kite": 1},
        missing=("v3", "v4"),
        unreadable=(("v0", "zero length"), ("v2", "zero length")),
        overlapping=("v0", "v1"),
        extra=("stray.avi",),
    )
    part = whole.only({"v0", "v3"}, split="mine", expected={"ball": 2, "kite": 0})
    assert [row.id for row in part.videos] == ["v0"]
    assert (part.missing, part.unreadable) == (("v3",), (("v0", "zero length"),))
    assert (part.overlapping, part.extra) == (("v0",), ("stray.avi",))
    assert (part.split, part.expected) == ("mine", {"ball": 2, "kite": 0})
    assert whole.only({"v1"}).split == "all"
    with pytest.raises(DatasetError, match="no videos"):
        whole.only({"v3"})
