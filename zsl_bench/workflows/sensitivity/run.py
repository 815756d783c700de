"""Score one run again under variants that need no video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.assessment.reload import protocols_of, reload_result, resolve_for
from zsl_bench.classes import RULE_SETS
from zsl_bench.errors import ProtocolError, ResultError, listing
from zsl_bench.prompts import load_prompts
from zsl_bench.protocols import (
    RECIPES,
    list_protocols,
    needs_distractors,
    needs_seen_videos,
    score_protocol,
)
from zsl_bench.workflows.sensitivity.loaded import class_embedder
from zsl_bench.workflows.sensitivity.report import (
    BASELINE,
    Figures,
    LeftOut,
    ProtocolRow,
    Sensitivity,
    VariantRow,
)
from zsl_bench.workflows.sensitivity.variants import (
    Variant,
    clip_variants,
    text_variants,
    word_variants,
    words_embedder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.model import Model
    from zsl_bench.prompts import PromptSet
    from zsl_bench.protocols import Protocol, ProtocolScores
    from zsl_bench.scoring import ScoreMatrix
    from zsl_bench.workflows.sensitivity.variants import Embed

_HARMONIC = "its harmonic mean needs the videos of seen classes as well, which are not varied"
_UNDECLARED = (
    "no vectors of the declared training classes beside the result: score under open-label (open, "
    "for classes of your own) first"
)


def sensitivity(
    place: str | Path,
    *,
    model: str | Model | None = None,
    weights: Path | None = None,
    protocols: Sequence[str] = (),
    prompts: Path | None = None,
    vectors: str | None = None,
) -> Sensitivity:
    """Score one run again under variants of what no protocol fixes. No video is run.

    Args:
        place: A result file with its arrays beside it, or a folder that holds one result.
        model: The model that the run was made with, or its reference, for variants of the class
            text; None leaves them out.
        weights: Weights for a model given by name.
        protocols: Protocol ids; none for those of the result.
        prompts: File of prompt sets of one's own; see
            :func:`zsl_bench.prompts.load_prompts`.
        vectors: Word vectors that the run was made with; None for the bundled ones.

    Raises:
        ResultError: The result, its arrays or the prompt file is missing, damaged or edited.
        ProtocolError: A protocol is unknown, or does not fit the result.
        ModelError: The model cannot be loaded, or is not the one of the result.
        WordVectorError: The word vectors cannot be read.
    """
    path = result_file(Path(place))
    sets = load_prompts(prompts)
    run = reload_result(path)
    chosen, left_out = _chosen(run, protocols)
    embed = None
    if model is not None:
        embed = class_embedder(run, model, weights=weights, vectors=vectors)
    rows = []
    for item in _variants(run, sets, embed, vectors):
        if isinstance(item, LeftOut):
            left_out.append(item)
            continue
        scores = _scores(run, chosen, item.matrix)
        rows.append(VariantRow(kind=item.kind, name=item.name, detail=item.detail, scores=scores))
        left_out += [
            LeftOut(
                kind=item.kind,
                name=item.name,
                reason=f"not under {protocol.id}: the vectors of its distractors are not varied",
            )
            for protocol in chosen
            if protocol.id not in scores
        ]
    protocol_rows, unfit = _all_protocols(run, chosen)
    return Sensitivity(
        result=run.result,
        file=path.name,
        protocols=chosen,
        rows=tuple(rows),
        protocol_rows=protocol_rows,
        left_out=tuple(dict.fromkeys((*left_out, *unfit))),
    )


def result_file(place: Path) -> Path:
    """Return a result file as it is, and of a folder the only one in it.

    Raises:
        ResultError: The folder has none, or several.
    """
    if not place.is_dir():
        return place
    found = sorted(path for path in place.glob("*--*--*.json") if path.is_file())
    if len(found) != 1:
        names = listing((path.name for path in found), limit=3)
        raise ResultError(
            f"result in folder {place}",
            found=f"{len(found)} result files, {names}" if found else "no result file",
            fix="name one file" if found else "give a result that evaluate or score wrote",
        )
    return found[0]


def _chosen(run: Reloaded, references: Sequence[str]) -> tuple[tuple[Protocol, ...], list[LeftOut]]:
    reasons = {reference: _unserved(run, reference) for reference in references}
    left_out = [LeftOut(kind="protocols", name=r, reason=why) for r, why in reasons.items() if why]
    if not references:
        resolved = protocols_of(run.result, run.evidence)
    elif len(left_out) < len(reasons):
        resolved = resolve_for(run.evidence, [r for r, why in reasons.items() if not why])
    else:
        raise ProtocolError(
            f"sensitivity under {listing(references)}",
            found=left_out[0].reason,
            fix="name another with --protocol",
        )
    chosen = tuple(p for p in resolved if p.metric != "harmonic_mean")
    if not chosen:
        raise ProtocolError(
            f"sensitivity under {listing(p.id for p in resolved)}",
            found="no protocol whose score comes from the test videos alone",
            fix="name one with --protocol",
        )
    harmonic = [p.id for p in resolved if p.metric == "harmonic_mean"]
    left_out += [LeftOut(kind="protocols", name=p, reason=_HARMONIC) for p in harmonic]
    return chosen, left_out


def _variants(
    run: Reloaded, prompts: Sequence[PromptSet], embed: Embed | None, vectors: str | None
) -> Iterator[Variant | LeftOut]:
    yield Variant(
        kind=BASELINE, name=BASELINE, detail="as it was scored", matrix=run.evidence.matrix
    )
    by_words = run.result.identity["class_vectors"].get("kind") == "word vectors"
    yield from text_variants(run, prompts, embed, by_words=by_words)
    words = embed if by_words and embed is not None else words_embedder(run, vectors)
    if isinstance(words, str):
        own = run.evidence.classes.rules
        for rules in RULE_SETS:
            if rules != own:
                yield LeftOut(kind="word rules", name=rules, reason=words)
    else:
        yield from word_variants(run, words)
    yield from clip_variants(run)


def _scores(
    run: Reloaded, protocols: Sequence[Protocol], matrix: ScoreMatrix
) -> dict[str, Figures]:
    return {
        protocol.id: Figures.of(_score(run, protocol, matrix))
        for protocol in protocols
        if not _lacking(protocol, matrix)
    }


def _lacking(protocol: Protocol, matrix: ScoreMatrix) -> list[str]:
    """Return the candidates of a protocol that a matrix has no column for."""
    columns = set(matrix.classes)
    wanted = dict.fromkeys(name for trial in protocol.trials for name in trial.candidates)
    return [name for name in wanted if name not in columns]


def _score(run: Reloaded, protocol: Protocol, matrix: ScoreMatrix) -> ProtocolScores:
    evidence = run.evidence
    return score_protocol(matrix, protocol, expected=evidence.expected, lists=evidence.lists)


def _all_protocols(
    run: Reloaded, chosen: Sequence[Protocol]
) -> tuple[tuple[ProtocolRow, ...], list[LeftOut]]:
    """Score the baseline under every protocol that fits, the chosen ones first."""
    fitting, left_out = list(chosen), []
    known = {protocol.id for protocol in chosen}
    for reference in (*list_protocols(), *RECIPES):
        reason = _unserved(run, reference)
        if reason:
            left_out.append(LeftOut(kind="protocols", name=reference, reason=reason))
            continue
        try:
            (protocol,) = resolve_for(run.evidence, [reference])
        except ProtocolError as error:
            left_out.append(LeftOut(kind="protocols", name=reference, reason=error.found))
            continue
        if protocol.id in known:
            continue
        reason = _unfit(run, protocol, fitting)
        if reason:
            left_out.append(LeftOut(kind="protocols", name=reference, reason=reason))
        else:
            fitting.append(protocol)
    return tuple(_protocol_row(run, protocol) for protocol in fitting), left_out


def _unserved(run: Reloaded, reference: str) -> str:
    """Say what a protocol needs that no result of this kind has, or return nothing."""
    if needs_seen_videos(reference):
        return _HARMONIC
    if needs_distractors(reference) and run.evidence.declared_distractors is None:
        return _UNDECLARED
    return ""


def _unfit(run: Reloaded, protocol: Protocol, fitting: Sequence[Protocol]) -> str:
    """Say why a protocol gets no row of its own, or return nothing."""
    lacking = _lacking(protocol, run.evidence.matrix)
    if lacking:
        return f"candidates without a score, {listing(lacking, limit=2)}"
    same = next((p.id for p in fitting if _trials(run, p) == _trials(run, protocol)), None)
    return "" if same is None else f"the same trials as {same}"


def _trials(run: Reloaded, protocol: Protocol) -> list[object]:
    """Return what decides a protocol's top-1 on this run, so that one under two names is found."""
    lists = run.evidence.lists
    return [
        (t.classes, t.distractors, t.videos if t.videos in lists else None) for t in protocol.trials
    ]


def _protocol_row(run: Reloaded, protocol: Protocol) -> ProtocolRow:
    scores = _score(run, protocol, run.evidence.matrix)
    candidates = [trial.num_classes for trial in scores.trials]
    videos = [trial.num_videos for trial in scores.trials]
    return ProtocolRow(
        id=protocol.id,
        version=protocol.version,
        title=protocol.title,
        metric=protocol.metric,
        trials=len(scores.trials),
        candidates=(min(candidates), max(candidates)),
        videos=(min(videos), max(videos)),
        figures=Figures.of(scores),
    )
