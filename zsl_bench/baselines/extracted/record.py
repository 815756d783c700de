"""What is known of the model that made clip features, and class sets, as JSON holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.cards import card_from_json, card_to_json
from zsl_bench.classes import ClassSet, bundled_class_sets, load_class_set
from zsl_bench.errors import DatasetError, ZslBenchError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.model import ModelCard

_AGAIN = "make the file again"
FEATURES, EMBED_CLIPS = "features", "embed_clips"
OUTPUTS = (FEATURES, EMBED_CLIPS)
_RECORD = {"weights": dict, "given": dict, "card": dict, "declared_by_user": list}


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """The model that made clip features, and what it has seen.

    Attributes:
        card: Its card, completed by what a user declared where it was silent; the policy is the
            one that cut the clips.
        weights: What identifies its weights, as
            :func:`zsl_bench.model_digest.weights_identity` has it, and its code.
        output: What the features are: ``features`` (before the model's last layer) or
            ``embed_clips`` (its clip vectors).
        reference: How it was named, such as ``path:weights``; None for a loaded model.
        given: What its loader was told beside that: ``weights`` and ``settings``, both as text.
        declared_by_user: The fields of the declaration that are not the model's own.
    """

    card: ModelCard
    weights: Mapping[str, str]
    output: str
    reference: str | None
    given: Mapping[str, Any]
    declared_by_user: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON holds it."""
        return {
            "card": card_to_json(self.card),
            "settings": dict(self.card.settings),
            "revision": self.card.revision,
            "weights": dict(self.weights),
            "output": self.output,
            "reference": self.reference,
            "given": dict(self.given),
            "declared_by_user": list(self.declared_by_user),
        }

    @classmethod
    def from_json(cls, value: object, *, asked: str) -> BackboneRecord:
        """Read a record.

        Raises:
            DatasetError: A field is missing or malformed.
        """
        if not isinstance(value, dict):
            raise DatasetError(asked, found="a backbone that is no object", fix=_AGAIN)
        wrong = _wrong(value)
        if wrong:
            raise DatasetError(asked, found=f"a backbone without {listing(wrong)}", fix=_AGAIN)
        try:
            card = card_from_json(value["card"], asked=f"backbone of {asked}")
            card = replace(card, settings=value.get("settings", {}), revision=value.get("revision"))
        except ZslBenchError as error:
            raise DatasetError(asked, found=f"its backbone: {error.found}", fix=_AGAIN) from error
        return cls(
            card=card,
            weights={str(key): str(digest) for key, digest in value["weights"].items()},
            output=value["output"],
            reference=value.get("reference"),
            given=value["given"],
            declared_by_user=tuple(map(str, value["declared_by_user"])),
        )


def _wrong(value: Mapping[str, Any]) -> list[str]:
    """Return the fields of a record that are missing or malformed."""
    known = {
        **{key: isinstance(value.get(key), kind) for key, kind in _RECORD.items()},
        **{key: isinstance(value.get(key), (str, type(None))) for key in ("reference", "revision")},
    }
    known["output"] = value.get("output") in OUTPUTS
    known["weights"] = known["weights"] and bool(value["weights"])
    known["given"] = known["given"] and _is_given(value["given"])
    return [key for key, is_right in known.items() if not is_right]


def _is_given(given: Mapping[str, Any]) -> bool:
    settings = given.get("settings", [])
    named = isinstance(settings, list) and all(
        isinstance(text, str) and "=" in text for text in settings
    )
    return named and isinstance(given.get("weights"), (str, type(None)))


def classes_to_json(classes: ClassSet) -> dict[str, Any]:
    """Return a class set with names, words and labels as JSON holds it."""
    return {
        "dataset": classes.dataset,
        "version": classes.version,
        "rules": classes.rules,
        "source": classes.source,
        "names": list(classes.names),
        "words": [list(words) for words in classes.words],
        "labels": list(classes.labels),
    }


def classes_from_json(value: object, *, asked: str) -> ClassSet:
    """Read a class set; one that equals a bundled set is that set, with its other spellings.

    Raises:
        DatasetError: It is no class set.
    """
    try:
        made = _class_set(value)
    except (TypeError, KeyError, ValueError, ZslBenchError) as error:
        raise DatasetError(asked, found=f"no class set in it ({error})", fix=_AGAIN) from error
    if made.dataset in bundled_class_sets():
        try:
            bundled = load_class_set(made.dataset, made.rules)
        except ZslBenchError:
            return made
        if bundled.fingerprint == made.fingerprint:
            return bundled
    return made


def _class_set(value: Any) -> ClassSet:  # noqa: ANN401
    texts = [value["dataset"], value["rules"], value["source"], *value["names"], *value["labels"]]
    texts += [word for words in value["words"] for word in words]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name that is no text")
    return ClassSet(
        dataset=value["dataset"],
        version=int(value["version"]),
        names=tuple(value["names"]),
        words=tuple(tuple(words) for words in value["words"]),
        labels=tuple(value["labels"]),
        aliases=((),) * len(value["names"]),
        rules=value["rules"],
        source=value["source"],
    )
