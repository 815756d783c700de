"""CSV lists of one's own, and Kinetics annotations."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import read_csv_list, summary_lines
from zsl_bench.errors import DatasetError
from zsl_bench.videos import Manifest

FIRST, SECOND, THIRD = "abcdefghijk", "-_012345678", "zyxwvutsrqp"


@pytest.fixture
def write(tmp_path):
    def make(*lines, name="list.csv", newline="\n", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes((newline.join(lines) + newline).encode(encoding))
        return path

    return make


def rows(manifest):
    return [(v.id, v.label, v.path, v.start, v.end) for v in manifest.videos]


def test_paths_and_labels(write, plant):
    root = plant("x/1.mp4", "x/y/2.avi", "3.jpg")
    path = write("path,label", "x/1.mp4,kite", 'x/y/2.avi,"ball, red"', "3.jpg,kite", "4.mp4,hoop")
    manifest = read_csv_list("toys", path, root)
    assert (manifest.dataset, manifest.split) == ("toys", "custom-list")
    assert manifest.classes.names == ("ball, red", "hoop", "kite")
    assert rows(manifest) == [
        ("3.jpg", "kite", "3.jpg", None, None),
        ("x/1.mp4", "kite", "x/1.mp4", None, None),
        ("x/y/2.avi", "ball, red", "x/y/2.avi", None, None),
    ]
    assert manifest.missing == ("4.mp4",)
    assert manifest.expected == {"ball, red": 1, "hoop": 1, "kite": 2}
    assert manifest.is_partial
    assert summary_lines(manifest)[:2] == (
        "toys, custom-list: 3 of 4 videos, 2 of 3 classes",
        "1 missing: 4.mp4",
    )
    assert all(manifest.resolve(video).is_file() for video in manifest.videos)


def test_segments(write, plant):
    root = plant("a.mp4", f"kite/{FIRST}_000001_000011.mp4")
    path = write(
        "label,path,start,end,note",
        "kite,a.mp4,0,1.5,x",
        "ball,a.mp4,1.5,,",
        "kite,a.mp4,,0.25,",
        "kite,a.mp4,,,whole",
        f"kite,kite/{FIRST}_000001_000011.mp4,2,3,",
    )
    manifest = read_csv_list("toys", path, root)
    assert rows(manifest) == [
        ("a.mp4", "kite", "a.mp4", None, None),
        ("a.mp4@-0.25", "kite", "a.mp4", None, 0.25),
        ("a.mp4@0-1.5", "kite", "a.mp4", 0.0, 1.5),
        ("a.mp4@1.5-", "ball", "a.mp4", 1.5, None),
        (f"kite/{FIRST}_000001_000011.mp4@2-3", "kite", manifest.videos[4].path, 2.0, 3.0),
    ]
    assert [video.group for video in manifest.videos] == ["a"] * 4 + [FIRST]
    assert not manifest.is_partial


def test_labels_of_a_bundled_set_in_any_spelling(write, plant):
    root = plant("1.mp4", "2.mp4")
    manifest = read_csv_list(
        "UCF-101", write("path,label", "1.mp4,apply eye makeup", "2.mp4,YoYo"), root
    )
    assert manifest.classes == load_class_set("ucf101")
    assert [video.label for video in manifest.videos] == ["ApplyEyeMakeup", "YoYo"]
    assert manifest.expected["ApplyEyeMakeup"] == 1
    assert manifest.expected["Archery"] == 0


def test_how_a_file_is_written_does_not_matter(write, plant, tmp_path):
    root = plant("é/1.mp4")
    label = unicodedata.normalize("NFD", "fête")
    plain = read_csv_list("toys", write("path,label", f"é/1.mp4,{label}"), root)
    lines = ("", " Label , PATH ", "", ' "fête", é/1.mp4 ', ",")
    other = write(*lines, newline="\r\n", encoding="utf-8-sig")
    assert read_csv_list("toys", str(other), str(root)).digest == plain.digest


def test_the_manifest_is_saved_and_loaded(write, plant, tmp_path):
    manifest = read_csv_list(
        "toys", write("path,label", "1.mp4,kite", "2.mp4,ball"), plant("1.mp4")
    )
    manifest.save(tmp_path / "manifest.json")
    assert Manifest.load(tmp_path / "manifest.json") == manifest


def test_unreadable_files_stay_rows(write, plant):
    plant("empty.mp4", content=b"")
    root = plant("1.mp4", "folder.mp4/x")
    (root / "gone.mp4").symlink_to("nowhere.mp4")
    names = ("1.mp4", "empty.mp4", "folder.mp4", "gone.mp4", "1.mp4/x.mp4")
    manifest = read_csv_list("toys", write("path,label", *(f"{n},kite" for n in names)), root)
    assert manifest.missing == ("1.mp4/x.mp4",)
    assert [(name, reason.partition(" (")[0]) for name, reason in manifest.unreadable] == [
        ("empty.mp4", "zero length"),
        ("folder.mp4", "not a regular file"),
        ("gone.mp4", "a link to a file that cannot be reached"),
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["../1.mp4,kite"], "line 2 of .*could lead out of the data set's folder"),
        (["1.mp4,kite", "/etc/passwd,kite"], "line 3 of .*could lead out"),
        (["a/../../1.mp4,kite"], "line 2 of .*could lead out"),
        (["C:/1.mp4,kite"], "line 2 of .*could lead out"),
        ([",kite"], "line 2 of .*no path; give every line its file"),
        (["1.mp4,"], "line 2 of .*no label; give every line its class"),
        (["1.mp4"], "line 2 of .*1 cells under a header of 2"),
        (["1.mp4,red, ball"], "line 2 of .*3 cells under a header of 2"),
        (["1.mp4,kite", "", "1.mp4,ball"], "line 4 of .*1.mp4, which is in line 2 too"),
        (['1.mp4,"kite'], "line 2 of .*unexpected end"),
        (["2.mp4,kite", "3.mp4,kite"], "not one of 2, such as 2.mp4"),
        ([], "a header and nothing below it"),
    ],
)
def test_lines_that_do_not_fit(lines, said, write, plant):
    with pytest.raises(DatasetError, match=said) as caught:
        read_csv_list("toys", write("path,label", *lines), plant("1.mp4"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("a,1", "start 'a'; give seconds as a number"),
        ("1,1:30", "end '1:30'"),
        ("2,1", "start 2.0, end 1.0; give seconds with 0 <= start < end"),
        ("-1,1", "start -1.0"),
        ("nan,1", "start nan"),
        ("0,inf", "end inf"),
    ],
)
def test_times_that_do_not_fit(times, said, write, plant):
    path = write("path,label,start,end", f"1.mp4,kite,{times}")
    with pytest.raises(DatasetError, match=r"line 2 of ") as caught:
        read_csv_list("toys", path, plant("1.mp4"))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path;label", "header 'path;label'"),
        ("video,class", "header 'video,class'"),
        ("path", "header 'path'"),
        ("youtube_id,time_start,time_end,split", "begin the file with the header"),
    ],
)
def test_other_headers_are_refused(header, said, write, plant):
    with pytest.raises(DatasetError) as caught:
        read_csv_list("toys", write(header, "1.mp4,kite"), plant("1.mp4"))
    assert said in str(caught.value)


def test_files_that_are_no_list(tmp_path, write, plant):
    root = plant("1.mp4")
    (tmp_path / "empty.csv").write_bytes(b"\n\n")
    (tmp_path / "latin.csv").write_bytes("path,label\n1.mp4,fête\n".encode("latin-1"))
    (tmp_path / "nul.csv").write_bytes(b"path,label\n1.mp4,ki\0te\n")
    for path, said in [
        (tmp_path / "empty.csv", "no lines"),
        (tmp_path / "latin.csv", "no UTF-8 text"),
        (tmp_path / "nul.csv", "nul.csv"),
        (tmp_path / "absent.csv", "no such file"),
        (tmp_path, "is a directory"),
    ]:
        with pytest.raises(DatasetError, match=said):
            read_csv_list("toys", path, root)
    with pytest.raises(DatasetError, match="no such folder"):
        read_csv_list("toys", write("path,label", "1.mp4,kite"), tmp_path / "absent")


def test_labels_that_are_no_classes_of_a_bundled_set(write, plant):
    path = write("path,label", "1.mp4,Archery", "2.mp4,Archary")
    with pytest.raises(DatasetError, match=r"line 3 of .*'Archary'.* did you mean 'Archery'"):
        read_csv_list("ucf101", path, plant("1.mp4", "2.mp4"))


def kinetics(*clips):
    return (
        "label,youtube_id,time_start,time_end,split",
        *(f"{label},{source},{start},{start + 10},train" for label, source, start in clips),
    )


@pytest.mark.parametrize("folder", ["arm wrestling", "arm_wrestling", "train/Arm Wrestling", "."])
def test_kinetics_annotations(folder, write, plant):
    root = plant(
        f"{folder}/{FIRST}_000010_000020.mp4", f"{folder}/{SECOND}.mkv", f"{folder}/other.mp4"
    )
    path = write(
        *kinetics(
            ("arm wrestling", FIRST, 10), ("arm wrestling", SECOND, 3), ("abseiling", THIRD, 7)
        ),
        name="train.csv",
    )
    manifest = read_csv_list("k700x" if folder == "." else "kinetics700", path, root)
    assert manifest.split == "custom-train"
    below = "" if folder == "." else f"{folder}/"
    assert rows(manifest) == [
        (
            f"arm wrestling/{SECOND}_000003_000013",
            "arm wrestling",
            f"{below}{SECOND}.mkv",
            None,
            None,
        ),
        (
            f"arm wrestling/{FIRST}_000010_000020",
            "arm wrestling",
            f"{below}{FIRST}_000010_000020.mp4",
            None,
            None,
        ),
    ]
    assert [video.group for video in manifest.videos] == [SECOND, FIRST]
    assert manifest.missing == (f"abseiling/{THIRD}_000007_000017",)
    assert manifest.expected["arm wrestling"] == 2
    assert manifest.is_partial


def test_the_timed_file_wins_and_an_id_alone_must_be_unique(write, plant):
    root = plant(f"abseiling/{FIRST}.mp4", f"abseiling/{FIRST}_000010_000020.mp4", "archery/x.mp4")
    one = read_csv_list("kinetics400", write(*kinetics(("abseiling", FIRST, 10))), root)
    assert [video.path for video in one.videos] == [f"abseiling/{FIRST}_000010_000020.mp4"]
    path = write(*kinetics(("abseiling", FIRST, 10), ("abseiling", FIRST, 40)))
    two = read_csv_list("kinetics400", path, root)
    assert two.missing == (f"abseiling/{FIRST}_000040_000050",)


def test_a_clip_with_two_labels_comes_from_the_folder_of_each(write, plant):
    name = f"{FIRST}_000010_000020.mp4"
    root = plant(f"abseiling/{name}", f"arm_wrestling/{name}")
    path = write(*kinetics(("abseiling", FIRST, 10), ("arm wrestling", FIRST, 10)))
    manifest = read_csv_list("kinetics400", path, root)
    assert [video.path for video in manifest.videos] == [
        f"abseiling/{name}",
        f"arm_wrestling/{name}",
    ]


def test_a_file_in_the_folder_of_another_class_is_not_the_one(write, plant):
    root = plant(f"archery/{FIRST}_000010_000020.mp4", f"abseiling/{SECOND}_000010_000020.mp4")
    path = write(*kinetics(("abseiling", FIRST, 10), ("abseiling", SECOND, 10)))
    manifest = read_csv_list("kinetics400", path, root)
    assert manifest.missing == (f"abseiling/{FIRST}_000010_000020",)


def test_two_files_of_one_clip(write, plant):
    name = f"{FIRST}_000010_000020"
    root = plant(f"train/abseiling/{name}.mp4", f"val/abseiling/{name}.mp4")
    with pytest.raises(DatasetError, match=r"line 2 of .*more than one file for it: train/"):
        read_csv_list("kinetics400", write(*kinetics(("abseiling", FIRST, 10))), root)


@pytest.mark.parametrize("time", ["", "x", "-3", "1.5", "nan", "inf"])
def test_kinetics_times_are_whole_seconds(time, write, plant):
    path = write(*kinetics(), f"abseiling,{FIRST},{time},20,train")
    with pytest.raises(DatasetError, match=r"line 2 of .*time_start"):
        read_csv_list("kinetics400", path, plant(f"abseiling/{FIRST}.mp4"))
    path = write(*kinetics(), f"abseiling,{FIRST},10.0,20,train")
    assert len(read_csv_list("kinetics400", path, plant(f"abseiling/{FIRST}.mp4"))) == 1


def test_a_clip_that_is_listed_twice(write, plant):
    path = write(*kinetics(("abseiling", FIRST, 10), ("abseiling", FIRST, 10)))
    with pytest.raises(DatasetError, match=r"line 3 of .*, which is in line 2 too"):
        read_csv_list("kinetics400", path, plant(f"abseiling/{FIRST}_000010_000020.mp4"))


names = st.text("abé ,'\"+&!", min_size=1, max_size=8).filter(lambda t: t.strip(" .") == t)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(st.dictionaries(names, names, min_size=1, max_size=5))
def test_every_listed_file_is_one_row_whatever_its_name(tmp_path_factory, plant, listed):
    root = tmp_path_factory.mktemp("files")
    listed = {f"f{file}.mp4": f"class {label}" for file, label in listed.items()}
    plant(*listed, root=root)
    lines = [
        ",".join('"' + cell.replace('"', '""') + '"' for cell in pair) for pair in listed.items()
    ]
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    path.write_text("\n".join(["path,label", *lines]) + "\n", encoding="utf-8")
    manifest = read_csv_list("toys", path, root)
    assert {video.path: video.label for video in manifest.videos} == listed
    assert manifest.missing == ()
