"""What adapters share: the library, the place of the weights, the texts of classes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.errors import ModelError, near_matches
from zsl_bench.files import sha256_file, sha256_json
from zsl_bench.hub import fetch_snapshot
from zsl_bench.prompts import PromptSet, load_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions

DATA_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja", "README.md")
"""Patterns of the files of a model that are data: configurations, tokenisers, tensors."""
CODE_FILES = ("*.py",)
TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)
"""Patterns of the files that a tokeniser of transformers is made of."""
_TEXTS_AT_ONCE = 256
_LEVELS = 255.0
_MOST_FRAMES = 1024


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a library's model lies.

    Attributes:
        folder: The folder on this machine.
        source: What the result calls it: the path, or ``hub:org/repo@commit``.
    """

    folder: Path
    source: str


class PixelScale:
    """Levels from 0 to 255 to the scale that a network was trained on.

    Args:
        mean: Mean of the three colours, of levels from 0 to 1.
        std: Their deviation.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean = torch.tensor(mean, dtype=torch.float32).view(3, 1, 1) * _LEVELS
        self._std = torch.tensor(std, dtype=torch.float32).view(3, 1, 1) * _LEVELS

    def to(self, device: torch.device | str) -> PixelScale:
        """Move it to a device and return it."""
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        return self

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return new float32 pixels ``(..., 3, H, W)``; those given are only read."""
        if pixels.device != self._mean.device:
            self.to(pixels.device)
        return torch.sub(pixels, self._mean).div_(self._std)


def require(module: str, *, extra: str, asked: str) -> Any:  # noqa: ANN401
    """Import a library, or say which extra has it.

    Args:
        module: Its name, such as ``open_clip``.
        extra: The extra of this package that installs it.
        asked: What was asked for, for the message.

    Raises:
        ModelError: It is not installed, or its import fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != module.partition(".")[0]:
            raise ModelError(
                asked, found=f"{module} lacks {error.name}", fix=f"pip install {error.name}"
            ) from error
        fix = f"pip install 'zsl-bench[{extra}]'"
        raise ModelError(asked, found=f"{module} is not installed", fix=fix) from error
    except ImportError as error:
        found = f"{module} does not import: {str(error).splitlines()[0]}"
        raise ModelError(asked, found=found, fix=f"pip install -U 'zsl-bench[{extra}]'") from error


def locate(name: str, options: LoadOptions, *, files: Sequence[str] = DATA_FILES) -> Place:
    """Find a model's folder: one on this machine, or a repository on the Hub, fetched.

    Only data is fetched unless the user trusts remote code. A name is taken for a folder where it
    begins with ``.``, ``/`` or ``~``, and for ``org/repo@revision`` otherwise.

    Raises:
        ModelError: There is no such folder.
        WeightsError: It cannot be fetched.
    """
    if name.startswith((".", "/", "~")):
        folder = Path(name).expanduser()
        if folder.is_file():
            fix = f"give the folder that it lies in: {folder.parent}"
            raise ModelError(f"model {name}", found="a file where a folder is wanted", fix=fix)
        if not folder.is_dir():
            raise ModelError(f"model {name}", found="no such folder", fix="check the path")
        return Place(folder=folder, source=name)
    wanted = (*files, *CODE_FILES) if options.trust_remote_code else files
    snapshot = fetch_snapshot(name, files=wanted)
    return Place(folder=snapshot.path, source=str(snapshot))


def files_digest(folder: Path, patterns: Sequence[str]) -> str:
    """Return the SHA-256 of the files of a folder that have names of some patterns.

    Args:
        folder: The folder.
        patterns: What the names of the files look like.
    """
    files = {path.name: path for pattern in patterns for path in folder.glob(pattern)}
    return sha256_json({name: sha256_file(path) for name, path in sorted(files.items())})


def find_prompts(options: LoadOptions, *, default: str, asked: str) -> PromptSet:
    """Return the prompt set that the setting ``prompts`` names.

    Args:
        options: What the loader is told; ``prompts`` is the name of a bundled set, or a text file
            with one template a line.
        default: The set where nothing is said.
        asked: What is being loaded, for the message.

    Raises:
        ModelError: There is no set of that name.
        ResultError: The file is malformed.
    """
    name = options.settings.get("prompts", default)
    if name.endswith(".txt"):
        return load_prompts(Path(name))[-1]
    sets = {each.name: each for each in load_prompts()}
    if name not in sets:
        fix = near_matches(name, sets)
        raise ModelError(f"{asked}, prompts={name}", found="no such set", fix=fix)
    return sets[name]


def find_frames(options: LoadOptions, *, default: int, asked: str) -> int:
    """Return how many frames a clip has: the setting ``frames``, or the default.

    Raises:
        ModelError: It is no whole number from 1 on.
    """
    given = options.settings.get("frames", str(default))
    if not given.isdecimal() or not 1 <= int(given) <= _MOST_FRAMES:
        raise ModelError(
            f"{asked}, frames={given}",
            found="no number of frames",
            fix=f"give a whole number from 1 to {_MOST_FRAMES}",
        )
    return int(given)


def embed_labels(classes: ClassSet, encode: Callable[[list[str]], Tensor]) -> Tensor:
    """Embed classes by their labels as they are, ``(C, D)`` float32, of unit length.

    Args:
        classes: The classes.
        encode: Texts to vectors, ``(N, D)``.
    """
    return torch.nn.functional.normalize(encode_texts(classes.labels, encode), dim=-1)


def embed_texts(
    classes: ClassSet, prompts: PromptSet, encode: Callable[[list[str]], Tensor]
) -> Tensor:
    """Embed classes by their labels in the templates of a prompt set.

    Args:
        classes: The classes.
        prompts: The templates; the unit vectors of a class's texts are averaged.
        encode: Texts to vectors, ``(N, D)``; 256 texts at most in a call.

    Returns:
        ``(C, D)`` float32, of unit length, where ``encode`` puts them.
    """
    total: Tensor | None = None
    for template in prompts.templates:
        vectors = encode_texts(prompts.texts(template, classes.labels), encode)
        unit = torch.nn.functional.normalize(vectors, dim=-1)
        total = unit if total is None else total + unit
    assert total is not None  # noqa: S101
    return torch.nn.functional.normalize(total, dim=-1)


def encode_texts(texts: Sequence[str], encode: Callable[[list[str]], Tensor]) -> Tensor:
    """Encode texts, 256 at most in a call.

    Args:
        texts: One text or more.
        encode: Texts to vectors, ``(N, D)``.

    Returns:
        ``(N, D)`` float32, where ``encode`` puts them.
    """
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    return torch.cat([encode(list(texts[i : i + _TEXTS_AT_ONCE])) for i in starts]).float()
