"""What a method is: how faithful, what it needs to be told, what else it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from zsl_bench.errors import ModelError

Fidelity = Literal["faithful", "close", "reconstruction", "stand-in"]
UNIT_VIDEOS = "video vectors are centred on seen ones and of unit length"
UNIT_CLASSES = "class vectors are of unit length"
"""What many methods assume, in the words of all."""


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """What is printed beside every number of a method.

    Attributes:
        name: Short name, such as ``rr``.
        title: What its authors call it, with year.
        fidelity: ``faithful`` (someone with the paper would call it the same algorithm), ``close``
            (a step had to be assumed), ``reconstruction`` (much was assumed) or ``stand-in``.
        transductive: Whether it needs test videos: only through ``adapt``.
        needs_unseen_names: Whether ``fit`` wants the names of the test classes.
        jointly_embeds_classes: Whether a class's point depends on the other candidates.
        generalised_only: Whether it only changes generalised zero-shot scores.
        side_data: What the original had beside the features, one entry each.
        sources: Where the algorithm was read.
        assumed: Settings and steps that no source states, by name, each with the default taken.
    """

    name: str
    title: str
    fidelity: Fidelity
    transductive: bool = False
    needs_unseen_names: bool = False
    jointly_embeds_classes: bool = False
    generalised_only: bool = False
    side_data: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields that have a choice.

        Raises:
            ModelError: A field is empty or has no such value.
        """
        if not self.name or not self.name.replace("+", "-").replace("-", "").isalnum():
            raise ModelError(
                f"method {self.name!r}", found="no short name", fix="use letters, digits, - and +"
            )
        if self.fidelity not in get_args(Fidelity):
            raise ModelError(
                f"method {self.name}",
                found=f"fidelity {self.fidelity!r}",
                fix=f"choose among {', '.join(get_args(Fidelity))}",
            )

    @property
    def setting(self) -> str:
        """``transductive`` or ``inductive``."""
        return "transductive" if self.transductive else "inductive"
