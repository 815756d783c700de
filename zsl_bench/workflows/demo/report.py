"""What a demonstration found: the numbers, and the predictions video by video."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.scoring import cosine_scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.results import EvaluationResult

RECIPES = ("full", "half")


@dataclass(frozen=True, kw_only=True)
class RecipeScores:
    """Top-1 accuracies under one recipe, from 0 to 1.

    Attributes:
        recipe: ``full`` or ``half``.
        classes: Candidates of a trial.
        trials: Number of trials.
        chance: Of guessing.
        frozen: Mean over the trials of the frozen-random baseline.
        e2e: Mean over the trials of the end-to-end model.
        frozen_std: Population standard deviation over the trials.
        e2e_std: The same of the end-to-end model.
    """

    recipe: str
    classes: int
    trials: int
    chance: float
    frozen: float
    e2e: float
    frozen_std: float
    e2e_std: float


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What a demonstration found.

    Attributes:
        chance: Top-1 of guessing among all unseen classes.
        e2e: Top-1 of the end-to-end model on all unseen classes.
        frozen: Top-1 of the frozen-random baseline on all unseen classes.
        num_unseen: Number of unseen classes.
        num_seen: Number of classes that training could draw on.
        num_held_out: How many of those were kept back to watch the training.
        num_videos: Videos scored.
        recipes: The scores under each recipe.
        verdict: The zero-shot verdict on the end-to-end model.
        closest: The least cosine distance of a seen class to an unseen one.
        held_out_top1: Accuracy on the held-out training classes after the last epoch.
        seed: Seed of the demonstration.
        minutes: What it was planned for.
        epochs: Epochs of the end-to-end training.
        full: Whether it was the large version.
        seconds: Time it took.
        stages: The same stage by stage.
        paths: What was written, by name.
        notes: What a person should know, one sentence each.
    """

    chance: float
    e2e: float
    frozen: float
    num_unseen: int
    num_seen: int
    num_held_out: int
    num_videos: int
    recipes: tuple[RecipeScores, ...]
    verdict: str
    closest: float
    held_out_top1: float | None
    seed: int
    minutes: float
    epochs: int
    full: bool
    seconds: float
    stages: dict[str, float]
    paths: dict[str, Path]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        content = asdict(self)
        content["recipes"] = [asdict(scores) for scores in self.recipes]
        content["paths"] = {name: str(path) for name, path in self.paths.items()}
        content["notes"] = list(self.notes)
        return content


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A test video and what a model calls it.

    Attributes:
        video: Id of the video, its path below the folder of test videos.
        truth: Its class.
        named: The class whose vector is nearest.
    """

    video: str
    truth: str
    named: str

    @property
    def is_right(self) -> bool:
        """Whether it is called by its name."""
        return self.truth == self.named


def recipe_scores(e2e: EvaluationResult, frozen: EvaluationResult) -> tuple[RecipeScores, ...]:
    """Put the scores of two results side by side, recipe by recipe."""
    rows = []
    for recipe in RECIPES:
        ours, theirs = _scores_of(e2e, recipe), _scores_of(frozen, recipe)
        trials = ours["trials"]
        rows.append(
            RecipeScores(
                recipe=recipe,
                classes=trials[0]["num_classes"],
                trials=len(trials),
                chance=trials[0]["chance"],
                frozen=theirs["mean"]["top1"],
                e2e=ours["mean"]["top1"],
                frozen_std=theirs["std"]["top1"],
                e2e_std=ours["std"]["top1"],
            )
        )
    return tuple(rows)


def _scores_of(result: EvaluationResult, recipe: str) -> dict[str, Any]:
    (found,) = [scores for name, scores in result.scores.items() if name.startswith(f"{recipe}@")]
    scores: dict[str, Any] = found
    return scores


def predictions_of(result: EvaluationResult, folder: Path) -> list[Prediction]:
    """Read from a result's arrays what the model calls each video among all classes.

    Args:
        result: The result.
        folder: Where it was written.
    """
    file = (result.arrays or {})["file"]
    with np.load(folder / file, allow_pickle=False) as arrays:
        nearest = cosine_scores(arrays["video_vectors"], arrays["class_vectors"]).argmax(axis=1)
        classes = arrays["classes"].tolist()
        rows = zip(arrays["video_ids"].tolist(), arrays["labels"], nearest, strict=True)
        return [
            Prediction(video=video, truth=classes[label], named=classes[named])
            for video, label, named in rows
        ]


def class_accuracies(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return the share of right predictions of each class, best first."""
    right: dict[str, list[bool]] = {}
    for one in predictions:
        right.setdefault(one.truth, []).append(one.is_right)
    shares = {name: float(np.mean(values)) for name, values in right.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
