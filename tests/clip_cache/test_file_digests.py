"""Digests of files: hashed once, changes noticed, safe from crashes and other processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zsl_bench.clip_cache import FileDigests, FileStamp, SeenFile
from zsl_bench.clip_cache import digests as module
from zsl_bench.errors import ResultError

SETTLED = module._SETTLED_NS


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Let files count as settled at once, where a test does not look at that."""
    monkeypatch.setattr(module, "_SETTLED_NS", -(10**12))


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "videos" / "a b.avi"
    path.parent.mkdir()
    path.write_bytes(b"content")
    return path


def remembered(folder, video) -> SeenFile:
    seen = SeenFile.read(video)
    FileDigests(folder).add([seen])
    return seen


def test_a_file_is_known_in_the_next_process(tmp_path, video):
    seen = remembered(tmp_path / "d", video)
    assert seen.sha256 == hashlib.sha256(b"content").hexdigest()
    missing = video.with_name("missing")
    assert FileDigests(tmp_path / "d").known([missing, video]) == [None, seen]
    assert FileDigests(tmp_path / "nothing").known([video]) == [None]


def test_a_link_to_the_folder_leads_to_the_same(tmp_path, video):
    seen = remembered(tmp_path / "d", video)
    link = tmp_path / "link"
    link.symlink_to(video.parent)
    assert FileDigests(tmp_path / "d").known([link / video.name]) == [seen]


def written_again(path, content):
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path, content):
    other = path.with_name("other")
    other.write_bytes(content)
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("change", [written_again, replaced])
def test_other_content_of_the_same_name_size_and_time_is_not_known(tmp_path, video, change):
    seen = remembered(tmp_path / "d", video)
    time.sleep(0.02)
    change(video, b"CONTENT")
    assert not seen.is_same(video)
    assert FileDigests(tmp_path / "d").known([video]) == [None]
    again = remembered(tmp_path / "d", video)
    assert again.stamp.size == seen.stamp.size
    assert again.stamp.mtime_ns == seen.stamp.mtime_ns
    assert FileDigests(tmp_path / "d").known([video]) == [again]


def test_a_file_that_was_only_just_written_is_not_remembered(tmp_path, video, monkeypatch):
    monkeypatch.setattr(module, "_SETTLED_NS", 10**12)
    assert not remembered(tmp_path / "d", video).settled
    assert FileDigests(tmp_path / "d").known([video]) == [None]
    assert not (tmp_path / "d").exists()


def test_times_in_steps_of_two_seconds_hide_no_change(tmp_path, video, monkeypatch):
    monkeypatch.setattr(module, "_SETTLED_NS", SETTLED)
    status = video.stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    for seconds, settled in ((0.2, False), (2.5, False), (3.5, True)):
        now = changed + int(seconds * 1e9)
        monkeypatch.setattr(module.time, "time_ns", lambda now=now: now)
        assert SeenFile.read(video).settled is settled


def test_what_is_no_regular_file_is_not_read(tmp_path, video):
    pipe = video.with_name("pipe")
    os.mkfifo(pipe)
    (video.parent / "link").symlink_to(pipe)
    for path in (pipe, video.parent / "link", video.parent, Path(os.devnull)):
        assert SeenFile.read(path) is None
        with pytest.raises(OSError, match="no regular file"):
            FileStamp.of(path)
    seen = remembered(tmp_path / "d", video)
    assert FileDigests(tmp_path / "d").known([pipe, video]) == [None, seen]
    video.unlink()
    os.mkfifo(video)
    assert not seen.is_same(video)


def test_a_folder_that_is_removed_between_two_steps_is_made_again(tmp_path, video, monkeypatch):
    seen, made = SeenFile.read(video), []
    make = Path.mkdir

    def made_and_lost(path, *arguments, **more):
        make(path, *arguments, **more)
        made.append(path)
        if len(made) == 1:
            path.rmdir()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", made_and_lost)
        FileDigests(tmp_path / "d").add([seen])
    assert made == [tmp_path / "d"] * 2
    assert FileDigests(tmp_path / "d").known([video]) == [seen]


def test_a_file_that_changes_while_it_is_read_has_no_digest(video, monkeypatch):
    def read(path):
        path.write_bytes(b"more than before")
        return "0" * 64

    monkeypatch.setattr(module, "sha256_file", read)
    assert SeenFile.read(video) is None
    assert SeenFile.read(video.with_name("missing")) is None
    assert SeenFile.read(video.parent) is None


def test_lines_that_were_cut_off_or_damaged_are_passed_over(tmp_path, video):
    seen = remembered(tmp_path / "d", video)
    (file,) = (tmp_path / "d").iterdir()
    line = file.read_bytes()
    for damaged in (line[:-1], line[:-5], line[:40], b"\xff\0\n", b"x" + line[1:]):
        file.write_bytes(damaged)
        assert FileDigests(tmp_path / "d").known([video]) == [None]
        file.write_bytes(b"junk\n" + line + damaged)
        assert FileDigests(tmp_path / "d").known([video]) == [seen]


def test_a_name_with_a_line_break_is_hashed_each_time(tmp_path):
    video = tmp_path / "a\nb.avi"
    video.write_bytes(b"content")
    remembered(tmp_path / "d", video)
    assert FileDigests(tmp_path / "d").known([video]) == [None]


def test_a_name_that_is_no_text_is_known(tmp_path):
    name = os.fsdecode(b"\xff\xfe.avi")
    video = tmp_path / name
    try:
        video.write_bytes(b"content")
    except OSError:
        pytest.skip("this file system takes only text")
    seen = remembered(tmp_path / "d", video)
    assert FileDigests(tmp_path / "d").known([video]) == [seen]


def test_the_files_of_many_processes_are_joined(tmp_path, video):
    old = remembered(tmp_path / "d", video)
    for number in range(40):
        video.with_name(str(number)).write_bytes(b"%d" % number)
        remembered(tmp_path / "d", video.with_name(str(number)))
    time.sleep(0.02)
    video.write_bytes(b"newer")
    seen = remembered(tmp_path / "d", video)
    assert old != seen
    FileDigests(tmp_path / "d").tidy()
    assert len(list((tmp_path / "d").iterdir())) == 1
    (tmp_path / "d" / "late.digests").write_bytes(b"")
    FileDigests(tmp_path / "d").tidy()
    assert len(list((tmp_path / "d").iterdir())) == 2, "few files are left alone"
    paths = [video, *(video.with_name(str(number)) for number in range(40))]
    assert None not in FileDigests(tmp_path / "d").known(paths)
    assert FileDigests(tmp_path / "d").known([video]) == [seen]


WRITER = """
import sys
from pathlib import Path
from zsl_bench.clip_cache import FileDigests, FileStamp, SeenFile

digests = FileDigests(Path(sys.argv[1]))
for number in range(300):
    stamp = FileStamp(path=f"/{sys.argv[2]}/{number}", size=number, mtime_ns=1, ctime_ns=2, inode=3)
    digests.add([SeenFile(stamp=stamp, sha256=f"{number:064x}")])
"""


def test_two_processes_do_not_mix_their_lines(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "d"), name])
        for name in ("one", "two")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    found = {seen.stamp: seen.sha256 for seen in FileDigests(tmp_path / "d")._read(None)}
    assert found == {
        FileStamp(path=f"/{name}/{n}", size=n, mtime_ns=1, ctime_ns=2, inode=3): f"{n:064x}"
        for name in ("one", "two")
        for n in range(300)
    }


def test_a_folder_that_cannot_be_written_is_told(tmp_path, video):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match=r"Not a directory|File exists"):
        remembered(tmp_path / "file", video)
