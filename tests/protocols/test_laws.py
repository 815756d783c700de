"""Laws that every score obeys, whatever the matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.protocols import Protocol, Trial, rank_trials, score_protocol
from zsl_bench.scoring import ScoreMatrix


@st.composite
def cases(draw) -> tuple[ScoreMatrix, Protocol]:
    """A small matrix with many ties, and two trials over some of its classes."""
    num_classes = draw(st.integers(2, 7))
    num_videos = draw(st.integers(1, 12))
    names = tuple(f"c{i}" for i in range(num_classes))
    labels = draw(
        st.lists(st.integers(0, num_classes - 1), min_size=num_videos, max_size=num_videos)
    )
    row = st.lists(st.integers(-2, 2), min_size=num_classes, max_size=num_classes)
    scores = draw(st.lists(row, min_size=num_videos, max_size=num_videos))
    subset = st.lists(st.sampled_from(names), min_size=1, unique=True)
    trials = []
    for chosen in draw(st.lists(subset, min_size=2, max_size=2)):
        cut = draw(st.integers(1, len(chosen)))
        trials.append(Trial(classes=tuple(chosen[:cut]), distractors=tuple(chosen[cut:])))
    matrix = ScoreMatrix(
        classes=names,
        video_ids=tuple(f"v{i}" for i in range(num_videos)),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )
    return matrix, protocol_of(*trials)


def protocol_of(*trials: Trial) -> Protocol:
    return Protocol(
        id="law", version=1, dataset="any", trials=trials, title="t", metric="top1",
        averaging="mean", source="s",
    )  # fmt: skip


def figures(matrix: ScoreMatrix, protocol: Protocol) -> list[object]:
    scored = score_protocol(matrix, protocol)
    return [
        scored.unscorable,
        *((t.top1, t.top5, t.num_videos, t.mean_per_class) for t in scored.trials),
    ]


@settings(max_examples=150, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_permuting_videos_and_classes_changes_nothing(case, random):
    matrix, protocol = case
    rows = random.sample(range(len(matrix.video_ids)), len(matrix.video_ids))
    columns = random.sample(range(len(matrix.classes)), len(matrix.classes))
    place = np.argsort(columns)
    permuted = ScoreMatrix(
        classes=tuple(matrix.classes[i] for i in columns),
        video_ids=tuple(matrix.video_ids[i] for i in rows),
        labels=place[matrix.labels[rows]],
        scores=matrix.scores[np.ix_(rows, columns)],
    )
    turned = protocol_of(
        *(
            Trial(
                classes=tuple(random.sample(t.classes, len(t.classes))),
                distractors=tuple(random.sample(t.distractors, len(t.distractors))),
            )
            for t in protocol.trials
        )
    )
    before, after = figures(matrix, protocol), figures(permuted, turned)
    assert after[0] == before[0]
    for one, other in zip(before[1:], after[1:], strict=True):
        assert one[:3] == other[:3]
        assert np.allclose(one[3] or 0.0, other[3] or 0.0, rtol=0, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_fewer_candidates_never_lower_the_rows_kept(case, data):
    matrix, protocol = case
    whole = protocol.trials[0]
    keep = data.draw(st.integers(1, len(whole.classes)))
    spare = data.draw(st.integers(0, len(whole.distractors)))
    fewer = Trial(classes=whole.classes[:keep], distractors=whole.distractors[:spare])
    wide, narrow = rank_trials(matrix, protocol_of(whole, fewer))
    ranks = dict(zip(wide.rows.tolist(), wide.ranks.tolist(), strict=True))
    assert set(narrow.rows.tolist()) <= set(ranks)
    for row, rank in zip(narrow.rows.tolist(), narrow.ranks.tolist(), strict=True):
        assert 0 <= rank <= ranks[row]


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_a_tie_never_helps(case, data):
    """A rival that ties counts as one that wins, and never less than one that loses."""
    matrix, protocol = case
    row = data.draw(st.integers(0, len(matrix.video_ids) - 1))
    rival = data.draw(st.integers(0, len(matrix.classes) - 1))
    truth = int(matrix.labels[row])
    if rival == truth:
        return

    def ranks(lead: float) -> list[int]:
        scores = matrix.scores.copy()
        scores[row, rival] = scores[row, truth] + lead
        changed = ScoreMatrix(
            classes=matrix.classes, video_ids=matrix.video_ids, labels=matrix.labels, scores=scores
        )
        found = rank_trials(changed, protocol)
        return [int(rank) for one in found for rank in one.ranks[one.rows == row]]

    above, tied, below = ranks(1.0), ranks(0.0), ranks(-1.0)
    candidates = [t.candidates for t in protocol.trials if matrix.classes[truth] in t.classes]
    costs = [int(matrix.classes[rival] in names) for names in candidates]
    assert tied == above == [rank + cost for rank, cost in zip(below, costs, strict=True)]
