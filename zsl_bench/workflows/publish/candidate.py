"""What is to be published: a weights folder that loads, and results of these very weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.folders import WeightsFolder, inspect_folder
from zsl_bench.baselines.weights import CARD_FILE, CONFIG_FILE, VECTORS_FILE, load_weights
from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.errors import ResultError, WeightsError, WordVectorError, listing
from zsl_bench.files import read_json
from zsl_bench.model import declaration_json, weights_digest
from zsl_bench.results import load_result
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zsl_bench.baselines.baseline import BaselineModel
    from zsl_bench.results import EvaluationResult


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is to be published.

    Attributes:
        folder: The weights folder.
        digest: Digest of the weights, as results have it.
        results: For each result its file; complete ones first.
        notes: What a person should know before it is public.
    """

    folder: WeightsFolder
    digest: str
    results: tuple[tuple[Path, EvaluationResult], ...]
    notes: tuple[str, ...]


def read_candidate(
    folder: Path, results: Sequence[Path] = (), *, allow_incomplete: bool = False
) -> Candidate:
    """Load a weights folder strictly, and results of it.

    Args:
        folder: The folder.
        results: Result files of these weights.
        allow_incomplete: Take results that lack videos or rest on stand-ins for words as well.

    Raises:
        WeightsError: The folder is not whole, or its tensor files have no digests.
        ResultError: A result is damaged, of other weights or declarations, or may not be ranked.
    """
    found = inspect_folder(folder)
    if not found.about.digests:
        raise WeightsError(
            f"push {folder}",
            found=f"no digests of the tensor files in {CONFIG_FILE}",
            fix="save the weights again with zsl_bench.baselines.weights.save_weights",
        )
    model = load_weights(folder)
    digest = weights_digest(model)
    loaded = [(path, load_result(path)) for path in results]
    for path, result in loaded:
        _check_result(path, result, model=model, digest=digest)
        if not (allow_incomplete or is_rankable(result)):
            raise ResultError(
                f"push result {path}",
                found=f"{_flaw(result)}, so that no report ranks it",
                fix="evaluate on all videos, or add --allow-incomplete: it is then shown apart",
            )
    ordered = sorted(loaded, key=lambda pair: (not is_rankable(pair[1]), pair[1].stem))
    notes = (*_notes(found, model), *_private_places(folder, loaded))
    return Candidate(folder=found, digest=digest, results=tuple(ordered), notes=notes)


def is_rankable(result: EvaluationResult) -> bool:
    """Return whether a result covers every video, with a vector for every word."""
    return result.complete and not result.zero_shot.get("approximate_words")


def _flaw(result: EvaluationResult) -> str:
    return "it rests on stand-ins for words" if result.complete else "it is incomplete"


def _check_result(
    path: Path, result: EvaluationResult, *, model: BaselineModel, digest: str
) -> None:
    about = result.identity["model"]
    declared = {
        key: declaration_json(getattr(model.card, key)) for key in ("trained_on", "pretrained_on")
    }
    asked = f"push result {path}"
    of = str(about.get("weights"))
    if of != digest:
        raise ResultError(
            asked,
            found=f"a result of other weights ({of[:19]}, and these are {digest[:19]})",
            fix="give results that zsl-bench evaluate --model path:FOLDER made of this folder",
        )
    if about["name"] != model.card.name:
        raise ResultError(
            asked,
            found=f"a result under the name {about['name']!r}, not {model.card.name!r}",
            fix="evaluate again",
        )
    if about.get("declared") != declared:
        raise ResultError(
            asked,
            found=f"a verdict on other training classes than {CARD_FILE} declares",
            fix=f"declare them in {CARD_FILE} and evaluate again, without --trained-on",
        )


def _notes(found: WeightsFolder, model: BaselineModel) -> Iterator[str]:
    card = found.about.card
    if not card.licence:
        yield f"{CARD_FILE} names no licence, so nobody may use the weights: fill in 'licence'"
    for key in ("trained_on", "pretrained_on"):
        if getattr(card, key) is None:
            yield f"{CARD_FILE} leaves {key} undeclared, so every verdict is 'undeclared'"
    if found.words is None:
        _check_bundled(found)
        yield f"no {VECTORS_FILE}: it evaluates with the word vectors bundled with zsl-bench"
    lacking = [name for name in bundled_class_sets() if not _covers(model, name)]
    if lacking:
        yield f"its word vectors lack words of {listing(lacking)}: a vector file is needed there"


def _check_bundled(found: WeightsFolder) -> None:
    """Refuse weights that were trained to vectors that nobody else has."""
    trained = found.about.training.get("vectors")
    digest = trained.get("digest") if isinstance(trained, dict) else None
    if digest is not None and digest != load_word_vectors(words=()).digest:
        raise WeightsError(
            f"push {found.path}",
            found=f"no {VECTORS_FILE}, and training that had other word vectors than the bundled",
            fix="save the weights with their word vectors",
        )


def _covers(model: BaselineModel, name: str) -> bool:
    try:
        made = class_vectors(load_class_set(name, model.card.rules), model.vectors)
    except WordVectorError:
        return False
    return bool(made.matrix.shape[1] == model.config.dim)


def _private_places(
    folder: Path, results: Iterable[tuple[Path, EvaluationResult]]
) -> Iterator[str]:
    """Name files that tell where something lies on this machine."""
    contents = [(CARD_FILE, read_json(folder / CARD_FILE, what=CARD_FILE))]
    contents += [(path.name, result.to_json()) for path, result in results]
    for name, content in contents:
        places = sorted({text for text in _texts(content) if _is_place(text)})
        if places:
            yield f"{name} names places on this machine: {listing(places, limit=3)}"


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_place(text: str) -> bool:
    tail = text.rpartition("=")[2].removeprefix("path:")
    return len(tail) < 1024 and "\0" not in tail and Path(tail).is_absolute()
