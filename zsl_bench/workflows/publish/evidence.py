"""Results published beside weights: of these very weights, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.weights import CARD_FILE
from zsl_bench.classes import RULES
from zsl_bench.errors import ResultError, one_line
from zsl_bench.model import declaration_json
from zsl_bench.results import AGAIN, check_fields, load_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zsl_bench.model import ModelCard
    from zsl_bench.results import EvaluationResult

COMPLETE = "Complete"
OTHER_VECTORS = "With other word vectors than this repository's"
INCOMPLETE = "Incomplete, ranked nowhere"
STANDINGS = (COMPLETE, OTHER_VECTORS, INCOMPLETE)
"""How a result stands, the best first; only a complete one is in the metadata."""
_FIGURES = ("top1", "top5", "mean_per_class")
_NUMBER = (int, float)
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("identity.manifest", "identity.class_vectors"), dict),
    **dict.fromkeys(("identity.manifest.videos", "identity.manifest.digest"), str),
    **dict.fromkeys(("identity.class_vectors.source", "identity.class_vectors.digest"), str),
    **dict.fromkeys(("identity.clip_policy", "identity.precision"), str),
    "identity.classes.rules": (str, type(None)),
    **dict.fromkeys(("coverage.scored", "coverage.expected"), int),
}
_SCORE_KINDS: dict[str, type | tuple[type, ...]] = {
    "score": dict,
    **dict.fromkeys(("score.verdicts", "score.trials"), list),
    "score.version": int,
    "score.sha256": str,
}
_FIRST_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("verdict", "trial"), dict),
    **dict.fromkeys(("verdict.finding", "verdict.rule"), str),
    "trial.num_classes": int,
}
_MEAN_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("score.mean", "score.std"), dict),
    **{
        f"score.{kind}.{figure}": (*_NUMBER, type(None))
        for kind in ("mean", "std")
        for figure in _FIGURES
    },
    "score.metric": str,
}
_GENERALISED_KINDS: dict[str, type | tuple[type, ...]] = {
    "score.generalised": dict,
    "score.generalised.harmonic_mean": _NUMBER,
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A result that is published.

    Attributes:
        path: Its file.
        result: What the file holds.
        standing: One of :data:`STANDINGS`.
    """

    path: Path
    result: EvaluationResult
    standing: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What results must be of.

    Attributes:
        card: The model's card.
        weights: Digest of the weights.
        vectors: Digest of the word vectors that the folder gives.
    """

    card: ModelCard
    weights: str
    vectors: str


def read_evidence(
    paths: Sequence[Path], of: Measured, *, allow_incomplete: bool
) -> tuple[Evidence, ...]:
    """Read results of some weights, each once, the complete ones first.

    Args:
        paths: Result files.
        of: What they must be of.
        allow_incomplete: Take results that lack videos or rest on stand-ins for words as well.

    Raises:
        ResultError: A result is damaged, lacks what a card says of it, is of other weights or
            declarations, or may not be ranked.
    """
    found: dict[str, Evidence] = {}
    for path in paths:
        result = load_result(path)
        _check(path, result, of)
        flaw = _flaw(result)
        if flaw and not allow_incomplete:
            raise ResultError(
                f"push result {path}",
                found=f"{flaw}, so that no report ranks it",
                fix="evaluate on all videos, or add --allow-incomplete: it is then shown apart",
            )
        one = Evidence(path=path, result=result, standing=_standing(result, of))
        kept = found.setdefault(result.stem, one)
        if STANDINGS.index(one.standing) < STANDINGS.index(kept.standing):
            found[result.stem] = one
    return tuple(
        sorted(found.values(), key=lambda one: (STANDINGS.index(one.standing), one.result.stem))
    )


def conditions(evidence: Evidence) -> str:
    """Return under which conditions a result was made, as far as they tell it from another.

    The clip policy is always said; precision, word vectors, rules of words, settings of the model
    and prepared videos where they are not the ordinary ones.
    """
    return ", ".join(one_line(part) for part in _conditions(evidence))


def _conditions(evidence: Evidence) -> Iterator[str]:
    identity = evidence.result.identity
    vectors, manifest, about = (identity[key] for key in ("class_vectors", "manifest", "model"))
    yield identity["clip_policy"]
    if identity["precision"] != "fp32":
        yield identity["precision"]
    if identity["classes"]["rules"] not in {None, RULES}:
        yield f"words by the rules {identity['classes']['rules']}"
    if evidence.standing != COMPLETE:
        yield f"word vectors {vectors['source']} ({vectors['digest'][:12]})"
    stand_ins = evidence.result.zero_shot.get("approximate_words")
    if stand_ins:
        yield f"stand-ins for {len(stand_ins):,} words"
    yield from _settings(about)
    if manifest.get("preparation"):
        yield "prepared videos"
    if identity.get("seen_videos"):
        yield "with videos of seen classes"


def _settings(about: dict[str, Any]) -> Iterator[str]:
    settings = about.get("settings")
    if isinstance(settings, dict):
        yield from (f"{name}={value}" for name, value in sorted(settings.items()))
    given = about.get("given")
    if isinstance(given, list):
        known = settings if isinstance(settings, dict) else {}
        yield from (str(pair) for pair in given if str(pair).partition("=")[0] not in known)


def _standing(result: EvaluationResult, of: Measured) -> str:
    if _flaw(result):
        return INCOMPLETE
    same = result.identity["class_vectors"]["digest"] == of.vectors
    return COMPLETE if same else OTHER_VECTORS


def _flaw(result: EvaluationResult) -> str:
    if not result.complete:
        return "it is incomplete"
    return "it rests on stand-ins for words" if result.zero_shot.get("approximate_words") else ""


def _check(path: Path, result: EvaluationResult, of: Measured) -> None:
    about = result.identity["model"]
    asked = f"push result {path}"
    weights = one_line(str(about.get("weights")))
    if weights != of.weights:
        raise ResultError(
            asked,
            found=f"a result of other weights ({weights[:19]}, and these are {of.weights[:19]})",
            fix="give results that zsl-bench evaluate --model path:FOLDER made of this folder",
        )
    if about["name"] != of.card.name:
        raise ResultError(
            asked,
            found=f"a result under the name {about['name']!r}, not {of.card.name!r}",
            fix="evaluate again",
        )
    declared = {
        key: declaration_json(getattr(of.card, key)) for key in ("trained_on", "pretrained_on")
    }
    if about.get("declared") != declared:
        raise ResultError(
            asked,
            found=f"a verdict on other training classes than {CARD_FILE} declares",
            fix=f"declare them in {CARD_FILE} and evaluate again, without --trained-on",
        )
    check_fields(result.to_json(), _KINDS, asked=asked)
    if "approximate_words" in result.zero_shot:
        check_fields(result.zero_shot, {"approximate_words": list}, asked=asked)
    for name, scores in result.scores.items():
        _check_scores(scores, f"{asked}, protocol {one_line(name)}")


def _check_scores(scores: Any, asked: str) -> None:  # noqa: ANN401
    check_fields({"score": scores}, _SCORE_KINDS, asked=asked)
    for name in ("verdicts", "trials"):
        if not scores[name]:
            raise ResultError(asked, found=f"no {name}", fix=AGAIN)
    first = {"verdict": scores["verdicts"][0], "trial": scores["trials"][0]}
    check_fields(first, _FIRST_KINDS, asked=asked)
    kinds = _GENERALISED_KINDS if "generalised" in scores else _MEAN_KINDS
    check_fields({"score": scores}, kinds, asked=asked)
