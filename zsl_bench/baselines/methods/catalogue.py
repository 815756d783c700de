"""Which methods there are: those of the package and those that installed packages bring."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from zsl_bench.baselines.methods.base import FeatureMethod
from zsl_bench.errors import ModelError, near_matches

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "zsl_bench.methods"
_OWN = {
    "rr": "zsl_bench.baselines.methods.ridge:Ridge",
    "eszsl": "zsl_bench.baselines.methods.eszsl:Eszsl",
    "conse": "zsl_bench.baselines.methods.conse:Conse",
    "devise": "zsl_bench.baselines.methods.devise:Devise",
    "infdem-gate": "zsl_bench.baselines.methods.infdem:InfDem",
    "tarn": "zsl_bench.baselines.methods.tarn:Tarn",
    "bidilel": "zsl_bench.baselines.methods.bidilel:Bidilel",
    "mte": "zsl_bench.baselines.methods.mte:Mte",
    "url-style": "zsl_bench.baselines.methods.url_style:UrlStyle",
    "action2vec": "zsl_bench.baselines.methods.action2vec:Action2Vec",
}


def known_methods() -> Mapping[str, str]:
    """Return the methods by name with where each is found; none is imported.

    Raises:
        ModelError: Two packages bring one name.
    """
    known = dict(_OWN)
    for point in entry_points(group=GROUP):
        if known.get(point.name, point.value) != point.value:
            raise ModelError(
                f"method {point.name}",
                found=f"two of that name, {known[point.name]} and {point.value}",
                fix="uninstall one of the packages",
            )
        known[point.name] = point.value
    return dict(sorted(known.items()))


def load_method(name: str) -> FeatureMethod:
    """Return a method by its name, or by ``py:package.module:Class``.

    Raises:
        ModelError: There is none, or it is no method.
    """
    known = known_methods()
    where = name.removeprefix("py:") if name.startswith("py:") else known.get(name)
    if where is None:
        raise ModelError(f"method {name!r}", found="no such method", fix=near_matches(name, known))
    made = _imported(name, where)
    method = made() if isinstance(made, type) else made
    if not isinstance(method, FeatureMethod):
        raise ModelError(
            f"method {name!r}",
            found=f"{where}, which is no FeatureMethod",
            fix="derive it from zsl_bench.baselines.methods.FeatureMethod",
        )
    return method


def installed_method(name: str) -> FeatureMethod:
    """Return the method that a file names; one that names code by its place is refused.

    Args:
        name: As it was saved; a variant's is that of the method before the ``+``.

    Raises:
        ModelError: No installed package brings it.
    """
    own = name.partition("+")[0]
    if own not in known_methods():
        raise ModelError(
            f"method {own!r} of a file",
            found="no installed method",
            fix="install the package that brings it; a file names no code to run",
        )
    return load_method(own)


def _imported(name: str, where: str) -> object:
    module, _, attribute = where.partition(":")
    try:
        import_module(module)
        return EntryPoint(name=name, value=where, group=GROUP).load()
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"method {name!r}",
            found=f"{where}, which cannot be imported ({error})",
            fix=f"install the package that brings {module}"
            if attribute
            else "write it as package.module:Class",
        ) from error
