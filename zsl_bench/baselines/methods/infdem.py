"""InfDem (Roitberg et al., 2018): a gate before any zero-shot method, for generalised scores only.

A video that the gate takes for a seen class gets one of those, any other one of the unseen. Where
the candidates hold no seen class the gate changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, SeenVideos
from zsl_bench.baselines.methods.catalogue import installed_method, load_method
from zsl_bench.baselines.methods.infdem_gate import RULES, Gate, GateRule
from zsl_bench.baselines.methods.infdem_network import GateConfig
from zsl_bench.baselines.methods.inputs import same_classes
from zsl_bench.baselines.methods.settings import check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, MethodSpec
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

INFDEM = MethodSpec(
    name="infdem-gate",
    title="Informed Democracy gate (Roitberg et al., 2018)",
    fidelity="reconstruction",
    generalised_only=True,
    side_data=("features of an I3D that was trained on Kinetics, from memory",),
    sources=("arXiv 1810.12819, abstract",),
    assumed=(
        "base: the zero-shot method behind the gate is rr",
        "rule: informed, one of three whose names are from memory",
        UNIT_CLASSES,
        "video vectors are centred, of unit length, times the root of D",
        "units: 256 hidden units with ReLU, dropout 0.5",
        "training: Adam 1e-3, weight decay 1e-4, batches of 128, 60 epochs",
        "passes: 100, with the same cleared units for every video",
        "held_out: 20% of the seen videos, not learned from",
        "percentile: limits at the 95th of the uncertainty, taken from above",
        "council: the half of the classes whose uncertainty varies least",
        "least: 10 right videos for limits of a leader's own, else those of all leaders",
        "false_alarms: 5% of the held-out videos, judged by limits of other ones (folds: 5)",
        "the dictator needs no threshold: its vote is at the percentile already",
    ),
)
_BASE = "base."
_STEP = 2.0


@dataclass(frozen=True, kw_only=True)
class InfDemConfig(GateConfig):
    """Settings of ``infdem-gate``.

    Attributes:
        base: Zero-shot method behind the gate.
        base_settings: Its settings.
        rule: Who votes: ``informed``, ``uninformed`` or ``dictator``; or ``max-softmax``, no vote.
    """

    base: str = "rr"
    base_settings: Mapping[str, Any] = field(default_factory=dict)
    rule: GateRule = "informed"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        counts = ("units", "batch_size", "epochs", "passes", "least", "folds")
        check_settings(
            INFDEM.name,
            self,
            whole=dict.fromkeys(counts, 1),
            ranges={
                **dict.fromkeys(("held_out", "council", "false_alarms"), (0, 1)),
                **dict.fromkeys(("learning_rate", "weight_decay"), (0, math.inf)),
                "dropout": (0, 0.99),
                "percentile": (0, 100),
            },
            choices={"rule": RULES},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedInfDem(FittedMethod):
    """A gate, the seen-class classifier in it, and a zero-shot method behind it.

    Attributes:
        spec: What it is.
        gate: Gate and classifier.
        base: Scores unseen classes.
        seen_vectors: ``(C, E)``; a candidate with one of these vectors is a seen class.
        rule: Who votes.
    """

    spec: MethodSpec
    gate: Gate
    base: FittedMethod
    seen_vectors: Matrix
    rule: GateRule

    def behind(self, base: FittedMethod) -> FittedInfDem:
        """Return the same gate before another fitted method."""
        return replace(self, base=base, spec=_spec(base.spec))

    def voting(self, rule: GateRule) -> FittedInfDem:
        """Return the same with another rule."""
        return replace(self, rule=rule)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return those of the gate and of the method behind it."""
        behind = {f"{_BASE}{name}": array for name, array in self.base.arrays().items()}
        return {**self.gate.arrays(), **behind, "seen_vectors": self.seen_vectors}

    def settings(self) -> dict[str, Any]:
        """Return those of the gate and of the method behind it."""
        return {
            **self.gate.settings(),
            "rule": self.rule,
            "base": self.base.spec.name,
            "base_settings": self.base.settings(),
        }

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Score seen candidates by the classifier and the others by the method behind the gate.

        Unseen candidates get the base's score s as ``s / (1 + |s|)``, from -1 to 1; seen ones their
        probability plus ``2 (r + 1)`` where the novelty stays r below the threshold, and
        ``2 (r - 1)`` where r is negative. The best candidate is thus one of the side that the gate
        chose, and an offset on seen classes moves the gate's threshold.
        """
        columns = self.seen_columns(class_vectors)
        seen, unseen = columns >= 0, columns < 0
        scores = np.empty((len(videos), len(class_vectors)))
        if unseen.any():
            plain = self.base.scored(videos, class_vectors[unseen])
            scores[:, unseen] = plain / (1 + np.abs(plain))
        if seen.any():
            judged = self.gate.judged(videos)
            room = self.gate.lead(judged, self.rule)
            lead = _STEP * (room + np.where(room < 0, -1.0, 1.0))
            scores[:, seen] = judged.probabilities[:, columns[seen]] + lead[:, None]
        return scores

    def seen_columns(self, class_vectors: Matrix) -> NDArray[np.intp]:
        """Return which seen class each candidate is, -1 for an unseen one."""
        return same_classes(class_vectors, self.seen_vectors)


class InfDem(FeatureMethod):
    """Trains the gate and the method behind it on the same seen videos."""

    spec = INFDEM
    config = InfDemConfig
    quick: ClassVar[Mapping[str, Any]] = {"epochs": 10, "passes": 20, "units": 64}

    def fitted(self, seen: SeenVideos, config: InfDemConfig) -> FittedInfDem:
        """Train both; test videos set no threshold."""
        method = load_method(config.base)
        if method.spec.generalised_only:
            raise ModelError(
                f"{config.base} behind {INFDEM.name}",
                found="a method that only changes generalised scores",
                fix="put a zero-shot method behind the gate",
            )
        base = method.fitted(seen, method.configured(config.base_settings))
        return FittedInfDem(
            spec=_spec(base.spec),
            gate=Gate.of(seen, config),
            base=base,
            seen_vectors=seen.class_vectors,
            rule=config.rule,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedInfDem:
        """Make it of what was saved."""
        behind = {
            name.removeprefix(_BASE): array
            for name, array in arrays.items()
            if name.startswith(_BASE)
        }
        method = installed_method(str(settings["base"]))
        base = method.restored(behind, settings["base_settings"])
        return FittedInfDem(
            spec=_spec(base.spec),
            gate=Gate.restored(arrays, settings),
            base=base,
            seen_vectors=arrays["seen_vectors"],
            rule=settings["rule"],
        )


def _spec(base: MethodSpec) -> MethodSpec:
    return replace(
        INFDEM,
        title=f"{INFDEM.title} before {base.name}",
        transductive=base.transductive,
        needs_unseen_names=base.needs_unseen_names,
        jointly_embeds_classes=base.jointly_embeds_classes,
        side_data=(*INFDEM.side_data, *base.side_data),
    )
