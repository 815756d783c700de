"""Is a video of a seen class? Votes by the uncertainty of a seen-class classifier.

Roitberg et al. (2018) let classifiers whose uncertainty is unusual vote for *new*, and ask only
those that are informed about the class that leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np

from zsl_bench.baselines.methods.infdem_network import (
    LAYERS,
    DropoutClassifier,
    GateConfig,
    Passes,
)
from zsl_bench.baselines.methods.inputs import Centring
from zsl_bench.baselines.methods.seen_classifier import held_out_videos
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.base import SeenVideos
    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

GateRule = Literal["informed", "uninformed", "dictator", "max-softmax"]
RULES: tuple[GateRule, ...] = get_args(GateRule)
_RELATIVE, _ABSOLUTE = 1e-6, 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What the gate makes of videos.

    Attributes:
        probabilities: ``(N, C)`` mean over the passes.
        novelty: ``(N,)`` by rule, higher is more likely new.
    """

    probabilities: Matrix
    novelty: Mapping[GateRule, Matrix]


@dataclass(frozen=True, kw_only=True)
class GateQuality:
    """How well a rule parts seen from unseen videos.

    Attributes:
        rule: Which rule.
        auroc: Chance that an unseen video looks newer than a seen one; a tie counts half.
        threshold: Novelty above which a video is called new, set on held-out seen videos.
        false_alarms: Share of the seen videos called new.
        caught: Share of the unseen videos called new.
    """

    rule: GateRule
    auroc: float
    threshold: float
    false_alarms: float
    caught: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """A seen-class classifier with limits of its uncertainty.

    Attributes:
        classifier: Of the seen classes.
        limits: ``(C, C)``: with leader l, class c votes for *new* above ``limits[l, c]``.
        councils: ``(C, C)``, whether class c is informed about leader l; a leader always is.
        thresholds: For each rule the novelty above which a video is called new.
    """

    classifier: DropoutClassifier
    limits: Matrix
    councils: NDArray[np.bool_]
    thresholds: Mapping[GateRule, float]

    @classmethod
    def of(cls, seen: SeenVideos, config: GateConfig) -> Self:
        """Train the classifier, and measure limits and thresholds on held-out seen videos.

        Where every class has one video there is nothing to hold out, and the training videos serve.
        """
        held_out = held_out_videos(seen.labels, share=config.held_out, seed=seen.seed)
        centring = Centring.of(seen.videos)
        classifier = DropoutClassifier.of(seen, centring, ~held_out, config)
        chosen = held_out if held_out.any() else ~held_out
        passes, labels = classifier.passes(seen.videos.take(chosen)), seen.labels[chosen]
        limits, councils = measured_limits(passes, labels, config)
        novelty = crossed_novelty(passes, labels, config, seed=seen.seed)
        return cls(
            classifier=classifier,
            limits=limits,
            councils=councils,
            thresholds=measured_thresholds(novelty, config.false_alarms),
        )

    def judged(self, videos: ClipFeatures) -> Judgement:
        """Classify videos among the seen classes and say how new each looks by every rule."""
        passes = self.classifier.passes(videos)
        return Judgement(
            probabilities=passes.mean, novelty=novelty_of(passes, self.limits, self.councils)
        )

    def lead(self, judged: Judgement, rule: GateRule) -> Matrix:
        """Return how far each video stays below a rule's threshold, negative where it is new."""
        room = self.thresholds[rule] - judged.novelty[rule]
        lead: Matrix = np.where(np.abs(room) <= _RELATIVE, 0.0, room)
        return lead

    def quality(self, seen: ClipFeatures, unseen: ClipFeatures) -> tuple[GateQuality, ...]:
        """Measure every rule on videos that it was not made from, plain max-softmax among them.

        Args:
            seen: Test videos of seen classes.
            unseen: Test videos of unseen classes.
        """
        sides = [[self.judged(part) for part in side.chunks()] for side in (seen, unseen)]
        measured = []
        for rule in RULES:
            novelty = [np.concatenate([part.novelty[rule] for part in side]) for side in sides]
            new = [
                np.concatenate([self.lead(part, rule) < 0 for part in side]).mean()
                for side in sides
            ]
            measured.append(
                GateQuality(
                    rule=rule,
                    auroc=auroc(novelty[0], novelty[1]),
                    threshold=self.thresholds[rule],
                    false_alarms=float(new[0]),
                    caught=float(new[1]),
                )
            )
        return tuple(measured)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned and measured, but the thresholds."""
        return {
            "mean": self.classifier.centring.mean,
            **self.classifier.layers,
            "masks": self.classifier.masks,
            "limits": self.limits,
            "councils": self.councils,
        }

    def settings(self) -> dict[str, Any]:
        """Return dropout and thresholds."""
        return {"dropout": self.classifier.dropout, "thresholds": dict(self.thresholds)}

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        """Make it of what was saved."""
        return cls(
            classifier=DropoutClassifier(
                centring=Centring(mean=arrays["mean"]),
                layers={name: arrays[name] for name in LAYERS},
                masks=arrays["masks"],
                dropout=float(settings["dropout"]),
            ),
            limits=arrays["limits"],
            councils=arrays["councils"],
            thresholds={rule: float(settings["thresholds"][rule]) for rule in RULES},
        )


def measured_limits(
    passes: Passes, labels: NDArray[np.int64], config: GateConfig
) -> tuple[Matrix, NDArray[np.bool_]]:
    """Return limits and councils, ``(C, C)`` each, of videos that their leader gets right.

    A leader with too few of them takes the limits that a class has where another leads, for itself
    the one that leaders have.

    Args:
        passes: Over held-out seen videos.
        labels: ``(N,)``, their classes.
        config: Settings of the gate.
    """
    leaders, classes = passes.leaders, passes.mean.shape[1]
    right = leaders == labels
    known = right if right.any() else np.ones_like(right)
    limits, spreads = _common(passes.take(known), config)
    councils = np.zeros((classes, classes), dtype=np.bool_)
    for leader in range(classes):
        own = passes.variance[right & (leaders == leader)]
        if len(own) >= config.least:
            limits[leader] = _upper(own, config.percentile)
            spreads[leader] = own.std(axis=0)
        steadiest = np.argsort(spreads[leader], kind="stable")
        councils[leader, steadiest[: int(config.council * classes)]] = True
        councils[leader, leader] = True
    return limits, councils


def novelty_of(
    passes: Passes, limits: Matrix, councils: NDArray[np.bool_]
) -> dict[GateRule, Matrix]:
    """Return how new each video looks, ``(N,)`` by rule.

    A class votes for *new* where its variance is above the limit that it has under the video's
    leader; the novelty is the mean vote of the council, of all classes, or the leader's own.
    Plain max-softmax is one minus the highest probability without dropout.

    Args:
        passes: Over the videos.
        limits: ``(C, C)``.
        councils: ``(C, C)``.
    """
    leaders = passes.leaders
    votes = passes.variance > limits[leaders] * (1 + _RELATIVE) + _ABSOLUTE
    asked = councils[leaders]
    return {
        "informed": (votes & asked).sum(axis=1) / asked.sum(axis=1),
        "uninformed": votes.mean(axis=1),
        "dictator": votes[np.arange(len(votes)), leaders].astype(np.float64),
        "max-softmax": 1.0 - passes.plain.max(axis=1),
    }


def measured_thresholds(
    novelty: Mapping[GateRule, Matrix], false_alarms: float
) -> dict[GateRule, float]:
    """Return above which novelty a video is called new, by rule.

    At most the wanted share of the held-out videos is above it. The dictator has one vote, which
    already falls to the share above the percentile of its limits; a threshold of 1, which no vote
    exceeds, would make it call nothing new, so what it votes is what is done.

    Args:
        novelty: ``(N,)`` of held-out seen videos.
        false_alarms: Share of them that may be called new.
    """
    thresholds = {
        rule: float(np.quantile(values, 1.0 - false_alarms, method="higher"))
        for rule, values in novelty.items()
    }
    return {**thresholds, "dictator": 0.0}


def crossed_novelty(
    passes: Passes, labels: NDArray[np.int64], config: GateConfig, *, seed: int
) -> dict[GateRule, Matrix]:
    """Return the novelty of held-out videos by limits that were measured without them.

    Args:
        passes: Over held-out seen videos.
        labels: ``(N,)``, their classes.
        config: Settings of the gate.
        seed: Of the parts; a single part is judged by its own limits.
    """
    parts = np.random.default_rng([seed, 30]).permutation(len(labels)) % config.folds
    novelty = {rule: np.empty(len(labels)) for rule in RULES}
    for part in np.unique(parts):
        judged = parts == part
        others = judged if judged.all() else ~judged
        limits, councils = measured_limits(passes.take(others), labels[others], config)
        for rule, values in novelty_of(passes.take(judged), limits, councils).items():
            novelty[rule][judged] = values
    return novelty


def _common(passes: Passes, config: GateConfig) -> tuple[Matrix, Matrix]:
    """Return limits and spreads, ``(C, C)`` each, for leaders without enough videos."""
    variance, leaders, classes = passes.variance, passes.leaders, passes.mean.shape[1]
    limits, spreads = np.empty((classes, classes)), np.empty((classes, classes))
    for column in range(classes):
        behind = leaders != column
        values = variance[behind if behind.any() else ~behind, column]
        limits[:, column], spreads[:, column] = _upper(values, config.percentile), values.std()
    led = variance[np.arange(len(leaders)), leaders]
    np.fill_diagonal(limits, _upper(led, config.percentile))
    return limits, spreads


def _upper(values: Matrix, percentile: float) -> Matrix:
    """Return a percentile of each column, the value at or next above it."""
    upper: Matrix = np.quantile(values, percentile / 100, axis=0, method="higher")
    return upper


def auroc(seen: Matrix, unseen: Matrix) -> float:
    """Return the chance that a number of the second kind is above one of the first.

    Args:
        seen: ``(N,)``.
        unseen: ``(M,)``; a tie counts half.

    Raises:
        DatasetError: One kind is absent.
    """
    from scipy.stats import rankdata

    if not len(seen) or not len(unseen):
        raise DatasetError("AUROC", found="one kind of video only", fix="give seen and unseen ones")
    ranks = rankdata(np.concatenate([seen, unseen]))[len(seen) :]
    above = ranks.sum() - len(unseen) * (len(unseen) + 1) / 2
    return float(above / (len(seen) * len(unseen)))
