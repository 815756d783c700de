"""Archives that are cut, wrong, hostile or odd, and what programs make of them."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.archives import (
    ArchiveError,
    archive_stem,
    find_archives,
    is_archive,
    unpack,
    unpack_folder,
)
from zsl_bench.archives.tools import find_unpackers
from zsl_bench.errors import DatasetError, ZslBenchError


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".unpacked" not in path.parts
    }


def leftovers(folder):
    """What unpacking keeps beside its records and its lock."""
    kept = (folder / ".unpacked").iterdir()
    return sorted(path.name for path in kept if path.suffix != ".json" and path.name != "lock")


def attempt(archive, out):
    """Unpack, and return what is wrong, or None."""
    try:
        unpack(archive, out)
    except ZslBenchError as error:
        return str(error)
    return None


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(params=[4, 5])
def write_rar(rar, request):
    """Write a rar of one of the two formats."""
    return rar.write_rar4 if request.param == 4 else rar.write_rar5


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Make a script the only unpacker, run on archives that need none, and return its log."""

    def install(name, script):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        program = folder / name
        program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{script}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr("zsl_bench.archives.rars._is_stored", lambda _: False)

    return install


@pytest.mark.parametrize("name", ["UCF101.rar", "x.part1.rar", "x.part02.rar", "a.ZIP", "k.tar.gz"])
def test_names_of_archives(tmp_path, name):
    (tmp_path / name).write_bytes(b"?")
    assert is_archive(tmp_path / name)
    assert len(find_archives(tmp_path)) == 1


@pytest.mark.parametrize(
    "name", ["x.rar.md5", "x.zip.avi", "x.tar.gz.part", "list.csv.gz", ".zip", "._x.rar", "v.mp4"]
)
def test_names_of_other_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"?")
    assert find_archives(tmp_path) == ()
    assert name == "._x.rar" or not is_archive(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("UCF101.rar", "UCF101"),
        ("UCF101.part01.rar", "UCF101"),
        ("part_0.tar.gz", "part_0"),
        ("k400.tar.gz.part-aa", "k400"),
        ("a.b.zip", "a.b"),
        ("x.tgz", "x"),
    ],
)
def test_stems(tmp_path, name, stem):
    assert archive_stem(tmp_path / name) == stem


def test_a_cut_anywhere_loses_no_video_silently(rar, write_rar, tmp_path):
    """RAR 4 has old archives without an end mark: there a cut between members cannot be seen."""
    files = {f"c/{number}.avi": bytes([number]) * 30 for number in range(3)}
    archive = write_rar(tmp_path / "x.rar", [rar.Entry(name=n, data=d) for n, d in files.items()])
    whole, seen = archive.read_bytes(), []
    for cut in range(len(whole)):
        archive.write_bytes(whole[:cut])
        out = tmp_path / str(cut)
        error = attempt(archive, out)
        assert tree(out).items() <= files.items()
        if error is None:
            seen.append(len(tree(out)))
        else:
            assert "\n" not in error
            assert tree(out) == {}
    assert seen == ([1, 2, 3] if write_rar is rar.write_rar4 else [])


def test_any_damage_is_one_line_and_stays_in_the_folder(rar, write_rar, tmp_path):
    files = [rar.Entry(name=f"c/{n}.avi", data=bytes([n]) * 50) for n in range(3)]
    whole = write_rar(tmp_path / "x.rar", files).read_bytes()
    expected = {entry.name: entry.data for entry in files}
    generator = random.Random(5)  # noqa: S311 - damage, no secret
    (tmp_path / "in").mkdir()
    for number in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.choice((1, 1, 4))):
            damaged[generator.randrange(8, len(whole))] = generator.randrange(256)
        archive = tmp_path / "in" / "x.rar"
        archive.write_bytes(damaged)
        out = tmp_path / "out" / str(number)
        assert "\n" not in (attempt(archive, out) or "")
        assert tree(out).items() <= expected.items()
    assert {path.name for path in tmp_path.iterdir()} == {"x.rar", "in", "out"}


names = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\\\0:", exclude_categories=["C"]),
        min_size=1,
        max_size=8,
    ).map(lambda part: f"n{part}"),
    min_size=1,
    max_size=3,
).map("/".join)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=st.dictionaries(names, st.binary(max_size=300), min_size=1, max_size=6))
def test_what_is_put_in_comes_out(rar, tmp_path_factory, files):
    folders = {"/".join(n.split("/")[:d]) for n in files for d in range(1, n.count("/") + 1)}
    if folders & files.keys():
        return
    base = tmp_path_factory.mktemp("any")
    entries = [rar.Entry(name=n, data=d) for n, d in files.items()]
    archives = [rar.write_rar4(base / "4.rar", entries), rar.write_rar5(base / "5.rar", entries)]
    archives.append(write_tar(base / "x.tar.bz2", files, "w:bz2"))
    with zipfile.ZipFile(base / "x.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    for archive in (*archives, base / "x.zip"):
        made = unpack(archive, base / archive.stem)
        assert tree(base / archive.stem) == files
        assert made.bytes == sum(map(len, files.values()))
    shutil.rmtree(base)


@pytest.mark.parametrize("raw", ["é".encode("cp1252"), "跳".encode("gbk")])
def test_names_that_are_not_utf8_are_refused(rar, write_rar, tmp_path, raw):
    archives = [write_rar(tmp_path / "x.rar", [rar.Entry(name=b"c/" + raw + b".avi", data=b"1")])]
    archives.append(write_tar(tmp_path / "x.tar", {"c/" + os.fsdecode(raw) + ".avi": b"1"}))
    for archive in archives:
        with pytest.raises(ArchiveError, match=r"a name that is not UTF-8, 'c/\\\\x"):
            unpack(archive, tmp_path / "out")
        assert tree(tmp_path / "out") == {}


def test_zip_names_of_windows_and_of_unmarked_utf8(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("UCF-101\\Archery\\v.avi"), b"1")
        plain = zipfile.ZipInfo("tést.avi")
        archive.writestr(plain, b"2")
    data = (tmp_path / "x.zip").read_bytes()
    unmarked = data.replace(b"\x00\x08\x00\x00\x00\x00", b"\x00\x00\x00\x00\x00\x00")
    (tmp_path / "x.zip").write_bytes(unmarked)
    unpack(tmp_path / "x.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == {"UCF-101/Archery/v.avi": b"1", "tést.avi": b"2"}


def test_members_of_one_name_and_files_that_are_folders(rar, write_rar, tmp_path):
    twice = [rar.Entry(name="c/a.avi", data=b"1"), rar.Entry(name="c/a.avi", data=b"2")]
    with pytest.raises(ArchiveError, match=r"more than one member named 'c/a\.avi'"):
        unpack(write_rar(tmp_path / "x.rar", twice), tmp_path / "out")
    both = [rar.Entry(name="c", data=b"1"), rar.Entry(name="c/a.avi", data=b"2")]
    with pytest.raises(ArchiveError, match="'c' as a file and as a folder"):
        unpack(write_rar(tmp_path / "x.rar", both), tmp_path / "out")
    with pytest.raises(ArchiveError):
        unpack(write_tar(tmp_path / "x.tar", {"c": b"1", "c/a.avi": b"2"}), tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_hard_link_in_a_tar_or_rar_becomes_a_copy(rar, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        first = tarfile.TarInfo("c/a.avi")
        first.size = 3
        archive.addfile(first, io.BytesIO(b"123"))
        second = tarfile.TarInfo("c/b.avi")
        second.type, second.linkname = tarfile.LNKTYPE, "c/a.avi"
        archive.addfile(second)
        outside = tarfile.TarInfo("c/c.avi")
        outside.type, outside.linkname = tarfile.LNKTYPE, "c/none.avi"
        archive.addfile(outside)
    made = unpack(tmp_path / "x.tar", tmp_path / "tar")
    assert tree(tmp_path / "tar") == {"c/a.avi": b"123", "c/b.avi": b"123"}
    assert made.left_out == ("c/c.avi",)
    linked = rar.Entry(name="c/b.avi", data=b"123", hard_link="c/a.avi")
    entries = [rar.Entry(name="c/a.avi", data=b"123"), linked]
    unpack(rar.write_rar5(tmp_path / "x.rar", entries), tmp_path / "rar")
    assert tree(tmp_path / "rar") == {"c/a.avi": b"123", "c/b.avi": b"123"}


def test_empty_folders_and_times_are_kept(tmp_path):
    source = tmp_path / "source" / "c" / "none"
    source.mkdir(parents=True)
    (source.parent / "a.avi").write_bytes(b"1")
    os.utime(source.parent / "a.avi", (1_000_000_000, 1_000_000_000))
    archive = shutil.make_archive(str(tmp_path / "x"), "gztar", tmp_path / "source")
    unpack(tmp_path / archive, tmp_path / "out")
    assert (tmp_path / "out/c/none").is_dir()
    assert (tmp_path / "out/c/a.avi").stat().st_mtime == 1_000_000_000


def test_a_gzip_that_lost_its_end_is_damaged(tmp_path):
    archive = write_tar(tmp_path / "x.tar.gz", {"a.avi": b"1" * 5000}, "w:gz")
    data = archive.read_bytes()
    for damaged in (data[:-4], data[:-8] + b"\0\0\0\0" + data[-4:]):
        archive.write_bytes(damaged)
        with pytest.raises(ArchiveError, match="damaged or cut off"):
            unpack(archive, tmp_path / "out")
        assert tree(tmp_path / "out") == {}


def test_missing_volumes_and_pieces_are_named(rar, tmp_path):
    paths = [tmp_path / f"x.part{n}.rar" for n in (1, 2, 3)]
    rar.write_volumes(paths, [rar.Entry(name="a.avi", data=bytes(900))], version=5)
    paths[2].rename(tmp_path / "away")
    with pytest.raises(ArchiveError, match=r"Cannot open next volume: x\.part3\.rar"):
        unpack(paths[0], tmp_path / "out")
    paths[0].unlink()
    with pytest.raises(ArchiveError, match="a later part of an archive whose first part is not"):
        unpack(paths[1], tmp_path / "out")
    for piece in ("00", "01", "03"):
        (tmp_path / f"y.tar.gz.{piece}").write_bytes(b"1")
    with pytest.raises(ArchiveError, match=r"no piece between y\.tar\.gz\.01 and y\.tar\.gz\.03"):
        unpack(tmp_path / "y.tar.gz.00", tmp_path / "out")


def test_old_volumes_are_one_archive(rar, tmp_path):
    paths = [tmp_path / "x.rar", tmp_path / "x.r00", tmp_path / "x.r01"]
    data = os.urandom(5000)
    rar.write_volumes(paths, [rar.Entry(name="c/a.avi", data=data)], version=4)
    assert find_archives(tmp_path) == (paths[0],)
    assert unpack(paths[1], tmp_path / "out").archives == 1
    assert tree(tmp_path / "out") == {"c/a.avi": data}


def test_flat_archives_get_folders_and_class_folders_are_merged(tmp_path):
    (tmp_path / "in/train").mkdir(parents=True)
    for part in (0, 1):
        write_tar(tmp_path / f"in/train/part_{part}.tar.gz", {"clip.mp4": b"%d" % part}, "w:gz")
        write_tar(tmp_path / f"in/class_{part}.tar", {f"./abseiling/{part}.mp4": b"x"})
    made = unpack_folder(tmp_path / "in", tmp_path / "out")
    assert tree(tmp_path / "out") == {
        "abseiling/0.mp4": b"x",
        "abseiling/1.mp4": b"x",
        "train/part_0/clip.mp4": b"0",
        "train/part_1/clip.mp4": b"1",
    }
    assert (made.archives, made.files, made.skipped) == (4, 4, 0)
    assert unpack_folder(tmp_path / "in", tmp_path / "in").skipped == 0
    assert unpack_folder(tmp_path / "in", tmp_path / "in").skipped == 4


def test_all_damaged_archives_are_named_and_the_others_done(tmp_path):
    for number in range(4):
        write_tar(tmp_path / f"{number}.tar.gz", {f"c{number}/a.avi": b"1" * 999}, "w:gz")
    for number in (1, 3):
        path = tmp_path / f"{number}.tar.gz"
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ArchiveError, match=r"2 that cannot be .* 1\.tar\.gz \(.* 3\.tar\.gz \("):
        unpack_folder(tmp_path, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"c0/a.avi", "c2/a.avi"}
    assert leftovers(tmp_path / "out") == []


LIES = {
    "open('a.avi', 'w').write('123')": "a.avi: 3 of 4 bytes",
    "open('a.avi', 'w').write('1235')": "a.avi: wrong checksum",
    "open('a.avi', 'w').write('1234'); open('b', 'w')": "b is not in the listing",
    "os.symlink('/etc/passwd', 'a.avi')": "a.avi is not a regular file",
    "os.mkfifo('a.avi')": "a.avi is not a regular file",
    "os.mkdir('a.avi')": "a.avi: none of 4 bytes",
    "print('what: unsupported method'); sys.exit(1)": "unar: what: unsupported method",
    "sys.exit(7)": "unar: exit status 7",
}


@pytest.mark.parametrize("script", LIES)
def test_what_a_program_makes_is_checked(rar, write_rar, tmp_path, only, script):
    only("unar", script)
    archive = write_rar(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=b"1234")])
    with pytest.raises(ArchiveError) as told:
        unpack(archive, tmp_path / "out")
    assert LIES[script] in str(told.value)
    assert tree(tmp_path / "out") == {}
    assert leftovers(tmp_path / "out") == []


def test_the_next_program_is_tried_and_files_are_counted_once(rar, tmp_path, only):
    only("unar", "open('a.avi', 'w'); print('  a.avi  (4 B)... OK.', flush=True); sys.exit(2)")
    only(
        "bsdtar",
        "print('x a.avi', flush=True); open('a.avi', 'w').write('1234'); os.chmod('a.avi', 0)",
    )
    archive = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=b"1234")])
    told = []
    progress = SimpleNamespace(
        start=lambda *_, **counts: told.append(counts), advance=told.append, finish=lambda: None
    )
    unpack(archive, tmp_path / "out", progress=progress)
    assert told == [{"total": 1, "done": 0}, 1]
    assert tree(tmp_path / "out") == {"a.avi": b"1234"}
    assert (tmp_path / "out/a.avi").stat().st_mode & 0o600 == 0o600


@pytest.mark.parametrize(
    ("name", "says", "able"),
    [
        ("unrar", "UNRAR 6.21 freeware      Copyright (c) 1993-2023 Alexander Roshal", True),
        ("unrar", "unrar-free 0.1.3", False),
        ("7zz", "   ...F....  Rar5     rar r00       R a r ! 1A 07 01 00", True),
        ("7zz", "   C...F..c.a.m+..  7z       7z            7 z BC AF 27 1C", False),
    ],
)
def test_programs_that_only_have_the_name_are_passed_over(only, name, says, able):
    only(name, f"print({says!r})")
    assert [unpacker.name for unpacker in find_unpackers()] == [name] * able


def test_an_installed_bsdtar_that_passes_over_a_wrong_checksum(rar, tmp_path, monkeypatch):
    program = shutil.which("bsdtar")
    if program is None:
        pytest.skip("bsdtar is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bsdtar").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("zsl_bench.archives.rars._is_stored", lambda _: False)
    wrong = rar.write_rar4(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=b"1234", crc=5)])
    done = subprocess.run([program, "-tf", str(wrong)], check=False, capture_output=True)
    assert done.stdout == b"a.avi\n"
    with pytest.raises(ArchiveError, match=r"bsdtar: a\.avi: wrong checksum"):
        unpack(wrong, tmp_path / "out")


def test_a_disk_that_is_too_small_is_told_before(rar, tmp_path, monkeypatch):
    archive = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=bytes(5000))])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(DatasetError, match=r"too little space: at least 8\.9 KiB needed, 4\.0 KiB"):
        unpack(archive, tmp_path / "out")
    assert leftovers(tmp_path / "out") == []


def test_a_disk_that_fills_up_leaves_nothing_and_the_next_run_goes_on(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    size = ["-t", "tmpfs", "-o", "size=256k", "none", str(small)]
    try:
        subprocess.run(["mount", *size], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted here")
    try:
        (tmp_path / "in").mkdir()
        write_tar(tmp_path / "in/a.tar.gz", {"a/x.avi": bytes(9000)}, "w:gz")
        archive = write_tar(tmp_path / "in/b.tar.gz", {"b/x.avi": bytes(1 << 20)}, "w:gz")
        with pytest.raises(DatasetError, match="too little space: no space left on device"):
            unpack_folder(tmp_path / "in", small / "out")
        assert set(tree(small / "out")) == {"a/x.avi"}
        assert leftovers(small / "out") == []
        write_tar(archive, {"b/x.avi": bytes(2000)}, "w:gz")
        assert unpack_folder(tmp_path / "in", small / "out").skipped == 1
        assert set(tree(small / "out")) == {"a/x.avi", "b/x.avi"}
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_places_that_cannot_be_written_to(rar, tmp_path):
    archive = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=b"1")])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match="folder that can be written to"):
        unpack(archive, tmp_path / "file")
    with pytest.raises(DatasetError, match="no such file"):
        unpack(tmp_path / "none.rar", tmp_path / "out")
    with pytest.raises(DatasetError, match="a folder; give an archive"):
        unpack(tmp_path, tmp_path / "out")
    long = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="a" * 300, data=b"1")])
    with pytest.raises(DatasetError, match=os.strerror(errno.ENAMETOOLONG).lower()):
        unpack(long, tmp_path / "out")
