"""A preparation that was stopped goes on, and notices what changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from zsl_bench.datasets import open_dataset
from zsl_bench.errors import ResultError
from zsl_bench.parallel import Died
from zsl_bench.preparation import PrepareSettings, api, prepare
from zsl_bench.preparation.encode import prepare_video
from zsl_bench.preparation.journal import Journal
from zsl_bench.preparation.plan import is_done

SCRIPT = """
import sys
from zsl_bench.preparation import prepare
from zsl_bench.videos import Manifest
shards = int(sys.argv[3]) or None
prepare(Manifest.load(sys.argv[1]), sys.argv[2], jobs=2, shard_videos=shards)
"""


class Log:
    """Progress that remembers."""

    def __init__(self):
        self.begun, self.advanced, self.notes = [], 0, []

    def start(self, name, *, total, done):
        self.begun.append((name, total, done))

    def advance(self, count):
        self.advanced += count

    def note(self, line):
        self.notes.append(line)

    def finish(self):
        self.begun.append("end")


def content(manifest):
    return {key: value for key, value in manifest.to_json().items() if key != "root"}


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_ino
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lines_of(journal):
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


@pytest.fixture
def toys(encode, manifest_of, tmp_path):
    root = tmp_path / "in"
    rows = [{"path": f"{name}/{k}.mp4"} for name in ("ball", "box") for k in range(2)]
    for number, row in enumerate(rows):
        encode(root / row["path"], frames=10 + number)
    return manifest_of(root, *rows)


@pytest.mark.parametrize("shards", [0, 5])
def test_killed_and_resumed_gives_the_same(shards, encode, manifest_of, tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    first = encode(root / "0.mp4", frames=60, size=(160, 120))
    rows = [{"path": f"{k}.mp4"} for k in range(24)]
    for row in rows[1:]:
        (root / row["path"]).write_bytes(first.read_bytes())
    manifest = manifest_of(root, *rows)
    manifest.save(tmp_path / "manifest.json")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "manifest.json"), str(out), str(shards)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = out / ".prepare" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while lines_of(journal) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = lines_of(journal) - 1
    assert 7 <= finished < 24
    before = files_below(out / "videos")
    log = Log()
    resumed = prepare(manifest, out, jobs=2, shard_videos=shards or None, progress=log)
    kept = log.begun[0][2]
    assert 1 <= kept <= finished
    assert log.advanced == 24 - kept
    whole = prepare(manifest, tmp_path / "whole", jobs=2, shard_videos=shards or None)
    assert content(resumed.manifest) == content(whole.manifest)
    after = files_below(out)
    assert list(after) == list(files_below(tmp_path / "whole"))
    assert not [name for name in after if "scratch" in name or name.endswith(".part")]
    for name in after:
        if name.startswith(("videos", "shards")):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    if not shards:
        same = [name for name, node in before.items() if after[f"videos/{name}"] == node]
        assert len(same) >= kept


def test_a_second_run_does_nothing(toys, tmp_path):
    log = Log()
    first = prepare(toys, tmp_path / "out", jobs=1, progress=log)
    assert log.begun == [("toys", 4, 0), "end"]
    files = files_below(tmp_path / "out" / "videos")
    log = Log()
    again = prepare(toys, tmp_path / "out", jobs=1, progress=log)
    assert log.begun == [("toys", 4, 4), "end"]
    assert log.advanced == 0
    assert content(again.manifest) == content(first.manifest)
    assert files_below(tmp_path / "out" / "videos") == files
    assert again.report["this_run"]["videos"] == 0
    assert again.report["bytes_after"] == first.report["bytes_after"]


@pytest.mark.parametrize("shards", [None, 2])
def test_a_changed_source_is_prepared_again(shards, toys, encode, numbers_of, tmp_path):
    out = tmp_path / "out"
    prepare(toys, out, jobs=1, shard_videos=shards)
    encode(toys.root / "ball" / "1.mp4", frames=15)
    log = Log()
    made = prepare(toys, out, jobs=1, shard_videos=shards, progress=log)
    assert log.begun[0] == ("toys", 4, 3 if shards is None else 2)
    assert {v.id: v.frames for v in made.manifest.videos}["ball/1.mp4"] == 15
    if shards is None:
        assert numbers_of(out / "videos" / "ball" / "1.mp4") == list(range(15))


def test_sources_that_are_gone_do_not_undo_what_is_there(toys, tmp_path):
    first = prepare(toys, tmp_path / "out", jobs=1)
    (toys.root / "ball" / "1.mp4").unlink()
    again = prepare(toys, tmp_path / "out", jobs=1)
    assert content(again.manifest) == content(first.manifest)


def test_a_prepared_file_that_is_gone_or_cut_is_made_again(toys, tmp_path):
    out = tmp_path / "out"
    prepare(toys, out, jobs=1)
    (out / "videos" / "ball" / "0.mp4").unlink()
    path = out / "videos" / "ball" / "1.mp4"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    log = Log()
    prepare(toys, out, jobs=1, progress=log)
    assert log.advanced == 2
    assert path.read_bytes() == whole


def test_rows_that_join_are_added(toys, tmp_path):
    prepare(replace(toys, videos=toys.videos[:2]), tmp_path / "out", jobs=1)
    log = Log()
    made = prepare(toys, tmp_path / "out", jobs=1, progress=log)
    assert log.begun[0] == ("toys", 4, 2)
    assert len(made.manifest) == 4


def test_other_settings_are_refused(toys, tmp_path):
    prepare(toys, tmp_path / "out", jobs=1)
    with pytest.raises(ResultError, match=r"made otherwise \(quality 18, now 23\)"):
        prepare(toys, tmp_path / "out", PrepareSettings(quality=23), jobs=1)
    with pytest.raises(ResultError, match=r"made otherwise \(shard videos None, now 2\)"):
        prepare(toys, tmp_path / "out", jobs=1, shard_videos=2)
    with pytest.raises(ResultError, match=r"made otherwise \(dataset 'toys', now 'games'\)"):
        prepare(replace(toys, dataset="games"), tmp_path / "out", jobs=1)


@pytest.mark.parametrize("tail", [b'{"video": "abc', b"\xff\xfe\n", b'{"video": "x"}\n', b"[]\n"])
def test_a_damaged_end_of_the_journal_is_passed_over(tail, toys, tmp_path):
    journal = tmp_path / "out" / ".prepare" / "journal.jsonl"
    prepare(toys, tmp_path / "out", jobs=1)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1] + tail)
    log = Log()
    prepare(toys, tmp_path / "out", jobs=1, progress=log)
    assert log.advanced == 1
    assert sorted(journal.read_bytes().split(b"\n")) != []
    assert lines_of(journal) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_folder_that_is_in_use_is_refused(toys, tmp_path):
    prepare(toys, tmp_path / "out", jobs=1)
    header = {"dataset": "toys", "settings": PrepareSettings().record()}
    with (
        Journal(tmp_path / "out" / ".prepare", header),
        pytest.raises(ResultError, match="another process is at it"),
    ):
        prepare(toys, tmp_path / "out", jobs=1)


def test_a_video_that_a_process_dies_of_is_a_row_and_tried_again(toys, tmp_path, monkeypatch):
    def dying(function, items, *, jobs):
        for position, item in enumerate(items):
            yield position, Died(status=-11) if item.source.stem == "1" else prepare_video(item)

    log = Log()
    with monkeypatch.context() as patched:
        patched.setattr(api, "run_parallel", dying)
        made = prepare(toys, tmp_path / "out", progress=log)
    died = {"ball/1.mp4": "the process died (SIGSEGV)", "box/1.mp4": "the process died (SIGSEGV)"}
    assert dict(made.manifest.unreadable) == died
    assert "cannot be prepared: ball/1.mp4: the process died (SIGSEGV)" in log.notes
    again = prepare(toys, tmp_path / "out", jobs=1)
    assert not again.manifest.unreadable
    assert again.report["this_run"]["videos"] == 2


def test_a_stop_in_the_middle_keeps_what_is_done(toys, tmp_path):
    class Stop(Log):
        def advance(self, count):
            super().advance(count)
            if self.advanced == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(toys, tmp_path / "out", jobs=1, progress=Stop())
    log = Log()
    prepare(toys, tmp_path / "out", jobs=1, progress=log)
    assert log.begun[0] == ("toys", 4, 2)


def test_a_row_is_done_only_where_its_file_is(toys, tmp_path):
    rows = api.plan_rows(toys, tmp_path / "out", PrepareSettings())
    outcome = prepare_video(rows[0].task)
    known = {rows[0].key: outcome}
    assert is_done(rows[0], known, packed=False)
    assert not is_done(rows[1], known, packed=False)
    os.utime(rows[0].task.source, (1, 1))
    assert not is_done(rows[0], known, packed=True)
    assert Path(rows[0].task.target).exists()


def test_a_source_that_broke_leaves_no_prepared_file_behind(tmp_path, write_video):
    source = write_video(tmp_path / "in" / "a" / "1.avi", frames=20)
    write_video(tmp_path / "in" / "a" / "2.avi", frames=20)
    first = prepare(open_dataset("own", tmp_path / "in"), tmp_path / "out")
    assert not first.manifest.unreadable
    source.write_bytes(b"<html>gone</html>" * 9)
    again = prepare(open_dataset("own", tmp_path / "in"), tmp_path / "out")
    ((row, _),) = again.manifest.unreadable
    (video,) = (video for video in again.manifest.videos if video.id == row)
    assert not again.manifest.resolve(video).exists()
