"""Runs that are stopped, started twice or started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from zsl_bench.archives import ArchiveError, unpack, unpack_folder
from zsl_bench.errors import DatasetError


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".unpacked" not in path.parts
    }


def leftovers(folder):
    kept = (folder / ".unpacked").iterdir()
    return sorted(path.name for path in kept if path.suffix != ".json" and path.name != "lock")


def wait_for(happened, seconds=60):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


class Told:
    def __init__(self, stop_at=None):
        self.names, self.files, self.stop_at = [], 0, stop_at

    def start(self, name, **_):
        self.names.append(name)

    def advance(self, files):
        self.files += files
        if self.stop_at is not None and self.files >= self.stop_at:
            raise KeyboardInterrupt

    def note(self, line):
        pass

    def finish(self):
        pass


def hmdb51(rar, folder, labels, *, damaged=()):
    """A rar of class rars, each of one video without a class folder."""
    inner = []
    for label in labels:
        path = rar.write_rar4(
            folder / "inner", [rar.Entry(name=f"{label}.avi", data=label.encode() * 9)]
        )
        data = path.read_bytes()
        inner.append(rar.Entry(name=f"{label}.rar", data=data[:-20] if label in damaged else data))
    (folder / "inner").unlink()
    return rar.write_rar4(folder / "hmdb51_org.rar", inner)


def test_ctrl_c_leaves_only_what_is_finished(rar, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        entries = [rar.Entry(name=f"{name}/{n}.avi", data=b"1") for n in range(3)]
        rar.write_rar5(tmp_path / f"in/{name}.rar", entries)
    with pytest.raises(KeyboardInterrupt):
        unpack_folder(tmp_path / "in", tmp_path / "out", progress=Told(stop_at=5))
    assert set(tree(tmp_path / "out")) == {"a/0.avi", "a/1.avi", "a/2.avi"}
    assert leftovers(tmp_path / "out") == []
    told = Told()
    assert unpack_folder(tmp_path / "in", tmp_path / "out", progress=told).skipped == 1
    assert told.names == ["unpacking b.rar (2 of 2)"]


def test_of_a_rar_of_rars_only_what_is_left_is_done_again(rar, tmp_path):
    labels = ("brush_hair", "wave", "walk")
    outer = hmdb51(rar, tmp_path, labels, damaged=("wave",))
    with pytest.raises(ArchiveError, match=r"^unpack wave\.rar in hmdb51_org\.rar: damaged"):
        unpack(outer, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"brush_hair/brush_hair.avi", "walk/walk.avi"}
    told = Told()
    with pytest.raises(ArchiveError, match=r"^unpack wave\.rar in hmdb51_org\.rar: damaged"):
        unpack(outer, tmp_path / "out", progress=told)
    assert told.names == []
    outer = hmdb51(rar, tmp_path, labels)
    made = unpack(outer, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {f"{label}/{label}.avi" for label in labels}
    assert (made.archives, made.files, made.skipped) == (4, 3, 0)
    assert leftovers(tmp_path / "out") == []


def test_files_that_were_removed_or_cut_are_unpacked_again(rar, tmp_path):
    outer = hmdb51(rar, tmp_path, ("wave", "walk"))
    unpack(outer, tmp_path / "out")
    (tmp_path / "out/wave/wave.avi").unlink()
    assert unpack(outer, tmp_path / "out").skipped == 1
    assert (tmp_path / "out/wave/wave.avi").is_file()
    (tmp_path / "out/walk/walk.avi").write_bytes(b"1")
    with pytest.raises(ArchiveError, match=r"other files of the same name .*: walk/walk\.avi"):
        unpack(outer, tmp_path / "out")
    (tmp_path / "out/walk/walk.avi").unlink()
    unpack(outer, tmp_path / "out")
    assert tree(tmp_path / "out")["walk/walk.avi"] == b"walk" * 9


def test_what_was_unpacked_by_hand_stays_and_a_linked_folder_is_not_entered(rar, tmp_path):
    entries = [rar.Entry(name=f"c/{n}.avi", data=b"1") for n in range(2)]
    archive = rar.write_rar5(tmp_path / "x.rar", entries)
    (tmp_path / "out/c").mkdir(parents=True)
    (tmp_path / "out/c/0.avi").write_bytes(b"1")
    inode = (tmp_path / "out/c/0.avi").stat().st_ino
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/c/0.avi").stat().st_ino == inode
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/c").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match=r"other files of the same name there \(1\): c;"):
        unpack(archive, tmp_path / "other")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_record_that_was_damaged_costs_a_second_unpacking(rar, tmp_path):
    archive = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="c/a.avi", data=b"1")])
    for text in ("{", "[]", '{"schema": 1}', '{"schema": 99}'):
        unpack(archive, tmp_path / "out")
        (record,) = (tmp_path / "out/.unpacked").glob("*.json")
        record.write_text(text)
        assert unpack(archive, tmp_path / "out").skipped == 0


def test_two_processes_do_not_unpack_into_one_folder(rar, tmp_path):
    archive = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="c/a.avi", data=b"1")])
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path; from zsl_bench.archives.state import State\n"
        "with State(Path(sys.argv[1])).locked():\n    print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DatasetError, match="another process that is unpacking into it"):
            unpack(archive, out)
        process.kill()
    assert unpack(archive, out).files == 1


@pytest.mark.slow
def test_a_killed_run_takes_its_program_with_it_and_the_next_one_is_clean(
    rar, tmp_path, monkeypatch
):
    entries = [rar.Entry(name=f"c/{n}.avi", data=b"1") for n in range(40)]
    archive = rar.write_rar5(tmp_path / "x.rar", entries)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "unar").write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import os, pathlib, time
            pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
            os.makedirs("c")
            for number in range(40):
                pathlib.Path(f"c/{{number}}.avi").write_text("1")
                print(f"  c/{{number}}.avi  (1 B)... OK.", flush=True)
                time.sleep(os.path.exists({str(tmp_path / "slow")!r}))
            """)
    )
    (programs / "unar").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    (tmp_path / "slow").touch()
    code = (
        "import sys; from pathlib import Path; from zsl_bench.archives import rars, unpack\n"
        "rars._is_stored = lambda _: False\nunpack(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", code, str(archive), str(out)])
    wait_for(lambda: list(out.glob(".unpacked/work-*/content/c/1.avi")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    program = int((tmp_path / "pid").read_text())
    wait_for(lambda: not is_running(program))
    assert tree(out) == {}
    assert len(leftovers(out)) == 1
    (tmp_path / "slow").unlink()
    monkeypatch.setattr("zsl_bench.archives.rars._is_stored", lambda _: False)
    unpack(archive, out)
    assert len(tree(out)) == 40
    assert leftovers(out) == []


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()
