"""What is to be published: a weights folder that loads, and results of these very weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.folders import WeightsFolder, inspect_folder
from zsl_bench.baselines.weights import CARD_FILE, CONFIG_FILE, VECTORS_FILE, load_weights
from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.errors import WeightsError, WordVectorError, listing, one_line
from zsl_bench.files import read_json
from zsl_bench.hub import FILES
from zsl_bench.model_digest import weights_digest
from zsl_bench.wordvectors import WordVectors, class_vectors, load_word_vectors
from zsl_bench.workflows.publish.evidence import OTHER_VECTORS, Measured, read_evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zsl_bench.baselines.baseline import BaselineModel
    from zsl_bench.workflows.publish.evidence import Evidence


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is to be published.

    Attributes:
        folder: The weights folder.
        digest: Digest of the weights, as results have it.
        results: The results, each once; complete ones first.
        notes: What a person should know before it is public.
    """

    folder: WeightsFolder
    digest: str
    results: tuple[Evidence, ...]
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
        WeightsError: The folder is not whole, a file of it lies elsewhere, or its tensor files have
            no digests.
        ResultError: See :func:`zsl_bench.workflows.publish.evidence.read_evidence`.
    """
    _check_places(folder)
    found = inspect_folder(folder)
    if not found.about.digests:
        raise WeightsError(
            f"push {folder}",
            found=f"no digests of the tensor files in {CONFIG_FILE}",
            fix="save the weights again with zsl_bench.baselines.weights.save_weights",
        )
    model = load_weights(folder)
    digest = weights_digest(model)
    own = model.vectors if isinstance(model.vectors, WordVectors) else load_word_vectors(words=())
    of = Measured(card=model.card, weights=digest, vectors=own.digest)
    read = read_evidence(results, of, allow_incomplete=allow_incomplete)
    notes = (*_notes(found, model), *_notes_on(read), *_private_places(folder, read))
    return Candidate(
        folder=found,
        digest=digest,
        results=read,
        notes=tuple(one_line(note) for note in notes),
    )


def _check_places(folder: Path) -> None:
    """Refuse a folder with a file that is a link to somewhere else, or no plain file.

    The cache of the Hub's own client keeps content in ``blobs`` beside ``snapshots``, and that is
    where the links of a snapshot may lead.
    """
    root = folder.resolve()
    homes = [root]
    if root.parent.name == "snapshots" and root.parents[1].name.startswith("models--"):
        homes.append(root.parents[1] / "blobs")
    for name in FILES:
        path = folder / name
        if not (path.is_symlink() or path.exists()):
            continue
        real = path.resolve()
        if not any(real.is_relative_to(home) for home in homes):
            raise WeightsError(
                f"push {folder}",
                found=f"{name}, a link to a file outside the folder",
                fix="put the file itself there, or remove the link",
            )
        if not real.is_file():
            raise WeightsError(
                f"push {folder}", found=f"{name}, which is no plain file", fix="remove it"
            )


def _notes_on(results: Iterable[Evidence]) -> Iterator[str]:
    apart = sorted({one.path.name for one in results if one.standing == OTHER_VECTORS})
    if apart:
        yield (
            f"{listing(apart)}: made with other word vectors than the folder gives, so shown apart "
            "and not in the metadata"
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
        named = listing(lacking, limit=10)
        yield f"its word vectors lack words of {named}: a vector file is needed there"


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


def _private_places(folder: Path, results: Iterable[Evidence]) -> Iterator[str]:
    """Name files that tell where something lies on this machine."""
    contents = [(CARD_FILE, read_json(folder / CARD_FILE, what=CARD_FILE))]
    contents += [(one.path.name, one.result.to_json()) for one in results]
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
