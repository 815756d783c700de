"""Sentence-transformers models as encoders of class texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.adapters.common import locate, require
from zsl_bench.adapters.remote_code import load_guarded
from zsl_bench.errors import ModelError
from zsl_bench.files import sha256_file, sha256_json
from zsl_bench.model_digest import state_digest

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from zsl_bench.adapters.common import Place
    from zsl_bench.model import LoadOptions

LIBRARY = "sentence-transformers"
_CONFIGURATION = ("*.json", "*.model", "*.txt")
_CONFIGS = ("modules.json", "config.json")


class SentenceEncoder:
    """A sentence-transformers model that turns texts into vectors.

    Args:
        network: The ``SentenceTransformer``.
        name: What a model card calls it.
        configuration: SHA-256 of its configuration and tokeniser.
    """

    def __init__(self, network: Any, *, name: str, configuration: str) -> None:  # noqa: ANN401
        self.network = network.eval()
        self.name = name
        parts = {"weights": state_digest(network.state_dict()), "configuration": configuration}
        self.digest = f"sha256:{sha256_json(parts)}"

    def to(self, device: torch.device | str, /) -> SentenceEncoder:
        """Move the network to a device and return the encoder."""
        self.network.to(device)
        return self

    def encode(self, texts: list[str], /) -> Tensor:
        """Return one vector a text, ``(N, D)`` float32, as the library's ``encode`` makes it.

        Where the model's configuration has a default prompt, the library puts it before each text.
        """
        vectors: Tensor = self.network.encode(
            texts, convert_to_tensor=True, show_progress_bar=False
        )
        return vectors.float().clone()


def load_text_encoder(name: str, options: LoadOptions, *, asked: str) -> SentenceEncoder:
    """Load a sentence-transformers model.

    Weights are read from safetensors files only. Code that comes with a model runs only where the
    user trusts it.

    Args:
        name: A folder, ``org/repo@revision`` on the Hub, or a bare name of the organisation
            ``sentence-transformers``, such as ``all-MiniLM-L6-v2``.
        options: What the loader is told; the device and the trust count.
        asked: What is being loaded, for the message.

    Raises:
        ModelError: The library or the folder is missing, or it does not load.
        WeightsError: It cannot be fetched.
    """
    library = require("sentence_transformers", extra=LIBRARY, asked=asked)
    if not name.startswith((".", "/", "~")) and "/" not in name:
        name = f"{LIBRARY}/{name}"
    place = locate(name, options)
    _check(place, asked)
    network = load_guarded(
        lambda: library.SentenceTransformer(
            str(place.folder),
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        ),
        options,
        asked=f"{asked}: loading it",
    )
    return SentenceEncoder(
        network,
        name=f"{LIBRARY}:{place.source.removeprefix('hub:')}",
        configuration=_configuration(place.folder),
    )


def _configuration(folder: Path) -> str:
    files = {
        path.relative_to(folder).as_posix(): path
        for kind in _CONFIGURATION
        for path in folder.rglob(kind)
    }
    return sha256_json({name: sha256_file(path) for name, path in sorted(files.items())})


def _check(place: Place, asked: str) -> None:
    if not any((place.folder / each).is_file() for each in _CONFIGS):
        raise ModelError(
            asked,
            found=f"a folder without {' or '.join(_CONFIGS)}",
            fix="give the folder of a sentence-transformers model",
        )
