"""Results read back with their vectors, scored again to the last digit, refused when damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from zsl_bench import comparable, load_result
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import load_evidence, reload_result, rescore
from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.files import sha256_json

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
    assert [v.to_json() for v in back.evidence.verdicts] == plain(result.zero_shot["rules"]) or (
        plain([v.to_json() for v in back.evidence.verdicts]) == plain(result.zero_shot["rules"])
    )
    assert back.evidence.groups[0] == "ApplyEyeMakeup_g01"
    assert back.evidence.distances.nearest.tolist() == result.zero_shot["distances"]["nearest"]


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


def test_results_of_before_this_version_still_read(tmp_path, write_results):
    write_results(tmp_path)
    path = tmp_path / "results" / "a.json"

    def forget(data):
        for name in ("declared_distractors", "distances", "shared_videos", "declared_by_user"):
            del data["zero_shot"][name]
        for rule in data["zero_shot"]["rules"]:
            for name in ("rule", "unjudged", "note"):
                del rule[name]
        data["zero_shot"]["rules"] = data["zero_shot"]["rules"][:1]
        del data["class_table"]

    _edit(path, forget)
    old = load_result(path)
    assert old.class_table is None
    _, evidence = load_evidence(path)
    assert evidence.verdicts[0].rule == "brattoli2020"
    assert rescore(path).scores["brattoli-full"]["mean"] == old.scores["brattoli-full"]["mean"]
