from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.baselines.methods.infdem import InfDem
from zsl_bench.baselines.methods.infdem_gate import (
    RULES,
    auroc,
    crossed_novelty,
    measured_limits,
    measured_thresholds,
    novelty_of,
)
from zsl_bench.baselines.methods.infdem_network import GateConfig, Passes
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.ridge import Ridge
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import DatasetError, ModelError
from zsl_bench.protocols.generalised import score_generalised
from zsl_bench.scoring import ScoreMatrix

SMALL = {"epochs": 20, "passes": 30, "units": 64, "base_settings": {"regulariser": 1.0}}


@pytest.fixture(scope="module")
def world():
    """Return seen, held-out seen and unseen (clips, lengths, labels), seen and unseen vectors."""
    generator = np.random.default_rng(0)
    shown, written = (generator.normal(size=(2, 5, size)) for size in (80, 40))
    pairs = np.array([(v, o) for v in range(5) for o in range(5)])
    unseen = pairs.sum(axis=1) % 5 == 0

    def videos(chosen, per):
        labels = np.repeat(np.arange(len(chosen)), per)
        centres = (shown[0][chosen[:, 0]] + shown[1][chosen[:, 1]])[labels]
        return centres[:, None] + generator.normal(size=(len(labels), 2, 80)), labels

    sides = []
    for chosen, per in ((pairs[~unseen], 60), (pairs[~unseen], 6), (pairs[unseen], 20)):
        clips, labels = videos(chosen, per)
        sides.append((clips, np.full(len(labels), 2), labels))
    words = written[0][pairs[:, 0]] + written[1][pairs[:, 1]]
    return (*sides, words[~unseen], words[unseen])


@pytest.fixture(scope="module")
def fitted(world):
    return InfDem().fit(*world[0], world[3], config=SMALL)


def _passes(seed, videos=40, classes=6):
    generator = np.random.default_rng(seed)
    mean = generator.dirichlet(np.ones(classes), size=videos)
    return Passes(
        mean=mean,
        variance=generator.random((videos, classes)),
        plain=generator.dirichlet(np.ones(classes), size=videos),
    )


def test_votes_equal_a_loop():
    passes = _passes(0)
    limits = np.random.default_rng(1).random((6, 6))
    councils = np.random.default_rng(2).random((6, 6)) < 0.5
    np.fill_diagonal(councils, val=True)
    novelty = novelty_of(passes, limits, councils)
    for n in range(40):
        leader = int(np.argmax(passes.mean[n]))
        votes = [int(passes.variance[n, c] > limits[leader, c]) for c in range(6)]
        asked = [votes[c] for c in range(6) if councils[leader, c]]
        assert novelty["dictator"][n] == votes[leader]
        assert novelty["uninformed"][n] == pytest.approx(sum(votes) / 6)
        assert novelty["informed"][n] == pytest.approx(sum(asked) / len(asked))
        assert novelty["max-softmax"][n] == pytest.approx(1 - max(passes.plain[n]))


def test_limits_and_councils_equal_a_loop():
    passes, config = _passes(3, videos=200), GateConfig(least=10, percentile=80.0)
    leaders = passes.mean.argmax(axis=1)
    labels = np.where(np.arange(200) % 4 > 0, leaders, (leaders + 1) % 6)
    labels[leaders == 5] = 0
    limits, councils = measured_limits(passes, labels, config)
    for leader in range(6):
        rows = [n for n in range(200) if leaders[n] == labels[n] == leader]
        assert (len(rows) >= 10) == (leader < 5)
        for c in range(6):
            led = [n for n in range(200) if leaders[n] == labels[n]]
            if leader == 5 and c == 5:
                values = [passes.variance[n, leaders[n]] for n in led]
            elif leader == 5:
                values = [passes.variance[n, c] for n in led if leaders[n] != c]
            else:
                values = [passes.variance[n, c] for n in rows]
            assert limits[leader, c] == sorted(values)[int(np.ceil(0.8 * (len(values) - 1)))]
        assert councils[leader, leader]
        assert councils[leader].sum() in {3, 4}
        if leader < 5:
            spread = passes.variance[rows].std(axis=0)
            expected = {*np.argsort(spread)[:3].tolist(), leader}
            assert set(np.flatnonzero(councils[leader]).tolist()) == expected


def test_a_held_out_video_does_not_judge_itself():
    passes, config = _passes(4), GateConfig(folds=40, least=1000)
    labels = passes.mean.argmax(axis=1)
    novelty = crossed_novelty(passes, labels, config, seed=0)
    for n in (0, 11, 39):
        others = np.arange(40) != n
        limits = measured_limits(passes.take(others), labels[others], config)
        alone = novelty_of(passes.take(~others), *limits)
        assert all(novelty[rule][n] == alone[rule][0] for rule in RULES)


def test_no_dropout_means_no_variance_and_no_votes(world):
    fitted = InfDem().fit(*world[0], world[3], config={**SMALL, "dropout": 0.0, "epochs": 2})
    videos = ClipFeatures.of(*world[2][:2])
    passes = fitted.gate.classifier.passes(videos)
    assert not passes.variance.any()
    assert np.allclose(passes.mean, passes.plain)
    novelty = fitted.gate.judged(videos).novelty
    assert not any(novelty[rule].any() for rule in ("informed", "uninformed", "dictator"))


def test_mean_and_variance_of_the_passes_are_those_of_numpy(fitted, world):
    classifier = fitted.gate.classifier
    videos = ClipFeatures.of(world[2][0][:5], world[2][1][:5])
    layers = {name: value.astype(np.float64) for name, value in classifier.layers.items()}
    rows = classifier.centring.rows(videos) * np.sqrt(80)
    hidden = np.maximum(rows @ layers["first"] + layers["first_bias"], 0)
    shares = []
    for kept in classifier.masks:
        raised = np.exp(hidden * kept * 2 @ layers["second"] + layers["second_bias"])
        shares.append(raised / raised.sum(axis=1, keepdims=True))
    passes = classifier.passes(videos)
    assert np.allclose(passes.mean, np.mean(shares, axis=0))
    assert np.allclose(passes.variance, np.var(shares, axis=0))


def test_the_gate_parts_seen_from_unseen(fitted, world):
    sides = [ClipFeatures.of(*side[:2]) for side in world[1:3]]
    quality = {one.rule: one for one in fitted.gate.quality(*sides)}
    assert tuple(quality) == RULES
    assert all(quality[rule].auroc > 0.85 for rule in ("informed", "uninformed", "max-softmax"))
    assert quality["dictator"].auroc > 0.6
    assert all(one.false_alarms < 0.2 for one in quality.values())
    assert quality["max-softmax"].caught > 0.5


def test_the_dictator_can_call_a_video_new_whatever_its_share_of_votes():
    votes = {rule: np.repeat([0.0, 1.0], [80, 20]) for rule in RULES}
    thresholds = measured_thresholds(votes, 0.05)
    assert thresholds == {
        "informed": 1.0,
        "uninformed": 1.0,
        "dictator": 0.0,
        "max-softmax": 1.0,
    }
    values = np.random.default_rng(0).random(400)
    spread = measured_thresholds(dict.fromkeys(RULES, values), 0.05)
    assert (values > spread["informed"]).mean() <= 0.05 <= (values >= spread["informed"]).mean()


def test_a_file_names_no_code_behind_the_gate(fitted):
    for base in ("py:zsl_bench.baselines.methods.ridge:Ridge", "py:antigravity:x", "nothing"):
        with pytest.raises(ModelError, match="a file names no code to run"):
            InfDem().restored(fitted.arrays(), {**fitted.settings(), "base": base})


def test_auroc_equals_a_double_loop():
    generator = np.random.default_rng(0)
    seen, unseen = generator.integers(0, 5, 30) / 4.0, generator.integers(1, 6, 20) / 4.0
    wins = [(u > s) + 0.5 * (u == s) for u in unseen for s in seen]
    assert auroc(seen, unseen) == pytest.approx(np.mean(wins))
    with pytest.raises(DatasetError, match="one kind of video only"):
        auroc(seen, unseen[:0])


def test_the_winner_is_of_the_side_that_the_gate_chose(fitted, world):
    clips, lengths, _ = (np.concatenate(parts) for parts in zip(*world[1:3], strict=True))
    seen, unseen = world[3], world[4]
    videos = ClipFeatures.of(clips, lengths)
    judged = fitted.gate.judged(videos)
    plain = fitted.base.score(clips, lengths, unseen)
    for rule in RULES:
        scores = fitted.voting(rule).score(clips, lengths, np.concatenate([unseen, seen]))
        new = judged.novelty[rule] > fitted.gate.thresholds[rule] + 1e-6
        winner = scores.argmax(axis=1)
        expected = np.where(
            new, plain.argmax(axis=1), len(unseen) + judged.probabilities.argmax(axis=1)
        )
        assert np.array_equal(winner, expected)


def test_without_seen_candidates_the_gate_changes_no_rank(fitted, world):
    clips, lengths, _ = world[2]
    base = Ridge().fit(*world[0], world[3], config={"regulariser": 1.0})
    gated, plain = (one.score(clips, lengths, world[4]) for one in (fitted, base))
    assert np.array_equal(np.argsort(gated, axis=1), np.argsort(plain, axis=1))
    only_seen = fitted.score(clips, lengths, world[3])
    probabilities = fitted.gate.judged(ClipFeatures.of(clips, lengths)).probabilities
    assert np.array_equal(only_seen.argmax(axis=1), probabilities.argmax(axis=1))


def test_generalised_scores_know_the_gate_and_its_threshold(fitted, world):
    candidates = np.concatenate([world[4], world[3]])
    names = tuple(f"class {number}" for number in range(len(candidates)))

    def matrix(model, side, start):
        clips, lengths, labels = side
        return ScoreMatrix(
            classes=names,
            video_ids=tuple(map(str, range(len(labels)))),
            labels=labels + start,
            scores=model.score(clips, lengths, candidates),
        )

    def scored(model):
        seen, unseen = matrix(model, world[1], 5), matrix(model, world[2], 0)
        return score_generalised(unseen, seen, num_test_classes=5)

    gated = scored(fitted.voting("max-softmax"))
    assert gated.seen_accuracy > 0.8
    assert gated.harmonic_mean > 0.5
    # The lowest offset calls nothing new, the highest everything.
    assert gated.curve[0][2] == gated.curve[-1][1] == 0.0
    assert gated.curve[-1][2] > 0.9


def test_test_videos_set_no_threshold(fitted, world):
    again = InfDem().fit(*world[0], world[3], config=SMALL)
    before = dict(again.gate.thresholds)
    again.score(*world[2][:2], world[4])
    assert again.gate.thresholds == before == fitted.gate.thresholds
    assert np.array_equal(again.gate.limits, fitted.gate.limits)


def test_a_video_is_judged_alike_in_any_company(fitted, world):
    clips, lengths, _ = world[2]
    candidates = np.concatenate([world[4], world[3]])
    whole = fitted.score(clips, lengths, candidates)
    order = np.random.default_rng(0).permutation(len(clips))
    assert np.allclose(fitted.score(clips[order], lengths[order], candidates), whole[order])
    assert np.allclose(fitted.score(clips[:1], lengths[:1], candidates), whole[:1])


def test_saved_gates_score_alike_before_any_method(fitted, world, tmp_path):
    candidates = np.concatenate([world[4], world[3]])
    restored = load_fitted(save_method(fitted, tmp_path / "gate"))
    clips, lengths, _ = world[2]
    expected = fitted.score(clips, lengths, candidates)
    assert np.array_equal(restored.score(clips, lengths, candidates), expected)
    other = Ridge().fit(*world[0], world[3]).adapt(clips, lengths, world[4])
    adapted = fitted.behind(other)
    assert adapted.spec.transductive
    assert adapted.spec.title.endswith("before rr+st")
    kept = load_fitted(save_method(adapted, tmp_path / "adapted"))
    assert kept.spec == adapted.spec
    assert np.allclose(
        kept.score(clips, lengths, candidates), adapted.score(clips, lengths, candidates)
    )


def test_classes_of_one_video_are_measured_on_what_was_learned():
    clips = np.random.default_rng(0).normal(size=(4, 2, 8))
    vectors = np.random.default_rng(1).normal(size=(4, 5))
    fitted = InfDem().fit(clips, np.full(4, 2), np.arange(4), vectors, config=SMALL)
    assert fitted.score(clips, np.full(4, 2), unit_class_vectors(vectors)).shape == (4, 4)
    assert fitted.spec.generalised_only


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ({"rule": "informd"}, r"setting rule of .*'informd'; did you mean 'informed'"),
        ({"rule": 3}, "setting rule of method infdem-gate: 3; give a word"),
        ({"false_alarms": 2.0}, "setting false_alarms .* give a number from 0 to 1"),
        ({"least": 0}, "setting least .* give a whole number from 1"),
        ({"dropout": 1.0}, "setting dropout .* 1.0"),
        ({"passes": 0}, "setting passes .* 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(broken, found):
    with pytest.raises(ModelError, match=found):
        InfDem().configured(broken)


def test_no_gate_stands_before_a_gate(world):
    with pytest.raises(ModelError, match="put a zero-shot method behind the gate"):
        InfDem().fit(*world[0], world[3], config={"base": "infdem-gate"})
