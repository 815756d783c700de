"""What identifies a model: digests of its weights, or of its code where it has none."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.files import sha256_file, sha256_json
from zsl_bench.model import UNVERSIONED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from zsl_bench.model import Model

_SOURCE = "source-sha256:"
_MOST_FILES = 1000


def weights_digest(model: Model) -> str:
    """Return what identifies a model's weights in a result.

    The card's revision where it has one; else SHA-256 of the state dict (names, types, shapes and
    bytes, in the order of names); else of the source file of its class; else ``unversioned``.
    """
    if model.card.revision is not None:
        return model.card.revision
    state = _state_of(model)
    return state_digest(state) if state else source_digest(model)


def weights_identity(model: Model) -> dict[str, str]:
    """Return ``weights``, the :func:`weights_digest`, as a result's identity holds it.

    Where that is a revision and the model has a state dict, its SHA-256 stands beside it as
    ``state``: nothing keeps an author from changing weights under one revision.
    """
    digest = weights_digest(model)
    state = _state_of(model) if model.card.revision is not None else {}
    return {"weights": digest, **({"state": state_digest(state)} if state else {})}


def _state_of(model: Model) -> dict[str, Tensor]:
    state_dict: Callable[[], dict[str, Tensor]] | None = getattr(model, "state_dict", None)
    return state_dict() if callable(state_dict) else {}


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Return ``sha256:`` and the SHA-256 of tensors by key, in the order of the keys.

    Names, types, shapes and bytes count.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return f"sha256:{digest.hexdigest()}"


def is_versioned(digest: str) -> bool:
    """Say whether a digest covers the weights themselves, so that vectors may be kept under it.

    A source file says nothing of weights that it reads from elsewhere.
    """
    return digest != UNVERSIONED and not digest.startswith(_SOURCE)


def source_digest(model: Model) -> str:
    """Return ``source-sha256:`` and the SHA-256 of the code that a model's class stands in.

    That is its file or, in a package of others, all Python files of the package. Where there is no
    such file, as in an interactive session, it is ``unversioned``.
    """
    try:
        source = inspect.getsourcefile(type(model))
        if not source:
            return UNVERSIONED
        files = _package_files(type(model), Path(source))
        if not files:
            return f"{_SOURCE}{sha256_file(Path(source))}"
        return f"{_SOURCE}{sha256_json([(name, sha256_file(path)) for name, path in files])}"
    except (OSError, TypeError):
        return UNVERSIONED


def _package_files(kind: type, source: Path) -> list[tuple[str, Path]]:
    """Return the Python files of the package of a class; none outside one, and of very large ones.

    This package's own version is in every result.
    """
    top = kind.__module__.partition(".")[0]
    start = getattr(sys.modules.get(top), "__file__", None)
    if top == __name__.partition(".")[0] or not start or Path(start).name != "__init__.py":
        return []
    folder = Path(start).parent
    files = sorted(folder.rglob("*.py"))
    if source not in files or len(files) > _MOST_FILES:
        return []
    return [(path.relative_to(folder).as_posix(), path) for path in files]
