"""A weights folder looked at without building its network or reading its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from zsl_bench.baselines.networks import empty_network
from zsl_bench.baselines.weights import (
    MODEL_FILE,
    VECTORS_FILE,
    Description,
    read_description,
    read_vectors,
    tensor_files,
)
from zsl_bench.errors import WeightsError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class WeightsFolder:
    """A weights folder that is whole.

    Attributes:
        path: The folder.
        about: What it says of itself.
        parameters: Numbers in the network, its buffers included.
        words: How many words have a vector in the folder; None where it brings no vectors.
        vectors: Source of these vectors, or None.
    """

    path: Path
    about: Description
    parameters: int
    words: int | None
    vectors: str | None


def inspect_folder(folder: Path) -> WeightsFolder:
    """Check a weights folder: its card, its configuration, its digests, the shape of every tensor.

    Raises:
        WeightsError: Something is missing, damaged, or of another network.
    """
    about = read_description(folder)
    tensor_files(folder, about.digests)
    shapes = _shapes(folder / MODEL_FILE)
    _check_shapes(shapes, about, f"weights folder {folder} for {about.config.network}")
    own = folder / VECTORS_FILE
    vectors = read_vectors(own) if own.exists() else None
    return WeightsFolder(
        path=folder,
        about=about,
        parameters=sum(_size(shape) for shape in shapes.values()),
        words=None if vectors is None else len(vectors.words),
        vectors=None if vectors is None else vectors.source,
    )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"weights {path}",
            found=f"no whole safetensors file ({error})",
            fix="fetch or save it again",
        ) from error


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], about: Description, asked: str) -> None:
    network = empty_network(about.config.network, dim=about.config.dim)
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    unlike = sorted(
        key for key in wanted.keys() | shapes.keys() if wanted.get(key) != shapes.get(key)
    )
    if unlike:
        raise WeightsError(
            asked,
            found=f"{len(unlike)} keys missing, unexpected or of another shape "
            f"({listing(unlike, limit=3)})",
            fix="fetch or save weights of this very network",
        )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
