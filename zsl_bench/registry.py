"""Which models there are, and how a reference such as ``py:package.module:load`` becomes one."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from functools import partial, reduce
from importlib import metadata
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ModelError, listing, near_matches
from zsl_bench.model import LoadOptions, check_is_model, guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zsl_bench.model import Model

GROUP = "zsl_bench.models"
"""The entry-point group in which packages offer models."""

_NO_OPTIONS = LoadOptions()
_CODE_FILE = "model.py"
_CONFIG_FILE = "config.json"
_WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".tar", ".pkl")
_FIT_FILE = "fit.json"
_SPELLINGS = (
    "an installed name, hub:org/repo@revision, path:dir-or-file, method:dir or "
    "py:package.module:load"
)
_LIBRARIES = ("mteb", "open_clip", "torchvision", "transformers")


@dataclass(frozen=True, kw_only=True)
class InstalledModel:
    """A model that an installed package offers; whether it loads shows when it is loaded.

    Attributes:
        name: The name to give to ``--model``.
        value: Where the loader is, ``package.module:attribute``.
        distribution: The package that offers it.
        version: The package's version.
    """

    name: str
    value: str
    distribution: str
    version: str


def installed_models() -> tuple[InstalledModel, ...]:
    """Return the models that installed packages offer, by name, without importing any.

    Example:
        >>> [model.name for model in installed_models() if model.distribution == "zsl-bench"]
        ['e2e', 'e2e-random', 'frozen']
    """
    found = {
        InstalledModel(
            name=entry.name,
            value=entry.value,
            distribution=entry.dist.name if entry.dist else "unknown",
            version=entry.dist.version if entry.dist else "",
        )
        for entry in metadata.entry_points(group=GROUP)
    }
    return tuple(sorted(found, key=lambda m: (m.name, m.distribution, m.version, m.value)))


def load_model(
    reference: str,
    *,
    options: LoadOptions = _NO_OPTIONS,
) -> Model:
    """Load a model.

    Args:
        reference: ``name`` of an installed model; ``hub:org/repo@revision``, a weights folder on
            the Hub; ``path:dir-or-file``, a weights folder or file, or a ``model.py`` that has
            ``load``; ``method:dir``, a method that ``zsl-bench fit`` has fitted to clip features,
            behind the model that made them; ``py:package.module:load``; or a model of a library
            through its adapter: ``transformers:``, ``open_clip:``, ``mteb:`` or ``torchvision:``
            and its name there.
        options: What the loader is told. A loader takes them as a first parameter ``options``.

    Raises:
        ModelError: The reference is unknown or ambiguous, or the loader fails or makes no model.
        ZslBenchError: What the loader itself raises, such as missing weights.
    """
    asked = f"model {reference!r}"
    scheme, colon, rest = reference.partition(":")
    if not colon:
        model = _load_installed(reference, options, asked)
    elif scheme in _SCHEMES:
        if not rest:
            raise ModelError(asked, found=f"nothing after {scheme}:", fix=f"give {_SPELLINGS}")
        model = _SCHEMES[scheme](rest, options, asked)
    else:
        fix = f"did you mean py:{reference}?" if "." in scheme else f"give {_SPELLINGS}"
        raise ModelError(asked, found=f"the unknown kind {scheme!r}", fix=fix)
    check_is_model(model, reference)
    return model  # type: ignore[no-any-return]


def _load_installed(name: str, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    models = installed_models()
    named = [model for model in models if model.name == name]
    if not named:
        raise ModelError(asked, found="no installed model of that name", fix=_spellings_for(name))
    if len(named) > 1:
        packages = listing(f"{m.distribution} {m.version}" for m in named)
        raise ModelError(
            asked,
            found=f"{len(named)} installed models of that name, from {packages}",
            fix="choose one: " + " or ".join(f"py:{m.value}" for m in named),
        )
    return _load_python(named[0].value, options, f"{asked} of {named[0].distribution}")


def _spellings_for(name: str) -> str:
    """Suggest how to spell a bare name that looks like a path, a repository or a module."""
    path = Path(name)
    exists = bool(name) and path.exists()
    candidates = []
    if exists or path.suffix in {*_WEIGHT_SUFFIXES, ".py"} or name.startswith((".", "/", "~")):
        candidates.append(f"path:{name}")
    if name.count("/") == 1 and all(name.split("/")) and not name.startswith((".", "~")):
        candidates += [f"hub:{name}", *([] if candidates else [f"path:{name}"])]
    elif not candidates and ("/" in name or "\\" in name):
        candidates.append(f"path:{name}")
    elif not candidates and "." in name:
        candidates.append(f"py:{name}:load")
    if candidates:
        return "say which is meant: " + " or ".join(candidates)
    return near_matches(name, {model.name for model in installed_models()})


def _load_python(target: str, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise ModelError(asked, found=f"{target!r}", fix="spell it like py:package.module:load")
    local = Path(*module_name.split(".")).with_suffix(".py")
    if local.is_file() and not _can_be_found(module_name):
        raise ModelError(
            asked,
            found=f"{local} in this folder, which is not on Python's path",
            fix=f"give path:{local}" + ("" if attribute == "load" else " and call its loader load"),
        )
    module = guarded(lambda: importlib.import_module(module_name), f"{asked}: importing it")
    return _call(_attribute(module, attribute, asked), options, asked)


def _can_be_found(module_name: str) -> bool:
    try:
        return importlib.util.find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False


def _load_path(place: str, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    path = Path(place).expanduser() if place.startswith("~/") else Path(place)
    if not path.exists():
        raise ModelError(asked, found=f"no file or folder {place}", fix="check the path")
    if (path / _FIT_FILE).is_file():
        return _load_method(place, options, asked)
    if path.is_dir():
        path = _in_folder(path, asked)
    if path.suffix == ".py":
        module = guarded(lambda: _import_file(path), f"{asked}: importing it")
        if not hasattr(module, "load"):
            raise ModelError(
                asked,
                found=f"no 'load' in {path}",
                fix="call its loader, class or model load, such as load = MyModel",
            )
        return _call(module.load, options, asked)
    if path.name != _CONFIG_FILE and path.suffix not in _WEIGHT_SUFFIXES:
        raise ModelError(
            asked,
            found=f"a file that is neither weights nor code ({path.name})",
            fix=f"give a weights folder, a {_CODE_FILE}, or {', '.join(_WEIGHT_SUFFIXES)}",
        )
    _refuse_weights(options, asked)
    from zsl_bench.baselines.models import load_from_path

    return load_from_path(path, options)


def _in_folder(folder: Path, asked: str) -> Path:
    """Choose between the two things a folder may be: weights or code."""
    present = [folder / name for name in (_CONFIG_FILE, _CODE_FILE) if (folder / name).is_file()]
    if not present:
        raise ModelError(
            asked,
            found=f"a folder with neither {_CONFIG_FILE} nor {_CODE_FILE}",
            fix=f"give a weights folder, or one whose {_CODE_FILE} has load",
        )
    if len(present) > 1:
        raise ModelError(
            asked,
            found=f"a folder with both {_CONFIG_FILE} and {_CODE_FILE}",
            fix="say which is meant: " + " or ".join(f"path:{path}" for path in present),
        )
    return present[0]


def _load_hub(reference: str, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    _refuse_weights(options, asked)
    from zsl_bench.baselines.models import load_from_hub

    return load_from_hub(reference, options)


def _load_method(place: str, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    """Load a fitted method with its backbone, which a setting may name and code must be named by.

    Nothing that a folder says makes code run: only weights, and models that are installed.
    """
    from zsl_bench.baselines.extracted import method_model, read_fitted_folder

    _refuse_weights(options, asked)
    folder = read_fitted_folder(Path(place).expanduser() if place.startswith("~/") else Path(place))
    named = options.settings.get("backbone")
    reference = named or folder.backbone_reference
    if named is None and _may_run_code(reference):
        raise ModelError(
            asked,
            found=f"the backbone {reference}, which is code",
            fix=f"name it, if you trust it: --set backbone={reference}",
        )
    backbone = load_model(reference, options=folder.backbone_options(options, reference))
    return method_model(folder, backbone, options)


def _may_run_code(reference: str) -> bool:
    scheme, colon, rest = reference.partition(":")
    if scheme != "path":
        return bool(colon) and scheme not in ("hub", *_LIBRARIES)
    path = Path(rest).expanduser() if rest.startswith("~/") else Path(rest)
    if path.is_dir():
        return not (path / _CONFIG_FILE).is_file() or (path / _FIT_FILE).is_file()
    return path.suffix == ".py"


def _load_from_library(library: str, name: str, options: LoadOptions, _asked: str) -> Any:  # noqa: ANN401
    """Load a model of a library through its adapter."""
    return importlib.import_module(f"zsl_bench.adapters.{library}").load(name, options)


_SCHEMES: Mapping[str, Callable[[str, LoadOptions, str], Any]] = MappingProxyType(
    {
        "hub": _load_hub,
        "method": _load_method,
        "path": _load_path,
        "py": _load_python,
        **{library: partial(_load_from_library, library) for library in _LIBRARIES},
    }
)


def _import_file(path: Path) -> ModuleType:
    """Import a file under a private name that depends on its place, anew on every call."""
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"_zsl_bench_local_{place}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _attribute(module: ModuleType, dotted: str, asked: str) -> Any:  # noqa: ANN401
    try:
        return reduce(getattr, dotted.split("."), module)
    except AttributeError as error:
        names = [name for name in vars(module) if not name.startswith("_")]
        raise ModelError(
            asked, found=f"no {dotted!r} in {module.__name__}", fix=near_matches(dotted, names)
        ) from error


def _call(loader: Any, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    """Make the model: call a loader or class with what it takes; other objects are the model."""
    if not isinstance(loader, type) and (not callable(loader) or hasattr(loader, "card")):
        _refuse_options(options, asked)
        return _moved(loader, options, asked)
    try:
        parameters = list(inspect.signature(loader).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if parameters and parameters[0].name == "options":
        if parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
            return guarded(lambda: loader(options=options), f"{asked}: its loader")
        return guarded(lambda: loader(options), f"{asked}: its loader")
    required = [p.name for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
    if required:
        raise ModelError(
            asked,
            found=f"a loader that wants {listing(required)}",
            fix="let it take nothing, or options (zsl_bench.LoadOptions) first",
        )
    _refuse_options(options, asked)
    return _moved(guarded(loader, f"{asked}: its loader"), options, asked)


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _moved(model: Any, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    """Move a model whose loader knows nothing of devices, where it can be moved."""
    if options.device != "cpu" and callable(getattr(model, "to", None)):
        guarded(lambda: model.to(options.device), f"{asked}: moving it to {options.device}")
    return model


def _refuse_options(options: LoadOptions, asked: str) -> None:
    """Refuse what a loader without the parameter ``options`` would drop in silence.

    The vectors are the verdict's as well, and a permission need not be used.
    """
    for what, value in (("weights", options.weights), ("settings", listing(options.settings))):
        if value:
            raise ModelError(
                asked,
                found=f"a loader that takes no options, and {what} {value} given",
                fix="leave them out, or let the loader take options (zsl_bench.LoadOptions)",
            )


def _refuse_weights(options: LoadOptions, asked: str) -> None:
    if options.weights is not None:
        raise ModelError(
            asked,
            found=f"weights named twice, the other being {options.weights}",
            fix="name them once, in the reference or as weights of a model by name",
        )
