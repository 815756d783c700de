"""The plug-in interface: what a zero-shot model offers, and the card that says what it has seen."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Literal,
    Protocol,
    TypeAlias,
    TypeGuard,
    TypeVar,
    runtime_checkable,
)

from zsl_bench.classes import (
    RULE_SETS,
    RULES,
    ClassSet,
    bundled_class_sets,
    class_set_from_names,
)
from zsl_bench.errors import ModelError, ZslBenchError, near_matches
from zsl_bench.video import ClipSpec, clip_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.wordvectors import ClassVectors

Setting: TypeAlias = str | int | float | bool
TrainingData: TypeAlias = tuple[ClassSet, ...] | Literal["open"] | None

_Made = TypeVar("_Made")

POOLINGS = ("mean", "mean-of-unit")
SCORE_KINDS = ("cosine", "logits", "probabilities")
UNVERSIONED = "unversioned"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model is, what it wants to be handed, and what it has already seen.

    ``trained_on`` and ``pretrained_on`` each take one of four values that are never conflated:
    ``None`` (undeclared), ``"open"`` (web data that cannot be enumerated), ``()`` (nothing), or
    classes: a :class:`ClassSet`, several of them, or class names.

    Attributes:
        name: Short name, used in result file names.
        revision: Commit, version or digest of the weights; None to let the harness hash them.
        clip: Frames, size and preprocessing of the clips handed to ``embed_clips``.
        policy: Default clip policy, such as ``paper-25``.
        pooling: ``mean`` (average of clip vectors) or ``mean-of-unit`` (of unit clip vectors).
        scores: What ``score`` returns, for a model that offers it: ``cosine``, ``logits`` or
            ``probabilities``.
        rules: Rule set of the words that stand for a class, ``brattoli2020`` or ``plain``, where
            class vectors are made of words.
        trained_on: Classes of the labelled training data.
        pretrained_on: Classes of the pretraining data.
        settings: What else the model's numbers depend on, such as its prompts; part of a result's
            identity. Names to text, numbers or truth values.
        licence: Licence of the weights.
        citation: How to cite the model.
        description: One line for listings.
    """

    name: str
    clip: ClipSpec = field(default_factory=ClipSpec)
    policy: str = "paper-25"
    revision: str | None = None
    pooling: str = "mean"
    scores: str = "cosine"
    rules: str = RULES
    trained_on: TrainingData = None
    pretrained_on: TrainingData = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        """Check the fields and turn declared class names into class sets."""
        asked = f"model card {self.name!r}"
        if not self.name or any(c in self.name for c in "/\\\0\n"):
            raise ModelError(
                asked, found="an empty name or one with a slash", fix="use letters, digits, - and ."
            )
        for field_name, value, known in (
            ("pooling", self.pooling, POOLINGS),
            ("scores", self.scores, SCORE_KINDS),
            ("rules", self.rules, RULE_SETS),
        ):
            if value not in known:
                raise ModelError(
                    asked, found=f"{field_name} {value!r}", fix=near_matches(str(value), known)
                )
        check_policy(self.policy, self.clip, asked)
        for field_name in ("trained_on", "pretrained_on"):
            declared = _declared(getattr(self, field_name), field_name, self.name)
            object.__setattr__(self, field_name, declared)
        object.__setattr__(self, "settings", _checked_settings(self.settings, asked))

    def declared(self) -> dict[str, object]:
        """Return the two declarations in a form that JSON holds and a digest can cover."""
        return {
            "trained_on": declaration_json(self.trained_on),
            "pretrained_on": declaration_json(self.pretrained_on),
        }


def _checked_settings(settings: object, asked: str) -> Mapping[str, Setting]:
    if not isinstance(settings, Mapping) or not all(
        isinstance(name, str) and isinstance(value, (str, int, float))
        for name, value in settings.items()
    ):
        raise ModelError(
            asked, found=f"settings {settings!r}"[:120], fix="give names to text or numbers"
        )
    return MappingProxyType(dict(settings))


def check_policy(policy: str, clip: ClipSpec, asked: str) -> None:
    """Refuse a clip policy whose clips are not as long as the model wants them.

    Raises:
        ModelError: The policy's frames differ from ``clip.frames``.
    """
    chosen = clip_policy(policy)
    if chosen.frames != clip.frames:
        raise ModelError(
            asked,
            found=f"policy {policy} cuts clips of {chosen.frames} frames, "
            f"the model takes {clip.frames}",
            fix=f"choose a policy with {clip.frames} frames a clip",
        )


def declaration_json(data: TrainingData) -> object:
    """Return a declaration as ``None``, ``"open"`` or a list of class sets with their names."""
    if data is None or data == "open":
        return data
    return [
        {"dataset": s.dataset, "fingerprint": s.fingerprint, "classes": list(s.names)} for s in data
    ]


def _declared(value: object, field_name: str, model: str) -> TrainingData:
    if value is None or isinstance(value, ClassSet):
        return None if value is None else (value,)
    if value == "open":
        return "open"
    items = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(item, ClassSet) for item in items):
        return items
    if isinstance(value, str) or not all(isinstance(item, str) for item in items):
        raise ModelError(
            f"{field_name} of model card {model!r}",
            found=repr(value)[:80],
            fix="give None, 'open', (), a list of class names, or class sets",
        )
    return (_declared_names(items, field_name, model),)


def _declared_names(names: tuple[str, ...], field_name: str, model: str) -> ClassSet:
    datasets = sorted(set(names) & set(bundled_class_sets()))
    if datasets:
        raise ModelError(
            f"{field_name} of model card {model!r}",
            found=f"the data-set name {datasets[0]!r} among class names",
            fix=f"give its classes: zsl_bench.load_class_set({datasets[0]!r})",
        )
    return class_set_from_names(
        names, dataset=f"{model}:{field_name}", source=f"model card of {model}"
    )


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What a loader is told.

    Attributes:
        weights: Weights folder or file for a model that takes one.
        vectors: Word vectors; None for the weights folder's own or the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.
        device: Where to put the model, such as ``cpu`` or ``cuda:0``.
        settings: Settings of the model by name, such as ``prompts``, as the user wrote them.
        trust_remote_code: Whether code that comes with downloaded weights may be run.
    """

    weights: Path | None = None
    vectors: str | None = None
    allow_approximate: bool = False
    device: str = "cpu"
    settings: Mapping[str, str] = field(default_factory=dict)
    trust_remote_code: bool = False


def parse_settings(given: Sequence[str]) -> dict[str, str]:
    """Return settings of a model from ``NAME=VALUE`` texts.

    Raises:
        ModelError: A text is not of that form, or a name comes twice.
    """
    settings: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ModelError(
                f"model setting {text!r}", found="no NAME=VALUE", fix="write it as prompts=photo-of"
            )
        if name in settings:
            raise ModelError(f"model setting {name}", found="it is given twice", fix="give it once")
        settings[name] = value
    return settings


def check_settings(options: LoadOptions, known: Iterable[str], asked: str) -> None:
    """Refuse settings that a model does not have.

    Raises:
        ModelError: A setting is unknown.
    """
    names = tuple(known)
    for name in options.settings:
        if name not in names:
            raise ModelError(
                asked,
                found=f"the setting {name!r}",
                fix=near_matches(name, names) if names else "leave it out; it has no settings",
            )


@runtime_checkable
class ZeroShotModel(Protocol):
    """A model that embeds classes and clips into one space; scored by cosine.

    Both methods run without gradients under the harness. ``embed_clips`` returns vectors before
    any final normalisation, one for each clip; the harness pools a video's clips and normalises.
    """

    @property
    def card(self) -> ModelCard:
        """What the model is and has seen."""
        ...

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, shape ``(C, D)``, in the order of ``classes.names``."""
        ...

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, shape ``(B, D)``.

        Args:
            clips: ``(B, T, 3, H, W)``, RGB levels 0 to 255 in the dtype of ``card.clip``.
        """
        ...


@runtime_checkable
class ScoringModel(Protocol):
    """A model that scores clips against classes itself, such as a reranker or a text classifier."""

    @property
    def card(self) -> ModelCard:
        """What the model is and has seen; ``card.scores`` names the kind of score."""
        ...

    def score(self, clips: Tensor, classes: ClassSet, /) -> Tensor:
        """Return one score a clip and class, shape ``(B, C)``, higher for a better match."""
        ...


@runtime_checkable
class UsesWordVectors(Protocol):
    """A model whose class vectors come from words; the harness records source and gaps."""

    def class_vectors(self, classes: ClassSet, /) -> ClassVectors:
        """Return the class vectors with their source and the words that had none."""
        ...


@runtime_checkable
class EmbedsLabels(Protocol):
    """A model that puts class labels into prompts, and can be asked to leave that out."""

    def embed_labels(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, of its label as it is, without prompts."""
        ...


@runtime_checkable
class VideoScoringModel(Protocol):
    """A model that scores whole videos, from the vectors of all clips of each in their order."""

    @property
    def card(self) -> ModelCard:
        """What the model is and has seen; ``card.scores`` names the kind of score."""
        ...

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``, of clips ``(B, T, 3, H, W)``."""
        ...

    def score_videos(
        self, features: NDArray[np.float32], lengths: NDArray[np.int64], classes: ClassSet, /
    ) -> NDArray[np.floating]:
        """Return one score a video and class, ``(N, C)``, higher for a better match.

        Args:
            features: ``(N, K, D)``, what ``embed_clips`` gave for the clips of N videos.
            lengths: ``(N,)`` clips of each video; zeros stand behind them.
            classes: The candidates.
        """
        ...


Model: TypeAlias = ZeroShotModel | ScoringModel | VideoScoringModel


def check_is_model(model: object, reference: str) -> None:
    """Refuse an object that does not meet the plug-in interface.

    Raises:
        ModelError: It has no card, or neither pair of methods.
    """
    asked = f"model {reference!r}"
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard):
        raise ModelError(
            asked,
            found=f"{type(model).__name__} with no ModelCard in its attribute 'card'",
            fix="give it card = zsl_bench.ModelCard(name=..., ...)",
        )
    if is_scoring(model) or scores_videos(model):
        return
    lacking = [name for name in ("embed_classes", "embed_clips") if not _has(model, name)]
    if lacking:
        raise ModelError(
            asked,
            found=f"{type(model).__name__} without {' and '.join(lacking)}",
            fix="offer embed_classes and embed_clips, score(clips, classes), or embed_clips and "
            "score_videos(features, lengths, classes)",
        )


def is_scoring(model: object) -> TypeGuard[ScoringModel]:
    """Say whether the harness calls ``score`` rather than the two embedding methods."""
    embeds = _has(model, "embed_classes") and _has(model, "embed_clips")
    return _has(model, "score") and not embeds


def scores_videos(model: object) -> TypeGuard[VideoScoringModel]:
    """Say whether the harness hands the clips of whole videos to ``score_videos``."""
    whole = _has(model, "score_videos") and _has(model, "embed_clips")
    return whole and not _has(model, "embed_classes")


def gives_scores(model: object) -> bool:
    """Say whether a model scores classes itself, by clip or by video, and has no class vectors."""
    return is_scoring(model) or scores_videos(model)


def _has(model: object, name: str) -> bool:
    return callable(getattr(model, name, None))


def guarded(step: Callable[[], _Made], asked: str) -> _Made:
    """Run a stranger's code; what it raises becomes one line that says where.

    Raises:
        ModelError: The code raised something other than an error of this family.
    """
    try:
        return step()
    except ZslBenchError:
        raise
    except (Exception, SystemExit) as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        kind = type(error).__name__
        last = traceback.extract_tb(error.__traceback__)[-1]
        known = not last.filename.startswith("<")
        place = f" ({Path(last.filename).name}, line {last.lineno})" if known else ""
        fix = "mend or update the code that offers it"
        if isinstance(error, ImportError):
            fix = "install what is missing, or check the spelling"
        elif "out of memory" in str(error).lower():
            fix = "give a smaller --batch-size"
        found = f"{kind}: {said[0][:200]}{place}" if said else f"{kind}{place}"
        raise ModelError(asked, found=found, fix=fix) from error
