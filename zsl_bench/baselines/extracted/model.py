"""A fitted method behind the model that makes its features: a zero-shot model for videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.baselines.extracted.encoder import ClipEncoder
from zsl_bench.baselines.extracted.folder import card_of
from zsl_bench.errors import ModelError, WordVectorError, listing
from zsl_bench.files import sha256_bytes
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.extracted.folder import FittedFolder
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions, Model
    from zsl_bench.wordvectors import ClassVectors, WordVectors


class MethodModel:
    """A backbone and a method fitted to its clip features, for ``zsl-bench evaluate``.

    The method is handed all clips of a video in their order, and all candidates at once.

    Args:
        folder: The fitted method.
        encoder: What makes the features.
        vectors: Word vectors, or what ``load_word_vectors`` takes; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.

    Attributes:
        folder: The fitted method.
        card: What both together have seen and want to be handed.
        source: Where the backbone's weights come from.
    """

    def __init__(
        self,
        folder: FittedFolder,
        encoder: ClipEncoder,
        *,
        vectors: WordVectors | str | Path | None = None,
        allow_approximate: bool = False,
    ) -> None:
        self.folder = folder
        self.card = card_of(folder, encoder.card)
        self.source = encoder.source
        self._encoder = encoder
        self._vectors = vectors
        self._allow_approximate = allow_approximate

    def to(self, device: torch.device | str) -> MethodModel:
        """Move the backbone to a device and return the model; the method stays on the CPU."""
        self._encoder.to(device)
        return self

    def eval(self) -> MethodModel:
        """Put the backbone in evaluation mode and return the model."""
        self._encoder.eval()
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return the backbone's weights by key; the method's digest is in the card."""
        return self._encoder.state_dict()

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return the backbone's features of clips ``(B, T, 3, H, W)``, one ``(D,)`` a clip."""
        return self._encoder.embed_clips(clips)

    def class_vectors(self, classes: ClassSet, /) -> ClassVectors:
        """Return the class vectors with their source and the words that had none.

        Raises:
            WordVectorError: A word has no vector and that is not allowed.
        """
        return class_vectors(classes, self._vectors, allow_approximate=self._allow_approximate)

    def score_videos(
        self, features: NDArray[np.float32], lengths: NDArray[np.int64], classes: ClassSet, /
    ) -> NDArray[np.float64]:
        """Return the method's scores, ``(N, C)``, of ``(N, K, D)`` features against classes.

        Raises:
            DatasetError: A feature is not finite.
            WordVectorError: A word has no vector and that is not allowed.
        """
        vectors = self.class_vectors(classes).matrix
        return self.folder.method.score(features, lengths, vectors)


def method_model(folder: FittedFolder, backbone: Model, options: LoadOptions) -> MethodModel:
    """Join a fitted method with its backbone.

    Args:
        folder: The fitted method, from :func:`read_fitted_folder`.
        backbone: The model that made its features.
        options: Word vectors, and what to put up with. The one setting is ``backbone``.

    Raises:
        ModelError: The backbone is another than the one that made the features, a setting is
            unknown, or the method only changes generalised scores.
        WordVectorError: The word vectors give the seen classes other vectors than at the fit.
    """
    encoder = ClipEncoder(backbone)
    _check_settings(folder, options)
    _check_backbone(folder, encoder)
    model = MethodModel(
        folder,
        encoder,
        vectors=options.vectors,
        allow_approximate=options.allow_approximate,
    )
    _check_vectors(folder, options)
    return model


def _check_settings(folder: FittedFolder, options: LoadOptions) -> None:
    others = sorted(set(options.settings) - {"backbone"})
    if others:
        raise ModelError(
            folder.asked, found=f"the setting {listing(others)}", fix="its one setting is backbone"
        )
    if folder.method.spec.generalised_only:
        raise ModelError(
            folder.asked,
            found="a method that only changes generalised scores",
            fix="use it with a method that scores classes",
        )


def _check_backbone(folder: FittedFolder, encoder: ClipEncoder) -> None:
    record = folder.backbone
    if record is None:
        raise ModelError(
            folder.asked,
            found="features of a backbone that nobody named",
            fix="fit it to features of zsl-bench extract",
        )
    wanted, there = dict(record.weights), encoder.weights
    unlike = sorted(
        key for key in {*wanted, *there} - {"code"} if wanted.get(key) != there.get(key)
    )
    if record.output != encoder.output:
        unlike.append("output")
    if dict(record.card.settings) != dict(encoder.model.card.settings):
        unlike.append("settings")
    if record.card.clip != encoder.card.clip:
        unlike.append("clip")
    if unlike:
        raise ModelError(
            folder.asked,
            found=f"{encoder.card.name}, another backbone than made its features "
            f"({', '.join(unlike)} differ)",
            fix=f"name the one that did, {record.reference or record.card.name}, with "
            "--set backbone=REF",
        )


def seen_digest(vectors: ClassVectors) -> str:
    """Return the SHA-256 of the seen classes' vectors, by which other vectors are told."""
    return sha256_bytes(vectors.matrix.astype("<f4").tobytes())


def _check_vectors(folder: FittedFolder, options: LoadOptions) -> None:
    made = class_vectors(folder.seen, options.vectors, allow_approximate=True)
    if seen_digest(made) != folder.vectors.get("seen_sha256"):
        raise WordVectorError(
            folder.asked,
            found=f"vectors of {made.source}, where it was fitted with others "
            f"({folder.vectors.get('source')})",
            fix="give those with --vectors",
        )
