"""Encoders that turn texts into vectors, for class vectors that come from a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from zsl_bench.adapters.sentence_transformers import load_text_encoder
from zsl_bench.errors import ModelError, near_matches

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zsl_bench.model import LoadOptions

WORDS = "words"
"""The value of the setting ``text`` that asks for word vectors, as does leaving it out."""
_LIBRARY = "sentence-transformers"


@runtime_checkable
class TextEncoder(Protocol):
    """Something that turns texts into vectors."""

    @property
    def name(self) -> str:
        """What a model card calls it, such as ``sentence-transformers:org/repo@commit``."""
        ...

    @property
    def digest(self) -> str:
        """``sha256:`` and the SHA-256 of its weights and configuration."""
        ...

    def encode(self, texts: list[str], /) -> Tensor:
        """Return one vector a text, shape ``(N, D)``, float32, not necessarily of unit length."""
        ...

    def to(self, device: torch.device | str, /) -> TextEncoder:
        """Move it to a device and return it."""
        ...


def find_text_encoder(options: LoadOptions, *, asked: str) -> TextEncoder | None:
    """Return the encoder that the setting ``text`` names.

    Args:
        options: What the loader is told; ``text`` is ``sentence-transformers:NAME``, or ``words``.
        asked: What is being loaded, for the message.

    Returns:
        The encoder, on the device of the options; None where class vectors come from words.

    Raises:
        ModelError: The setting has another form, or the encoder cannot be loaded.
        WeightsError: It cannot be fetched.
    """
    given = options.settings.get("text", WORDS)
    if given == WORDS:
        return None
    library, _, name = given.partition(":")
    asked = f"{asked}, text={given}"
    if library != _LIBRARY:
        fix = near_matches(library, (_LIBRARY, WORDS))
        raise ModelError(asked, found=f"the unknown kind {library!r}", fix=fix)
    if not name:
        raise ModelError(
            asked, found=f"nothing after {library}:", fix=f"give {library}:org/repo or a folder"
        )
    return load_text_encoder(name, options, asked=asked)
