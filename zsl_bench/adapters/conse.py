"""ConSE: a video classifier becomes a zero-shot model, without training.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ICLR 2014): a
clip's vector is the mean of the vectors of the T training classes that the classifier holds for
most probable, weighted by their probabilities. The vectors come from words, as the paper's do, or
from a text encoder; test classes are embedded in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch

from zsl_bench.adapters.common import embed_texts, find_prompts
from zsl_bench.adapters.text_encoders import WORDS, find_text_encoder
from zsl_bench.errors import ModelError, WordVectorError, near_matches
from zsl_bench.files import sha256_json
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from zsl_bench.adapters.text_encoders import TextEncoder
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions, ModelCard, Setting
    from zsl_bench.prompts import PromptSet
    from zsl_bench.wordvectors import ClassVectors

TOP_K = 10
"""How many training classes are combined where nothing is said; the paper reports 1, 10, 1000."""
CONSE_SETTINGS = ("prompts", "text", "top_k", "without_vector")
"""The settings that :func:`conse_model` reads."""
_KEEP, _DROP = "keep", "drop"


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A trained video classifier.

    Attributes:
        network: Its network.
        logits: Clips ``(B, T, 3, H, W)``, RGB levels 0 to 255, to logits ``(B, K)``.
        classes: Its K classes, in the order of the logits.
        source: Where the weights come from.
        features: Clips to what the last layer is handed ``(B, F)``; None where nobody knows it.
    """

    network: nn.Module
    logits: Callable[[Tensor], Tensor]
    classes: ClassSet
    source: str
    features: Callable[[Tensor], Tensor] | None = None


class ClassEmbedder(Protocol):
    """What turns classes into vectors, training and test classes alike."""

    def embed(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length."""
        ...

    def to(self, device: torch.device | str, /) -> ClassEmbedder:
        """Move it to a device and return it."""
        ...


@dataclass(frozen=True, kw_only=True)
class WordEmbedder:
    """Class vectors made of word vectors.

    Attributes:
        vectors: What ``load_word_vectors`` takes; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.
    """

    vectors: str | None = None
    allow_approximate: bool = False

    def class_vectors(self, classes: ClassSet) -> ClassVectors:
        """Return the class vectors with their source and the words that had none.

        Raises:
            WordVectorError: A word has no vector and that is not allowed.
        """
        return class_vectors(classes, self.vectors, allow_approximate=self.allow_approximate)

    def covered(self, classes: ClassSet) -> tuple[int, ...]:
        """Return the positions of the classes whose words all have vectors."""
        made = class_vectors(classes, self.vectors, allow_approximate=True)
        return tuple(i for i, without in enumerate(made.approximate) if not without)

    def embed(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length, on the CPU."""
        return torch.from_numpy(self.class_vectors(classes).matrix.copy())

    def to(self, device: torch.device | str, /) -> WordEmbedder:  # noqa: ARG002
        """Return it as it is; word vectors are read anew for every class set."""
        return self


@dataclass(frozen=True, kw_only=True)
class TextEmbedder:
    """Class vectors made by a text encoder.

    Attributes:
        encoder: The encoder.
        prompts: The templates around the class labels; their unit vectors are averaged.
    """

    encoder: TextEncoder
    prompts: PromptSet

    def embed(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length."""
        with torch.no_grad():
            return embed_texts(classes, self.prompts, self.encoder.encode)

    def to(self, device: torch.device | str, /) -> TextEmbedder:
        """Move the encoder to a device and return the embedder."""
        self.encoder.to(device)
        return self


class ConseModel:
    """A video classifier behind the plug-in interface, made zero-shot by ConSE.

    Args:
        classifier: The classifier; its network is put in evaluation mode.
        card: What it wants to be handed and has seen.
        embedder: What turns classes into vectors.
        top_k: How many training classes are combined, T in the paper.
        columns: Positions of the training classes that take part; None for all.

    Attributes:
        features: Clips to the classifier's features ``(B, F)``, for ``zsl-bench extract``; there
            only where the classifier has them.

    Raises:
        ModelError: ``top_k`` exceeds the training classes that take part.
        WordVectorError: A training class has a word without a vector and that is not allowed.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        card: ModelCard,
        embedder: ClassEmbedder,
        top_k: int = TOP_K,
        columns: Sequence[int] | None = None,
    ) -> None:
        classes = classifier.classes
        if columns is not None:
            classes = classes.select(classes.names[i] for i in columns)
        if not 1 <= top_k <= len(classes):
            raise ModelError(
                f"model {card.name}, top_k={top_k}",
                found=f"{len(classes)} training classes to combine",
                fix=f"give a whole number from 1 to {len(classes)}",
            )
        self.network = classifier.network.eval()
        self.card = card
        self.source = classifier.source
        self.training_classes = classes
        self.top_k = top_k
        self._logits = classifier.logits
        if classifier.features is not None:
            self.features = classifier.features
        self._width = len(classifier.classes)
        self._embedder = embedder
        self._table = embedder.embed(classes)
        self._columns = None if columns is None else torch.tensor(columns)

    def to(self, device: torch.device | str) -> ConseModel:
        """Move network and class vectors to a device and return the model."""
        self.network.to(device)
        self._embedder.to(device)
        self._table = self._table.to(device)
        if self._columns is not None:
            self._columns = self._columns.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's weights by key."""
        return self.network.state_dict()

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length, on the model's device."""
        return self._embedder.embed(classes).to(self._table.device)

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``: the convex combination of class vectors.

        Args:
            clips: ``(B, T, 3, H, W)``, RGB levels 0 to 255.
        """
        return self.combine(self._logits(clips))

    def combine(self, logits: Tensor) -> Tensor:
        """Return what ConSE makes of logits.

        The softmax over the ``top_k`` largest logits is their probabilities, divided by their sum.
        It is computed in float32, under autocast as well.

        Args:
            logits: One for each class of the classifier, ``(B, K)``.

        Returns:
            ``(B, D)`` float32.

        Raises:
            ModelError: There is not one logit for each class.
        """
        if logits.shape[-1] != self._width:
            raise ModelError(
                f"clip vectors of {self.card.name}",
                found=f"{logits.shape[-1]} logits for {self._width} classes",
                fix="give the classes of these very weights",
            )
        if self._columns is not None:
            logits = logits[:, self._columns]
        with torch.autocast(logits.device.type, enabled=False):
            largest, chosen = logits.float().topk(self.top_k, dim=-1)
            weights = largest.softmax(dim=-1)
            return torch.einsum("bk,bkd->bd", weights, self._table[chosen])


class WordConseModel(ConseModel):
    """A ConSE model whose class vectors come from words, so that a result records their source."""

    _embedder: WordEmbedder

    def class_vectors(self, classes: ClassSet, /) -> ClassVectors:
        """Return the class vectors with their source and the words that had none.

        Raises:
            WordVectorError: A word has no vector and that is not allowed.
        """
        return self._embedder.class_vectors(classes)


def conse_model(
    classifier: Classifier, *, card: ModelCard, options: LoadOptions, asked: str
) -> ConseModel:
    """Make a zero-shot model of a classifier, as the settings say.

    Settings: ``top_k``, how many training classes are combined (10); ``text``, ``words`` or
    ``sentence-transformers:NAME``; ``prompts``, the prompt set around labels for a text encoder
    (``bare``); ``without_vector=drop`` to leave training classes out that have a word without a
    vector, instead of refusing them or, where that is allowed, letting a hash stand in.

    Args:
        classifier: The classifier.
        card: Its card; the settings above are added to the card's own.
        options: What the loader is told; word vectors, settings and device count.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: A setting has no such value, or has no use beside another.
        WordVectorError: A training class has a word without a vector and that is not allowed.
    """
    top_k = _count(options.settings.get("top_k", str(TOP_K)), asked)
    encoder = find_text_encoder(options, asked=asked)
    if encoder is None:
        model = _by_words(classifier, card=card, options=options, top_k=top_k, asked=asked)
    else:
        model = _by_texts(classifier, encoder, card=card, options=options, top_k=top_k, asked=asked)
    return model.to(options.device)


def _by_words(
    classifier: Classifier, *, card: ModelCard, options: LoadOptions, top_k: int, asked: str
) -> ConseModel:
    _refuse(options, "prompts", "without a text encoder for them", asked)
    gaps = options.settings.get("without_vector", _KEEP)
    if gaps not in (_KEEP, _DROP):
        fix = near_matches(gaps, (_KEEP, _DROP))
        raise ModelError(f"{asked}, without_vector={gaps}", found="no such choice", fix=fix)
    words = WordEmbedder(vectors=options.vectors, allow_approximate=options.allow_approximate)
    try:
        return WordConseModel(
            classifier,
            card=_with_settings(card, {"top_k": top_k, "text": WORDS, "without_vector": gaps}),
            embedder=words,
            top_k=top_k,
            columns=words.covered(classifier.classes) if gaps == _DROP else None,
        )
    except WordVectorError as error:
        fix = f"{error.fix}, or leave such training classes out (--set without_vector={_DROP})"
        raise WordVectorError(error.asked, found=error.found, fix=fix) from error


def _by_texts(
    classifier: Classifier,
    encoder: TextEncoder,
    *,
    card: ModelCard,
    options: LoadOptions,
    top_k: int,
    asked: str,
) -> ConseModel:
    _refuse(options, "without_vector", "with a text encoder, which has a vector for all", asked)
    prompts = find_prompts(options, default="bare", asked=asked)
    noted: dict[str, Setting] = {
        "text": encoder.name,
        "text_digest": encoder.digest,
        "prompts": prompts.name,
        "prompts_digest": sha256_json(prompts.templates),
    }
    return ConseModel(
        classifier,
        card=_with_settings(card, {"top_k": top_k, **noted}),
        embedder=TextEmbedder(encoder=encoder, prompts=prompts),
        top_k=top_k,
    )


def _with_settings(card: ModelCard, settings: dict[str, Setting]) -> ModelCard:
    return replace(card, settings={**card.settings, **settings})


def _count(given: str, asked: str) -> int:
    if not (given.isascii() and given.isdecimal()):
        raise ModelError(
            f"{asked}, top_k={given}", found="no whole number", fix="write it as top_k=10"
        )
    return int(given)


def _refuse(options: LoadOptions, name: str, why: str, asked: str) -> None:
    if name in options.settings:
        raise ModelError(asked, found=f"the setting {name} {why}", fix=f"leave {name} out")
