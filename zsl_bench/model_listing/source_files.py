"""Python files of installed modules, found and parsed without importing anything."""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


class BrokenSourceError(Exception):
    """What makes a module or its card unusable, in words for a listing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A module's source.

    Attributes:
        module: Its dotted name.
        path: Its file; for a namespace package, one of its folders.
        is_package: Whether relative imports start at the module itself.
        tree: What the file holds.
    """

    module: str
    path: Path
    is_package: bool
    tree: ast.Module


def find_source(module: str) -> Source | None:
    """Parse a module's file, after looking at every package around it.

    Returns:
        The source, or None where it is compiled, in an archive, or otherwise no ``.py`` file.

    Raises:
        BrokenSourceError: There is no such module, a file does not parse, or a package that is not
            installed is imported unconditionally.
    """
    top, *rest = module.split(".")
    spec = _top_level(top)
    if spec is None:
        raise BrokenSourceError(f"no module {top!r} is installed")
    name = top
    path = Path(spec.origin) if spec.has_location and spec.origin else None
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    source = _parsed(name, path or (folders[0] if folders else None))
    for part in rest:
        name = f"{name}.{part}"
        path = _inside(folders, part)
        if path is None:
            if source is None:
                return None
            raise BrokenSourceError(f"no module {name!r}")
        source = _parsed(name, path)
        folders = [path.parent if path.name == "__init__.py" else path]
    return source


def _top_level(name: str) -> ModuleSpec | None:
    """Ask the import system where a top-level module is; that imports nothing."""
    try:
        return importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        return None


def _inside(folders: list[Path], part: str) -> Path | None:
    """Return the file, or the folder of a namespace package, that ``part`` names."""
    for folder in folders:
        file_names = (f"{part}/__init__.py", f"{part}.py")
        compiled = (f"{part}{suffix}" for suffix in EXTENSION_SUFFIXES)
        for file_name in (*file_names, *compiled):
            if (folder / file_name).is_file():
                return folder / file_name
    return next((folder / part for folder in folders if (folder / part).is_dir()), None)


def _parsed(module: str, path: Path | None) -> Source | None:
    if path is not None and path.is_dir():
        empty = ast.Module(body=[], type_ignores=[])
        return Source(module=module, path=path, is_package=True, tree=empty)
    if path is None or path.suffix != ".py" or not path.is_file():
        return None
    tree = _parse(path, path.stat().st_mtime_ns)
    _refuse_missing(tree, path.name)
    return Source(module=module, path=path, is_package=path.name == "__init__.py", tree=tree)


@lru_cache(maxsize=256)
def _parse(path: Path, _changed: int) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as those of invalid escapes, which are no fault
            return ast.parse(path.read_bytes())
    except SyntaxError as error:
        at = f", line {error.lineno}" if error.lineno else ""
        raise BrokenSourceError(f"SyntaxError: {error.msg} ({path.name}{at})") from error
    except (RecursionError, MemoryError) as error:  # the latter is the parser's own full stack
        raise BrokenSourceError(f"{path.name} cannot be read: it is nested too deeply") from error
    except (ValueError, OSError) as error:
        raise BrokenSourceError(f"{path.name} cannot be read: {error}") from error


def _refuse_missing(tree: ast.Module, file_name: str) -> None:
    """Refuse a file that imports, whatever happens, a package that is not installed."""
    for statement in tree.body:
        names: list[str] = []
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            names = [statement.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.modules and _top_level(top) is None:
                at = f"{file_name}, line {statement.lineno}"
                raise BrokenSourceError(f"it imports {top}, which is not installed ({at})")
