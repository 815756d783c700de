"""The systems of the paper's Table 1, and what stands for each here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.baselines.methods.catalogue import known_methods
from zsl_bench.published import claimed

if TYPE_CHECKING:
    from zsl_bench.published import PublishedRow
    from zsl_bench.workflows.compared.config import MethodRow

TABLE = "Table 1"


@dataclass(frozen=True, kw_only=True)
class System:
    """A system of the paper's Table 1.

    Attributes:
        name: Its name there.
        method: The method that stands for it; empty for none.
        fair: Whether it is that method behind the class filter of FairZSL.
        remark: What a reader should know.
    """

    name: str
    method: str
    remark: str
    fair: bool = False

    def rows(self, methods: tuple[MethodRow, ...]) -> tuple[str, ...]:
        """Return the names of the rows that stand for it."""
        if self.fair:
            return tuple(row.name for row in methods if row.fair)
        return tuple(row.name for row in methods if row.method == self.method and not row.fair)

    def standing(self, methods: tuple[MethodRow, ...]) -> str:
        """Say which rows stand for it, or why there is none."""
        rows = self.rows(methods)
        if rows:
            return ", ".join(rows)
        if not self.method:
            return "-"
        if not self.fair and self.method not in known_methods():
            return f"none: there is no method {self.method} here"
        return "none: the configuration leaves it out"


SYSTEMS = (
    System(
        name="URL",
        method="url-style",
        remark="The original learns from the full ActivityNet through a network trained on "
        "ImageNet, and its text leaves too much open: there can be a stand-in only.",
    ),
    System(
        name="DataAug (MTE)",
        method="mte",
        remark="The original also weighs videos of other data sets by the test videos, which is "
        "transductive: that is mte+iw.",
    ),
    System(
        name="InfDem",
        method="infdem-gate",
        remark="A gate that tells new classes from seen ones: it changes nothing where all "
        "candidates are unseen, and has rows under generalised protocols only.",
    ),
    System(
        name="Bidirectional",
        method="bidilel",
        remark="The inductive core; with self-training on test videos it is bidilel+st.",
    ),
    System(
        name="FairZSL",
        method="rr",
        fair=True,
        remark="A filter of the training classes and a standard method behind it.",
    ),
    System(
        name="TARN",
        method="tarn",
        remark="Two details of the text are ambiguous, and are settings here.",
    ),
    System(
        name="Action2Vec",
        method="action2vec",
        remark="Schedule and window are assumed: a reconstruction.",
    ),
    System(
        name="E2E",
        method="",
        remark="The paper's own model learns the network itself, not a method on fixed features: "
        "zsl-bench train, zsl-bench study paper-tables.",
    ),
)
"""In the order of the table."""


def published_systems(datasets: tuple[str, ...]) -> tuple[PublishedRow, ...]:
    """Return the numbers of the paper's Table 1 on some data sets, as published."""
    names = {system.name for system in SYSTEMS}
    return tuple(
        row
        for row in claimed(table=TABLE)
        if row.dataset in datasets and row.entry.startswith("paper-") and row.method in names
    )
