"""Videos of data sets on the Hub become files and a manifest: tables, paths, folders, shards."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list
from zsl_bench.datasets.hub_videos import read_hub_videos
from zsl_bench.errors import DatasetError

pytest.importorskip("datasets", reason="needs the extra hub-data")

pytestmark = [
    # the datasets library leaves CSV files open until they are collected
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""


@pytest.fixture(scope="module")
def clip(write_video, tmp_path_factory):
    """Return a function that gives the bytes of a small real video, a new one for each number."""
    folder = tmp_path_factory.mktemp("clips")

    def make(number: int, suffix: str = ".avi") -> bytes:
        path = folder / f"{number}{suffix}"
        if not path.exists():
            write_video(path, (10 * number % 250, 90, 90), frames=3 + number % 5, size=(32, 32))
        return path.read_bytes()

    return make


def parquet(rows, *, names=None, extra=None) -> bytes:
    """Rows of (path, bytes, label) as the datasets library itself writes them."""
    from datasets import ClassLabel, Dataset, Features, Value, Video

    label = Value("string") if names is None else ClassLabel(names=list(names))
    features = {"video": Video(), "label": label, **({} if extra is None else {"audio": extra})}
    columns = {
        "video": [{"path": path, "bytes": content} for path, content, _ in rows],
        "label": [kind for _, _, kind in rows],
    }
    if extra is not None:
        columns["audio"] = [b"sound" * 1000] * len(rows)
    stream = io.BytesIO()
    Dataset.from_dict(columns, features=Features(features)).to_parquet(stream, batch_size=4)
    return stream.getvalue()


def brute_rows(table: bytes) -> dict[str, bytes]:
    """Path and content of each row, read without the datasets library."""
    from pyarrow import parquet as pq

    rows = pq.read_table(io.BytesIO(table)).to_pylist()
    return {row["video"]["path"]: row["video"]["bytes"] for row in rows}


@pytest.fixture(scope="module")
def toys(clip):
    """Two parts of a data set of one's own, with the sound beside the videos."""
    from datasets import Value

    names = ["spin", "jump, high", "unused"]
    test = [(f"clip{n}.avi", clip(n), n % 2) for n in range(7)]
    train = [(f"clip{n}.avi", clip(n), 0) for n in range(7, 9)]
    return {
        "README.md": CARD.encode(),
        "data/test-00000-of-00001.parquet": parquet(test, names=names, extra=Value("binary")),
        "data/train-00000-of-00001.parquet": parquet(train, names=names, extra=Value("binary")),
        "toys.py": b"raise SystemExit('code was run')",
    }


def test_embedded_videos_become_files_and_rows(local_hub, commit, toys, tmp_path, recorded):
    local_hub.datasets["org/toys"] = toys
    manifest = read_hub_videos("toys", "org/toys", tmp_path, split="test", transfer=recorded)
    table = toys["data/test-00000-of-00001.parquet"]
    written = {Path(v.path).name: manifest.resolve(v).read_bytes() for v in manifest.videos}
    assert written == brute_rows(table)
    assert manifest.root == tmp_path / "default" / "test"
    assert manifest.split == "custom-org-toys-test"
    assert manifest.counts() == {"jump, high": 3, "spin": 4, "unused": 0}
    assert manifest.videos[0].id == "jump, high/clip1.avi"
    assert not manifest.is_partial
    assert manifest.notes[-1] == f"from hub:org/toys@{commit}, configuration default, part test"
    assert local_hub.fetched() == ["README.md", "data/test-00000-of-00001.parquet"]
    assert recorded.total == len(table)


def test_a_second_run_reads_no_table_and_a_broken_file_is_written_again(
    local_hub, toys, tmp_path, monkeypatch
):
    from zsl_bench.datasets import hub_videos

    local_hub.datasets["org/toys"] = toys
    first = read_hub_videos("toys", "org/toys", tmp_path, split="test")
    times = {video.path: first.resolve(video).stat().st_mtime_ns for video in first.videos}
    broken = first.resolve(first.videos[2])
    content = broken.read_bytes()
    broken.write_bytes(content[:-5])
    again = read_hub_videos("toys", "org/toys", tmp_path, split="test")
    assert again.digest == first.digest
    assert broken.read_bytes() == content
    kept = {video.path: again.resolve(video).stat().st_mtime_ns for video in again.videos}
    assert {path for path in kept if kept[path] != times[path]} == {first.videos[2].path}
    monkeypatch.setattr(hub_videos, "unpack_rows", None)
    third = read_hub_videos("toys", "org/toys", tmp_path, split="test")
    assert third.to_json() == again.to_json()
    assert local_hub.fetched() == ["README.md", "data/test-00000-of-00001.parquet"]


def test_parts_must_be_said_and_exist(local_hub, toys, tmp_path):
    local_hub.datasets["org/toys"] = toys
    with pytest.raises(DatasetError, match="parts train, test; say which one with --split"):
        read_hub_videos("toys", "org/toys", tmp_path)
    with pytest.raises(DatasetError, match="did you mean 'test'"):
        read_hub_videos("toys", "org/toys", tmp_path, split="tests")
    with pytest.raises(DatasetError, match=r"configuration 'big'.*default"):
        read_hub_videos("toys", "org/toys", tmp_path, split="test", config="big")
    assert local_hub.fetched() == ["README.md"]


def test_another_commit_does_not_mix_with_the_first(local_hub, toys, tmp_path):
    local_hub.datasets["org/toys"] = toys
    read_hub_videos("toys", "org/toys", tmp_path, split="test")
    record = tmp_path / "default" / ".test.json"
    value = json.loads(record.read_text())
    value["of"]["reference"] = value["of"]["reference"].replace("0123", "ffff")
    record.write_text(json.dumps(value))
    with pytest.raises(DatasetError, match=r"videos of another commit.*choose another folder"):
        read_hub_videos("toys", "org/toys", tmp_path, split="test")


def official_rows(dataset, ids, clip):
    official = official_list(dataset).videos
    names = load_class_set(dataset).names
    return [
        (f"{i}.avi", clip(n % 3), names.index(official[i].label)) for n, i in enumerate(sorted(ids))
    ]


def test_official_names_are_matched_against_the_official_list(local_hub, tmp_path, clip):
    official = official_list("hmdb51")
    names = load_class_set("hmdb51").names
    ids = official.splits["split1-test"]
    local_hub.datasets["org/hmdb"] = {
        "data/test-0.parquet": parquet(official_rows("hmdb51", ids, clip), names=names)
    }
    manifest = read_hub_videos("HMDB-51", "org/hmdb", tmp_path)
    assert manifest.split == "split1-test"
    assert {video.id for video in manifest.videos} == ids
    assert manifest.missing == manifest.extra == ()
    group = official.videos[manifest.videos[0].id].group
    assert manifest.videos[0].group == group


def test_a_part_of_the_official_videos_is_partial(local_hub, tmp_path, clip):
    official = official_list("ucf101")
    names = load_class_set("ucf101").names
    some = {i for i in official.splits["testlist01"] if official.videos[i].label in names[:2]}
    rows = official_rows("ucf101", some, clip)
    rows.append(("renamed.avi", clip(1), 0))
    local_hub.datasets["org/ucf"] = {"data/test-0.parquet": parquet(rows, names=names)}
    manifest = read_hub_videos("ucf101", "org/ucf", tmp_path)
    assert manifest.split == "all"
    assert {video.id for video in manifest.videos} == some
    assert len(manifest.missing) == 13320 - len(some)
    assert manifest.extra == ("ApplyEyeMakeup/renamed.avi",)
    assert any("on the official lists testlist01" in note for note in manifest.notes)
    first = read_hub_videos("ucf101", "org/ucf", tmp_path, test_list="testlist01")
    assert len(first.missing) == 3783 - len(some)


def test_a_known_data_set_refuses_labels_that_are_none_of_its_classes(local_hub, tmp_path, clip):
    rows = [("a.avi", clip(1), "Archery"), ("b.avi", clip(2), "Archary")]
    local_hub.datasets["org/ucf"] = {"test.parquet": parquet(rows)}
    with pytest.raises(DatasetError, match=r"'Archary'; did you mean 'Archery'\?"):
        read_hub_videos("ucf101", "org/ucf", tmp_path)


def test_labels_in_other_spellings_and_names_of_videos_of_kinetics(local_hub, tmp_path, clip):
    rows = [
        ("abcdefghijk_000010_000020.mp4", clip(1, ".mp4"), "Air_drumming"),
        ("abcdefghijk_000030_000040.mp4", clip(2, ".mp4"), "abseiling"),
    ]
    local_hub.datasets["org/k"] = {"test.parquet": parquet(rows)}
    manifest = read_hub_videos("kinetics400", "org/k", tmp_path)
    assert [(video.label, video.group) for video in manifest.videos] == [
        ("abseiling", "abcdefghijk"),
        ("air drumming", "abcdefghijk"),
    ]


def test_rows_without_names_or_with_the_same_name_get_names_of_their_own(local_hub, tmp_path, clip):
    rows = [
        (None, clip(0), "a"),
        (None, clip(1, ".mp4"), "a"),
        ("x/same.avi", clip(2), "a"),
        ("y/SAME.avi", clip(3), "a"),
        ("../../evil.avi", clip(4), "../b"),
        ("C:\\dir\\..hidden.avi", clip(5), "/"),
    ]
    rows = [(path, content, label if label != "/" else "c") for path, content, label in rows]
    local_hub.datasets["org/odd"] = {"test.parquet": parquet(rows)}
    manifest = read_hub_videos("odd", "org/odd", tmp_path)
    assert sorted(video.path for video in manifest.videos) == [
        "_/b/evil.avi",
        "a/000000.avi",
        "a/000001.mp4",
        "a/000003_SAME.avi",
        "a/same.avi",
        "c/_.hidden.avi",
    ]
    contents = {manifest.resolve(video).read_bytes() for video in manifest.videos}
    assert contents == {content for _, content, _ in rows}


def test_a_row_without_a_video_is_missing_and_an_empty_one_unreadable(local_hub, tmp_path, clip):
    rows = [("a.avi", clip(0), "x"), ("b.avi", None, "x"), ("c.avi", b"", "y")]
    local_hub.datasets["org/holes"] = {"test.parquet": parquet(rows)}
    manifest = read_hub_videos("holes", "org/holes", tmp_path)
    assert manifest.missing == ("x/b.avi",)
    assert manifest.unreadable == (("y/c.avi", "zero length"),)
    assert manifest.expected == {"x": 2, "y": 1}


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl"])
def test_video_files_with_a_table_of_their_names(local_hub, tmp_path, clip, table):
    rows = [("clips/one.mp4", "spin"), ("clips/two.mp4", "jump")]
    text = (
        "file_name,label\n" + "".join(f"{path},{label}\n" for path, label in rows)
        if table.endswith("csv")
        else "".join(json.dumps({"file_name": p, "label": k}) + "\n" for p, k in rows)
    )
    local_hub.datasets["org/files"] = {
        f"test/{table}": text.encode(),
        "test/clips/one.mp4": clip(1, ".mp4"),
        "test/clips/two.mp4": clip(2, ".mp4"),
    }
    manifest = read_hub_videos("mine", "org/files", tmp_path)
    assert {video.id for video in manifest.videos} == {"spin/one.mp4", "jump/two.mp4"}
    one = next(video for video in manifest.videos if video.label == "spin")
    assert manifest.resolve(one).read_bytes() == clip(1, ".mp4")


def test_a_table_of_paths_fetches_the_files_it_names_and_no_others(local_hub, tmp_path, clip):
    local_hub.datasets["org/paths"] = {
        "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n"
        b"  - split: split1\n    path: lists/split1.csv\n---\n",
        "lists/split1.csv": b"video_path,action,subset\nVideos/a.avi,spin,2\nVideos/b.avi,jump,2\n",
        "Videos/a.avi": clip(1),
        "Videos/b.avi": clip(2),
        "Videos/c.avi": clip(3),
    }
    manifest = read_hub_videos("mine", "org/paths", tmp_path)
    assert {video.id for video in manifest.videos} == {"spin/a.avi", "jump/b.avi"}
    assert "Videos/c.avi" not in local_hub.fetched()


def test_class_folders_of_videos(local_hub, tmp_path, clip):
    local_hub.datasets["org/folders"] = {
        f"train/{label}/{n}.mp4": clip(n, ".mp4") for n, label in enumerate(("spin", "jump"))
    }
    manifest = read_hub_videos("mine", "org/folders", tmp_path)
    assert {video.id for video in manifest.videos} == {"spin/0.mp4", "jump/1.mp4"}


def test_webdataset_shards(local_hub, tmp_path, clip):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for n, label in enumerate(("spin", "jump")):
            told = json.dumps({"label": label}).encode()
            for suffix, content in (("mp4", clip(n, ".mp4")), ("json", told)):
                member = tarfile.TarInfo(f"v{n}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    local_hub.datasets["org/shards"] = {"train-000.tar": stream.getvalue()}
    manifest = read_hub_videos("mine", "org/shards", tmp_path)
    assert {video.id for video in manifest.videos} == {"spin/v0.mp4", "jump/v1.mp4"}


def test_images_with_the_classes_of_sun397(local_hub, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image
    from PIL import Image as Pillow

    names = load_class_set("sun397").names
    pictures = []
    for shade in (10, 200):
        stream = io.BytesIO()
        Pillow.new("RGB", (8, 8), (shade, 0, 0)).save(stream, "JPEG")
        pictures.append(stream.getvalue())
    table = Dataset.from_dict(
        {"image": [{"path": None, "bytes": content} for content in pictures], "label": [0, 9]},
        features=Features({"image": Image(), "label": ClassLabel(names=list(names))}),
    )
    stream = io.BytesIO()
    table.to_parquet(stream)
    local_hub.datasets["org/sun"] = {"data/train-0.parquet": stream.getvalue()}
    manifest = read_hub_videos("sun397", "org/sun", tmp_path)
    assert [video.label for video in manifest.videos] == [names[0], names[9]]
    assert manifest.videos[0].id == "a/abbey/000000.jpg"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"UCF-101.zip": b"PK"}, "for archives run zsl-bench download data NAME --from"),
        ({"README.md": b"# nothing"}, "for archives run"),
        ({"test.csv": b"a,b\n1,2\n"}, "none with videos: a, b"),
        ({"test.csv": b"video_path,label\nx.mp4,spin\n"}, "none of them in the repository"),
        ({"test.parquet": b"no parquet at all" * 200}, "cannot read them"),
        (
            {
                "README.md": b"---\nconfigs:\n- config_name: d\n  data_files: hf://datasets/o/x\n---\n"
            },
            "'hf://datasets/o/x', which are none of the repository",
        ),
        (
            {"README.md": b"---\nconfigs:\n- config_name: d\n  data_files: ../../x.csv\n---\n"},
            "which are none of the repository",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(local_hub, tmp_path, files, words):
    local_hub.datasets["org/bad"] = files
    with pytest.raises(DatasetError) as caught:
        read_hub_videos("mine", "org/bad", tmp_path)
    assert words in str(caught.value)


def test_numbers_without_names_are_refused_and_a_column_can_be_named(local_hub, tmp_path, clip):
    from datasets import Dataset, Features, Value, Video

    columns = {
        "clip": [{"path": "a.avi", "bytes": clip(1)}],
        "label": [3],
        "what happens": ["spin"],
    }
    kinds = {"clip": Video(), "label": Value("int64"), "what happens": Value("string")}
    stream = io.BytesIO()
    Dataset.from_dict(columns, features=Features(kinds)).to_parquet(stream)
    local_hub.datasets["org/numbers"] = {"test.parquet": stream.getvalue()}
    with pytest.raises(DatasetError, match="'label', which has no names of classes"):
        read_hub_videos("mine", "org/numbers", tmp_path / "a")
    named = read_hub_videos("mine", "org/numbers", tmp_path / "b", label_column="what happens")
    assert named.videos[0].label == "spin"
    with pytest.raises(DatasetError, match="did you mean 'what happens'"):
        read_hub_videos("mine", "org/numbers", tmp_path / "c", label_column="what happend")


def test_labels_that_are_withheld_are_told(local_hub, tmp_path, clip):
    rows = [("a.avi", clip(1), -1)]
    local_hub.datasets["org/hidden"] = {"test.parquet": parquet(rows, names=["x"])}
    with pytest.raises(DatasetError, match=r"row 0 of .*no label"):
        read_hub_videos("mine", "org/hidden", tmp_path)


def test_without_the_library_the_extra_is_named(local_hub, toys, tmp_path, monkeypatch):
    local_hub.datasets["org/toys"] = toys
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError, match=r"pip install 'zsl-bench\[hub-data\]'"):
        read_hub_videos("toys", "org/toys", tmp_path, split="test")


KILLED = """
import os, signal, sys
from zsl_bench.datasets.hub_videos import read_hub_videos

class Stop:
    left = 3
    def start(self, name, *, total, done): pass
    def finish(self): pass
    def advance(self, files):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

read_hub_videos("toys", "org/toys", sys.argv[1], split="test", progress=Stop())
"""


def test_a_killed_unpacking_leaves_whole_files_only_and_goes_on(
    hub, hub_environment, local_hub, toys, tmp_path, monkeypatch
):
    hub.datasets["org/toys"] = toys
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "out")], env=hub_environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    contents = brute_rows(toys["data/test-00000-of-00001.parquet"])
    files = [path for path in (tmp_path / "out").rglob("*.avi") if not path.name.startswith(".")]
    assert len(files) == 3
    assert all(path.read_bytes() == contents[path.name] for path in files)
    times = {path: path.stat().st_mtime_ns for path in files}
    monkeypatch.setenv("ZSL_BENCH_CACHE", hub_environment["ZSL_BENCH_CACHE"])
    asked = len(hub.fetched())
    manifest = read_hub_videos("toys", "org/toys", tmp_path / "out", split="test")
    assert len(manifest) == len(contents)
    assert {path: path.stat().st_mtime_ns for path in files} == times
    assert len(hub.fetched()) == asked
