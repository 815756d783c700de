"""Results read back with their vectors, scored again to the last digit, refused when damaged."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zsl_bench import comparable, load_result
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import load_evidence, reload_result, rescore
from zsl_bench.cli import main
from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.files import sha256_file, sha256_json

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def plain(scores):
    return json.loads(json.dumps(scores))


def assert_close(one, other):
    """Equal but for the last digits of sums, which another processor may round otherwise."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_close(left, right)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    else:
        assert one == other


def test_the_golden_result_is_scored_again_to_the_last_digit():
    (path,) = GOLDEN.glob("*.json")
    stored = load_result(path)
    again = rescore(path)
    assert again.sha256 == stored.sha256
    for name, entry in plain(again.scores).items():
        for exact in ("trials", "mean", "std", "classes", "sha256", "unscorable"):
            assert entry[exact] == stored.scores[name][exact]
    assert_close(plain(again.scores), stored.scores)
    assert set(stored.scores) == {"brattoli-half", "brattoli-full", "truze-v2", "xclip-3splits"}


def test_the_golden_accuracies_are_those_of_a_count_by_hand():
    (path,) = GOLDEN.glob("*.json")
    stored = load_result(path)
    with np.load(path.with_suffix(".npz")) as arrays:
        videos, classes = arrays["video_vectors"], arrays["class_vectors"]
        labels, names = arrays["labels"].tolist(), arrays["classes"].tolist()
    for name in ("brattoli-half", "truze-v2"):
        entry = stored.scores[name]
        for trial, chosen in zip(entry["trials"], entry["classes"], strict=True):
            columns = [names.index(c) for c in chosen]
            right = total = 0
            for video, label in zip(videos.tolist(), labels, strict=True):
                if label not in columns:
                    continue
                best = {}
                for column in columns:
                    point = classes[column].tolist()
                    size = sum(x * x for x in point) ** 0.5
                    best[column] = sum(a * b for a, b in zip(video, point, strict=True)) / size
                total += 1
                right += all(best[label] > best[c] for c in columns if c != label)
            assert trial["num_videos"] == total
            assert trial["top1"] == right / total


def test_other_protocols_can_be_asked_of_a_result(tmp_path, write_results):
    write_results(tmp_path)
    path = tmp_path / "results" / "a.json"
    first = load_result(path)
    again = rescore(path, ["wu-half", "1"], out=tmp_path / "again")
    assert list(again.scores) == ["wu-half", "brattoli-half"]
    assert plain(again.scores["brattoli-half"]) == first.scores["brattoli-half"]
    assert again.verdict == first.verdict
    stored, evidence = load_evidence(tmp_path / "again" / f"{again.stem}.json")
    assert plain(stored.scores) == plain(again.scores)
    assert evidence.matrix.video_ids
    assert comparable(first, again) == ()
    with pytest.raises(ProtocolError, match="did you mean 'wu-half'"):
        rescore(path, ["wu-halb"])


def test_groups_verdicts_and_distances_come_back(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    result = score_features(
        path,
        "ucf101",
        allow_partial=True,
        trained_on=("tp1",),
        pretrained_on=("open",),
        out=tmp_path,
    )
    back = reload_result(tmp_path / f"{result.stem}.json")
    verdicts = [verdict.to_json() for verdict in back.evidence.verdicts]
    assert plain(verdicts) == plain(result.zero_shot["rules"])
    assert [verdict["rule"] for verdict in verdicts][:2] == ["brattoli2020", "exact-name"]
    assert back.evidence.groups[0] == "ApplyEyeMakeup_g01"
    distances = vars(back.evidence.distances)
    distances = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in distances.items()}
    assert plain(distances) == plain(result.zero_shot["distances"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "a.npz").unlink(), "no such file"),
        (lambda folder: (folder / "a.npz").write_bytes(b"PK"), "SHA-256"),
        (lambda folder: _flip(folder / "a.npz"), "SHA-256"),
        (
            lambda folder: _edit(folder / "a.json", lambda d: d.update(arrays=None)),
            "without arrays",
        ),
        (
            lambda folder: _edit(folder / "a.json", lambda d: d["arrays"].update(file="../a.npz")),
            "outside its folder",
        ),
        (
            lambda folder: _edit(
                folder / "a.json", lambda d: d["class_table"]["words"][0].append("x")
            ),
            "another class list",
        ),
        (
            lambda folder: _edit(
                folder / "a.json",
                lambda d: d["identity"]["protocols"]["brattoli-half"].update(sha256="0" * 64),
            ),
            "class lists 000000000000",
        ),
    ],
)
def test_damage_is_told_in_one_line(damage, words, tmp_path, write_results):
    write_results(tmp_path)
    folder = tmp_path / "results"
    stored = json.loads((folder / "a.json").read_text())
    shutil.move(folder / stored["arrays"]["file"], folder / "a.npz")
    _edit(folder / "a.json", lambda d: d["arrays"].update(file="a.npz"))
    assert rescore(folder / "a.json").scores
    damage(folder)
    with pytest.raises(ResultError, match=words):
        rescore(folder / "a.json")


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _edit(path, change):
    """Change a result as somebody would who knows how its hashes are made."""
    data = json.loads(path.read_text())
    change(data)
    data["identity_sha256"] = sha256_json(data["identity"])
    content = {name: value for name, value in data.items() if name != "sha256"}
    path.write_text(json.dumps({**content, "sha256": sha256_json(content)}))


def _with_arrays(folder, change):
    """Change the arrays of a result and make every hash anew."""
    with np.load(folder / "a.npz") as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez(folder / "a.npz", **arrays)
    _with_hash(folder)


def _with_hash(folder):
    digest = sha256_file(folder / "a.npz")
    _edit(folder / "a.json", lambda d: d.update(arrays={"file": "a.npz", "sha256": digest}))


@pytest.fixture
def folder(tmp_path, write_results):
    """A result a.json with the arrays a.npz."""
    write_results(tmp_path)
    folder = tmp_path / "results"
    stored = json.loads((folder / "a.json").read_text())
    shutil.move(folder / stored["arrays"]["file"], folder / "a.npz")
    _with_hash(folder)
    return folder


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("coverage.per_class", {}),
        ("coverage.per_class.Archery", 7),
        ("coverage.per_class.Archery.expected", -1),
        ("zero_shot.rules", []),
        ("zero_shot.rules", [{"rule": "x"}]),
        ("zero_shot.rules.0", "brattoli2020"),
        ("zero_shot.rules.0.finding", "clean"),
        ("zero_shot.rules.0.threshold", "low"),
        ("zero_shot.rules.0.seen", [{"name": ["Archery"]}]),
        ("zero_shot.rules.0.silent", "open"),
        ("zero_shot.distances", {"nearest": [1]}),
        ("zero_shot.distances.nearest", [0.5]),
        ("zero_shot.distances.classes", ["Archery"]),
        ("zero_shot.declared_distractors", "abc"),
        ("identity.manifest", {}),
        ("identity.manifest.videos", 5),
        ("identity.class_vectors", None),
        ("identity.classes.rules", None),
        ("class_table", {"words": 1, "labels": [], "source": ""}),
    ],
)
def test_odd_fields_of_a_result_with_true_hashes_are_one_line(folder, path, value):
    *around, last = (int(part) if part.isdecimal() else part for part in path.split("."))

    def change(data):
        for name in around:
            data = data[name]
        data[last] = value

    _edit(folder / "a.json", change)
    with pytest.raises(ResultError, match="make it again with zsl-bench") as caught:
        rescore(folder / "a.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("labels", lambda a: a - 50),
        ("labels", lambda a: a + 60),
        ("labels", lambda a: a.astype(float)),
        ("labels", lambda a: a[:, None]),
        ("video_ids", lambda a: np.arange(len(a))),
        ("video_ids", lambda a: np.repeat(a[:1], len(a))),
        ("groups", lambda a: a[:3]),
        ("classes", lambda a: np.repeat(a[:1], len(a))),
        ("classes", lambda a: a[::-1]),
        ("distractors", lambda _: np.array(["mine/one"])),
        ("video_vectors", lambda a: a[0]),
        ("video_vectors", lambda a: a[:, :-1]),
        ("video_vectors", lambda a: a[:-1]),
        ("video_vectors", lambda a: a * np.nan),
        ("video_vectors", lambda a: a.astype(str)),
        ("class_vectors", lambda a: a[:-1]),
        ("class_vectors", lambda a: a * np.inf),
    ],
)
def test_odd_arrays_with_true_hashes_are_one_line(folder, name, change):
    _with_arrays(folder, lambda arrays: arrays.update({name: change(arrays[name])}))
    with pytest.raises(ResultError, match="make it again with zsl-bench") as caught:
        load_evidence(folder / "a.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["video_ids", "labels", "classes", "class_vectors"])
def test_an_absent_array_is_named(folder, name):
    _with_arrays(folder, lambda arrays: arrays.pop(name))
    with pytest.raises(ResultError, match=f"no array '{name}'"):
        load_evidence(folder / "a.json")


def _huge(path):
    """Say in the header that an array is larger than any memory."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    odd = members["labels.npy"]
    at = odd.index(b"(")
    end = odd.index(b")") + 1
    shape = b"(%d,)" % 10**15
    header = odd[:at] + shape + odd[end:]
    cut = len(shape) - (end - at)
    newline = header.index(b"\n")
    members["labels.npy"] = header[: newline - cut] + header[newline:]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _deflated(path):
    """Compress the arrays and damage what is compressed."""
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez_compressed(path, **arrays)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("video_ids.npy").header_offset + 60
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)


def _one_array(path):
    np.save(path.with_suffix(".npy"), np.ones(3))
    path.with_suffix(".npy").rename(path)


@pytest.mark.parametrize(
    "damage",
    [
        _huge,
        _deflated,
        _one_array,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
        lambda path: path.write_bytes(b"\x80\x04K\x01."),
    ],
    ids=["huge", "deflated", "one array", "empty", "cut", "pickle"],
)
def test_damaged_arrays_with_a_true_hash_are_one_line(folder, damage):
    damage(folder / "a.npz")
    _with_hash(folder)
    with pytest.raises(ResultError, match=r"arrays of .*; make it again") as caught:
        load_evidence(folder / "a.json")
    assert "\n" not in str(caught.value)


def test_clip_vectors_are_read_when_they_are_asked_for(folder):
    counts = np.ones(333, dtype=np.int64)

    def add(arrays):
        arrays["clip_vectors"] = arrays["video_vectors"]
        arrays["clip_weights"], arrays["clip_counts"] = counts, counts

    _with_arrays(folder, add)
    back = reload_result(folder / "a.json")
    assert back.clips.vectors.shape == (333, 24)
    assert np.array_equal(back.clips.vectors.stacked(), back.video_vectors)
    load = np.lib.npyio.NpzFile.__getitem__
    read = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            np.lib.npyio.NpzFile,
            "__getitem__",
            lambda arrays, name: read.append(name) or load(arrays, name),
        )
        back = reload_result(folder / "a.json")
        assert "video_vectors" in read
        assert "clip_vectors" not in read
        back.clips.vectors.stacked()
        assert read[-1] == "clip_vectors"
    (folder / "a.npz").unlink()
    with pytest.raises(ResultError, match="no such file"):
        back.clips.vectors.stacked()


def test_clips_that_do_not_add_up_are_refused(folder):
    def add(arrays):
        arrays["clip_vectors"] = arrays["video_vectors"]
        arrays["clip_weights"] = arrays["clip_counts"] = np.full(333, 2)

    _with_arrays(folder, add)
    with pytest.raises(ResultError, match=r"clip_vectors of shape \(333, 24\) for 666 clips"):
        reload_result(folder / "a.json")


def test_a_result_of_before_still_reads_and_is_scored_under_the_protocols_of_today():
    """Written by the last version before protocol definitions were hashed with their videos."""
    (path,) = (GOLDEN.parent / "old").glob("*.json")
    old = load_result(path)
    assert old.class_table is None
    assert "rule" not in old.zero_shot["rules"][0]
    assert comparable(old, old) == ()
    _, evidence = load_evidence(path)
    assert evidence.verdicts[0].rule == "brattoli2020"
    assert evidence.groups == evidence.matrix.video_ids
    with pytest.raises(ResultError, match=r"protocol brattoli-half .* class lists 452a35c0b9f5"):
        rescore(path)
    again = rescore(path, ["2"])
    assert again.scores["brattoli-full"]["mean"]["top1"] == 0.75
    assert old.scores["brattoli-full"]["mean"]["top1"] == 0.75
    assert comparable(old, again) == ("protocols",)


def test_a_result_of_before_is_scored_and_printed_from_the_command_line(tmp_path):
    (path,) = (GOLDEN.parent / "old").glob("*.json")
    command = ["score", str(path), "--protocol", "2", "--out"]
    done = CliRunner().invoke(main, [*command, str(tmp_path)])
    assert done.exit_code in (0, 3), done.output
    assert "brattoli-full v1" in done.output
    (made,) = tmp_path.glob("*.json")
    zero_shot = load_result(made).zero_shot
    assert zero_shot["rules"][0]["rule"] == "brattoli2020"
    assert zero_shot["declared_by_user"] == []
    again = CliRunner().invoke(main, [*command[:1], str(made), "--out", str(tmp_path / "again")])
    assert again.exit_code in (0, 3), again.output
    assert (tmp_path / "again" / made.name).is_file()
