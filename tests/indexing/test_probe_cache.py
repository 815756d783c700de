from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from zsl_bench.datasets import open_dataset
from zsl_bench.files import cache_dir
from zsl_bench.indexing import ProbeCache, check_manifest
from zsl_bench.indexing import cache as caching
from zsl_bench.indexing.probe import FileProbe, SegmentProbe, look_at

SCRIPT = """
import sys, time
from pathlib import Path
from zsl_bench.datasets import open_dataset
from zsl_bench.indexing import cache, check_manifest

cache._SECONDS_UNSAVED = 0.0

class Slow:
    def note(self, line): print(line)
    def start(self, name, *, total, done): pass
    def advance(self, files): time.sleep(float(sys.argv[2]))
    def finish(self): pass

check = check_manifest(open_dataset("toys", Path(sys.argv[1])), jobs=1, progress=Slow())
print(check.probed + check.cached, len(check.findings), check.notes)
"""


def records():
    (file,) = cache_dir().glob("probes-*.sqlite3")
    with sqlite3.connect(file) as connection:
        count = connection.execute("select count(*) from probes").fetchone()[0]
    connection.close()
    return count


def test_records_come_back_as_they_were(tmp_path, clip):
    place = clip(tmp_path / "v.avi")
    now = look_at(place, "v.avi")
    probe = FileProbe(
        path="v.avi", level="quick", size=now.size, mtime_ns=now.mtime_ns, container="avi",
        codec="mpeg4", width=3, height=4, fps=29.97, packets=0, duration=0.1 + 0.2,
        problem="truncated", reason="Größe \udcff '", note="n",
        segments=(SegmentProbe(start=None, end=0.3, frames=0), SegmentProbe(start=1.0, end=None)),
    )  # fmt: skip
    with ProbeCache("d") as cache:
        cache.add(place, probe)
    with ProbeCache("d") as cache:
        assert cache.find({"v.avi": place}, {"v.avi": now}) == {"v.avi": probe}
        assert cache.find({"w.avi": place}, {"w.avi": now})["w.avi"].fps == 29.97
    with ProbeCache("another decoder") as cache:
        assert cache.find({"v.avi": place}, {"v.avi": now}) == {}


def test_a_second_check_opens_nothing_and_says_the_same(folder, clip):
    clip(folder / "red ball/copy.avi", 0)
    (folder / "blue ball/v1.avi").write_text("words" * 100)
    manifest = open_dataset("toys", folder)
    first, second = check_manifest(manifest), check_manifest(manifest)
    assert (first.probed, first.cached) == (7, 0)
    assert (second.probed, second.cached) == (0, 7)
    assert (second.findings, second.manifest) == (first.findings, first.manifest)
    assert dict(second.probes) == dict(first.probes)


def test_what_changed_is_opened_again(folder, clip):
    manifest = open_dataset("toys", folder)
    check_manifest(manifest)
    os.utime(folder / "red ball/v0.avi")
    clip(folder / "red ball/v2.avi", 77)
    assert check_manifest(manifest).probed == 2


def test_a_deeper_check_serves_a_shallower_one_and_not_the_other_way(folder):
    manifest = open_dataset("toys", folder)
    assert check_manifest(manifest, level="quick").probed == 6
    assert check_manifest(manifest, level="decode").probed == 6
    assert check_manifest(manifest, level="quick").probed == 0
    assert check_manifest(manifest, level="names").manifest.videos[0].frames == 75


def test_without_the_cache_nothing_is_read_or_kept(folder):
    manifest = open_dataset("toys", folder)
    check_manifest(manifest, use_cache=False)
    assert not cache_dir().exists() or not list(cache_dir().iterdir())
    check_manifest(manifest)
    assert check_manifest(manifest, use_cache=False).probed == 6


def test_digests_and_segments_are_added_to_what_is_known(folder):
    manifest = open_dataset("toys", folder)
    check_manifest(manifest, level="decode")
    hashed = check_manifest(manifest, digest=True)
    again = check_manifest(manifest, level="decode", digest=True)
    assert (hashed.probed, again.probed) == (6, 0)
    assert all(p.decoded == 75 and p.sha256 for p in again.probes.values())


def test_files_that_could_not_be_reached_are_tried_again(folder, clip):
    link = folder / "red ball/v0.avi"
    content = link.read_bytes()
    link.unlink()
    link.symlink_to("../elsewhere.avi")
    manifest = open_dataset("toys", folder)
    assert check_manifest(manifest).findings[0].kind == "unreachable"
    (folder / "elsewhere.avi").write_bytes(content)
    assert check_manifest(manifest).findings == ()


def damage(file):
    file.write_bytes(b"no data base at all" * 99)


def damage_pages(file):
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def damage_records(file):
    with sqlite3.connect(file) as connection:
        connection.execute("update probes set record = '[1'")
    connection.close()


@pytest.mark.parametrize("how", [damage, damage_pages, damage_records])
def test_a_damaged_cache_is_made_anew(how, folder):
    manifest = open_dataset("toys", folder)
    check_manifest(manifest)
    (file,) = cache_dir().glob("probes-*.sqlite3")
    how(file)
    check = check_manifest(manifest)
    assert (check.probed, check.findings) == (6, ())
    assert "the cache of earlier checks" in check.notes[0]
    check_manifest(manifest)
    healed = check_manifest(manifest)
    assert (healed.probed, healed.notes) == (0, ())


def test_a_locked_cache_is_done_without(folder, monkeypatch):
    manifest = open_dataset("toys", folder)
    check_manifest(manifest)
    monkeypatch.setattr(caching, "_SECONDS_LOCKED", 0.05)
    (file,) = cache_dir().glob("probes-*.sqlite3")
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("begin exclusive")
    check = check_manifest(manifest)
    connection.close()
    assert (check.probed, check.findings) == (6, ())
    assert "database is locked" in check.notes[0]
    assert check_manifest(manifest).probed == 0


def test_a_cache_that_cannot_be_written_is_done_without(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ZSL_BENCH_CACHE", str(tmp_path / "file"))
    check = check_manifest(open_dataset("toys", folder))
    assert (check.probed, check.findings, len(check.notes)) == (6, (), 1)


@pytest.fixture
def many(tmp_path, clip):
    """Sixty small videos."""
    root = tmp_path / "many"
    for number in range(60):
        clip(root / "red ball" / f"v{number}.avi", number)
    return root


def script(tmp_path, root, pause):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return [sys.executable, str(path), str(root), str(pause)]


def test_a_killed_check_goes_on_where_it_was(many, tmp_path):
    with subprocess.Popen(script(tmp_path, many, 0.05)) as process:
        while not list(cache_dir().glob("probes-*.sqlite3")) or records() < 10:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = records()
    assert 10 <= kept < 60
    manifest = open_dataset("toys", many)
    check = check_manifest(manifest)
    assert (check.cached, check.probed) == (kept, 60 - kept)
    fresh = check_manifest(manifest, use_cache=False)
    assert dict(check.probes) == dict(fresh.probes)


def test_two_checks_share_the_cache(many, tmp_path):
    command = script(tmp_path, many, 0.005)
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0] for process in running] == ["60 0 ()\n"] * 2
    assert check_manifest(open_dataset("toys", many)).cached == 60
