"""Read a result and the arrays beside it, so that every number can be had again without a video."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.array_file import Rows
from zsl_bench.assessment.assess import assess
from zsl_bench.assessment.evidence import Evidence
from zsl_bench.assessment.scored import Clips, SeenVideos, score_matrix, seen_matrix
from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import ClassSetError, ProtocolError, ResultError, listing
from zsl_bench.files import atomic_write, sha256_file
from zsl_bench.protocols import (
    CUSTOM,
    Protocol,
    custom_protocol,
    needs_distractors,
    resolve_protocol,
)
from zsl_bench.provenance import environment
from zsl_bench.results import EvaluationResult, load_result
from zsl_bench.verdict import ClassDistances, SeenClass, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_AGAIN = "make the result again with zsl-bench evaluate --out or score --out"
_VECTORS = ("video_vectors", "class_vectors")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reloaded:
    """A result with the vectors that it was scored from.

    Attributes:
        result: The result.
        evidence: The score matrix and what its rows and columns are.
        video_vectors: ``(V, D)``, or None where the model scored the classes itself.
        class_vectors: ``(C, D)``, distractors last, or None likewise.
        clips: The clips' vectors, where the run kept them.
    """

    result: EvaluationResult
    evidence: Evidence
    video_vectors: NDArray[np.floating] | None
    class_vectors: NDArray[np.float64] | None
    clips: Clips | None


def load_evidence(path: str | Path) -> tuple[EvaluationResult, Evidence]:
    """Return a result and its score matrix with all that its scores rest on.

    Raises:
        ResultError: The result or its array file is missing, damaged, edited, or of a newer schema.
    """
    reloaded = reload_result(path)
    return reloaded.result, reloaded.evidence


def reload_result(path: str | Path) -> Reloaded:
    """Return a result with the vectors beside it.

    Raises:
        ResultError: The result or its array file is missing, damaged, edited, or of a newer schema.
    """
    result = load_result(path)
    asked = f"arrays of {path}"
    arrays = _read_arrays(result, Path(path).parent, asked)
    try:
        return _reloaded(result, arrays)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ResultError(asked, found=f"a field is absent or odd ({error})", fix=_AGAIN) from error


def protocols_of(result: EvaluationResult, evidence: Evidence) -> tuple[Protocol, ...]:
    """Return the protocols that a result was scored under, resolved anew and checked by hash.

    Raises:
        ResultError: A protocol of that id has other class lists today.
    """
    return tuple(_same_protocol(result, evidence, name) for name in result.scores)


def resolve_for(evidence: Evidence, references: Sequence[str]) -> tuple[Protocol, ...]:
    """Resolve protocols for evidence, each once.

    Raises:
        ProtocolError: A protocol is unknown, or does not fit the classes, the videos or the
            candidates that were embedded.
    """
    resolved = [_resolve(evidence, reference) for reference in references]
    return tuple({protocol.id: protocol for protocol in resolved}.values())


def _resolve(evidence: Evidence, reference: str) -> Protocol:
    known, asked = evidence.declared_distractors, f"protocol {reference} for a result"
    if needs_distractors(reference) and known is None:
        raise ProtocolError(
            asked,
            found="no vectors of the declared training classes beside it",
            fix="name the protocol when the model or the features are scored first",
        )
    protocol = resolve_protocol(
        reference, evidence.classes, videos=evidence.split, distractors=known
    )
    lists = {trial.videos for trial in protocol.trials} - {None, evidence.split}
    if lists and not evidence.named_videos:
        raise ProtocolError(
            asked,
            found=f"videos known by their labels alone, so that those of "
            f"{listing(sorted(map(str, lists)))} are not known",
            fix="score features with video_ids",
        )
    return protocol


def rescore(
    path: str | Path, references: Sequence[str] = (), *, out: Path | None = None
) -> EvaluationResult:
    """Score a result's vectors once more.

    Args:
        path: The result file; its arrays lie beside it.
        references: Protocols to score under; none for the result's own.
        out: Folder for the new result and a copy of the arrays; None writes nothing.

    Returns:
        The result with scores made anew; its identity is the old one but for the protocols.

    Raises:
        ResultError: The files are damaged, or a protocol of the result has changed since.
        ProtocolError: A protocol does not fit the classes or the videos.
    """
    reloaded = reload_result(path)
    old, evidence = reloaded.result, reloaded.evidence
    protocols = resolve_for(evidence, references) if references else protocols_of(old, evidence)
    named = {p.id: {"version": p.version, "sha256": p.sha256} for p in protocols}
    new = replace(
        old,
        identity={**old.identity, "protocols": named},
        complete=old.complete and CUSTOM not in named,
        scores=assess(evidence, protocols),
        environment={
            **old.environment,
            "scored_again": {**environment(), "from": Path(path).name},
        },
    )
    if out is None or old.arrays is None:
        return new
    data = (Path(path).parent / old.arrays["file"]).read_bytes()
    with atomic_write(out / f"{new.stem}.npz") as stream:
        stream.write(data)
    new = replace(new, arrays={**old.arrays, "file": f"{new.stem}.npz"})
    new.save(out)
    return new


def _same_protocol(result: EvaluationResult, evidence: Evidence, name: str) -> Protocol:
    if name == CUSTOM:
        protocol = custom_protocol(evidence.classes, result.scores[name]["classes"][0])
    else:
        (protocol,) = resolve_for(evidence, [name.partition("@")[0]])
    recorded = result.identity["protocols"][name]["sha256"]
    if protocol.sha256 != recorded:
        raise ResultError(
            f"protocol {name} of a result on {result.dataset}",
            found=f"class lists {recorded[:12]}, where this version has {protocol.sha256[:12]}",
            fix="score it under the protocols of this version with zsl-bench score RESULT "
            "--protocol ID",
        )
    return protocol


def _read_arrays(
    result: EvaluationResult, folder: Path, asked: str
) -> Mapping[str, NDArray[np.generic]]:
    if result.arrays is None:
        raise ResultError(asked, found="a result without arrays", fix=_AGAIN)
    name = result.arrays["file"]
    if Path(name).name != name:
        raise ResultError(
            asked, found=f"a file outside its folder, {name!r}", fix="keep the two side by side"
        )
    try:
        if sha256_file(folder / name) != result.arrays["sha256"]:
            found = f"{name} does not match the SHA-256 in the result"
            raise ResultError(asked, found=found, fix=_AGAIN)
        with np.load(folder / name, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except OSError as error:
        raise ResultError(
            asked,
            found=f"{name}: {(error.strerror or str(error)).lower()}",
            fix="keep the .npz beside the .json",
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ResultError(asked, found=f"no readable arrays ({error})", fix=_AGAIN) from error


def _reloaded(result: EvaluationResult, arrays: Mapping[str, NDArray[Any]]) -> Reloaded:
    video_vectors, class_vectors = (arrays.get(name) for name in _VECTORS)
    rows = arrays["scores"] if video_vectors is None else video_vectors
    ids = tuple(arrays["video_ids"].tolist())
    names = (*arrays["classes"].tolist(), *_strings(arrays, "distractors"))
    seen = _seen(result, arrays)
    evidence = Evidence(
        matrix=score_matrix(names, ids, arrays["labels"].astype(np.int64), rows, class_vectors),
        groups=_strings(arrays, "groups") or ids,
        classes=_classes(result, tuple(arrays["classes"].tolist())),
        split=str(result.identity["manifest"]["videos"]),
        expected={
            name: counts["expected"] for name, counts in result.coverage["per_class"].items()
        },
        verdicts=tuple(_verdict(rule) for rule in result.zero_shot["rules"]),
        distances=_distances(result.zero_shot.get("distances")),
        declared_distractors=_declared_distractors(result),
        named_videos=result.coverage.get("named_videos", True),
        overlapping=frozenset(_strings(arrays, "overlapping")),
        seen=seen_matrix(names, seen, class_vectors),
    )
    clips = None
    if "clip_vectors" in arrays:
        vectors = arrays["clip_vectors"]
        clips = Clips(
            vectors=Rows(shape=vectors.shape, parts=(lambda: vectors,)),
            weights=arrays["clip_weights"],
            counts=arrays["clip_counts"],
        )
    return Reloaded(
        result=result,
        evidence=evidence,
        video_vectors=video_vectors,
        class_vectors=class_vectors,
        clips=clips,
    )


def _declared_distractors(result: EvaluationResult) -> tuple[str, ...] | None:
    names = result.zero_shot.get("declared_distractors")
    return None if names is None else tuple(names)


def _strings(arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[str, ...]:
    return tuple(arrays[name].tolist()) if name in arrays else ()


def _seen(result: EvaluationResult, arrays: Mapping[str, NDArray[Any]]) -> SeenVideos | None:
    if "seen_vectors" not in arrays:
        return None
    return SeenVideos(
        ids=_strings(arrays, "seen_ids"),
        labels=arrays["seen_labels"].astype(np.int64),
        vectors=arrays["seen_vectors"],
        merged=result.coverage["seen_videos"]["merged"],
        dataset=result.identity["seen_videos"]["dataset"],
        digest=result.identity["seen_videos"]["digest"],
    )


def _classes(result: EvaluationResult, names: tuple[str, ...]) -> ClassSet:
    about, table = result.identity["classes"], result.class_table
    if table is None:
        try:
            classes = load_class_set(about["dataset"])
        except ClassSetError:
            classes = None
    else:
        classes = ClassSet(
            dataset=about["dataset"],
            version=about["version"],
            names=names,
            words=tuple(tuple(words) for words in table["words"]),
            labels=tuple(table["labels"]),
            aliases=((),) * len(names),
            rules=about["rules"],
            source=table["source"],
        )
    if classes is None or classes.fingerprint != about["fingerprint"]:
        raise ResultError(
            f"classes of a result on {result.dataset}",
            found="another class list than that of its identity",
            fix=_AGAIN,
        )
    return classes


def _verdict(rule: Mapping[str, Any]) -> Verdict:
    fields = {
        **rule,
        "rule": rule.get("rule", rule.get("rules")),
        "seen": tuple(SeenClass(**seen) for seen in rule["seen"]),
        **{
            name: tuple(rule.get(name, ()))
            for name in ("silent", "approximate_words", "unjudged", "not_covered")
        },
    }
    return Verdict(**fields)


def _distances(stored: Mapping[str, Any] | None) -> ClassDistances | None:
    if stored is None:
        return None
    return ClassDistances(
        nearest=np.array(stored["nearest"]),
        nearest_mean=np.array(stored["nearest_mean"]),
        neighbours=stored["neighbours"],
        classes=tuple(stored["classes"]),
        num_declared=stored["num_declared"],
        approximate_classes=tuple(stored["approximate_classes"]),
    )
