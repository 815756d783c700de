"""Model cards as JSON, and what torchvision's backbones have already seen."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from torchvision.models import get_weight

from zsl_bench.classes import (
    RULES,
    ClassSet,
    bundled_class_sets,
    class_set_from_names,
    load_class_set,
)
from zsl_bench.errors import WeightsError, ZslBenchError, listing, near_matches
from zsl_bench.model import ModelCard
from zsl_bench.video import ClipSpec
from zsl_bench.words import label_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zsl_bench.model import TrainingData

CARD_SCHEMA = 1
CARD_SOURCE = "card.json"
_DECLARED = ("trained_on", "pretrained_on")
_TEXTS = ("name", "policy", "pooling", "rules", "licence", "citation", "description")
_KNOWN = frozenset({"schema", "clip", "training", *_DECLARED, *_TEXTS})


def card_to_json(card: ModelCard, *, training: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a card in the form of ``card.json``; the revision is left to the weights' digest.

    Args:
        card: The card.
        training: How the weights came about, such as the training settings; kept as it is.
    """
    return {
        "schema": CARD_SCHEMA,
        **{key: getattr(card, key) for key in _TEXTS},
        "clip": asdict(card.clip),
        **{key: _declaration_to_json(getattr(card, key)) for key in _DECLARED},
        "training": dict(training or {}),
    }


def card_from_json(value: object, *, asked: str) -> ModelCard:
    """Read a card from the content of ``card.json``.

    Args:
        value: The parsed JSON.
        asked: What is being read, for the message.

    Raises:
        WeightsError: It is no card, lacks a declaration, or has an unknown or malformed field.
    """
    card = checked_object(value, schema=CARD_SCHEMA, known=_KNOWN, asked=asked)
    lacking = [key for key in ("name", *_DECLARED) if key not in card]
    if lacking:
        raise WeightsError(
            asked,
            found=f"no {' and no '.join(lacking)}",
            fix="add it; the two declarations take null (undeclared), 'open', [] or classes",
        )
    texts = {key: card[key] for key in _TEXTS if key in card}
    wrong = [key for key, text in texts.items() if not isinstance(text, str)]
    if wrong:
        raise WeightsError(asked, found=f"{wrong[0]} is not text", fix="make it a string")
    try:
        return ModelCard(
            **texts,
            clip=_clip_from_json(card.get("clip", {}), asked),
            trained_on=_declaration_from_json(card["trained_on"], "trained_on", asked),
            pretrained_on=_declaration_from_json(card["pretrained_on"], "pretrained_on", asked),
        )
    except ZslBenchError as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(asked, found=error.found, fix=error.fix) from error


def checked_object(
    value: object, *, schema: int, known: Iterable[str], asked: str
) -> dict[str, Any]:
    """Return parsed JSON as an object after checking its schema version and its keys.

    Raises:
        WeightsError: It is not an object, of another schema, or holds an unknown key.
    """
    if not isinstance(value, dict):
        raise WeightsError(asked, found="no JSON object", fix="save the weights again")
    if value.get("schema") != schema:
        raise WeightsError(
            asked,
            found=f"schema {value.get('schema')!r}",
            fix=f"this version reads schema {schema}; update zsl-bench or save the weights again",
        )
    for key in value:
        if key not in set(known):
            raise WeightsError(asked, found=f"unknown field {key!r}", fix=near_matches(key, known))
    return value


def checked_training(card: Mapping[str, Any], asked: str) -> dict[str, Any]:
    """Return what a card keeps of how the weights came about.

    Raises:
        WeightsError: It is no object.
    """
    training = card.get("training", {})
    if not isinstance(training, dict):
        raise WeightsError(asked, found="training is no object", fix="save the weights again")
    return training


def backbone_classes(backbone: str) -> ClassSet:
    """Return the classes that a torchvision weights enum was trained on, without a download.

    Args:
        backbone: Name of the enum member, such as ``R2Plus1D_18_Weights.KINETICS400_V1``.

    Raises:
        WeightsError: torchvision has no such weights, or does not say what they have seen.
    """
    asked = f"torchvision weights {backbone!r}"
    try:
        meta = get_weight(backbone).meta
    except (ValueError, KeyError, AttributeError) as error:
        raise WeightsError(
            asked, found="none of that name", fix="name one such as R3D_18_Weights.KINETICS400_V1"
        ) from error
    categories = [str(category) for category in meta.get("categories", ())]
    kinetics = load_class_set("kinetics400")
    found = [kinetics.find(category) for category in categories]
    lost = [c for c, name in zip(categories, found, strict=True) if name is None]
    if lost or not categories:
        raise WeightsError(
            asked,
            found=f"categories that are not Kinetics-400 ({listing(lost, limit=3) or 'none'})",
            fix="use weights trained on Kinetics-400, or declare the classes in card.json",
        )
    return kinetics.select(name for name in found if name is not None)


def with_backbone_classes(
    declared: TrainingData, backbone: str | None, *, asked: str
) -> TrainingData:
    """Complete a declaration of pretraining data with what the backbone has seen.

    Args:
        declared: ``pretrained_on`` of the card.
        backbone: torchvision weights that the backbone started from, or None.
        asked: What is being read, for the message.

    Returns:
        The declaration; where it is undeclared and there is a backbone, the backbone's classes.

    Raises:
        WeightsError: The card declares something that leaves the backbone's classes out.
    """
    if backbone is None:
        return declared
    seen = backbone_classes(backbone)
    if declared is None:
        return (seen,)
    sets = () if declared == "open" else declared
    if not any(set(seen.names) <= set(one.names) for one in sets):
        raise WeightsError(
            asked,
            found=f"pretrained_on leaves out the classes of the backbone {backbone}",
            fix="add them to card.json, or write null to have them filled in",
        )
    return declared


def _clip_from_json(value: object, asked: str) -> ClipSpec:
    known = [field.name for field in fields(ClipSpec)]
    if not isinstance(value, dict):
        raise WeightsError(asked, found="clip is no object", fix="save the weights again")
    for key in value:
        if key not in known:
            raise WeightsError(asked, found=f"clip.{key}", fix=near_matches(key, known))
    try:
        return ClipSpec(**value)
    except TypeError as error:
        raise WeightsError(asked, found=f"clip: {error}", fix="save the weights again") from error


def _declaration_to_json(data: TrainingData) -> object:
    if data is None or data == "open":
        return data
    return [
        {
            "dataset": one.dataset,
            "version": one.version,
            "rules": one.rules,
            "source": one.source,
            "classes": list(one.names),
            "words": [list(words) for words in one.words],
            "labels": list(one.labels),
        }
        for one in data
    ]


def _declaration_from_json(value: object, key: str, asked: str) -> TrainingData:
    if value is None or value == "open":
        return value
    if not isinstance(value, list):
        raise WeightsError(
            asked,
            found=f"{key} is {type(value).__name__}",
            fix="write null, 'open', [] or a list of {dataset, classes}",
        )
    try:
        return tuple(_class_set(entry) for entry in value)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise WeightsError(
            asked,
            found=f"{key} with an entry that is not {{dataset, classes}} ({error!r})",
            fix="give each data set's name and the list of its class names",
        ) from error
    except ZslBenchError as error:
        raise WeightsError(asked, found=f"{key}: {error.found}", fix=error.fix) from error


def _class_set(entry: Mapping[str, Any]) -> ClassSet:
    """Make the class set of one declared data set; words are its own, the bundled or by rule."""
    dataset, names = _text(entry["dataset"]), tuple(_text(name) for name in entry["classes"])
    rules = _text(entry.get("rules", RULES))
    if "words" not in entry:
        if dataset in bundled_class_sets():
            return load_class_set(dataset, rules).select(names)
        return class_set_from_names(names, dataset=dataset, source=CARD_SOURCE, rules=rules)
    return ClassSet(
        dataset=dataset,
        version=int(entry.get("version", 1)),
        names=names,
        words=tuple(tuple(_text(word) for word in row) for row in entry["words"]),
        labels=tuple(_text(label) for label in entry.get("labels", map(label_of, names))),
        aliases=((),) * len(names),
        rules=rules,
        source=_text(entry.get("source", CARD_SOURCE)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
