"""Result files: hash, schema, comparison."""

from __future__ import annotations

import json

import pytest

from zsl_bench.errors import ResultError
from zsl_bench.files import sha256_json
from zsl_bench.results import EvaluationResult, comparable, load_result


def result_of(**identity) -> EvaluationResult:
    return EvaluationResult(
        identity={
            "model": {"name": "my/model", "weights": "1"},
            "classes": {"dataset": "ucf101"},
            "clip_policy": "paper-25",
            "manifest": {"digest": "d", "videos": "all"},
            "protocols": {"full": {"sha256": "f"}},
            **identity,
        },
        zero_shot={"headline": "undeclared (brattoli2020, 0.05)", "rules": []},
        coverage={},
        complete=True,
        scores={},
        environment={"time": "now"},
    )


def test_a_result_survives_its_file(tmp_path):
    result = result_of()
    path = result.save(tmp_path)
    assert path.name == f"my_model--ucf101--{result.sha256[:12]}.json"
    assert load_result(path) == result


def test_time_and_device_do_not_change_the_hash():
    a, b = result_of(), result_of()
    b.environment["time"] = "later"
    assert a.sha256 == b.sha256
    assert result_of(clip_policy="first-16").sha256 != a.sha256


def test_comparable_names_what_differs_and_leaves_the_model_out():
    a = result_of()
    assert comparable(a, result_of(model={"name": "other", "weights": "2"})) == ()
    b = result_of(clip_policy="first-16", manifest={"digest": "e", "videos": "all"}, extra=1)
    assert comparable(a, b) == ("clip_policy", "extra", "manifest.digest")


def test_protocols_are_compared_where_both_have_them():
    half, both = {"half": {"sha256": "h"}}, {"half": {"sha256": "h"}, "full": {"sha256": "f"}}
    assert comparable(result_of(), result_of(protocols=both)) == ()
    assert comparable(result_of(), result_of(protocols=half)) == ("protocols",)
    other = {"full": {"sha256": "g"}}
    assert comparable(result_of(), result_of(protocols=other)) == ("protocols",)


def test_models_with_class_vectors_of_their_own_may_share_a_column_and_stand_ins_may_not():
    for kind in ("the model's own", "given with the features"):
        own = [{"kind": kind, "sha256": digest} for digest in "ab"]
        assert comparable(*(result_of(class_vectors=c) for c in own)) == ()
    others = [{"kind": "word vectors", "sha256": digest} for digest in "ab"]
    assert comparable(*(result_of(class_vectors=c) for c in others)) == ("class_vectors.sha256",)
    words = {"kind": "word vectors", "approximate_words": ["yoyo"]}
    a = result_of(class_vectors=words)
    b = result_of(class_vectors=words, model={"name": "b", "weights": "2"})
    assert comparable(a, a) == ()
    assert comparable(a, b) == ("class_vectors.approximate_words",)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d["identity"].update(clip_policy="official-25"), "do not match"),
        (lambda d: d["scores"].update(full={"mean": {"top1": 0.99}}), "do not match"),
        (lambda d: d.update(complete=False), "do not match"),
        (lambda d: d.pop("sha256"), "do not match"),
        (lambda d: d.update(schema=2), "schema 2"),
        (lambda d: d.pop("coverage"), "coverage"),
        (lambda d: d.update(kind="split"), "no evaluation result"),
        (lambda d: d["scores"].update(full={"mean": {"top1": float("nan")}}), "do not match"),
    ],
)
def test_an_edited_result_is_refused(tmp_path, edit, words):
    path = result_of().save(tmp_path)
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ResultError, match=words):
        load_result(path)


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_no_result_at_all_is_one_line(tmp_path, content):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(ResultError) as caught:
        load_result(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ResultError, match=r"nothing\.json"):
        load_result(tmp_path / "nothing.json")


def test_what_nobody_knows_of_two_files_of_features_is_named_as_unknown():
    features = [
        {
            "model": {"name": name, "weights": f"features-sha256:{digest}", "clip": "given"},
            "clip_policy": "given",
            "decoder": "given",
        }
        for name, digest in (("a", "1"), ("b", "1"), ("c", "2"))
    ]
    a, renamed, other = (result_of(**identity) for identity in features)
    assert comparable(a, renamed) == ()
    assert comparable(a, other) == ("clip_policy (unknown)", "decoder (unknown)")
    assert comparable(a, result_of()) == ("clip_policy", "decoder")


def test_what_one_protocol_alone_needs_does_not_part_two_results():
    source = {"kind": "word vectors", "sha256": "a"}
    beside = {**source, "distractors": {"sha256": "d"}}
    alone, both = result_of(class_vectors=source), result_of(class_vectors=beside)
    assert comparable(alone, both) == ()
    seen = [{"dataset": "kinetics400", "digest": digest} for digest in "de"]
    first, second = (result_of(class_vectors=source, seen_videos=videos) for videos in seen)
    assert comparable(alone, first) == ()
    assert comparable(first, second) == ("seen_videos.digest",)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("arrays", "a.npz", "'arrays' of another type, str"),
        ("arrays", {"sha256": "0"}, "no field 'arrays.file'"),
        ("arrays", {"file": 5, "sha256": "0"}, "'arrays.file' of another type, int"),
        ("identity", "x", "'identity' of another type, str"),
        ("identity.protocols", None, "'identity.protocols' of another type, NoneType"),
        ("identity.protocols", {}, "no protocols"),
        ("identity.protocols.full", "f", "protocol full: no field 'sha256'"),
        ("identity.model", {}, "no field 'identity.model.name'"),
        ("identity.classes.dataset", 5, "'identity.classes.dataset' of another type, int"),
        ("scores", [1], "'scores' of another type, list"),
        ("scores", {"half": {}}, "scores of a protocol that its identity does not name"),
        ("coverage", None, "'coverage' of another type, NoneType"),
        ("class_table", [], "'class_table' of another type, list"),
    ],
)
def test_odd_fields_are_named_though_all_hashes_match(tmp_path, path, value, words):
    data = json.loads(json.dumps(result_of().to_json()))
    *around, last = path.split(".")
    inner = data
    for name in around:
        inner = inner[name]
    inner[last] = value
    data["identity_sha256"] = sha256_json(data["identity"])
    data["sha256"] = sha256_json({k: v for k, v in data.items() if k != "sha256"})
    (tmp_path / "r.json").write_text(json.dumps(data))
    with pytest.raises(ResultError, match=f"{words}; make it again with zsl-bench"):
        load_result(tmp_path / "r.json")


def test_a_folder_and_an_array_file_are_told_what_to_name(tmp_path):
    with pytest.raises(ResultError, match=r"a folder without a \.json file; name a result file"):
        load_result(tmp_path)
    for name in "dbac":
        (tmp_path / f"{name}.json").write_text("{}")
    shown = r"a folder; name one of its \.json files: a\.json, b\.json, c\.json and 1 more"
    with pytest.raises(ResultError, match=shown):
        load_result(tmp_path)
    with pytest.raises(ResultError, match=r"an array file; give the \.json beside it"):
        load_result(tmp_path / "a.npz")
