"""Archives as they are downloaded, unpacked by real readers, stopped, damaged and hostile."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from zsl_bench.archives import find_archives, is_archive, unpack, unpack_folder
from zsl_bench.archives.contents import ArchiveError
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("unrar", "unar", "7zz", "7z", "bsdtar")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".unpacked" not in path.parts
    }


class Told:
    """Counts what unpacking tells."""

    def __init__(self):
        self.names, self.files, self.notes = [], 0, []

    def start(self, name, **counts):
        self.names.append((name, counts))

    def advance(self, files):
        self.files += files

    def note(self, line):
        self.notes.append(line)

    def finish(self):
        pass


@pytest.fixture(params=["rar4", "rar5", "zip", "tar.gz", "tar.xz", "tar"])
def make(request, rar, tmp_path):
    """Return a function that writes an archive of one kind."""

    def write(files: dict[str, bytes], name: str = "videos") -> Path:
        path = tmp_path / f"{name}.{request.param.replace('4', '').replace('5', '')}"
        if request.param.startswith("rar"):
            writer = rar.write_rar4 if request.param == "rar4" else rar.write_rar5
            return writer(path, [rar.Entry(name=n, data=d) for n, d in files.items()])
        if request.param == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file, data in files.items():
                    archive.writestr(file, data)
            return path
        with tarfile.open(path, f"w:{request.param.partition('.')[2]}") as archive:
            for file, data in files.items():
                info = tarfile.TarInfo(file)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return write


FILES = {
    "UCF-101/Archery/v_Archery_g01_c01.avi": b"one" * 500,
    "UCF-101/Archery/v_Archery_g01_c02.avi": b"",
    "UCF-101/Diving, (high)/v_Diving_g01_c01.avi": os.urandom(3000),
}


def test_every_kind_gives_what_was_put_in(make, tmp_path):
    told = Told()
    made = unpack(make(FILES), tmp_path / "out", progress=told)
    assert tree(tmp_path / "out") == FILES
    assert (made.archives, made.files, made.skipped) == (1, 3, 0)
    assert made.bytes == sum(map(len, FILES.values()))
    assert told.files == 3


def test_a_second_time_nothing_is_done_and_a_changed_archive_is_unpacked(make, tmp_path):
    archive = make(FILES)
    unpack(archive, tmp_path / "out")
    told = Told()
    again = unpack(archive, tmp_path / "out", progress=told)
    assert (again.skipped, again.files, told.names) == (1, 3, [])
    changed = make({"UCF-101/more.avi": b"1"})
    assert unpack(changed, tmp_path / "out").skipped == 0
    assert (tmp_path / "out/UCF-101/more.avi").read_bytes() == b"1"


@pytest.mark.parametrize(
    "name", ["../out.avi", "a/../../out.avi", "/etc/out.avi", "C:/out.avi", "a/..", ".unpacked/x"]
)
def test_names_that_lead_out_are_refused_and_nothing_is_written(make, tmp_path, name):
    archive = make({"a/fine.avi": b"1", name: b"2"})
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}
    assert not (tmp_path / "out.avi").exists()


def test_a_cut_archive_is_one_line_and_leaves_nothing(make, tmp_path):
    archive = make(FILES)
    whole = archive.read_bytes()
    for share in (0.1, 0.2, 0.3) if archive.suffix == ".tar" else (0.3, 0.6, 0.9):
        archive.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ArchiveError) as told:
            unpack(archive, tmp_path / "out")
        assert "\n" not in str(told.value)
        assert tree(tmp_path / "out") == {}
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def hmdb51(rar, tmp_path, *, folders):
    """The rar of rars, its inner archives with or without a class folder at their top."""
    names = {
        "brush_hair": "April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        "wave": "20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0.avi",
    }
    inner = []
    for label, name in names.items():
        entry = rar.Entry(name=f"{label}/{name}" if folders else name, data=label.encode() * 40)
        file = rar.write_rar4(tmp_path / f"{label}.rar", [entry])
        inner.append(rar.Entry(name=f"{label}.rar", data=file.read_bytes()))
        file.unlink()
    outer = rar.write_rar5(tmp_path / "hmdb51_org.rar", inner)
    return outer, {f"{label}/{name}": label.encode() * 40 for label, name in names.items()}


@pytest.mark.parametrize("folders", [True, False])
def test_a_rar_of_rars_becomes_class_folders(rar, tmp_path, folders):
    outer, expected = hmdb51(rar, tmp_path, folders=folders)
    made = unpack(outer, tmp_path / "out")
    assert tree(tmp_path / "out") == expected
    assert (made.archives, made.files) == (3, 2)
    manifest = open_dataset("hmdb51", tmp_path / "out")
    assert sorted(video.label for video in manifest.videos) == ["brush_hair", "wave"]
    again = unpack(outer, tmp_path / "out")
    assert (again.archives, again.skipped, again.files) == (3, 3, 2)


def test_a_folder_of_class_rars(rar, tmp_path):
    outer, expected = hmdb51(rar, tmp_path, folders=False)
    (tmp_path / "parts").mkdir()
    for name, data in expected.items():
        label, _, file = name.partition("/")
        rar.write_rar5(tmp_path / f"parts/{label}.rar", [rar.Entry(name=file, data=data)])
    made = unpack_folder(tmp_path / "parts", tmp_path / "parts" / "unpacked")
    assert tree(tmp_path / "parts" / "unpacked") == expected
    assert made.archives == 2
    again = unpack_folder(tmp_path / "parts", tmp_path / "parts" / "unpacked")
    assert again.skipped == 2
    assert outer.exists()


def test_a_folder_without_archives(tmp_path):
    with pytest.raises(DatasetError, match=r"no archives; give the folder with the \.rar"):
        unpack_folder(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("version", [4, 5])
def test_volumes_are_one_archive(rar, tmp_path, version):
    paths = [tmp_path / f"UCF101.part{n}.rar" for n in (1, 2, 3)]
    data = os.urandom(10_000)
    rar.write_volumes(paths, [rar.Entry(name="UCF-101/a.avi", data=data)], version=version)
    assert find_archives(tmp_path) == (paths[0],)
    for number, given in enumerate((paths[0], paths[2])):
        unpack(given, tmp_path / f"out{number}")
        assert tree(tmp_path / f"out{number}") == {"UCF-101/a.avi": data}
    paths[1].unlink()
    with pytest.raises(ArchiveError):
        unpack(paths[0], tmp_path / "out3")


def test_pieces_of_a_tar_are_one_archive(make, tmp_path):
    archive = make(FILES)
    if ".tar" not in archive.name:
        pytest.skip("pieces are of tar archives")
    whole = archive.read_bytes()
    archive.unlink()
    for number, start in enumerate(range(0, len(whole), 700)):
        letters = chr(97 + number // 26) + chr(97 + number % 26)
        archive.with_name(f"{archive.name}.{letters}").write_bytes(whole[start : start + 700])
    assert len(find_archives(tmp_path)) == 1
    unpack(find_archives(tmp_path)[0], tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_links_are_left_out_and_told(rar, tmp_path):
    told = Told()
    entries = [rar.Entry(name="a.avi", data=b"1"), rar.Entry(name="b.avi", link="/etc/passwd")]
    for number, writer in enumerate((rar.write_rar4, rar.write_rar5)):
        made = unpack(writer(tmp_path / "x.rar", entries), tmp_path / f"{number}", progress=told)
        assert tree(tmp_path / f"{number}") == {"a.avi": b"1"}
        assert made.left_out == ("b.avi",)
        assert "b.avi" in told.notes[number]
        compressed = [rar.Entry(name="a.avi", data=b"1", method=3), *entries[1:]]
        with pytest.raises(ArchiveError, match=r"links, which a program might follow: b\.avi"):
            unpack(writer(tmp_path / "y.rar", compressed), tmp_path / "out")
        assert tree(tmp_path / "out") == {}
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("evil.avi")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
        through = tarfile.TarInfo("evil.avi/x.avi")
        archive.addfile(through)
    unpack(tmp_path / "x.tar", tmp_path / "tar", progress=told)
    assert tree(tmp_path / "tar") == {"evil.avi/x.avi": b""}


def test_a_copied_member_has_its_originals_bytes(rar, tmp_path):
    entries = [rar.Entry(name="a.avi", data=b"12"), rar.Entry(name="b.avi", copy_of="a.avi")]
    made = rar.write_rar5(tmp_path / "x.rar", entries)
    unpack(made, tmp_path / "out")
    assert tree(tmp_path / "out")["a.avi"] == b"12"


def test_encrypted_archives_are_one_line(rar, tmp_path):
    for writer in (rar.write_rar4, rar.write_rar5):
        entry = rar.Entry(name="a.avi", data=b"1" * 16, encrypted=True)
        with pytest.raises(ArchiveError, match="encrypted"):
            unpack(writer(tmp_path / "x.rar", [entry]), tmp_path / "out")


def test_a_wrong_checksum_is_damage(rar, tmp_path):
    made = rar.write_rar5(tmp_path / "x.rar", [rar.Entry(name="a.avi", data=b"1" * 99, crc=7)])
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(made, tmp_path / "out")


def test_two_archives_that_give_one_name(rar, tmp_path):
    (tmp_path / "in").mkdir()
    for name, data in (("one", b"1"), ("two", b"2")):
        entry = rar.Entry(name="same/a.avi", data=data)
        rar.write_rar5(tmp_path / "in" / f"{name}.rar", [entry])
    with pytest.raises(ArchiveError, match="other files of the same name there"):
        unpack_folder(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out/same/a.avi").read_bytes() == b"1"


def test_what_is_no_archive(tmp_path):
    (tmp_path / "x.rar").write_bytes(b"<html>not found</html>")
    with pytest.raises(ArchiveError, match="it begins with '<html>"):
        unpack(tmp_path / "x.rar", tmp_path / "out")
    (tmp_path / "y.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(40))
    with pytest.raises(ArchiveError, match="a 7z archive"):
        unpack(tmp_path / "y.7z", tmp_path / "out")
    (tmp_path / "clip.avi").write_bytes(b"RIFF")
    assert not is_archive(tmp_path / "clip.avi")


def compressed(rar, tmp_path):
    """An archive that says that it is compressed; its bytes are not."""
    entries = [rar.Entry(name="a/x.avi", data=b"1" * 64, method=3)]
    return rar.write_rar5(tmp_path / "x.rar", entries)


def test_without_an_unpacker_the_error_names_packages(rar, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match=r"apt install unar .*brew install unar"):
        unpack(compressed(rar, tmp_path), tmp_path / "out")


def test_a_program_that_fails_or_lies_is_not_believed(rar, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for name in TOOLS:
        (programs / name).write_text("#!/bin/sh\necho no can do\nexit 3\n")
        (programs / name).chmod(0o755)
    with pytest.raises(ArchiveError, match=r"not unpacked whole by any program here"):
        unpack(compressed(rar, tmp_path), tmp_path / "out")
    for name in TOOLS:
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(ArchiveError, match=r"unar: a/x\.avi: none of 64 bytes"):
        unpack(compressed(rar, tmp_path), tmp_path / "out")
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("version", [4, 5])
def test_installed_programs_unpack(rar, tmp_path, monkeypatch, tool, version):
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    if tool.startswith("7z") and b"Rar" not in subprocess.check_output([program, "i"]):
        pytest.skip(f"this {tool} was built without rar")
    files = {name: data for name, data in FILES.items() if data}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / tool).symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    writer = rar.write_rar4 if version == 4 else rar.write_rar5
    archive = writer(tmp_path / "-x (1).rar", [rar.Entry(name=n, data=d) for n, d in files.items()])
    monkeypatch.setattr("zsl_bench.archives.rars._is_stored", lambda _: False)
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == files


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(rar, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    data = os.urandom(2_000_000)
    expected = {}
    for number in range(12):
        entries = [rar.Entry(name=f"c{number}/{i}.avi", data=data[i:]) for i in range(4)]
        rar.write_rar5(folder / f"c{number}.rar", entries)
        expected |= {f"c{number}/{i}.avi": data[i:] for i in range(4)}
    code = (
        "import sys; from pathlib import Path; from zsl_bench.archives import unpack_folder; "
        "unpack_folder(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    out = tmp_path / "out"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(out)])
        records = len(list(out.glob(".unpacked/*.json")))
        until = time.monotonic() + 60
        while len(list(out.glob(".unpacked/*.json"))) < records + 2 and time.monotonic() < until:
            if process.poll() is not None:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        for name, content in tree(out).items():
            assert content == expected[name]
    made = unpack_folder(folder, out)
    assert made.skipped > 0
    assert tree(out) == expected
    assert not [path for path in (out / ".unpacked").iterdir() if path.is_dir()]
