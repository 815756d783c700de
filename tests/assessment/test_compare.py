"""Two results compared on the same videos, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zsl_bench.assessment.compare import (
    compare_evidence,
    named_protocols,
    same_videos,
    shared_protocols,
    word_rule_notes,
)
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import load_evidence
from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.scoring import ScoreMatrix


@pytest.fixture(scope="module")
def pair(tmp_path_factory, write_results):
    """Two results with their evidence, a the better model."""
    folder = tmp_path_factory.mktemp("compare")
    write_results(folder)
    return tuple(load_evidence(folder / "results" / f"{name}.json") for name in "ab")


def part(evidence, rows):
    matrix = evidence.matrix
    return replace(
        evidence,
        matrix=ScoreMatrix(
            classes=matrix.classes,
            video_ids=tuple(matrix.video_ids[i] for i in rows),
            labels=matrix.labels[rows],
            scores=matrix.scores[rows],
        ),
        groups=tuple(evidence.groups[i] for i in rows),
    )


def by_hand(evidence, protocol):
    """Top-1 over videos, mean per class and top-5 by loops over trials, videos and classes."""
    matrix, found = evidence.matrix, []
    for trial in protocol.trials:
        columns = [matrix.classes.index(name) for name in trial.classes]
        right = {1: {}, 5: {}}
        for row, label in enumerate(matrix.labels):
            if label not in columns:
                continue
            scores = matrix.scores[row]
            rivals = sum(scores[c] >= scores[label] for c in columns if c != label)
            for k, hits in right.items():
                hits.setdefault(label, []).append(rivals < k)
        micro = {k: np.mean(np.concatenate(list(hits.values()))) for k, hits in right.items()}
        found.append((micro[1], np.mean([np.mean(v) for v in right[1].values()]), micro[5]))
    return np.mean(found, axis=0)


def test_accuracies_are_those_of_plain_loops(pair):
    a, b = same_videos(pair[0][1], pair[1][1])
    protocols, notes = shared_protocols(*pair)
    assert notes == ()
    assert [p.id for p in protocols] == ["brattoli-half", "brattoli-full"]
    for protocol, compared in zip(protocols, compare_evidence(a, b, protocols), strict=True):
        figures = [compared.figures[name] for name in ("top1", "mean_per_class", "top5")]
        assert [f.a for f in figures] == pytest.approx(list(by_hand(a, protocol)))
        assert [f.b for f in figures] == pytest.approx(list(by_hand(b, protocol)))
        assert compared.num_videos == len(a.groups)


def test_accuracies_are_those_of_the_result_files(pair):
    a, b = same_videos(pair[0][1], pair[1][1])
    for compared in compare_evidence(a, b, shared_protocols(*pair)[0]):
        for name, figure in compared.figures.items():
            stored = [result.scores[compared.protocol]["mean"][name] for result, _ in pair]
            assert [figure.a, figure.b] == pytest.approx(stored, abs=1e-12)


def test_order_of_rows_does_not_matter(pair):
    a, b = pair[0][1], pair[1][1]
    order = np.random.default_rng(0).permutation(len(b.groups))
    protocols = named_protocols(a, b, ["truze-v2"])
    one = compare_evidence(*same_videos(a, b), protocols)
    two = compare_evidence(*same_videos(a, part(b, order)), protocols)
    assert one == two


def test_the_largest_difference_comes_first_and_json_tells_classes_once(pair):
    a, b = same_videos(pair[0][1], pair[1][1])
    (compared,) = compare_evidence(a, b, named_protocols(a, b, ["2"]))
    sizes = [abs(entry.difference) for entry in compared.per_class]
    assert sizes == sorted(sizes, reverse=True)
    told = compared.to_json()
    assert len(told["per_class"]) == 101
    assert not any("per_class" in figure for figure in told["figures"].values())
    assert told["figures"]["top1"]["wins"] == sum(e["difference"] > 0 for e in told["per_class"])


def test_other_videos_are_refused_or_narrowed(pair):
    a, b = pair[0][1], pair[1][1]
    fewer = part(b, np.arange(20, len(b.groups)))
    with pytest.raises(ResultError, match="20 videos only in the first and 0 only in the second"):
        same_videos(a, fewer)
    left, right = same_videos(a, fewer, common=True)
    assert left.matrix.video_ids == right.matrix.video_ids == fewer.matrix.video_ids
    with pytest.raises(ResultError, match="no video in both"):
        same_videos(part(a, np.arange(20)), fewer, common=True)


def test_labels_sources_and_classes_must_agree(pair):
    a, b = pair[0][1], pair[1][1]
    matrix = b.matrix
    turned = replace(b, matrix=replace(matrix, labels=(matrix.labels + 1) % 101))
    with pytest.raises(ResultError, match="under two labels"):
        same_videos(a, turned)
    with pytest.raises(ResultError, match="cut from other sources"):
        same_videos(a, replace(b, groups=tuple("x" + group for group in b.groups)))
    fewer = replace(b.classes, names=b.classes.names[::-1])
    with pytest.raises(ResultError, match="different class lists"):
        same_videos(a, replace(b, classes=fewer))


def test_a_result_without_sources_takes_those_of_the_other(pair):
    a, b = pair[0][1], pair[1][1]
    bare = replace(b, groups=b.matrix.video_ids)
    for left, right in (same_videos(a, bare), same_videos(bare, a)):
        assert left.groups == right.groups == a.groups


def test_a_protocol_of_one_result_is_scored_for_both(pair, tmp_path, write_features):
    path = write_features(tmp_path / "c.npz", noise=2.0)
    stored = score_features(
        path,
        "ucf101",
        protocols=("wu-half",),
        out=tmp_path,
        allow_partial=True,
        trained_on=("none",),
        pretrained_on=("none",),
    )
    third = load_evidence(tmp_path / f"{stored.stem}.json")
    protocols, notes = shared_protocols(pair[0], third)
    assert [p.id for p in protocols] == ["brattoli-half", "brattoli-full", "wu-half"]
    assert notes == ()


def test_a_custom_protocol_of_one_result_is_left_out(pair, tmp_path, write_features):
    path = write_features(tmp_path / "c.npz", noise=2.0)
    options = {"trained_on": ("none",), "pretrained_on": ("none",), "out": tmp_path}
    stored = score_features(path, "ucf101", restrict_to_present=True, **options)
    custom = load_evidence(Path(tmp_path) / f"{stored.stem}.json")
    protocols, notes = shared_protocols(pair[0], custom)
    assert "custom" not in [p.id for p in protocols]
    assert notes == ("custom left out: only one result is scored under it",)
    with pytest.raises(ProtocolError, match="no protocol that both can be scored under"):
        shared_protocols((replace(pair[0][0], scores={}), pair[0][1]), custom)


def test_protocols_that_cannot_be_compared(pair):
    a, b = pair[0][1], pair[1][1]
    with pytest.raises(ProtocolError, match="did you mean 'wu-half'"):
        named_protocols(a, b, ["wu-halb"])
    told = replace(a, declared_distractors=("kinetics400/abseiling",))
    other = replace(b, declared_distractors=("kinetics400/yoga",))
    with pytest.raises(ProtocolError, match="other candidates for each model"):
        named_protocols(told, other, ["open-label"])
    with pytest.raises(ProtocolError, match="harmonic mean is no average over the same videos"):
        named_protocols(told, replace(b, declared_distractors=told.declared_distractors), ["gzsl"])


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("gzsl", "it needs held-out videos of training classes"),
        ("open-label", "its candidates hang on what each model declares"),
        ("open", "its candidates hang on what each model declares"),
    ],
)
@pytest.mark.parametrize("declared", [(None, None), (None, ()), ((), None)])
def test_what_only_a_run_can_give_is_named_as_the_reason(pair, reference, reason, declared):
    a, b = (
        replace(evidence, declared_distractors=names)
        for (_, evidence), names in zip(pair, declared, strict=True)
    )
    with pytest.raises(ProtocolError, match=reason) as caught:
        named_protocols(a, b, [reference])
    assert "--trained-on" not in str(caught.value)


def test_videos_known_by_their_labels_alone_serve_no_list(pair):
    a, b = pair[0][1], pair[1][1]
    with pytest.raises(ProtocolError):
        named_protocols(a, replace(b, named_videos=False), ["xclip-3splits"])


def test_open_label_of_one_result_alone_is_left_out_for_the_true_reason(tmp_path, write_open_label):
    ours, theirs = (load_evidence(path) for path in write_open_label(tmp_path))
    protocols, notes = shared_protocols(ours, theirs)
    assert [p.id for p in protocols] == ["brattoli-full"]
    (note,) = notes
    assert note.startswith("open-label left out: its candidates hang on what each model declares")


@pytest.fixture
def write_open_label(write_features):
    """Return a function that writes two results, the first under open-label as well."""

    def write(folder):
        for name, noise in (("a", 1.0), ("b", 1.6)):
            path = write_features(folder / f"{name}.npz", noise=noise)
            stored = score_features(
                path,
                "ucf101",
                protocols=("brattoli-full", *(("open-label",) if name == "a" else ())),
                name=name,
                out=folder,
                allow_partial=True,
                trained_on=("none",),
                pretrained_on=("none",),
            )
            yield folder / f"{stored.stem}.json"

    return write


def test_a_recipe_under_other_word_rules_is_compared_and_the_ids_are_told(tmp_path, write_features):
    path = write_features(tmp_path / "c.npz", noise=2.0)
    options = {"trained_on": ("none",), "pretrained_on": ("none",), "out": tmp_path}
    results = [
        score_features(
            path, "ucf101", protocols=("half",), words=words, allow_partial=True, **options
        )
        for words in ("brattoli2020", "plain")
    ]
    a, b = (load_evidence(tmp_path / f"{stored.stem}.json") for stored in results)
    ids = [next(iter(result.scores)) for result, _ in (a, b)]
    assert ids[0] != ids[1]
    protocols, notes = shared_protocols(a, b)
    assert ([p.id for p in protocols], notes) == (ids[:1], ())
    assert [p.id for p in named_protocols(a[1], b[1], ["half"])] == ids[:1]
    (note,) = word_rule_notes(a[1], b[1], protocols)
    assert note.startswith(f"{ids[0]} ends in {ids[1].partition('@')[2]} for B: the word rules ")
    assert "differ (brattoli2020 and plain)" in note
    (compared,) = compare_evidence(*same_videos(a[1], b[1]), protocols)
    assert compared.figures["top1"].identical
    assert word_rule_notes(a[1], a[1], protocols) == ()
    assert word_rule_notes(a[1], b[1], named_protocols(a[1], b[1], ["brattoli-half"])) == ()


def test_a_recipe_over_other_classes_is_not_compared(pair):
    a, b = pair
    (half,) = named_protocols(a[1], a[1], ["half"])
    renamed = replace(b[1].classes, names=("Arch", *b[1].classes.names[1:]))
    with pytest.raises(ProtocolError, match="other classes or videos in each result"):
        named_protocols(a[1], replace(b[1], classes=renamed), ["half"])
    assert half.drawn_size == 50


def test_classes_without_a_difference_are_not_among_the_largest(pair):
    a, b = same_videos(pair[0][1], pair[1][1])
    (compared,) = compare_evidence(a, b, named_protocols(a, b, ["2"]))
    figure = compared.figures["top1"]
    assert figure.ties > 0
    shown = compared.largest(101)
    assert len(shown) == figure.wins + figure.losses
    assert all(entry.difference != 0.0 for entry in shown)
    assert compared.largest(2) == compared.per_class[:2]


def test_no_video_under_a_protocol(pair):
    a, b = pair[0][1], pair[1][1]
    (protocol,) = named_protocols(a, b, ["truze-v2"])
    held = {a.matrix.classes.index(name) for name in protocol.trials[0].classes}
    none = np.array([i for i, label in enumerate(a.matrix.labels.tolist()) if label not in held])
    left, right = same_videos(part(a, none), part(b, none))
    with pytest.raises(ProtocolError, match="no video of its classes"):
        compare_evidence(left, right, [protocol])
