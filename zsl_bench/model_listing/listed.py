"""Every installed model with what its source states, and whether it can work at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from zsl_bench.files import read_asset
from zsl_bench.model import declaration_json
from zsl_bench.model_listing.reading import ReadCard, Unread, read_card
from zsl_bench.model_listing.source_files import BrokenSourceError
from zsl_bench.registry import installed_models

if TYPE_CHECKING:
    from zsl_bench.model import TrainingData
    from zsl_bench.registry import InstalledModel
    from zsl_bench.video import ClipSpec

READABLE, OK, BROKEN = "readable", "ok", "broken"
AMBIGUOUS, NEEDS_WEIGHTS = "ambiguous", "needs weights"
"""States of a listed model. ``readable`` was not tried; ``ok`` and ``needs weights`` were."""

_OURS = "zsl-bench"


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """An installed model as a listing shows it.

    Attributes:
        model: Name, place and package.
        card: What the source states.
        state: ``ok``, ``broken``, ``ambiguous`` or ``needs weights``.
        reason: Why it is not ok; empty where it is.
    """

    model: InstalledModel
    card: ReadCard = field(default_factory=ReadCard)
    state: str = READABLE
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the row in a form that JSON holds; unread fields are the text that says so."""
        card = self.card
        clip = card.clip if isinstance(card.clip, Unread) else asdict(card.clip)
        return {
            **asdict(self.model),
            "card_name": _plain(card.name),
            "clip": _plain(clip),
            "policy": _plain(card.policy),
            "trained_on": _declared(card.trained_on),
            "pretrained_on": _declared(card.pretrained_on),
            "licence": _plain(card.licence),
            "description": _plain(card.description),
            "state": self.state,
            "reason": self.reason,
        }


def listed_models() -> tuple[ListedModel, ...]:
    """Read every installed model's card from its source; no plug-in is imported.

    A model that cannot work is ``broken``, with the reason: its module or attribute is missing,
    does not parse, imports what is not installed, or states a card that would be refused. One that
    shares its name with another package's is ``ambiguous``.
    """
    models = installed_models()
    offered = Counter(model.name for model in models)
    return tuple(_listed(model, shared=offered[model.name] > 1) for model in models)


def clip_text(clip: ClipSpec | Unread) -> str:
    """Return a clip spec in brief, such as ``16 x 112 px``."""
    if isinstance(clip, Unread):
        return clip.value
    return f"{clip.frames} x {clip.size} px"


def declaration_text(data: TrainingData | Unread) -> str:
    """Return a declaration in brief: the data sets and how many of their classes."""
    if isinstance(data, Unread):
        return data.value
    if data is None or data == "open":
        return data or "undeclared"
    return ", ".join(_set_text(one.dataset, len(one)) for one in data) or "nothing"


def _set_text(dataset: str, classes: int) -> str:
    counted = f"{classes} class{'' if classes == 1 else 'es'}"
    return counted if ":" in dataset else f"{dataset} ({counted})"


def _listed(model: InstalledModel, *, shared: bool) -> ListedModel:
    try:
        card = read_card(model.value)
    except BrokenSourceError as error:
        return ListedModel(model=model, state=BROKEN, reason=str(error))
    if model.distribution == _OURS and model.name in read_asset("weights.json")["weights"]:
        card = _from_weights(card)
    if shared:
        reason = f"another package offers this name too; give py:{model.value}"
        return ListedModel(model=model, card=card, state=AMBIGUOUS, reason=reason)
    return ListedModel(model=model, card=card)


def _from_weights(card: ReadCard) -> ReadCard:
    unknown = Unread.FROM_WEIGHTS
    return replace(
        card, clip=unknown, policy=unknown, trained_on=unknown, pretrained_on=unknown,
        licence=unknown,
    )  # fmt: skip


def _plain(value: object) -> object:
    return value.value if isinstance(value, Unread) else value


def _declared(data: TrainingData | Unread) -> object:
    return data.value if isinstance(data, Unread) else declaration_json(data)
