"""Atomic writes, digests, and reading of the package's own data files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under ``path`` whole or not at all.

    The bytes go to a temporary file in the same folder, are synced to the disk and then renamed.
    Missing parent folders are made. A symbolic link stays, and what it points to is replaced. A
    device or pipe, such as ``/dev/stdout``, is written to as it is.

    Raises:
        ResultError: The folder cannot be written or the device is full; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as stream:
                yield stream
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ResultError(
            f"write {path}",
            found=error.strerror or str(error),
            fix="free some space or choose another place; nothing was left half-written",
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def check_writable(folder: Path) -> None:
    """Make a folder where it is missing, and refuse one that cannot be written to.

    Raises:
        ResultError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultError(
            f"write into {folder}",
            found=error.strerror or str(error),
            fix="choose another folder with --out",
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, with a final newline."""
    with atomic_write(path) as stream:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write(f"{text}\n".encode())


def read_json(path: Path, *, what: str) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Args:
        path: The file.
        what: What it should be, for the message, such as ``result file``.

    Raises:
        ResultError: The file is missing, unreadable, not UTF-8 or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ResultError(
            f"read {what} {path}", found=error.strerror or str(error), fix="check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"read {what} {path}", found=f"no valid JSON ({error})", fix="make the file again"
        ) from error


def canonical_json(value: object) -> bytes:
    """Encode a value so that equal values give equal bytes: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_json(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def asset_path(*parts: str) -> Path:
    """Return the path of a file in ``zsl_bench/assets``."""
    return Path(str(resources.files("zsl_bench"))).joinpath("assets", *parts)


def read_asset(*parts: str) -> dict[str, Any]:
    """Read a JSON object from ``zsl_bench/assets``."""
    return cast("dict[str, Any]", json.loads(asset_path(*parts).read_bytes()))


def cache_dir() -> Path:
    """Return the folder for derived files: ``$ZSL_BENCH_CACHE``, or the user's cache folder."""
    explicit = os.environ.get("ZSL_BENCH_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zsl-bench"
