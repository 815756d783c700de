"""Read a features file of any known kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, listing
from zsl_bench.features import roles
from zsl_bench.features.archives import read_npz, read_safetensors
from zsl_bench.features.build import RawFeatures, ReadOptions, build
from zsl_bench.features.npy import files_of, read_npy
from zsl_bench.features.parquet import read_parquet
from zsl_bench.features.tables import read_csv
from zsl_bench.files import sha256_file, sha256_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from zsl_bench.features.record import Features

_TABLES: dict[str, Callable[[Path, str], RawFeatures]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
_KINDS = (".npz", ".safetensors", ".parquet", ".csv", ".tsv", ".npy")
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib")


def read_features(
    path: Path | str, *, layout: str | None = None, pooling: str | None = None
) -> Features:
    """Read video vectors or scores that any model has made, whatever framework it is from.

    Known are ``.npz``, ``.safetensors`` (text in its metadata or in a ``.json`` of the same name),
    ``.csv``, ``.tsv`` and ``.parquet`` (class vectors in ``NAME.classes.csv`` or
    ``NAME.classes.parquet`` beside it), and ``.npy`` (or its folder) with ``ids.txt``,
    ``class_vectors.npy`` and ``classes.txt`` beside it. Nothing pickled is ever loaded.

    Args:
        path: The file, or a folder of .npy files; ``~`` is understood.
        layout: Which way round a score matrix is, ``videos-by-classes`` or ``classes-by-videos``;
            needed only where it is square.
        pooling: ``mean`` or ``mean-of-unit`` to average several rows of one video; None to refuse
            them.

    Raises:
        DatasetError: The file cannot be read or something in it does not fit; each message says
            what, and what to do.
        ClassSetError: A list of classes beside .npy files is malformed.

    Example:
        >>> read_features("features.npz")  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    asked = f"features {printable(str(path))}"
    kind = path.suffix.casefold()
    _check_there(path, kind, asked)
    if kind == ".npz":
        files, raw = {"features": path}, read_npz(path, asked)
    elif kind == ".safetensors":
        files = {"features": path} | _beside(path, "text", (".json",))
        raw = read_safetensors(path, files.get("text"), asked)
    elif kind in _TABLES:
        files = {"features": path} | _beside(path, "classes", (".classes.csv", ".classes.parquet"))
        raw = _with_classes(_TABLES[kind](path, asked), files.get("classes"), asked)
    else:
        files = files_of(path, asked)
        raw = read_npy(files, asked)
    options = ReadOptions(layout=layout, pooling=pooling)
    source = ", ".join(printable(file.name) for file in files.values())
    return build(raw, options, source=source, digest=_digest(files))


def _check_there(path: Path, kind: str, asked: str) -> None:
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise DatasetError(asked, found=str(error), fix="check the path") from error
    if not is_there:
        raise DatasetError(asked, found="no such file", fix="check the path")
    if is_folder or kind in _KINDS:
        return
    raise DatasetError(
        asked,
        found=f"a file that ends in {kind!r}" + ", a pickle, never read" * (kind in _PICKLES),
        fix=f"write the arrays as one of {listing(_KINDS, limit=len(_KINDS))}",
    )


def _beside(path: Path, what: str, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the file beside another one that has its name and one of some endings, if any."""
    for ending in endings:
        file = path.with_name(path.stem + ending)
        if file.is_file():
            return {what: file}
    return {}


def _with_classes(raw: RawFeatures, path: Path | None, asked: str) -> RawFeatures:
    """Add the class vectors of a second table, whose labels are the classes."""
    if path is None:
        return raw
    table = _TABLES[path.suffix.casefold()](path, f"{asked}, with {printable(path.name)}")
    names = table.values.get(roles.LABELS, table.values.get(roles.IDS))
    vectors = table.values.get(roles.VIDEO_VECTORS)
    if names is None or vectors is None:
        raise DatasetError(
            table.asked,
            found="no class vectors",
            fix="begin it with a header such as class,f0,f1,f2",
        )
    values = {**raw.values, roles.CLASSES: names, roles.CLASS_VECTORS: vectors}
    return RawFeatures(asked=raw.asked, values=values, unused=raw.unused)


def _digest(files: dict[str, Path]) -> str:
    digests = {role: sha256_file(file) for role, file in files.items()}
    return (
        digests["features"] if len(digests) == 1 and "features" in digests else sha256_json(digests)
    )
