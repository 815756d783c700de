"""Class text: the same classes told to a text encoder in other words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.scoring import unit_rows
from zsl_bench.words import label_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.prompts import PromptSet


@dataclass(frozen=True, kw_only=True)
class ClassText:
    """One way to tell a model the classes.

    Attributes:
        kind: ``class text`` for another spelling of the label, ``prompts`` for templates around it.
        name: Name of the variant.
        texts: For each template the text of every class; their unit vectors are averaged.
    """

    kind: str
    name: str
    texts: tuple[tuple[str, ...], ...]

    @property
    def detail(self) -> str:
        """The first class's text, and how many templates there are."""
        first = repr(self.texts[0][0])
        return first if len(self.texts) == 1 else f"{len(self.texts)} templates, first {first}"


def class_texts(classes: ClassSet, prompts: Sequence[PromptSet]) -> tuple[ClassText, ...]:
    """Return every way to tell a model some classes.

    Names as the data set spells them (``ApplyEyeMakeup``, as X-CLIP and Text4Vis feed them), spaced
    in lower case (``apply eye makeup``), spaced with capitals (``Apply Eye Makeup``, as CLIP's own
    list has them), and the labels inside every prompt set.

    Args:
        classes: The classes with the labels of the baseline.
        prompts: The prompt sets.
    """
    spaced = tuple(label_of(name) for name in classes.names)
    spellings = {
        "official name": classes.names,
        "spaced lower case": spaced,
        "spaced capitals": tuple(_capitalised(text) for text in spaced),
    }
    return (
        *(ClassText(kind="class text", name=n, texts=(t,)) for n, t in spellings.items()),
        *(
            ClassText(
                kind="prompts",
                name=each.name,
                texts=tuple(each.texts(template, classes.labels) for template in each.templates),
            )
            for each in prompts
        ),
    )


def text_vectors(
    text: ClassText, classes: ClassSet, embed: Callable[[ClassSet], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the class vectors of a class text.

    With one template they are what the model returns; with several the mean of the unit vectors.

    Args:
        text: The class text.
        classes: The classes; only their labels are replaced.
        embed: Class set to ``(C, D)`` class vectors.
    """
    each = [embed(replace(classes, labels=labels)) for labels in text.texts]
    if len(each) == 1:
        return each[0]
    return np.asarray(np.mean([unit_rows(vectors) for vectors in each], axis=0))


def _capitalised(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split())
