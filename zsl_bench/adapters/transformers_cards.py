"""What well-known models of transformers have seen, and what a classifier's labels say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import ClassSet, class_set_from_names, load_class_set
from zsl_bench.errors import ModelError, listing
from zsl_bench.files import read_asset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.model import TrainingData

_LABELLED = ("kinetics400", "kinetics600", "kinetics700", "ucf101", "hmdb51", "activitynet200")
_UNNAMED = re.compile(r"LABEL_\d+")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is known of a model.

    Attributes:
        trained_on: Classes of the labelled training data.
        pretrained_on: Classes of the pretraining data.
        licence: Licence of the weights.
        citation: How to cite the model.
        source: What says so.
    """

    trained_on: TrainingData = None
    pretrained_on: TrainingData = None
    licence: str = "unknown"
    citation: str = ""
    source: str = "nothing is known of what it has seen"


def declared(reference: str) -> Declared:
    """Return what is known of a model by the name of its repository.

    A folder on this machine is undeclared whatever its name: nothing says that it holds what a
    repository of that name holds.

    Args:
        reference: ``hub:org/repo@commit``, or a path.
    """
    if not reference.startswith("hub:"):
        return Declared()
    repo = reference.removeprefix("hub:").partition("@")[0]
    for entry in read_asset("transformers_models.json")["models"]:
        if any(fnmatchcase(repo, name) for name in entry["names"]):
            return Declared(
                trained_on=_data(entry["trained_on"]),
                pretrained_on=_data(entry["pretrained_on"]),
                licence=entry["licence"],
                citation=entry["citation"],
                source=entry["source"],
            )
    return Declared()


def _data(value: Any) -> TrainingData:  # noqa: ANN401
    if value is None or value == "open":
        return value  # type: ignore[no-any-return]
    return tuple(load_class_set(name) for name in value)


def label_classes(labels: Mapping[int, str], *, name: str, asked: str) -> ClassSet:
    """Return the classes of a classifier, in the order of its outputs.

    Labels that are those of a bundled video data set, all of them, are its classes, whatever their
    order and spelling.

    Args:
        labels: The configuration's ``id2label``.
        name: What to call a set that is not bundled.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: The labels only count the classes, or are not numbered from 0 on.
        ClassSetError: A label comes twice or has no letter.
    """
    if sorted(labels) != list(range(len(labels))):
        raise ModelError(
            asked,
            found=f"classes numbered {listing([str(each) for each in sorted(labels)], limit=4)}",
            fix=f"number id2label of config.json from 0 to {len(labels) - 1}, a class an output",
        )
    names = [str(labels[number]) for number in range(len(labels))]
    unnamed = [label for label in names if _UNNAMED.fullmatch(label)]
    if unnamed:
        raise ModelError(
            asked,
            found=f"a class called {unnamed[0]}",
            fix="write the names of the classes into id2label of config.json",
        )
    for dataset in _LABELLED:
        bundled = load_class_set(dataset)
        found = {each for each in map(bundled.find, names) if each is not None}
        if len(found) == len(names) == len(bundled):
            return bundled.select(each for each in map(bundled.find, names) if each is not None)
    return class_set_from_names(names, dataset=name, source=f"labels of {name}")
