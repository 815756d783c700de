"""A package with a model to start from: metadata, code, a test and a README."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import TYPE_CHECKING

from zsl_bench.errors import ModelError, ResultError
from zsl_bench.files import asset_path
from zsl_bench.registry import installed_models

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_LONGEST = 64
_FILES: Mapping[str, str] = MappingProxyType(
    {
        "pyproject.toml": "pyproject.toml.template",
        "README.md": "README.md.template",
        "src/${module}/__init__.py": "package/__init__.py.template",
        "tests/test_model.py": "tests/test_model.py.template",
    }
)


@dataclass(frozen=True, kw_only=True)
class NewPlugin:
    """A package that was written.

    Attributes:
        name: Name of the model and of the package.
        module: Its module.
        folder: Where it is.
        files: Its files, relative to the folder.
    """

    name: str
    module: str
    folder: Path
    files: tuple[str, ...]


def new_plugin(name: str, folder: Path | None = None) -> NewPlugin:
    """Write a package whose model can be installed, checked and scored at once.

    Args:
        name: Name of the model and of the package: small letters, digits, and ``-``, ``_`` or
            ``.`` between them.
        folder: Where to write it; not there yet, or empty. Default: a folder of that name here.

    Raises:
        ModelError: The name cannot be that of a package and a module, or is taken.
        ResultError: The folder is not empty or cannot be written.
    """
    module = _module_for(name)
    target = folder if folder is not None else Path(name)
    asked = f"new model in {target}"
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ResultError(asked, found="something is there already", fix="give another --out")
        target.parent.mkdir(parents=True, exist_ok=True)
        files = _write(target, {"name": name, "module": module})
    except OSError as error:
        found = f"it cannot be written ({error.strerror or error})"
        raise ResultError(asked, found=found, fix="give another --out") from error
    return NewPlugin(name=name, module=module, folder=target, files=files)


def _write(target: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """Write all files elsewhere on the same disk and rename them into place once all are there."""
    texts = {
        Template(place).substitute(values): _filled(template, values)
        for place, template in _FILES.items()
    }
    near = target if target.exists() else target.parent
    with tempfile.TemporaryDirectory(prefix=".new-model-", dir=near) as scratch:
        made = Path(scratch) / "package"
        for place, text in texts.items():
            (made / place).parent.mkdir(parents=True, exist_ok=True)
            (made / place).write_text(text, "utf-8")
        if near is target:
            for part in tuple(made.iterdir()):
                part.rename(target / part.name)
        else:
            made.rename(target)
    return tuple(texts)


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = asset_path("plugin_template", *template.split("/")).read_text("utf-8")
    return Template(text).substitute(values)


def _module_for(name: str) -> str:
    """Return the module's name.

    Raises:
        ModelError: There can be no such package or module, or it is taken.
    """
    asked = f"new model {name!r}"
    module = re.sub(r"[-_.]+", "_", name)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        fix = "use small letters, digits, and -, _ or . between them"
        raise ModelError(asked, found="no name for a package", fix=fix)
    if not module.isidentifier() or keyword.iskeyword(module):
        fix = "begin with a letter, and leave Python's own words alone"
        raise ModelError(asked, found=f"{module!r} is no name for a module", fix=fix)
    for model in installed_models():
        if model.name == name:
            found = f"{model.distribution} {model.version} offers a model of that name"
            raise ModelError(asked, found=found, fix="choose another name")
    if module in sys.stdlib_module_names or _is_installed(module):
        fix = "choose another name"
        raise ModelError(asked, found=f"a module {module!r} is installed already", fix=fix)
    return module


def _is_installed(module: str) -> bool:
    """Say whether a module of that name would be shadowed; a mere folder would not."""
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:
        return True
    return spec is not None and spec.origin is not None
