"""Study configurations: one TOML file says which trainings and evaluations a study is made of."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.files import asset_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_FIELDS = ("kind", "name", "description", "out", "models", "set", "test", "evaluations", "grid")
_SETTINGS: dict[str, type] = {
    "vectors": str,
    "device": str,
    "precision": str,
    "batch_size": int,
    "workers": int,
    "allow_approximate": bool,
    "allow_partial": bool,
    "allow_unreadable": bool,
}
_FREE_SETTINGS = ("vectors", "device", "batch_size", "workers")
_EVALUATION = ("sets", "protocols", "policy", *_SETTINGS)
_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class StudyModel:
    """A model of a study.

    Attributes:
        name: What it is called in tables and figures, such as ``e2e``.
        config: Its training configuration, a bundled name or a TOML file.
        overrides: Settings of the training, its own first; of two for one field the later wins.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An evaluation of a trained model.

    Attributes:
        name: Unique in its study, such as ``test`` or ``one-clip``.
        data: Path of each test set, by the name that ``zsl-bench evaluate --data`` takes.
        protocols: References such as ``1`` or ``brattoli-half``; empty for the default.
        policy: Clip policy; None for the model's own.
        settings: Other settings of the evaluation, by their names in
            :class:`zsl_bench.evaluation.settings.Settings`.
    """

    name: str
    data: Mapping[str, str]
    protocols: tuple[str, ...] = ()
    policy: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that a study is told.

    Attributes:
        kind: Which kind of study; see ``plan.KINDS``.
        name: What it is called.
        out: Its folder.
        models: The models, in the order of the file.
        evaluations: What is measured of each.
        grid: What the kind varies; read it with :meth:`numbers`, :meth:`counts`, :meth:`number`
            and :meth:`text`.
        description: One line on it.
    """

    kind: str
    name: str
    out: Path
    models: tuple[StudyModel, ...]
    evaluations: tuple[Evaluation, ...]
    grid: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    def numbers(
        self, name: str, default: Sequence[int] | None = None, *, least: int = 1
    ) -> tuple[int, ...]:
        """Return a list of different whole numbers of the grid, in its order.

        Raises:
            ZslBenchError: It is missing, empty or something else.
        """
        values = self.grid.get(name, default)
        is_list = isinstance(values, (list, tuple)) and len(values) > 0
        if not is_list or any(not _is_number(value, least) for value in values):
            raise self._wrong(name, f"give a list of whole numbers from {least}, as in [2, 4]")
        if len(set(values)) < len(values):
            raise self._wrong(name, "name each once")
        return tuple(values)

    def counts(
        self, name: str, default: Sequence[int | str] | None = None
    ) -> tuple[int | None, ...]:
        """Return a list of different counts of the grid; ``"all"`` in it becomes None.

        Raises:
            ZslBenchError: It is missing, empty or something else.
        """
        values = self.grid.get(name, default)
        is_list = isinstance(values, (list, tuple)) and len(values) > 0
        if not is_list or any(value != _ALL and not _is_number(value, 1) for value in values):
            raise self._wrong(name, 'give a list of whole numbers from 1, with "all" for all')
        if len(set(values)) < len(values):
            raise self._wrong(name, "name each once")
        return tuple(None if value == _ALL else value for value in values)

    def number(self, name: str, default: int | None = None, *, least: int = 1) -> int:
        """Return a whole number of the grid.

        Raises:
            ZslBenchError: It is missing or something else.
        """
        value = self.grid.get(name, default)
        if not _is_number(value, least):
            raise self._wrong(name, f"give a whole number from {least}")
        return int(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text of the grid.

        Raises:
            ZslBenchError: It is missing or something else.
        """
        value = self.grid.get(name, default)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "give a text in quotes")
        return value

    def model(self, name: str) -> StudyModel:
        """Return a model by its name.

        Raises:
            ZslBenchError: The study has none of that name.
        """
        for model in self.models:
            if model.name == name:
                return model
        names = [model.name for model in self.models]
        raise ZslBenchError(
            f"study {self.name}", found=f"no model {name!r}", fix=near_matches(name, names)
        )

    def _wrong(self, name: str, fix: str) -> ZslBenchError:
        found = f"grid.{name} = {self.grid[name]!r}" if name in self.grid else f"no grid.{name}"
        return ZslBenchError(f"study {self.name}", found=found, fix=fix)


def bundled_studies() -> tuple[str, ...]:
    """Return the names of the study configurations that come with the package, sorted."""
    return tuple(sorted(path.stem for path in asset_path("studies").glob("*.toml")))


def load_study(
    kind: str,
    reference: str | Path,
    *,
    overrides: Sequence[str] = (),
    data: Mapping[str, str] | None = None,
    out: str | Path | None = None,
) -> StudyConfig:
    """Read a study configuration.

    Args:
        kind: Which kind of study it is to be.
        reference: A bundled name such as ``classes`` or ``demo-classes``, or a TOML file. Paths in
            it are relative to where the command runs.
        overrides: Settings of every training, behind those of the file.
        data: Paths of test sets, instead of those of the file; other sets only where it has none.
        out: Folder of the study, instead of that of the file.

    Raises:
        ZslBenchError: There is no such configuration, or a field is unknown, missing or malformed.

    Example:
        >>> load_study("classes", "classes").counts("counts")[-1] is None
        True
    """
    asked = f"study configuration {reference}"
    path = Path(reference)
    if str(reference) in bundled_studies():
        path = asset_path("studies", f"{reference}.toml")
    content = _read(path, asked, str(reference))
    _only(content, _FIELDS, asked)
    told = _text(content, "kind", asked, kind)
    if told != kind:
        raise ZslBenchError(asked, found=f"a study of {told}", fix=f"zsl-bench study {told}")
    name = _text(content, "name", asked, path.stem)
    tests = _tests(_texts(content, "test", asked), data or {}, asked)
    common = (*_strings(content, "set", asked), *overrides)
    return StudyConfig(
        kind=kind,
        name=name,
        out=Path(out or _text(content, "out", asked, f"studies/{name}")),
        models=_models(content, common, asked),
        evaluations=_evaluations(content, tests, asked),
        grid=_table(content, "grid", asked),
        description=_text(content, "description", asked, ""),
    )


def _tests(told: Mapping[str, str], given: Mapping[str, str], asked: str) -> dict[str, str]:
    """Put the paths that were given in place of the file's; a name it lacks is a slip."""
    for dataset in given:
        if told and dataset not in told:
            raise ZslBenchError(
                asked, found=f"no test set {dataset!r}", fix=near_matches(dataset, told)
            )
    return {**told, **given}


def _read(path: Path, asked: str, reference: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ZslBenchError(
            asked,
            found="no such file or bundled configuration",
            fix=near_matches(reference, bundled_studies()),
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ZslBenchError(
            asked, found=f"no readable TOML ({error})", fix="mend the file, or copy a bundled one"
        ) from error


def _models(
    content: Mapping[str, Any], common: tuple[str, ...], asked: str
) -> tuple[StudyModel, ...]:
    models = []
    for name, value in _table(content, "models", asked).items():
        table = {"config": value} if isinstance(value, str) else value
        inside = f"{asked}, models.{name}"
        if not isinstance(table, dict):
            raise ZslBenchError(
                inside, found=f"{value!r}", fix="name a training configuration, as text"
            )
        _only(table, ("config", "set"), inside)
        own = _strings(table, "set", inside)
        config = _text(table, "config", inside)
        models.append(StudyModel(name=name, config=config, overrides=(*own, *common)))
    if not models:
        raise ZslBenchError(asked, found="no models", fix='write [models] with e2e = "CONFIG"')
    return tuple(models)


def _evaluations(
    content: Mapping[str, Any], tests: Mapping[str, str], asked: str
) -> tuple[Evaluation, ...]:
    tables = _table(content, "evaluations", asked)
    if not tests:
        raise ZslBenchError(asked, found="no test sets", fix='write [test] with ucf101 = "PATH"')
    if not tables:
        return (Evaluation(name="test", data=tests),)
    return tuple(_evaluation(name, table, tests, asked) for name, table in tables.items())


def _evaluation(name: str, table: object, tests: Mapping[str, str], asked: str) -> Evaluation:
    inside = f"{asked}, evaluations.{name}"
    if not isinstance(table, dict):
        raise ZslBenchError(inside, found=f"{table!r}", fix=f"write [evaluations.{name}]")
    _only(table, _EVALUATION, inside)
    sets = _strings(table, "sets", inside) or tuple(tests)
    for dataset in sets:
        if dataset not in tests:
            raise ZslBenchError(
                inside, found=f"no test set {dataset!r}", fix=near_matches(dataset, tests)
            )
    settings = {key: table[key] for key in _SETTINGS if key in table}
    for key, value in settings.items():
        kind = _SETTINGS[key]
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise ZslBenchError(inside, found=f"{key} = {value!r}", fix=f"give {kind.__name__}")
    return Evaluation(
        name=name,
        data={dataset: tests[dataset] for dataset in sets},
        protocols=_strings(table, "protocols", inside),
        policy=_text(table, "policy", inside) if "policy" in table else None,
        settings=settings,
    )


def _only(table: Mapping[str, Any], known: Collection[str], asked: str) -> None:
    for key in table:
        if key not in known:
            raise ZslBenchError(asked, found=f"unknown field {key!r}", fix=near_matches(key, known))


def _table(content: Mapping[str, Any], name: str, asked: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise ZslBenchError(asked, found=f"{name} is no table", fix=f"write it as [{name}]")
    return table


def _texts(content: Mapping[str, Any], name: str, asked: str) -> dict[str, str]:
    table = _table(content, name, asked)
    return {key: _text(table, key, f"{asked}, {name}") for key in table}


def _text(content: Mapping[str, Any], name: str, asked: str, default: str | None = None) -> str:
    value = content.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        found = f"{name} = {value!r}" if name in content else f"no {name}"
        raise ZslBenchError(asked, found=found, fix="give a text in quotes")
    return value


def _strings(content: Mapping[str, Any], name: str, asked: str) -> tuple[str, ...]:
    value = content.get(name, [])
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise ZslBenchError(asked, found=f"{name} = {value!r}", fix="give a list of texts")
    return tuple(value)


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
