"""Annotations of Kinetics: CSV, JSON and lists, good and bad, against a plain reading."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import DatasetRequest, dataset_name
from zsl_bench.datasets.kinetics import open_kinetics
from zsl_bench.datasets.kinetics_lists import read_annotations
from zsl_bench.errors import DatasetError

A, B = "0wR5jVB-WPk", "-3B32lodo2M"
HEADER = "label,youtube_id,time_start,time_end,split"
CLASSES = load_class_set("kinetics400")


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


@pytest.fixture
def write(tmp_path):
    def make(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return make


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"abseilin,{A},1,11,val", r"line 3 of .*label 'abseilin', .*did you mean 'abseiling'"),
        (f"backflip (human),{A},1,11,val", "all its labels are classes of kinetics600; ask for"),
        (f"abseiling,{A},1,11", "line 3 of .*4 cells under a header of 5"),
        ("abseiling,#NAME?,1,11,val", "line 3 of .*youtube_id '#NAME\\?'; .*spreadsheet"),
        ("abseiling,../../etc,1,11,val", "line 3 of .*youtube_id"),
        (f"abseiling,{A},x,11,val", "line 3 of .*time_start 'x', time_end '11'; give whole"),
        (f"abseiling,{A},1.5,11,val", "time_start '1.5'"),
        (f"abseiling,{A},-1,11,val", "time_start '-1'"),
        (f"abseiling,{A},11,1,val", "time_start '11', time_end '1'"),
        (f"abseiling,{A},1,inf,val", "time_end 'inf'"),
        (f'"abseiling,{A},1,11,val', "line 3 of .*unexpected end"),
    ],
)
def test_lines_that_do_not_fit(line, said, write, plant):
    path = write("val.csv", HEADER, f"abseiling,{B},1,11,val", line)
    with pytest.raises(DatasetError, match=said) as caught:
        read("k400", plant(f"{A}.mp4"), annotations=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("val.csv", ["youtube_id,time_start,time_end,split", f"{A},1,11,test"], "held back those"),
        ("val.csv", [HEADER], "no clips"),
        ("val.csv", [HEADER, f",{A},1,11,val"], "no label in 1 entries"),
        ("val.csv", ["a,b", "1,2"], "the header 'a,b'; begin it with label,youtube_id"),
        ("val.json", ["[]"], "no JSON object of videos"),
        ("val.json", ["{"], "no valid JSON"),
        ("val.json", ['{"abseiling": 0}'], "entry 'abseiling' of .*no YouTube id"),
        ("val.json", [f'{{"{A}": 0}}'], f"entry '{A}' of .*no object"),
        ("val.json", [f'{{"{A}": {{"subset": "test"}}}}'], "no label in 1 entries"),
        (
            "val.json",
            [f'{{"{A}": {{"annotations": {{"label": "zumba", "segment": [0.5, 11]}}}}}}'],
            "time_start 0.5",
        ),
    ],
)
def test_files_that_are_no_annotations(name, lines, said, write, plant):
    with pytest.raises(DatasetError, match=said):
        read("k400", plant(f"{A}.mp4"), annotations=write(name, *lines))


def test_files_that_cannot_be_read(tmp_path, plant):
    root = plant(f"{A}.mp4")
    (tmp_path / "latin.csv").write_bytes(f"{HEADER}\nfête,{A},1,11,val\n".encode("latin-1"))
    for path, said in [
        (tmp_path / "latin.csv", "no UTF-8 text"),
        (tmp_path / "absent.csv", "no such file"),
        (tmp_path, "is a directory"),
    ]:
        with pytest.raises(DatasetError, match=said):
            read("k400", root, annotations=path)


def test_how_the_csv_is_written_does_not_matter(write, tmp_path):
    plain = read_annotations(write("a.csv", HEADER, f"abseiling,{A},417,427,val"), CLASSES)
    other = tmp_path / "b.csv"
    header = "Split, Youtube_ID ,is_cc,time_end,time_start,Label"
    lines = ("\ufeff", header, "", f'validate,"{A}",0,427.0, 417 ,"Abseiling"', "")
    text = "\r\n".join(lines)
    other.write_bytes(text.encode())
    assert read_annotations(other, CLASSES).clips == plain.clips
    assert plain.parts == ("val",)


def test_a_csv_without_a_header(write, plant):
    root = plant(f"val/{A}_000417_000427.mp4")
    path = write("videos/val.csv", f"abseiling,{A},417,427", f"hurling (sport),{B},59,69")
    manifest = read("k400", root)
    assert (manifest.split, [v.label for v in manifest.videos]) == ("val", ["abseiling"])
    assert manifest.missing == (f"{B}_000059_000069",)
    path.write_text(f"abseiling,{A},417,427,validate,0\n")
    assert read("k400", root).missing == ()
    path.write_text(f"abseiling,{A},417\n")
    with pytest.raises(DatasetError, match=r"line 1 of .*header"):
        read("k400", root, annotations=path)


def test_repeated_and_unlabelled_lines_are_noted(write, plant):
    line = f"abseiling,{A},1,11,val"
    path = write("val.csv", HEADER, line, line, f",{B},1,11,val")
    manifest = read("k400", plant(f"{A}.mp4"), annotations=path)
    assert [v.id for v in manifest.videos] == [f"{A}_000001_000011"]
    assert manifest.missing == ()
    assert "val.csv: left out, entries without a label: 1" in manifest.notes
    assert "val.csv: lines that repeat one above: 1" in manifest.notes


OFFICIAL = {
    A: {
        "annotations": {"label": "abseiling", "segment": [417.0, 427.0]},
        "duration": 10.0,
        "subset": "validate",
        "url": f"https://www.youtube.com/watch?v={A}",
    },
    B: {
        "annotations": {"label": "hurling (sport)", "segment": [59.0, 69.0]},
        "subset": "train",
    },
}


@pytest.mark.parametrize("name", ["validate.json", "kinetics400_val.json", "annotations/val.json"])
def test_the_official_json(name, write, plant):
    root = plant(f"val/{A}_000417_000427.mp4")
    path = write(f"videos/{name}", json.dumps({A: OFFICIAL[A]}))
    manifest = read("k400", root)
    assert [(v.id, v.label) for v in manifest.videos] == [(f"{A}_000417_000427", "abseiling")]
    listed = read("k400", root, annotations=path)
    assert (listed.split, listed.digest) == ("val", manifest.digest)
    table = write("videos/kinetics400.json", json.dumps({"database": OFFICIAL}))
    path.unlink()
    assert read("k400", root).digest == manifest.digest
    assert read("k400", root, "val", annotations=table).digest == manifest.digest


def test_annotations_of_several_parts(write, plant):
    root = plant(f"{A}_000417_000427.mp4", f"{B}_000059_000069.mp4")
    path = write("kinetics400.json", json.dumps(OFFICIAL))
    with pytest.raises(DatasetError, match=r"the parts train, val; say which .*--split val"):
        read("k400", root, annotations=path)
    assert [v.group for v in read("k400", root, "train", path).videos] == [B]
    both = read("k400", root, "train+val", path)
    assert (both.split, len(both)) == ("train+val", 2)
    with pytest.raises(DatasetError, match="the parts train, val"):
        read("k400", root, "test", path)


def test_the_name_of_a_list_decides_the_split(write, plant):
    root = plant(f"{A}_000417_000427.mp4", "other.mp4")
    line = f"abseiling,{A},417,427,val"
    mine = read("k400", root, annotations=write("ten_per_class.csv", HEADER, line))
    assert (mine.split, mine.extra) == ("custom-ten_per_class", ())
    assert "files that the list does not name: 1" in mine.notes
    official = read("k400", root, annotations=write("kinetics_val.csv", HEADER, line))
    assert (official.split, official.extra) == ("val", ("other.mp4",))
    as_split = read("k400", root, str(write("few.csv", HEADER, line)))
    assert as_split.split == "custom-few"
    with pytest.raises(DatasetError, match="annotations of val; give the annotations of that part"):
        read("k400", root, "train", annotations=write("val.csv", HEADER, line))
    with pytest.raises(DatasetError, match="a file, beside other annotations"):
        read("k400", root, str(write("few.csv", HEADER, line)), annotations=root / "x.csv")


def test_json_lines_are_a_list_of_ones_own(write, plant):
    path = write("mine.jsonl", json.dumps({"path": "a/x.mp4", "label": "abseiling"}))
    manifest = read("k400", plant("a/x.mp4"), annotations=path)
    assert (manifest.split, [v.label for v in manifest.videos]) == ("custom-mine", ["abseiling"])


def test_a_csv_of_paths_is_read_as_a_list_of_ones_own(write, plant):
    path = write("mine.csv", "path,label", "a/x.mp4,abseiling")
    manifest = read("k400", plant("a/x.mp4"), annotations=path)
    assert (manifest.split, [v.id for v in manifest.videos]) == ("custom-mine", ["a/x.mp4"])
    with pytest.raises(DatasetError, match="which tells no parts"):
        read("k400", plant("a/x.mp4"), "val", annotations=path)


LISTS = {
    "mmaction2": ("kinetics400_val_list_videos.txt", "arm_wrestling/{0}.mp4 6"),
    "slowfast": ("val.csv", "/mnt/elsewhere/k400/val/arm wrestling/{0}.mp4 6"),
    "commas": ("val.csv", "k400/val/arm_wrestling/{0}.mp4,6"),
    "names": ("val_list.txt", "arm_wrestling/{0}.mp4 arm wrestling"),
    "underscores": ("val.txt", "{0}.mp4\tarm_wrestling"),
    "no extension": ("val.txt", "{0} 6"),
    "windows": ("val.txt", "D:\\k400\\val\\arm_wrestling\\{0}.MKV 6"),
    "quotes": ("val.txt", '"val/arm wrestling/{0}.mp4","arm wrestling"'),
}


@pytest.mark.parametrize("form", LISTS)
@pytest.mark.parametrize("name", [f"{A}_000417_000427", A])
def test_lists_of_paths(form, name, write, plant):
    file, line = LISTS[form]
    root = plant(f"val/arm_wrestling/{name}.mp4")
    assert CLASSES.names[6] == "arm wrestling"
    write(f"videos/{file}", line.format(name))
    manifest = read("k400", root)
    assert manifest.split == "val"
    assert [(v.id, v.label, v.group) for v in manifest.videos] == [(name, "arm wrestling", A)]
    assert manifest.expected["arm wrestling"] == 1


def test_a_list_of_any_file_names(write, plant):
    root = plant("val/arm_wrestling/demo.mp4", "val/abseiling/demo.mp4", "val/abseiling/one.avi")
    lines = ("arm_wrestling/demo.mp4 6", "abseiling/demo.mp4 0", "abseiling/one.avi 0", "# end", "")
    write("videos/val.txt", *lines)
    manifest = read("k400", root)
    assert [(v.id, v.path) for v in manifest.videos] == [
        ("abseiling/demo", "val/abseiling/demo.mp4"),
        ("abseiling/one", "val/abseiling/one.avi"),
        ("arm wrestling/demo", "val/arm_wrestling/demo.mp4"),
    ]
    assert manifest.overlapping == ()


def test_numbers_in_another_order_of_classes(write, plant):
    root = plant(f"val/zumba/{A}.mp4")
    path = write("videos/val_list.txt", f"zumba/{A}.mp4 0")
    with pytest.raises(
        DatasetError, match=r"line 1 of .*with the label 'abseiling'; put the class"
    ):
        read("k400", root)
    order = CLASSES.names[::-1]
    write("videos/kinetics_400_labels.csv", "id,name", *(f"{i},{n}" for i, n in enumerate(order)))
    assert [v.label for v in read("k400", root).videos] == ["zumba"]
    (path.parent / "kinetics_400_labels.csv").unlink()
    write("videos/classids.json", json.dumps({f'"{n}"': i for i, n in enumerate(order)}))
    assert [v.label for v in read("k400", root).videos] == ["zumba"]
    write("videos/classids.json", "{")
    write("videos/label_map_k400.txt", *order)
    assert [v.label for v in read("k400", root).videos] == ["zumba"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{B}.mp4 400", "line 2 of .*class number 400; give numbers from 0 to 399"),
        (f"{B}.mp4 -1", "class number -1"),
        (f"{B}.mp4 abseilin", "line 2 of .*label 'abseilin'"),
        (f"{B}.mp4", f"line 2 of .*'{B}.mp4'; give a path and a label"),
        (f"{B}.mp4 0 -1", "label '0 -1'"),
    ],
)
def test_lists_that_do_not_fit(line, said, write, plant):
    root = plant(f"val/zumba/{A}.mp4")
    first = f"zumba/{A}.mp4 {'zumba' if 'abs' in line or '0 -' in line else 399}"
    with pytest.raises(DatasetError, match=said):
        read("k400", root, annotations=write("val.txt", first, line))


def test_the_csv_of_the_authors_is_taken_before_a_list(write, plant):
    root = plant(f"val/zumba/{A}.mp4")
    write("videos/val_list.txt", f"zumba/{A}.mp4 399")
    write("videos/annotations/val.csv", HEADER, f"zumba,{A},417,427,val")
    manifest = read("k400", root)
    assert [v.id for v in manifest.videos] == [f"{A}_000417_000427"]
    assert manifest.notes[0] == "annotations: annotations/val.csv"


@pytest.mark.datasets
@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600"])
def test_the_real_annotations(dataset, shared_data, tmp_path):
    path = shared_data / "annotations" / f"kinetics-{dataset[-3:]}_val.csv"
    if not path.is_file():
        pytest.skip("the real annotations are not here")
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    root = tmp_path / "val"
    present = {}
    for number, line in enumerate(lines):
        name = f"{line['youtube_id']}_{int(line['time_start']):06d}_{int(line['time_end']):06d}"
        folder = ("", "", line["label"].replace(" ", "_") + "/")[number % 3]
        if number % 10:
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / f"{folder}{name}.mp4").write_bytes(b"x")
            present[name] = line["label"]
    manifest = read(dataset, root, annotations=path)
    assert {v.id: v.label for v in manifest.videos} == present
    assert len(manifest.missing) == 400
    assert (manifest.split, manifest.extra) == ("val", ())
    assert sum(manifest.expected.values()) == 4000


sources = st.text("abAB01-_", min_size=11, max_size=11)
clips = st.lists(
    st.tuples(st.sampled_from(CLASSES.names), sources, st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(clips, st.sampled_from(["flat", "class"]), st.sampled_from([".mp4", ".mkv", ".mp4.webm"]))
def test_rows_are_what_a_plain_reading_says(tmp_path_factory, listed, layout, ending):
    listed = list(
        {(source, start): (label, there) for label, source, start, there in listed}.items()
    )
    folder = tmp_path_factory.mktemp("k")
    root = folder / "val"
    root.mkdir()
    lines, expected, absent = [HEADER], {}, set()
    for (source, start), (label, there) in listed:
        name = f"{source}_{start:06d}_{start + 10:06d}"
        lines.append(f"{label},{source},{start},{start + 10},val")
        if not there:
            absent.add(name)
            continue
        place = root / (label.replace(" ", "_") if layout == "class" else "")
        place.mkdir(exist_ok=True)
        (place / f"{name}{ending}").write_bytes(b"x")
        expected[name] = label
    (folder / "val.csv").write_text("\n".join(lines) + "\n")
    if not expected:
        return
    manifest = read("k400", root)
    assert {video.id: video.label for video in manifest.videos} == expected
    assert {*manifest.missing} == absent
    assert manifest.extra == ()
    overlapping = {
        f"{source}_{start:06d}_{start + 10:06d}"
        for (source, start), (label, _) in listed
        for (other, _), (other_label, _) in listed
        if source == other and label != other_label
    }
    assert {*manifest.overlapping} == overlapping & set(expected)
