"""The benchmarks that ``run.py`` runs, and how the figures are found in what they report.

A script takes ``--json`` and prints one JSON value. Three kinds of keys mean the same in all of
them, at any depth: ``agree``, also as the end of a name, whether both sides gave the same;
``above_floor`` and ``within_limit``, whether the figure is as good as it should be; and keys that
hold a ratio, by ``ratio`` in their name or by ``RATIO_KEYS``. The texts beside and above a ratio
say what it is of. Its spread is beside it, ``lowest`` and ``highest`` or a list of the same name
with ``_range`` or ``s`` behind it, or inside it: ``{"median": 2.1, "low": 1.9, "high": 2.4}``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

RATIO_KEYS = frozenset({"overhead", "times_bare", "share_of_torch", "relative_error", "speedup"})
VERDICTS = ("above_floor", "within_limit")
_LABEL_LENGTH = 60


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One line of the suite.

    Attributes:
        name: What ``--only`` takes.
        shows: What is compared with what.
        page: The page of ``docs/`` that has the figures.
        script: File name without suffix; the name where it is empty.
        arguments: Arguments of a measurement.
        quick: Arguments of a check without figures.
    """

    name: str
    shows: str
    page: str
    script: str = ""
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ("--quick",)

    @property
    def file(self) -> str:
        """Return the script's file name."""
        return f"{self.script or self.name}.py"


SUITE = (
    Benchmark(
        name="loader",
        shows="the evaluation loader with the released one, re-created with OpenCV",
        page="video",
    ),
    Benchmark(
        name="loader-workers",
        shows="the same through two decoding processes",
        page="video",
        script="loader",
        arguments=("--workers", "2"),
        quick=("--workers", "2", "--quick"),
    ),
    Benchmark(
        name="training_clips",
        shows="one random training clip with plain loops of OpenCV and torch",
        page="video",
    ),
    Benchmark(
        name="ken_burns",
        shows="Ken Burns clips with cropping and resizing by Pillow",
        page="video",
    ),
    Benchmark(
        name="random_clips",
        shows="random clips from prepared files with originals, and with a loop of OpenCV",
        page="video",
        quick=("--quick", "--files", "2"),
    ),
    Benchmark(
        name="decoders",
        shows="the decoders with each other: speed, frame indices and levels",
        page="video",
    ),
    Benchmark(name="preparation", shows="`prepare` with a plain loop", page="prepare"),
    Benchmark(
        name="indexing",
        shows="the check of `index`, and its second run, with a plain loop of probes",
        page="benchmarks",
    ),
    Benchmark(
        name="inference",
        shows="each technique of inference with the plain fp32 loop",
        page="inference",
    ),
    Benchmark(
        name="clip_cache",
        shows="a second run, from kept clip features, with the first",
        page="cache",
    ),
    Benchmark(
        name="training",
        shows="whole training steps with the loop that one writes first",
        page="benchmarks",
    ),
    Benchmark(
        name="frozen",
        shows="an epoch of the frozen baseline from cached features with one through the backbone",
        page="benchmarks",
        arguments=("--samples", "6", "--views", "3"),
    ),
    Benchmark(
        name="scoring",
        shows="everything that is scored of a data set of ActivityNet's size with plain loops",
        page="benchmarks",
    ),
    Benchmark(
        name="features",
        shows="reading and matching a features file of UCF101's size, by format",
        page="score",
        quick=("--runs", "1"),
    ),
    Benchmark(
        name="methods",
        shows="ridge regression and ESZSL, settings chosen, with loops that solve each one anew",
        page="methods",
    ),
    Benchmark(
        name="coverage",
        shows="how often the intervals hold the truth, beside Student's t and the percentile "
        "bootstrap",
        page="uncertainty",
    ),
    Benchmark(
        name="word_vectors",
        shows="the streaming word-vector reader with gensim",
        page="class-tables",
    ),
    Benchmark(
        name="adapter_overhead",
        shows="each adapter with its library called directly on the same tensors",
        page="benchmarks",
    ),
    Benchmark(
        name="startup",
        shows="start-up of the light verbs with a bare interpreter and with importing torch",
        page="benchmarks",
    ),
    Benchmark(name="scale", shows="what a cluster needs, from unit costs", page="scale"),
    Benchmark(
        name="scale-real",
        shows="one and two processes of this machine with the simulation of them",
        page="scale",
        script="scale",
        arguments=("--real",),
        quick=("--real", "--quick"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A ratio that a benchmark reports.

    Attributes:
        what: What it is of.
        key: The key that it stands under.
        value: The ratio.
        lowest: Smallest value of the runs; None where the script does not say.
        highest: Largest value of the runs.
    """

    what: str
    key: str
    value: float
    lowest: float | None = None
    highest: float | None = None


@dataclass(kw_only=True)
class Found:
    """What a report holds.

    Attributes:
        agrees: Whether both sides gave the same, as far as the report says.
        fast: Whether every figure is as good as it should be.
        figures: The ratios, in the order of the report.
    """

    agrees: bool = True
    fast: bool = True
    figures: list[Figure] = field(default_factory=list)


def read_report(report: object) -> Found:
    """Find agreement, verdicts and ratios in the JSON value that a script printed."""
    found = Found()
    for labels, record in _records(report, ()):
        for key, value in record.items():
            if key.split("_")[-1] == "agree":
                found.agrees &= value is not False
            elif key in VERDICTS:
                found.fast &= value is not False
            elif "ratio" in key.split("_") or key in RATIO_KEYS:
                found.figures.extend(_figure(", ".join(labels), key, record))
    return found


def _records(
    value: object, labels: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every object of a JSON value with the texts that say what it is about."""
    if isinstance(value, list):
        for each in value:
            yield from _records(each, labels)
    if not isinstance(value, dict):
        return
    texts = (each for each in value.values() if isinstance(each, str))
    labels = (*labels, *(text for text in texts if 0 < len(text) <= _LABEL_LENGTH))
    yield labels, value
    for key, each in value.items():
        names = (str(key),) if isinstance(each, dict) and key != "ways" else ()
        yield from _records(each, (*labels, *names))


def _figure(what: str, key: str, record: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figure under a key, unless it is no number or a way's ratio to itself."""
    value = record[key]
    lowest, highest = _spread(record, key)
    if isinstance(value, dict):
        lowest, highest = (value.get(name) for name in ("low", "high"))
        value = value.get("median")
    is_itself = value == lowest == highest == 1
    if isinstance(value, int | float) and not isinstance(value, bool) and not is_itself:
        yield Figure(what=what, key=key, value=value, lowest=lowest, highest=highest)


def _spread(record: dict[str, Any], key: str) -> tuple[float | None, float | None]:
    for name in (f"{key}_range", f"{key}s"):
        values = record.get(name)
        if isinstance(values, list) and values:
            return min(values), max(values)
    return record.get("lowest"), record.get("highest")
