"""Atomic writes, digests, cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zsl_bench import files
from zsl_bench.errors import ResultError


def test_a_file_appears_whole_with_usual_permissions(tmp_path):
    path = tmp_path / "a" / "b.bin"
    with files.atomic_write(path) as stream:
        stream.write(b"half")
        assert not path.exists()
        stream.write(b"whole")
    assert path.read_bytes() == b"halfwhole"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert path.stat().st_mode == plain.stat().st_mode
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(TypeError), files.atomic_write(path) as stream:
        stream.write("no bytes")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_device_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    real = os.fdopen
    monkeypatch.setattr(
        files.os,
        "fdopen",
        lambda fd, mode: (os.close(fd), real(os.open("/dev/full", os.O_WRONLY), mode))[1],
    )
    with pytest.raises(ResultError, match="No space left on device"):
        files.write_json(tmp_path / "a.json", {"x": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_is_written_to_and_never_replaced():
    with pytest.raises(ResultError, match="No space left on device"):
        files.write_json(Path("/dev/full"), {"x": 1})
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    files.write_json(link, [1])
    assert link.is_symlink()
    assert json.loads(target.read_text()) == [1]


def test_a_folder_in_the_way_is_one_line(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ResultError, match="directory"):
        files.write_json(tmp_path / "a.json", {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom zsl_bench.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as s:\n"
        "    s.write(b'x' * 100000); s.flush(); print('writing', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "writing\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert path.read_text() == "old"


def test_digests_equal_hashlib(tmp_path):
    data = os.urandom(3 << 20)
    path = tmp_path / "x"
    path.write_bytes(data)
    assert files.sha256_file(path) == hashlib.sha256(data).hexdigest()
    assert files.sha256_bytes(data) == hashlib.sha256(data).hexdigest()
    text = json.dumps({"a": [1, "é"], "b": None}, separators=(",", ":"), ensure_ascii=False)
    assert (
        files.sha256_json({"b": None, "a": (1, "é")}) == hashlib.sha256(text.encode()).hexdigest()
    )


def test_the_cache_folder_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("ZSL_BENCH_CACHE", str(tmp_path))
    assert files.cache_dir() == tmp_path
    monkeypatch.delenv("ZSL_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert files.cache_dir() == tmp_path / "x" / "zsl-bench"
