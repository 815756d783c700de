"""A method on trial: its fits to a small made-up world, and what it says of unseen videos."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.testing.method_world import SMALL, LabelledVideos, World, compositional_world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods import FittedMethod

    Scores = NDArray[np.float64]

SEED = 3


class MethodTrial:
    """A method under test, with the videos that it is fitted to and scores.

    Args:
        method: The method.
        settings: Settings that replace the method's own, both ``quick`` ones and defaults.
    """

    def __init__(self, method: Any, settings: Mapping[str, Any] | None = None) -> None:  # noqa: ANN401
        self.method = method
        self.settings = dict(settings or {})

    @property
    def name(self) -> str:
        """Return what the method calls itself, or the name of its class."""
        return str(getattr(getattr(self.method, "spec", None), "name", type(self.method).__name__))

    @cached_property
    def world(self) -> World:
        """A small world, with videos of unequal lengths."""
        return compositional_world(SMALL)

    @cached_property
    def fitted(self) -> FittedMethod:
        """The method fitted to the seen classes of the small world, by its quick settings."""
        return self.fit()

    @cached_property
    def scores(self) -> Scores:
        """Scores of the unseen videos of the small world, ``(N, C)``."""
        return self.score(self.fitted)

    def fit(self, **changed: Any) -> FittedMethod:  # noqa: ANN401
        """Fit to the small world, by the method's quick settings.

        Args:
            **changed: Fields of :class:`LabelledVideos` of the seen side to replace.
        """
        return self.fit_to(replace(self.world.seen, **changed), quick=True)

    def fit_to(self, seen: LabelledVideos, *, quick: bool = False) -> FittedMethod:
        """Fit to some videos.

        Args:
            seen: The videos.
            quick: By the method's ``quick`` settings, instead of its defaults.
        """
        settings = {**(self.method.quick if quick else {}), **self.settings}
        fitted: FittedMethod = self.method.fit(
            seen.features,
            seen.lengths,
            seen.labels,
            seen.class_vectors,
            seed=SEED,
            config=settings,
        )
        return fitted

    def score(self, fitted: FittedMethod, **changed: Any) -> Scores:  # noqa: ANN401
        """Score the unseen videos of the small world.

        Args:
            fitted: A fitted method.
            **changed: Fields of :class:`LabelledVideos` of the unseen side to replace.
        """
        unseen = replace(self.world.unseen, **changed)
        return fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)

    def reloaded(self, fitted: FittedMethod) -> FittedMethod:
        """Return a fitted method after its way through safetensors and JSON."""
        from safetensors.numpy import load, save

        arrays = {name: np.ascontiguousarray(array) for name, array in fitted.arrays().items()}
        settings = json.loads(json.dumps(fitted.settings(), allow_nan=False))
        restored: FittedMethod = self.method.restored(load(save(arrays)), settings)
        return restored


def padded(videos: LabelledVideos, filling: float) -> NDArray[np.float32]:
    """Return features with something behind each video's length, and one more clip of it."""
    behind = np.arange(videos.features.shape[1]) >= videos.lengths[:, None]
    filled = np.where(behind[:, :, None], np.float32(filling), videos.features)
    more = np.full_like(videos.features[:, :1], filling)
    wider: NDArray[np.float32] = np.concatenate([filled, more], axis=1)
    return wider
