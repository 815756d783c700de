"""The model of a run, loaded again for its class vectors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ModelError
from zsl_bench.evaluation.runner import Runner
from zsl_bench.evaluation.settings import Settings
from zsl_bench.model import (
    EmbedsLabels,
    LoadOptions,
    Model,
    check_is_model,
    gives_scores,
    guarded,
    parse_settings,
)
from zsl_bench.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.classes import ClassSet

_NEAR = 1e-4


def class_embedder(
    run: Reloaded, model: str | Model, *, weights: Path | None, vectors: str | None
) -> Callable[[ClassSet], NDArray[np.float64]]:
    """Load the model that a run was made with and return its class vectors as a function.

    The model is kept on the CPU. Where it has prompts of its own, the function leaves them out, so
    that what it is handed is what the network reads.

    Args:
        run: The run.
        model: The model or its reference.
        weights: Weights for a model given by name.
        vectors: Word vectors for a model that takes some.

    Raises:
        ModelError: The model cannot be loaded, has other weights than that of the run, or gives
            other class vectors.
    """
    import torch

    if isinstance(model, str):
        options = run.result.identity.get("options", {})
        loaded = load_model(
            model,
            options=LoadOptions(
                weights=weights,
                vectors=vectors,
                allow_approximate=bool(options.get("allow_approximate")),
                settings=parse_settings(run.result.identity["model"].get("given", ())),
            ),
        )
    else:
        loaded = model
        check_is_model(loaded, type(loaded).__name__)
    settings = Settings(vectors=vectors, inference="reference")
    runner = Runner(loaded, settings, torch.device("cpu"), None)
    _check_weights(run, loaded, runner.digest)

    def embed(classes: ClassSet) -> NDArray[np.float64]:
        made = runner.embed_columns(classes, None).vectors
        assert made is not None  # noqa: S101
        return made

    if run.class_vectors is not None:
        _check_vectors(run, loaded, embed)
    if not isinstance(loaded, EmbedsLabels):
        return embed
    bare = loaded

    def embed_labels(classes: ClassSet) -> NDArray[np.float64]:
        asked = f"embed_labels of {loaded.card.name}"
        with torch.no_grad():
            made = guarded(lambda: bare.embed_labels(classes), asked)
        return np.asarray(made.float().cpu().numpy(), dtype=np.float64)

    return embed_labels


def _check_weights(run: Reloaded, model: Model, digest: str) -> None:
    about = run.result.identity["model"]
    asked = f"the model of a result of {about['name']}"
    recorded = str(about.get("weights"))
    if digest != recorded:
        raise ModelError(
            asked,
            found=f"{model.card.name} with weights {digest[:24]}, where the result has "
            f"{recorded[:24]}",
            fix="give the model and the weights that the result was made with",
        )
    if gives_scores(model) != (run.class_vectors is None):
        raise ModelError(
            asked,
            found="a model that scores the classes itself on one side only",
            fix="give the model that the result was made with",
        )


def _check_vectors(
    run: Reloaded, model: Model, embed: Callable[[ClassSet], NDArray[np.float64]]
) -> None:
    classes = run.evidence.classes
    assert run.class_vectors is not None  # noqa: S101
    stored, made = run.class_vectors[: len(classes)], embed(classes)
    scale = float(np.abs(stored).max(initial=0.0))
    if made.shape != stored.shape or not np.allclose(made, stored, rtol=0, atol=_NEAR * scale):
        raise ModelError(
            f"class vectors of {model.card.name} for {classes.dataset}",
            found="others than those of the result",
            fix="load the model as the run did, with the same --vectors and --weights",
        )
