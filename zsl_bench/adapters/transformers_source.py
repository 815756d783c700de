"""A model of transformers on disk: its configuration, parts and texts, loaded as data."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.adapters.common import TOKENIZER_FILES, files_digest, locate, require
from zsl_bench.adapters.remote_code import TRUST, load_guarded
from zsl_bench.errors import ModelError, listing
from zsl_bench.files import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from zsl_bench.model import LoadOptions

CONFIG_FILE = "config.json"
_CONFIGURATION = (
    CONFIG_FILE,
    "*preprocessor_config.json",
    "processor_config.json",
    *TOKENIZER_FILES,
)
_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model")
_OWN_PARTS = (
    ("tokenizer_config.json", "tokenizer_class", "AutoTokenizer"),
    ("preprocessor_config.json", "image_processor_type", "AutoImageProcessor"),
    ("video_preprocessor_config.json", "video_processor_type", "AutoVideoProcessor"),
)
_FIX = "check that the files are whole and of this kind of model"
_PADDED = ("align", "siglip", "siglip2", "tipsv2", "videoprism")
_PADDED_LENGTH = 64
_LOWER_CASE = ("siglip", "siglip2")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder that holds a model of transformers.

    Attributes:
        library: The module ``transformers``.
        folder: The folder.
        name: Name of the model, without organisation and revision.
        reference: What the result calls it: the path, or ``hub:org/repo@commit``.
        config: Its configuration.
        options: What the loader is told.
        asked: What is being loaded, for messages.
    """

    library: Any
    folder: Path
    name: str
    reference: str
    config: Any
    options: LoadOptions
    asked: str

    def load(self, loader: Any, **more: object) -> Any:  # noqa: ANN401
        """Call ``from_pretrained`` of a class on the folder; nothing is fetched.

        Raises:
            ModelError: It raises something.
        """
        return _from_pretrained(loader, self.folder, self.options, self.asked, **more)

    def network(self, loader: Any) -> Any:  # noqa: ANN401
        """Load a network in float32, in evaluation mode, on the device asked for.

        Args:
            loader: An ``AutoModel`` class.

        Raises:
            ModelError: There are no safetensors, or weights are missing or of another shape.
        """
        if not any(self.folder.glob("*.safetensors")):
            raise ModelError(
                self.asked,
                found="no weights as safetensors",
                fix="give a revision that has them, such as @refs/pr/1, or convert the weights",
            )
        # A configuration may name an attention kernel on the Hub, which is code.
        self.config._attn_implementation = None
        with _quiet(self.library):
            network, found = self.load(
                loader,
                config=self.config,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        _check_keys(found, type(network).__name__, self.asked)
        return network.eval().requires_grad_(False).to(self.options.device)

    def processor(self) -> Any:  # noqa: ANN401
        """Load the video processor, or the image processor where there is none for videos.

        Raises:
            ModelError: There is neither, or it does not load.
        """
        listed = self.folder / "processor_config.json"
        parts = read_json(listed, what="processor") if listed.is_file() else {}
        if (self.folder / "video_preprocessor_config.json").is_file() or "video_processor" in parts:
            return self.load(self.library.AutoVideoProcessor)
        if (self.folder / "preprocessor_config.json").is_file() or "image_processor" in parts:
            return self.load(self.library.AutoImageProcessor)
        raise ModelError(
            self.asked,
            found="no preprocessor_config.json",
            fix="save the model's processor beside it; it says how frames are resized",
        )

    def texts(self, features: Callable[..., Any]) -> Callable[[list[str]], Tensor]:
        """Return a function from texts to vectors ``(N, D)``.

        Texts are padded as the model's own processor pads them, and cut where they are too long.
        Those for SigLIP are put in lower case, as in its training.

        Args:
            features: The network's ``get_text_features``.

        Raises:
            ModelError: The tokeniser does not load.
        """
        family = self.config.model_type
        if not any(path for rule in _VOCABULARIES for path in self.folder.glob(rule)):
            raise ModelError(
                self.asked,
                found="no tokeniser",
                fix="save the model's tokeniser beside it, such as tokenizer.json",
            )
        tokenizer = self.load(self.library.AutoTokenizer)
        of_text = getattr(self.config, "text_config", self.config)
        longest = min(
            tokenizer.model_max_length, getattr(of_text, "max_position_embeddings", _PADDED_LENGTH)
        )
        padding = {"padding": True, "max_length": longest}
        if family in _PADDED:
            padding = {"padding": "max_length", "max_length": min(longest, _PADDED_LENGTH)}
        taken = inspect.signature(features).parameters
        device = _device_of(features)

        def encode(texts: list[str]) -> Tensor:
            given = [text.lower() for text in texts] if family in _LOWER_CASE else texts
            tokens = tokenizer(given, truncation=True, return_tensors="pt", **padding)
            where = device()
            return vectors_of(
                features(**{key: value.to(where) for key, value in tokens.items() if key in taken})
            )

        return encode

    def configuration_digest(self) -> str:
        """Return the SHA-256 of what else the numbers depend on: configuration and tokeniser."""
        return files_digest(self.folder, _CONFIGURATION)


def open_source(name: str, options: LoadOptions) -> Source:
    """Find a model of transformers and read its configuration.

    Args:
        name: A folder, beginning with ``.``, ``/`` or ``~``, or ``org/repo@revision`` on the Hub.
        options: What the loader is told.

    Raises:
        ModelError: transformers is not installed; there is no such folder or no configuration in
            it; or it brings its own code and that is not trusted.
        WeightsError: It cannot be fetched.
    """
    asked = f"model transformers:{name}"
    if options.weights is not None:
        raise ModelError(
            asked, found=f"weights {options.weights} besides", fix="name them in the reference"
        )
    library = require("transformers", extra="transformers", asked=asked)
    place = locate(name, options)
    _check_config(place.folder, library, options, asked)
    if not options.trust_remote_code:
        _check_parts(place.folder, library, asked)
    config = _from_pretrained(library.AutoConfig, place.folder, options, asked)
    on_hub = place.source.startswith("hub:")
    short = name.partition("@")[0].rpartition("/")[2] if on_hub else place.folder.resolve().name
    return Source(
        library=library,
        folder=place.folder,
        name=short,
        reference=place.source,
        config=config,
        options=options,
        asked=asked,
    )


def vectors_of(output: Any) -> Tensor:  # noqa: ANN401
    """Return the vectors ``(N, D)`` out of what a ``get_..._features`` returns.

    A pool of one query, ``(N, 1, D)``, is such a vector.

    Raises:
        ModelError: It is not one vector an input.
    """
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    if isinstance(vectors, torch.Tensor) and vectors.ndim == 3 and vectors.shape[1] == 1:
        vectors = vectors[:, 0]
    if not isinstance(vectors, torch.Tensor) or vectors.ndim != 2:
        shape = tuple(vectors.shape) if isinstance(vectors, torch.Tensor) else "none"
        raise ModelError(
            "vectors of a model of transformers",
            found=f"{shape} instead of (N, D)",
            fix="give a model that pools images and texts to one vector each",
        )
    return vectors


def _check_keys(found: dict[str, Any], network: str, asked: str) -> None:
    """Refuse weights that left a tensor of the network as it was drawn.

    The library reports a tensor of another shape as its key, or as its key and the two shapes.
    """
    fix = "give the weights of the whole model, not of a part or another head"
    if found["missing_keys"]:
        missing = listing(sorted(found["missing_keys"]), limit=3)
        raise ModelError(asked, found=f"weights without {missing} of {network}", fix=fix)
    if found["mismatched_keys"]:
        keys = [key if isinstance(key, str) else key[0] for key in found["mismatched_keys"]]
        wrong = listing(sorted(keys), limit=3)
        raise ModelError(
            asked, found=f"weights with another shape of {wrong} than {network}", fix=fix
        )


def _check_config(folder: Path, library: Any, options: LoadOptions, asked: str) -> None:  # noqa: ANN401
    path = folder / CONFIG_FILE
    if not path.is_file():
        fix = "check the name"
        if (folder / "open_clip_config.json").is_file():
            fix = "it is a model of open_clip: give open_clip: and the name"
        raise ModelError(asked, found=f"no {CONFIG_FILE}", fix=fix)
    config = read_json(path, what="configuration")
    kind = config.get("model_type") if isinstance(config, dict) else None
    known = kind in library.CONFIG_MAPPING
    if isinstance(config, dict) and config.get("auto_map") and not known:
        if not options.trust_remote_code:
            raise ModelError(
                asked,
                found=f"a model that brings its own code ({kind or 'no model_type'})",
                fix=TRUST,
            )
    elif not known:
        raise ModelError(
            asked,
            found=f"{CONFIG_FILE} with model_type {kind!r}, which transformers does not know",
            fix="update transformers; a weights folder of zsl-bench is named hub: or path:",
        )


def _check_parts(folder: Path, library: Any, asked: str) -> None:  # noqa: ANN401
    """Refuse a tokeniser or processor that is code; the library might put another in its place."""
    for file, key, auto in _OWN_PARTS:
        path = folder / file
        content = read_json(path, what="configuration") if path.is_file() else {}
        if not isinstance(content, dict) or auto not in (content.get("auto_map") or {}):
            continue
        kind = str(content.get(key))
        if not hasattr(library, kind):
            found = f"a part that brings its own code ({kind} in {file})"
            raise ModelError(asked, found=found, fix=TRUST)


def _from_pretrained(
    loader: Any,  # noqa: ANN401
    folder: Path,
    options: LoadOptions,
    asked: str,
    **more: object,
) -> Any:  # noqa: ANN401
    try:
        return load_guarded(
            lambda: loader.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=options.trust_remote_code,
                **more,
            ),
            options,
            asked=asked,
        )
    except ModelError as error:
        if error.fix == TRUST:
            raise
        raise ModelError(asked, found=error.found, fix=_FIX) from error


def _device_of(features: Callable[..., Any]) -> Callable[[], torch.device]:
    """Return a function that says where the network of a bound method is now."""
    network: Any = features.__self__  # type: ignore[attr-defined]
    return lambda: next(network.parameters()).device


@contextmanager
def _quiet(library: Any) -> Iterator[None]:  # noqa: ANN401
    """Keep the library's progress bars and its report on keys, which is checked here, off."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
