"""Fitting a method to a file of clip features, after an audit of what it is about to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.extracted.clip_file import read_clip_file
from zsl_bench.baselines.extracted.folder import FIT, FittedFolder
from zsl_bench.baselines.extracted.leakage import leakage
from zsl_bench.baselines.extracted.model import seen_digest
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.settings import typed_settings
from zsl_bench.errors import ClassSetError, ModelError, ResultError, listing
from zsl_bench.files import sha256_file
from zsl_bench.overlap import DEFAULT_THRESHOLD, audit_overlap
from zsl_bench.splits import class_list
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.baselines.extracted.clip_file import ClipFile
    from zsl_bench.baselines.extracted.leakage import Leakage
    from zsl_bench.baselines.methods.spec import MethodSpec
    from zsl_bench.classes import ClassSet
    from zsl_bench.overlap import OverlapAudit

_SHOWN = 3
_EQUAL = 1e-6
"""Equal classes overlap under any threshold."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a method is fitted to a file of clip features.

    Attributes:
        classes: The seen classes: a class set, a split or a class file; None for all classes of
            the file. Those without a video are left out.
        against: Test class lists that seen and pretraining classes must keep away from.
        threshold: Cosine distance below which two classes count as one.
        remove_overlap: Leave overlapping seen classes out instead of stopping.
        allow_overlap: Fit although classes overlap, or although nobody knows what the backbone
            has seen; the folder says so for ever.
        vectors: Word-vector file; None for the bundled vectors.
        allow_approximate: Let a hash stand in for a word without a vector.
        seed: Of whatever is drawn at random.
        method: Settings of the method, each ``NAME=VALUE``; the values are JSON, or text.
    """

    classes: str | None = None
    against: tuple[str, ...] = ("ucf101", "hmdb51")
    threshold: float = DEFAULT_THRESHOLD
    remove_overlap: bool = False
    allow_overlap: bool = False
    vectors: str | None = None
    allow_approximate: bool = False
    seed: int = 0
    method: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FitAudit:
    """What the audit before a fit found.

    Attributes:
        seen: The seen classes against the test sets.
        removed: Those of them that were left out.
        backbone: What the backbone has seen of each test set.
    """

    seen: OverlapAudit
    removed: tuple[str, ...]
    backbone: tuple[Leakage, ...]

    @property
    def kept(self) -> ClassSet:
        """The classes to fit to."""
        removed = set(self.removed)
        whole = self.seen.train
        return whole.select(name for name in whole.names if name not in removed)

    @property
    def leak_free(self) -> bool:
        """Whether no seen and no pretraining class is within the threshold of a test class."""
        overlap = {neighbour.name for neighbour in self.seen.removed} - set(self.removed)
        return not overlap and all(found.leak_free for found in self.backbone)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON holds it."""
        return {
            "threshold": self.seen.threshold,
            "against": [
                {"dataset": test.dataset, "fingerprint": test.fingerprint}
                for test in self.seen.tests
            ],
            "leak_free": self.leak_free,
            "removed": list(self.removed),
            "overlap": [n.to_json() for n in self.seen.removed if n.name not in self.removed],
            "pretraining": [str(found) for found in self.backbone],
            "approximate_words": list(self.seen.approximate_words),
        }


def fit_method(
    name: str, features: Path, out: Path, settings: FitSettings | None = None
) -> FittedFolder:
    """Fit a method to the videos of seen classes, and write its folder.

    Args:
        name: The method, one of ``known_methods`` or ``py:package.module:Class``.
        features: File of clip features.
        out: The folder.
        settings: How.

    Raises:
        ClassSetError: A seen or pretraining class is within the threshold of a test class, or the
            backbone's are unknown, and that is not allowed; or no class is left.
        ModelError: The method only changes generalised scores.
        ZslBenchError: The file, the method, a setting or the word vectors are not usable.
    """
    chosen = settings or FitSettings()
    method = load_method(name)
    _check_method(method.spec)
    _check_place(out)
    file = read_clip_file(features)
    audit = audit_fit(file, chosen)
    seen = audit.kept
    vectors = class_vectors(seen, chosen.vectors, allow_approximate=chosen.allow_approximate)
    rows = file.rows_of(seen.names)
    place = {file.classes.index(label): i for i, label in enumerate(seen.names)}
    fitted = method.fit(
        file.features if len(rows) == len(file) else file.features[rows],
        file.lengths[rows],
        [place[label] for label in file.labels[rows].tolist()],
        vectors.matrix,
        seed=chosen.seed,
        config=typed_settings(chosen.method),
    )
    folder = FittedFolder(
        method=fitted,
        seen=seen,
        backbone=file.backbone,
        features={"file": file.source, "sha256": sha256_file(features), "videos": len(rows)},
        vectors={
            "source": vectors.source,
            "digest": vectors.digest,
            "seen_sha256": seen_digest(vectors),
            "approximate_words": list(vectors.approximate_words),
        },
        audit=audit.to_json(),
        seed=chosen.seed,
    )
    return folder.save(out)


def _check_method(spec: MethodSpec) -> None:
    if spec.generalised_only:
        raise ModelError(
            f"fit {spec.name}",
            found="a method that only changes generalised scores, so that evaluate cannot run it",
            fix="compare it with zsl-bench study compared-methods",
        )


def _check_place(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / FIT).is_file():
        raise ResultError(
            f"fit into {out}", found="a folder of other files", fix="choose another --out"
        )


def audit_fit(file: ClipFile, settings: FitSettings) -> FitAudit:
    """Hold seen and pretraining classes against the test sets (paper Eqs. 3 and 4).

    Args:
        file: The clip features.
        settings: Names the seen classes and the test sets, and says what to do about an overlap.

    Raises:
        ClassSetError: See :func:`fit_method`.
    """
    seen = _seen(file, settings.classes)
    tests = [class_list(reference, seen.rules) for reference in settings.against]
    words = {word for one in (seen, *tests) for bag in one.words for word in bag}
    loaded = load_word_vectors(settings.vectors, words=words)
    threshold = max(settings.threshold, _EQUAL)
    found = audit_overlap(seen, tests, vectors=loaded, threshold=threshold)
    removed = tuple(n.name for n in found.removed) if settings.remove_overlap else ()
    audit = FitAudit(
        seen=found,
        removed=removed,
        backbone=tuple(
            leakage(file, test, vectors=settings.vectors, threshold=threshold) for test in tests
        ),
    )
    if len(removed) == len(seen):
        raise _error(file, f"every one of {len(seen)} classes overlaps", "fit to other classes")
    if not settings.allow_overlap:
        _refuse(file, audit)
    return audit


def _seen(file: ClipFile, reference: str | None) -> ClassSet:
    present = {file.classes.names[label] for label in file.labels.tolist()}
    if reference is None:
        return file.classes.select(name for name in file.classes.names if name in present)
    wanted = class_list(reference).names
    found = {spelling: file.classes.find(spelling) for spelling in wanted}
    lacking = [spelling for spelling, name in found.items() if name is None]
    if lacking:
        raise _error(
            file,
            f"{len(lacking)} of {len(wanted)} classes that are none of {file.classes.dataset} "
            f"({listing(lacking, limit=_SHOWN)})",
            "name classes of the features",
        )
    kept = list(dict.fromkeys(name for name in found.values() if name in present))
    if not kept:
        raise _error(file, "no class with a video", "name classes that have videos")
    return file.classes.select(name for name in kept if name is not None)


def _refuse(file: ClipFile, audit: FitAudit) -> None:
    overlap = [n for n in audit.seen.removed if n.name not in audit.removed]
    if overlap:
        pairs = [f"{n.name} = {n.nearest} ({n.nearest_set})" for n in overlap]
        raise _error(
            file,
            f"{len(pairs)} seen classes at a distance below {audit.seen.threshold:g}: "
            f"{listing(pairs, limit=_SHOWN)}",
            "leave them out with --remove-overlap, name the test classes with --against, or give "
            "--allow-overlap (the folder says so)",
        )
    for test, found in zip(audit.seen.tests, audit.backbone, strict=True):
        if not found.leak_free:
            raise _error(
                file,
                f"a backbone that is not clean of {test.dataset}: {found}",
                "extract features of a clean backbone, or give --allow-overlap (the folder says "
                "so)",
            )


def _error(file: ClipFile, found: str, fix: str) -> ClassSetError:
    return ClassSetError(f"fit to clip features {file.source}", found=found, fix=fix)
