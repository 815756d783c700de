"""Variants of a run that need no video: each one is a new score matrix, or a reason for none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.scored import score_matrix
from zsl_bench.classes import RULE_SETS, with_rules
from zsl_bench.errors import ClassSetError, ResultError, WordVectorError
from zsl_bench.model import POOLINGS
from zsl_bench.scoring import unit_rows
from zsl_bench.wordvectors import class_vectors
from zsl_bench.workflows.sensitivity.class_texts import class_texts, text_vectors
from zsl_bench.workflows.sensitivity.clip_subsets import (
    SUBSETS,
    StackedClips,
    every_clip,
    mean_chosen,
    pooled_subset,
)
from zsl_bench.workflows.sensitivity.report import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.classes import ClassSet
    from zsl_bench.prompts import PromptSet
    from zsl_bench.scoring import ScoreMatrix

    Embed = Callable[[ClassSet], NDArray[np.float64]]

_SCORES_ITSELF = "the model scores the classes itself, so that its scores come with the videos"
_ONCE, _OTHER = "each distinct clip once", "the other pooling"
_TOLERANCE = 1e-5
_SAME = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Variant:
    """The scores of one variant.

    Attributes:
        kind: What is varied.
        name: Name of the variant.
        detail: What it does.
        matrix: The scores; distractors have no column where their vectors are not varied too.
    """

    kind: str
    name: str
    detail: str
    matrix: ScoreMatrix


def text_variants(
    run: Reloaded, prompts: Sequence[PromptSet], embed: Embed | None, *, by_words: bool
) -> Iterator[Variant | LeftOut]:
    """Yield the variants of the class text.

    Args:
        run: The run.
        prompts: The prompt sets.
        embed: Class set to class vectors; None where no model is given.
        by_words: Whether the model makes its class vectors of words, not of text.
    """
    classes = run.evidence.classes
    reason = _no_text(run, embed, by_words=by_words)
    if reason or embed is None:
        for text in class_texts(classes, prompts):
            yield LeftOut(kind=text.kind, name=text.name, reason=reason)
        return
    assert run.class_vectors is not None  # noqa: S101
    baseline = unit_rows(run.class_vectors[: len(classes)])
    for text in class_texts(classes, prompts):
        vectors = text_vectors(text, classes, embed)
        if np.allclose(unit_rows(vectors), baseline, rtol=0, atol=_SAME):
            is_label = text.texts == (classes.labels,)
            reason = (
                "the same text as the baseline" if is_label else "class vectors that do not change"
            )
            yield LeftOut(kind=text.kind, name=text.name, reason=reason)
            continue
        yield Variant(
            kind=text.kind, name=text.name, detail=text.detail, matrix=_rescored(run, vectors)
        )


def _no_text(run: Reloaded, embed: Embed | None, *, by_words: bool) -> str:
    if run.class_vectors is None:
        return _SCORES_ITSELF
    if by_words:
        return "the class vectors come from words, not from text"
    return "" if embed is not None else "it needs the model: give --model REF"


def word_variants(run: Reloaded, embed: Embed) -> Iterator[Variant | LeftOut]:
    """Yield the variants of the word rules.

    Args:
        run: A run whose class vectors come from words.
        embed: Class set to class vectors, as the run made them.
    """
    classes = run.evidence.classes
    for rules in RULE_SETS:
        if rules == classes.rules:
            continue
        try:
            other = with_rules(classes, rules)
            changed = _changed_words(classes, other)
            vectors = embed(other)
        except (ClassSetError, WordVectorError) as error:
            yield LeftOut(kind="word rules", name=rules, reason=str(error))
            continue
        if not changed:
            yield LeftOut(kind="word rules", name=rules, reason="the same words as the baseline")
            continue
        detail = f"{changed} of {len(classes)} classes have other words than under {classes.rules}"
        yield Variant(kind="word rules", name=rules, detail=detail, matrix=_rescored(run, vectors))


def _changed_words(classes: ClassSet, other: ClassSet) -> int:
    pairs = zip(classes.words, other.words, strict=True)
    return sum(sorted(old) != sorted(new) for old, new in pairs)


def words_embedder(run: Reloaded, vectors: str | None) -> Embed | str:
    """Return how a run made its class vectors of words, or why that cannot be done again.

    Args:
        run: The run.
        vectors: Word-vector file; None for the bundled vectors.

    Raises:
        WordVectorError: The file is missing, damaged or of an unknown kind.
    """
    source: dict[str, Any] = run.result.identity["class_vectors"]
    if run.class_vectors is None:
        return _SCORES_ITSELF
    if source["kind"] != "word vectors":
        return "the class vectors are not made of word vectors"
    allowed = bool(run.result.identity.get("options", {}).get("allow_approximate"))

    def embed(classes: ClassSet) -> NDArray[np.float64]:
        made = class_vectors(classes, vectors, allow_approximate=allowed)
        return made.matrix.astype(np.float64)

    classes = run.evidence.classes
    made = class_vectors(classes, vectors, allow_approximate=True).matrix
    stored = run.class_vectors[: len(classes)]
    if made.shape != stored.shape or not np.allclose(made, stored, rtol=0, atol=1e-6):
        return (
            f"the class vectors, from {source.get('source', 'other word vectors')}, are not those "
            f"that {vectors or 'the bundled word vectors'} give: name the run's own with --vectors"
        )
    return embed


def clip_variants(run: Reloaded) -> Iterator[Variant | LeftOut]:
    """Yield the clip subsets, every distinct clip counted once, and the other pooling.

    Raises:
        ResultError: The kept clips do not give the run's own vectors.
    """
    kept, reason = run.clips, _no_clips(run)
    if reason or kept is None:
        names = [("clips", name) for name in (*SUBSETS, _ONCE)]
        for kind, name in (*names, ("pooling", _OTHER)):
            yield LeftOut(kind=kind, name=name, reason=reason)
        return
    clips = StackedClips(kept.vectors.stacked(), kept.weights, kept.counts)
    _check_clips(run, clips)
    average = float(clips.counts.mean())
    for name, choose in SUBSETS.items():
        taken = f"{mean_chosen(clips.counts, choose):.1f} of {average:.1f} distinct clips a video"
        matrix = _repooled(run, clips, choose=choose)
        yield Variant(kind="clips", name=name, detail=taken, matrix=matrix)
    yield _each_once(run, clips)
    yield _other_pooling(run, clips)


def _each_once(run: Reloaded, clips: StackedClips) -> Variant | LeftOut:
    if (clips.weights == clips.weights[0]).all():
        return LeftOut(kind="clips", name=_ONCE, reason="the policy repeats all clips alike")
    equal = clips._replace(weights=np.ones_like(clips.weights))
    detail = "a clip that the policy repeats is not weighted"
    return Variant(kind="clips", name=_ONCE, detail=detail, matrix=_repooled(run, equal))


def _other_pooling(run: Reloaded, clips: StackedClips) -> Variant | LeftOut:
    if run.class_vectors is None:
        return LeftOut(kind="pooling", name=_OTHER, reason="scores are averaged as they are")
    pooling = _pooling(run)
    (other,) = (name for name in POOLINGS if name != pooling)
    return Variant(
        kind="pooling",
        name=other,
        detail=f"instead of {pooling}",
        matrix=_repooled(run, clips, pooling=other),
    )


def _no_clips(run: Reloaded) -> str:
    if run.clips is None:
        return "the run kept no clips: evaluate with --keep-clips"
    if (run.clips.counts == 1).all():
        return f"the policy {run.result.identity['clip_policy']} makes one clip a video"
    return ""


def _pooling(run: Reloaded) -> str:
    """Return how the run pooled: scores are averaged as they are."""
    return "mean" if run.class_vectors is None else str(run.result.identity["model"]["pooling"])


def _check_clips(run: Reloaded, clips: StackedClips) -> None:
    stored = run.evidence.matrix.scores if run.video_vectors is None else run.video_vectors
    counts = clips.counts
    fits = len(counts) == len(stored) and len(clips.vectors) == len(clips.weights) == counts.sum()
    if fits and counts.min() >= 1:
        pooled = pooled_subset(clips, pooling=_pooling(run))
        fits = np.allclose(pooled, stored, rtol=0, atol=_TOLERANCE * float(np.abs(stored).max()))
    if not fits:
        raise ResultError(
            f"clips of {run.result.model} on {run.result.dataset}",
            found="clip vectors that do not pool to the video vectors",
            fix="evaluate again with --keep-clips",
        )


def _repooled(
    run: Reloaded,
    clips: StackedClips,
    *,
    choose: Callable[[int], slice] = every_clip,
    pooling: str | None = None,
) -> ScoreMatrix:
    matrix = run.evidence.matrix
    rows = pooled_subset(clips, choose=choose, pooling=pooling or _pooling(run))
    return score_matrix(matrix.classes, matrix.video_ids, matrix.labels, rows, run.class_vectors)


def _rescored(run: Reloaded, vectors: NDArray[np.float64]) -> ScoreMatrix:
    """Score against other vectors of the test classes; distractors are left out."""
    matrix, classes = run.evidence.matrix, run.evidence.classes
    assert run.video_vectors is not None  # noqa: S101
    return score_matrix(classes.names, matrix.video_ids, matrix.labels, run.video_vectors, vectors)
