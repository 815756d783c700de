"""Before the first step: data, starting weights, the audit, class vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.baselines.training.data import (
    candidate_classes,
    open_training_data,
    select_samples,
)
from zsl_bench.baselines.training.guard import audit_classes
from zsl_bench.baselines.training.start import starting_network
from zsl_bench.classes import RULE_SETS, bundled_class_sets, load_class_set, with_rules
from zsl_bench.device import choose_device
from zsl_bench.errors import ModelError, WordVectorError, listing
from zsl_bench.splits import class_list
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.guard import ClassAudit
    from zsl_bench.baselines.training.start import Start
    from zsl_bench.classes import ClassSet
    from zsl_bench.wordvectors import ClassVectors, WordVectors


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A run that could take its first step.

    Attributes:
        config: The configuration.
        training_set: What is trained on, and what is held out.
        audit: How the classes compare with the test sets.
        start: The network with its starting weights.
        vectors: The word vectors.
        classes: Vectors of the training classes.
        held_out: Vectors of the held-out classes, or None.
        warnings: What a person should know, one sentence each.
    """

    config: TrainConfig
    training_set: TrainingSet
    audit: ClassAudit
    start: Start
    vectors: WordVectors
    classes: ClassVectors
    held_out: ClassVectors | None
    warnings: tuple[str, ...]


def prepare(config: TrainConfig, *, progress: bool = False) -> Prepared:
    """Open the data, load the starting weights, audit the classes and embed them.

    Nothing is trained or written.

    Args:
        config: The configuration.
        progress: Show the progress of a download on standard error.

    Raises:
        ZslBenchError: Something is missing, does not fit, or overlaps with a test set.
    """
    device = choose_device(config.run.device)
    manifest = open_training_data(config.data)
    rules = config.model.words
    candidates, notes = candidate_classes(manifest, config.data)
    candidates = with_rules(candidates, rules)
    tests = [class_list(reference, rules) for reference in config.audit.against]
    bundled = [load_class_set(name, by) for name in bundled_class_sets() for by in RULE_SETS]
    vectors = load_word_vectors(config.model.vectors, words=_words([candidates, *tests, *bundled]))
    start = starting_network(config, dim=vectors.dim, progress=progress)
    seen = (*(start.pretrained_on if isinstance(start.pretrained_on, tuple) else ()), *start.known)
    if config.model.vectors is not None and _words(seen) - set(vectors.words):
        words = _words([candidates, *tests, *bundled, *seen])
        vectors = load_word_vectors(config.model.vectors, words=words)
    audit = audit_classes(
        candidates, start.pretrained_on, config, vectors=vectors, known=start.known
    )
    training_set = select_samples(manifest, audit.kept, config, notes=notes)
    held_out = training_set.held_out
    if config.run.sync_batch_norm and device.type != "cuda":
        raise ModelError(
            "run.sync_batch_norm", found="training on the CPU", fix="leave it out; it needs GPUs"
        )
    return Prepared(
        config=config,
        training_set=training_set,
        audit=audit,
        start=start,
        vectors=vectors,
        classes=_embed(training_set.classes, vectors, config),
        held_out=None if held_out is None else _embed(held_out.classes, vectors, config),
        warnings=tuple(_warnings(training_set, audit)),
    )


def _embed(classes: ClassSet, vectors: WordVectors, config: TrainConfig) -> ClassVectors:
    try:
        return class_vectors(classes, vectors, allow_approximate=config.model.allow_approximate)
    except WordVectorError as error:
        raise WordVectorError(
            error.asked,
            found=error.found,
            fix="set model.vectors to a file that has the words, such as "
            "GoogleNews-vectors-negative300.bin, or model.allow_approximate = true",
        ) from error


def _words(sets: Sequence[ClassSet]) -> set[str]:
    return {word for one in sets for words in one.words for word in words}


def _warnings(training_set: TrainingSet, audit: ClassAudit) -> list[str]:
    found = list(training_set.notes)
    if audit.removed:
        found.append(
            f"left out of training, too close to a test class: {listing(audit.removed, limit=4)}"
        )
    if audit.overlap:
        pairs = len(audit.overlap)
        found.append(
            f"{pairs} classes overlap with a test class and are allowed: the weights' card says so"
        )
    if audit.silent:
        found.append(f"the pretraining data is {audit.silent} and cannot be audited")
    if audit.training.approximate_words:
        words = listing(audit.training.approximate_words, limit=4)
        found.append(
            f"words of training or test classes without a vector, whose distances in the audit are "
            f"usually too large: {words}"
        )
    return found
