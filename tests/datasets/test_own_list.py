"""Lists of one's own in CSV and JSONL, and how a data set is opened by one."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partialmethod
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.folder import open_folder
from zsl_bench.datasets.own_list import read_list
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.errors import ClassSetError, DatasetError
from zsl_bench.videos import Manifest

FIRST = "abcdefghijk"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes lines, or objects as JSON lines."""

    def make(*lines, name="list.jsonl", newline="\n", encoding="utf-8"):
        path = tmp_path / name
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_bytes((newline.join(texts) + newline).encode(encoding))
        return path

    return make


def rows(manifest):
    return [(v.id, v.label, v.path, v.group, v.start, v.end) for v in manifest.videos]


def without_source(manifest):
    return replace(manifest, classes=replace(manifest.classes, source=""))


LINES = [
    {"path": "red ball/1, (one).mp4", "label": "ball, red"},
    {"path": "a.mp4", "label": "kite", "start": 0, "end": 1.5, "score": 0.9},
    {"path": "a.mp4", "label": "ball, red", "start": 1.0, "end": None, "group": "tape 7"},
    {"path": f"{FIRST}_000001_000011.mp4", "label": "kite", "id": "first kite"},
    {"path": "gone.mp4", "label": "hoop", "start": "2.5", "end": ""},
]
WANTED = [
    ("a.mp4@0-1.5", "kite", "a.mp4", "a", 0.0, 1.5),
    ("a.mp4@1-", "ball, red", "a.mp4", "tape 7", 1.0, None),
    ("first kite", "kite", f"{FIRST}_000001_000011.mp4", FIRST, None, None),
    (
        "red ball/1, (one).mp4",
        "ball, red",
        "red ball/1, (one).mp4",
        "red ball/1, (one)",
        None,
        None,
    ),
]
FILES = ("red ball/1, (one).mp4", "a.mp4", f"{FIRST}_000001_000011.mp4", "unlisted.mp4")


def test_json_lines(write, plant):
    manifest = read_list("toys", write(*LINES), plant(*FILES))
    assert (manifest.dataset, manifest.split) == ("toys", "custom-list")
    assert rows(manifest) == WANTED
    assert manifest.missing == ("gone.mp4@2.5-",)
    assert manifest.expected == {"ball, red": 2, "hoop": 1, "kite": 2}
    assert manifest.overlapping == ("a.mp4@0-1.5", "a.mp4@1-")
    assert manifest.is_partial


@pytest.mark.parametrize("name", ["list.jsonl", "list.NDJSON", "list.json"])
def test_how_lines_are_written_does_not_matter(name, write, plant, tmp_path):
    root = plant(*FILES)
    plain = read_list("toys", write(*LINES), root)
    upper = [{field.upper(): value for field, value in line.items()} for line in LINES]
    other = write("", *upper, "  ", name=name, newline="\r\n", encoding="utf-8-sig")
    assert without_source(read_list("toys", str(other), str(root))) == without_source(plain)


def test_csv_and_json_lines_agree(write, plant):
    root = plant(*FILES)
    cells = [
        [json.dumps(line.get(field)) if line.get(field) not in (None, "") else "" for field in head]
        for head in [("path", "label", "start", "end", "id", "group")]
        for line in LINES
    ]
    csv = write("path,label,start,end,id,group", *map(",".join, cells), name="list.csv")
    jsonl = read_list("toys", write(*LINES), root)
    assert without_source(read_list("toys", csv, root)) == without_source(jsonl)


def test_the_manifest_is_saved_and_loaded(write, plant, tmp_path):
    manifest = read_list("toys", write(*LINES), plant(*FILES))
    manifest.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == manifest


def line(**fields):
    return {"path": "1.mp4", "label": "kite", **fields}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"path": "1.mp4", "label": "kite"', r"no JSON object \(Expecting"),
        ("1.mp4,kite", "no JSON object (Extra data"),
        ("[" * 5000, "no JSON object"),
        ('["1.mp4", "kite"]', 'no JSON object, but ["1.mp4", "kite"]; write one object a line'),
        ("null", "no JSON object, but null"),
        ('{"path": "1.mp4", "path": "2.mp4", "label": "kite"}', "path given twice"),
        ({"label": "kite"}, "no path; give every line its file"),
        ({"path": "2.mp4"}, "no label; give every line its class"),
        ({"path": "2.mp4", "label": " "}, "no label"),
        (line(label=3), "label 3; give it as text"),
        (line(path=["a"]), "path ['a']; give it as text"),
        (line(path="../1.mp4"), "could lead out of the data set's folder"),
        (line(path="a/../../1.mp4"), "could lead out"),
        (line(path="/etc/passwd"), "could lead out"),
        (line(path="C:/1.mp4"), "could lead out"),
        (line(path="C:\\videos\\1.mp4"), "could lead out"),
        (line(path="\\\\server\\share\\1.mp4"), "could lead out"),
        (line(path="..\\1.mp4"), "could lead out"),
        (line(path="a\0b.mp4"), "can be written as UTF-8"),
        (line(path="\ud800.mp4"), "can be written as UTF-8"),
        (line(id="\ud800"), "can be written as UTF-8"),
        (line(start=2, end=1), "start 2.0, end 1.0; give seconds with 0 <= start < end"),
        (line(start=1, end=1), "start 1.0, end 1.0"),
        (line(start=-1), "start -1.0"),
        ('{"path": "1.mp4", "label": "kite", "start": NaN}', "start nan"),
        ('{"path": "1.mp4", "label": "kite", "end": Infinity}', "end inf"),
        (line(start=True), "start True; give seconds as a number"),
        (line(start="1:30"), "start '1:30'; give seconds as a number"),
        (line(start=[1]), "start [1]; give seconds as a number"),
        (line(end=10**400), "; give seconds as a number"),
        (line(), "1.mp4, which is in line 1 too; keep one of them"),
        (line(id="another"), "another, which is the same file and times as line 1"),
        (line(start=0, id="1.mp4"), "1.mp4, which is in line 1 too"),
    ],
)
def test_lines_that_do_not_fit(bad, said, write, plant):
    path = write(line(), "", bad)
    with pytest.raises(DatasetError) as caught:
        read_list("toys", path, plant("1.mp4"))
    assert str(caught.value).startswith(f"line 3 of {path}: ")
    assert said.replace("\\", "") in str(caught.value).replace("\\", "")
    assert "\n" not in str(caught.value)


def test_the_first_of_two_broken_lines_is_told(write, plant):
    with pytest.raises(DatasetError, match="line 2 of "):
        read_list("toys", write(line(), "{", "{"), plant("1.mp4"))


def test_a_column_that_comes_twice(write, plant):
    path = write("path,label,label", "1.mp4,kite,ball", name="list.csv")
    with pytest.raises(DatasetError, match=r"line 1 of .*: the column label twice"):
        read_list("toys", path, plant("1.mp4"))


def test_files_that_are_no_list(tmp_path, write, plant):
    root = plant("1.mp4")
    (tmp_path / "latin.jsonl").write_bytes('{"path": "fête"}'.encode("latin-1"))
    for path, said in [
        (write("", name="empty.jsonl"), "no lines; write one object a line, such as"),
        (tmp_path / "latin.jsonl", "no UTF-8 text"),
        (tmp_path / "absent.jsonl", "no such file"),
        (root, "is a directory"),
        (write("[", json.dumps(line()), "]", name="array.json"), "line 1 of .*no JSON object"),
    ]:
        with pytest.raises(DatasetError, match=said):
            read_list("toys", path, root)
    with pytest.raises(DatasetError, match="no such folder"):
        read_list("toys", write(line()), tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"not one of 1, such as 2\.mp4; give the folder that"):
        read_list("toys", write(line(path="2.mp4")), root)
    with pytest.raises(DatasetError, match="write the paths with / in place of"):
        read_list("toys", write(line(path="a\\1.mp4")), root)
    with pytest.raises(ClassSetError, match="no words for class"):
        read_list("toys", write(line(label="?")), root)


def test_labels_of_a_bundled_set(write, plant):
    root = plant("1.mp4")
    manifest = read_list("hmdb51", write(line(label="Brush Hair")), root)
    assert manifest.classes == load_class_set("hmdb51")
    assert manifest.videos[0].label == "brush_hair"
    with pytest.raises(DatasetError, match=r"line 1 of .*'brush_hari'.*did you mean 'brush_hair'"):
        read_list("hmdb51", write(line(label="brush_hari")), root)


def test_labels_that_may_be_one_class_are_noted(write, plant):
    root = plant("1.mp4", "2.mp4")
    manifest = read_list("toys", write(line(), line(path="2.mp4", label="Kite")), root)
    assert manifest.notes == ("classes that differ in case or punctuation only: 'Kite' and 'kite'",)
    assert manifest.counts() == {"Kite": 1, "kite": 1}


def test_links_out_of_the_folder_are_followed_and_broken_ones_told(write, plant, tmp_path):
    disk = plant("far.mp4", root=tmp_path / "disk")
    root = plant("1.mp4")
    (root / "far.mp4").symlink_to(disk / "far.mp4")
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    (root / "loops").symlink_to(root / "loops")
    names = ("far.mp4", "loop.mp4", "loops/1.mp4")
    manifest = read_list("toys", write(*(line(path=name) for name in names)), root)
    assert manifest.videos[0].path == "far.mp4"
    assert [name for name, _ in manifest.unreadable] == ["loop.mp4", "loops/1.mp4"]


def test_a_folder_that_may_not_be_read(write, plant, monkeypatch):
    root = plant("1.mp4", "closed/2.mp4")
    path = write(line(), line(path="closed/2.mp4"))
    really = {"lstat": Path.lstat, "stat": Path.stat}

    def look(file, method, **how):
        if file.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(file))
        return really[method](file, **how)

    for method in really:
        monkeypatch.setattr(Path, method, partialmethod(look, method))
    manifest = read_list("toys", path, root)
    assert manifest.unreadable == (("closed/2.mp4", "permission denied"),)


def test_a_name_that_is_too_long_stays_a_row(write, plant):
    manifest = read_list("toys", write(line(), line(path="x" * 300 + ".mp4")), plant("1.mp4"))
    assert manifest.unreadable == (("x" * 300 + ".mp4", "file name too long"),)


def test_overlaps_against_a_plain_count(write, plant):
    rng = np.random.default_rng(0)
    lines, seen = [], set()
    for _ in range(40):
        start, end = sorted(rng.choice(60, size=2, replace=False).tolist())
        end = min(end, start + 12)
        key = (f"{rng.integers(6)}.mp4", start, end)
        if key not in seen:
            seen.add(key)
            label = ["kite", "ball", "hoop"][rng.integers(3)]
            lines.append({"path": key[0], "label": label, "start": start, "end": end})
    root = plant(*{one["path"] for one in lines})
    manifest = read_list("toys", write(*lines), root)
    overlapping = set()
    for one, other in combinations(manifest.videos, 2):
        shared = set(range(int(one.start), int(one.end))) & set(
            range(int(other.start), int(other.end))
        )
        if one.path == other.path and one.label != other.label and shared:
            overlapping |= {one.id, other.id}
    assert set(manifest.overlapping) == overlapping
    assert 0 < len(overlapping) < len(manifest)


def request(root, **changes):
    return DatasetRequest(dataset="toys", asked="toys", root=root, **changes)


def test_a_data_set_of_ones_own_by_its_list(write, plant):
    root = plant("kite/1.mp4", "list.jsonl/1.mp4")
    path = write(line(path="kite/1.mp4"), name="mine.jsonl")
    given = open_folder(request(root, annotations=path))
    assert (given.split, rows(given)[0][:2]) == ("custom-mine", ("kite/1.mp4", "kite"))
    inside = plant("mine.jsonl", content=path.read_bytes()) / "mine.jsonl"
    assert open_folder(request(inside)) == given
    assert open_folder(request(root)).split == "all"
    with pytest.raises(DatasetError, match="no official lists are known"):
        open_folder(request(root, annotations=path, test_list="split1"))
    with pytest.raises(DatasetError, match="a file, not a folder"):
        open_folder(request(root / "kite/1.mp4"))


names = st.text("abé ,'\"+&!()\\[]{}", min_size=1, max_size=8).filter(lambda t: t.strip(" .") == t)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(st.dictionaries(names, names, min_size=1, max_size=5))
def test_every_listed_file_is_one_row_whatever_its_name(tmp_path_factory, plant, listed):
    root = tmp_path_factory.mktemp("files")
    listed = {f"f{file}.mp4": f"class {label}" for file, label in listed.items()}
    plant(*listed, root=root)
    path = tmp_path_factory.mktemp("lists") / "list.jsonl"
    path.write_text(
        "".join(json.dumps({"label": label, "path": file}) + "\n" for file, label in listed.items())
    )
    manifest = read_list("toys", path, root)
    assert {video.path: video.label for video in manifest.videos} == listed
    assert manifest.missing == ()


@settings(max_examples=200, deadline=None)
@given(content=st.text(alphabet='{}[]":,\\ \npathlbe1.', max_size=60))
def test_whatever_text_is_refused_in_one_line(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("noise")
    path = root / "list.jsonl"
    path.write_text(content, newline="")
    with pytest.raises((DatasetError, ClassSetError)) as caught:
        read_list("toys", path, root)
    assert "\n" not in str(caught.value)
