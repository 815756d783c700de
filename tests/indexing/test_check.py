from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import pytest

from zsl_bench.datasets import open_dataset, open_images
from zsl_bench.errors import ZslBenchError
from zsl_bench.indexing import check_lines, check_manifest, check_summary
from zsl_bench.indexing import probe as probing
from zsl_bench.indexing.probe import ProbeTask, probe_file
from zsl_bench.videos import Manifest, Video


class Told:
    """A progress that remembers what it was told."""

    def __init__(self):
        self.lines, self.calls, self.done = [], [], 0

    def note(self, line):
        self.lines.append(line)

    def start(self, name, *, total, done):
        self.calls.append((name, total, done))

    def advance(self, files):
        self.done += files

    def finish(self):
        self.calls.append("finished")


def kinds(check):
    return {(finding.kind, finding.path) for finding in check.findings}


def finding_of(check, kind):
    (found,) = [finding for finding in check.findings if finding.kind == kind]
    return found


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_sound_files_give_a_manifest_with_frames_and_no_findings(folder):
    manifest = open_dataset("toys", folder)
    told = Told()
    check = check_manifest(manifest, jobs=2, progress=told)
    assert check.findings == ()
    assert {video.frames for video in check.manifest.videos} == {75}
    assert check.manifest.unreadable == ()
    assert check.manifest.digest == manifest.digest
    assert (check.probed, check.cached, check.notes) == (6, 0, ())
    assert told.calls == [("toys", 6, 0), "finished"]
    assert (told.done, told.lines) == (6, [])


def test_each_kind_of_damage_is_found_with_a_reason_and_a_remedy(folder, clip):
    cut(folder / "red ball/v0.avi")
    (folder / "red ball/v2.avi").write_bytes(b"")
    (folder / "red ball/v4.avi").write_text("words " * 300)
    (folder / "blue ball/v1.avi").unlink()
    (folder / "blue ball/v1.avi").symlink_to("nowhere.avi")
    check = check_manifest(open_dataset("toys", folder))
    assert kinds(check) == {
        ("truncated", "red ball/v0.avi"),
        ("empty", "red ball/v2.avi"),
        ("undecodable", "red ball/v4.avi"),
        ("unreachable", "blue ball/v1.avi"),
    }
    assert all(f.is_problem and f.remedy and f.reason and f.label for f in check.findings)
    assert {row for row, _ in check.manifest.unreadable} == {
        row for finding in check.findings for row in finding.rows
    }
    reasons = dict(check.manifest.unreadable)
    assert reasons["red ball/v2.avi"] == "zero length"
    assert reasons["red ball/v4.avi"] == "not a video, but text"
    assert check_lines(check)[-1] == "problems: 4; 2 videos can be read"


def test_what_is_missing_or_extra_or_short_of_the_official_list(tmp_path, clip):
    clip(tmp_path / "Archery/v_Archery_g01_c01.avi")
    clip(tmp_path / "Archery/holiday.avi", 9)
    check = check_manifest(open_dataset("ucf101", tmp_path, test_list="testlist01"))
    missing = [finding for finding in check.findings if finding.kind == "missing"]
    assert len(missing) == 3782
    assert {f.rows[0]: f.label for f in missing}["v_YoYo_g07_c04"] == "YoYo"
    extra = finding_of(check, "extra")
    assert (extra.path, extra.is_problem) == ("Archery/holiday.avi", False)
    facts = check_summary(check)
    assert ("Archery", 1, 41) in facts["short_classes"]
    assert len(facts["short_classes"]) == 101
    assert len(check_lines(check)) < 25


def test_a_video_shorter_than_a_clip_is_named_and_no_problem(tmp_path, write_video):
    write_video(tmp_path / "red ball/short.avi", frames=15)
    write_video(tmp_path / "blue ball/enough.avi", frames=16)
    manifest = open_dataset("toys", tmp_path)
    found = finding_of(check_manifest(manifest), "too-short")
    assert (found.path, found.reason, found.is_problem) == (
        "red ball/short.avi",
        "15 frames",
        False,
    )
    assert len(check_manifest(manifest, min_frames=17).findings) == 2
    assert check_manifest(manifest, min_frames=1).findings == ()


def test_copies_are_found_also_under_other_labels_and_beside_the_list(folder, clip):
    clip(folder / "red ball/again.avi", 0)
    clip(folder / "blue ball/wrong.avi", 2)
    clip(folder / "loose.avi", 3)
    os.link(folder / "red ball/v4.avi", folder / "red ball/z-link.avi")
    check = check_manifest(open_dataset("toys", folder))
    copies = {f.path: f.reason for f in check.findings if f.kind == "duplicate"}
    assert copies == {
        "red ball/v0.avi": "same content as red ball/again.avi",
        "red ball/v2.avi": "same content as blue ball/wrong.avi, under different labels "
        "(blue ball, red ball)",
        "red ball/z-link.avi": "same content as red ball/v4.avi",
    }
    assert finding_of(check, "extra").reason.endswith("; same content as blue ball/v3.avi")


def test_only_files_of_equal_size_are_hashed_unless_all_are_asked_for(folder, clip):
    manifest = open_dataset("toys", folder)
    assert all(probe.sha256 is None for probe in check_manifest(manifest).probes.values())
    full = check_manifest(manifest, digest=True)
    assert len({probe.sha256 for probe in full.probes.values()}) == 6
    assert full.probed == 6
    assert full.manifest.videos[0].frames == 75
    assert check_manifest(manifest, digest=True).probed == 0


def test_names_opens_no_file(folder, monkeypatch):
    (folder / "red ball/v2.avi").write_bytes(b"")
    cut(folder / "red ball/v0.avi")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    check = check_manifest(open_dataset("toys", folder), level="names")
    assert kinds(check) == {("empty", "red ball/v2.avi")}
    assert (check.probed, check.cached) == (0, 0)
    assert check_lines(check)[-2].startswith("classes short of videos: 1 (red ball 2 of 3)")


def test_decoding_finds_what_packets_hide(folder, whole_video):
    content = bytearray(whole_video("mpeg4.mp4").read_bytes())
    start = content.index(b"mdat") + 3000
    content[start : start + 9000] = b"\x00\x00\x01\xb6" * 2250
    path = folder / "red ball/v0.avi"
    path.unlink()
    path.with_suffix(".mp4").write_bytes(content)
    check = check_manifest(open_dataset("toys", folder), level="decode")
    assert all(p.decoded is not None for p in check.probes.values() if p.problem is None)
    assert kinds(check) == {("undecodable", "red ball/v0.mp4")}


def segments_of(folder, *times):
    rows = [
        Video(
            id=f"v0@{start}-{end}", label="red ball", path="red ball/v0.avi", group="v0",
            start=start, end=end,
        )
        for start, end in times
    ]  # fmt: skip
    manifest = open_dataset("toys", folder)
    others = [video for video in manifest.videos if video.path != "red ball/v0.avi"]
    return replace(manifest, videos=(*others, *rows))


def test_segments_are_judged_one_by_one(folder):
    check = check_manifest(segments_of(folder, (0.0, 1.0), (2.6, 9.0), (30.0, 40.0)))
    outside, end, short = (
        finding_of(check, kind) for kind in ("segment-outside", "segment-end", "too-short")
    )
    assert (outside.rows, outside.is_problem) == (("v0@30.0-40.0",), True)
    assert (end.rows, end.is_problem) == (("v0@2.6-9.0",), False)
    assert short.reason == "10 frames"
    assert dict(check.manifest.unreadable).keys() == {"v0@30.0-40.0"}
    frames = {video.id: video.frames for video in check.manifest.videos}
    assert (frames["v0@0.0-1.0"], frames["v0@2.6-9.0"]) == (25, 10)
    again = check_manifest(segments_of(folder, (0.0, 1.0), (1.0, 2.0)))
    assert again.probed == 1
    assert check_manifest(segments_of(folder, (30.0, 40.0), (1.0, 2.0))).probed == 0


def test_a_cut_file_whose_segments_are_there_is_no_problem(folder, whole_video):
    path = folder / "red ball/v0.avi"
    content = whole_video("moov-at-front.mp4").read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    check = check_manifest(segments_of(folder, (0.0, 0.8)))
    found = finding_of(check, "count")
    assert not found.is_problem
    assert found.reason.endswith("decode; its segments are there")
    assert check.manifest.unreadable == ()


def test_images_are_read(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "red ball").mkdir(exist_ok=True)
        Image.new("RGB", (30, 20), "red").save(tmp_path / f"red ball/{name}.png")
    (tmp_path / "red ball/b.png").write_text("not found\n" * 9)
    check = check_manifest(open_images("toys", tmp_path))
    probe = check.probes["red ball/a.png"]
    assert (probe.width, probe.height, probe.container) == (30, 20, "png")
    assert finding_of(check, "undecodable").reason == "not an image, but text"
    assert len(check.findings) == 1


def test_a_file_that_ends_its_process_is_one_finding(folder, tmp_path, monkeypatch):
    (tmp_path / "deadly_probe.py").write_text(
        "import os, signal\n"
        "from zsl_bench.indexing.probe import probe_file as sound\n"
        "def probe_file(task):\n"
        "    if task.path.endswith('v3.avi'):\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return sound(task)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import deadly_probe

    monkeypatch.setattr("zsl_bench.indexing.work.probe_file", deadly_probe.probe_file)
    manifest = open_dataset("toys", folder)
    check = check_manifest(manifest)
    found = finding_of(check, "undecodable")
    assert found.path == "blue ball/v3.avi"
    assert found.reason.endswith(f"the process died ({signal.SIGSEGV.name})")
    monkeypatch.undo()


def test_a_file_that_changes_meanwhile_is_read_again(folder, monkeypatch):
    path = folder / "red ball/v0.avi"
    task = ProbeTask(place=path, path="red ball/v0.avi", level="quick")
    original, changes = probing._open_file, [b"more", b"still more"]

    def opened(task, known):
        found = original(task, known)
        if changes:
            path.write_bytes(path.read_bytes() + changes.pop())
        return found

    monkeypatch.setattr(probing, "_open_file", opened)
    found = probe_file(task)
    assert (found.problem, found.frames, found.size) == (None, 75, path.stat().st_size)
    changes[:] = [b"more"] * 9
    assert probe_file(task).problem == "changing"


def test_a_file_that_vanishes_meanwhile_is_unreachable(folder, monkeypatch):
    path = folder / "red ball/v0.avi"
    original = probing._open_file

    def opened(task, known):
        path.unlink()
        return original(task, known)

    monkeypatch.setattr(probing, "_open_file", opened)
    found = probe_file(ProbeTask(place=path, path="red ball/v0.avi", level="quick"))
    assert (found.problem, found.reason) == ("unreachable", "no such file or directory")


def test_things_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "folder.avi").mkdir()
    for name in ("pipe.avi", "folder.avi"):
        found = probe_file(ProbeTask(place=tmp_path / name, path=name, level="quick"))
        assert (found.problem, found.reason) == ("unreachable", "not a regular file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_files_without_permission(folder):
    (folder / "red ball/v0.avi").chmod(0)
    check = check_manifest(open_dataset("toys", folder))
    assert finding_of(check, "unreachable").reason == "no permission to read it"


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_not_utf8(tmp_path, clip):
    root = tmp_path / os.fsdecode(b"clips-\xe9")
    clip(root / "Archery/v_Archery_g01_c01.avi")
    clip(root / "Archery" / os.fsdecode(b"caf\xe9.avi"))
    check = check_manifest(open_dataset("ucf101", root))
    extra = finding_of(check, "extra")
    assert extra.path == "Archery/caf\\xe9.avi"
    assert extra.reason.endswith("same content as Archery/v_Archery_g01_c01.avi")
    assert check.manifest.videos[0].frames == 75
    assert check_manifest(open_dataset("ucf101", root)).probed == 0


def test_an_extra_path_that_leaves_the_root_is_not_opened(folder, tmp_path, clip):
    clip(tmp_path / "secret.avi", 0)
    manifest = replace(open_dataset("toys", folder), extra=("../secret.avi", "/etc/passwd"))
    check = check_manifest(manifest, digest=True)
    assert check.probes.keys() == {video.path for video in manifest.videos}


def test_a_manifest_from_a_file_that_was_mended_since(folder, tmp_path):
    path = folder / "red ball/v0.avi"
    content = path.read_bytes()
    cut(path)
    check_manifest(open_dataset("toys", folder)).manifest.save(tmp_path / "m.json")
    loaded = Manifest.load(tmp_path / "m.json")
    assert len(loaded.unreadable) == 1
    assert len(check_manifest(loaded, level="names").manifest.unreadable) == 1
    path.write_bytes(content)
    assert check_manifest(loaded).manifest.unreadable == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"level": "quik"}, "did you mean 'quick'"), ({"jobs": 0}, "give 1 or more")],
)
def test_wrong_arguments(arguments, message, folder):
    with pytest.raises(ZslBenchError, match=message):
        check_manifest(open_dataset("toys", folder), **arguments)


def test_many_findings_still_fit_on_a_screen(tmp_path, clip):
    for number in range(40):
        for kind, share in (("cut", 0.5), ("whole", 1.0), ("start", 0.001)):
            cut(clip(tmp_path / f"class {number}" / f"{kind}.avi", 7), share)
    (tmp_path / "class 0/zero.avi").write_bytes(b"")
    check = check_manifest(open_dataset("toys", tmp_path))
    lines = check_lines(check)
    assert len(lines) < 25
    facts = check_summary(check)
    assert facts["findings"]["truncated"]["count"] == 80
    assert len(facts["findings"]["truncated"]["examples"]) == 3
    assert facts["files"]["count"] == 121
    assert facts["problems"] == len([f for f in check.findings if f.is_problem])
    assert any(line.startswith("truncated: 80 (class 0/cut.avi: ") for line in lines)
