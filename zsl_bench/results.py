"""Result files: what was measured, what could change it, and where it was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zsl_bench.errors import ResultError, listing
from zsl_bench.files import read_json, sha256_json, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SCHEMA = 1
AGAIN = "make it again with zsl-bench evaluate or score"
GIVEN = "given"
_KIND, _APPROXIMATE = "class_vectors.kind", "class_vectors.approximate_words"
_WEIGHTS, _SEEN = "model.weights", "seen_videos.digest"
_LEFT_OUT = ("model.", "protocols.", "class_vectors.distractors.")
_FIELDS = ("identity", "zero_shot", "coverage", "complete", "scores", "environment")
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("identity", "zero_shot", "coverage", "scores", "environment"), dict),
    **dict.fromkeys(("identity.model", "identity.classes", "identity.protocols"), dict),
    **dict.fromkeys(("identity.model.name", "identity.classes.dataset"), str),
    "zero_shot.headline": str,
    "complete": bool,
}
_OPTIONAL: dict[str, dict[str, type | tuple[type, ...]]] = {
    "arrays": {"arrays": dict, "arrays.file": str, "arrays.sha256": str},
    "class_table": {"class_table": dict},
}


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """One model on one data set, under one or more protocols.

    Attributes:
        identity: Everything that can change a number; its SHA-256 names the file.
        zero_shot: The verdict of each rule, the headline first.
        coverage: Videos listed, scored, missing and unreadable, in all and by class.
        complete: Whether every video of the data set was scored; if not, no report ranks it.
        scores: For each protocol id its scores, as :class:`ProtocolScores` in JSON.
        environment: Versions, device, git state, time and seconds; never part of the identity.
        arrays: Name and SHA-256 of the file of vectors beside the result, or None.
        class_table: Words and labels of the test classes, in order; None in older files.
    """

    identity: dict[str, Any]
    zero_shot: dict[str, Any]
    coverage: dict[str, Any]
    complete: bool
    scores: dict[str, Any]
    environment: dict[str, Any]
    arrays: dict[str, str] | None = None
    class_table: dict[str, Any] | None = None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the identity."""
        return sha256_json(self.identity)

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.identity["model"]["name"])

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.identity["classes"]["dataset"])

    @property
    def verdict(self) -> str:
        """The headline verdict with its rule, such as ``disjoint (brattoli2020, 0.05)``."""
        return str(self.zero_shot["headline"])

    @property
    def stem(self) -> str:
        """File name without its ending: model, data set and twelve digits of the identity."""
        parts = (re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in (self.model, self.dataset))
        return "--".join((*parts, self.sha256[:12]))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON holds it, the SHA-256 of all of it last."""
        content = {
            "schema": SCHEMA,
            "kind": "evaluation",
            "identity_sha256": self.sha256,
            **{name: getattr(self, name) for name in _FIELDS},
            "class_table": self.class_table,
            "arrays": self.arrays,
        }
        return {**content, "sha256": sha256_json(content)}

    def save(self, folder: Path) -> Path:
        """Write ``<stem>.json`` into a folder, atomically, and return its path.

        Raises:
            ResultError: The folder cannot be written.
        """
        path = folder / f"{self.stem}.json"
        write_json(path, self.to_json())
        return path


def load_result(path: str | Path) -> EvaluationResult:
    """Read a result file and check its hashes.

    Raises:
        ResultError: The file is missing, damaged, edited, or of a newer schema; or it is a folder
            or the array file.
    """
    asked = f"read result file {path}"
    _check_place(Path(path), asked)
    data = read_json(Path(path), what="result file")
    if not isinstance(data, dict) or data.get("kind") != "evaluation":
        raise ResultError(
            asked, found="no evaluation result", fix="give a .json file that evaluate or score made"
        )
    if data.get("schema") != SCHEMA:
        raise ResultError(
            asked, found=f"schema {data.get('schema')!r}", fix="update zsl-bench to read it"
        )
    check_fields(data, _KINDS, asked=asked)
    _check_parts(data, asked)
    result = EvaluationResult(
        **{name: data[name] for name in _FIELDS},
        arrays=data.get("arrays"),
        class_table=data.get("class_table"),
    )
    content = {name: value for name, value in data.items() if name != "sha256"}
    try:
        sound = data.get("identity_sha256") == result.sha256
        sound = sound and data.get("sha256") == sha256_json(content)
    except (ValueError, RecursionError):
        sound = False
    if not sound:
        raise ResultError(asked, found="contents that do not match their SHA-256", fix=AGAIN)
    return result


def check_fields(
    content: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]], *, asked: str
) -> None:
    """Check that JSON objects have some fields, and of which type.

    Args:
        content: The outermost object.
        kinds: The type of each field, by its dotted path; a field comes after those around it.
        asked: The beginning of a message.

    Raises:
        ResultError: A field is absent or of another type.
    """
    for path, kind in kinds.items():
        inner: Any = content
        for name in path.split("."):
            if not isinstance(inner, dict) or name not in inner:
                raise ResultError(asked, found=f"no field {path!r}", fix=AGAIN)
            inner = inner[name]
        if not isinstance(inner, kind):
            found = f"a field {path!r} of another type, {type(inner).__name__}"
            raise ResultError(asked, found=found, fix=AGAIN)


def _check_place(path: Path, asked: str) -> None:
    if path.is_dir():
        names = sorted(file.name for file in path.glob("*.json"))
        raise ResultError(
            asked,
            found="a folder" if names else "a folder without a .json file",
            fix=f"name one of its .json files: {listing(names, limit=3)}"
            if names
            else "name a result file",
        )
    if path.suffix.casefold() == ".npz":
        raise ResultError(asked, found="an array file", fix="give the .json beside it")


def _check_parts(data: Mapping[str, Any], asked: str) -> None:
    """Check the fields that may be None, and that every score has its protocol."""
    for name, kinds in _OPTIONAL.items():
        if data.get(name) is not None:
            check_fields(data, kinds, asked=asked)
    protocols, scores = data["identity"]["protocols"], data["scores"]
    if not protocols or not scores.keys() <= protocols.keys():
        found = "scores of a protocol that its identity does not name"
        raise ResultError(asked, found=found if protocols else "no protocols", fix=AGAIN)
    for name in protocols:
        check_fields(protocols[name], {"sha256": str}, asked=f"{asked}, protocol {name}")


def comparable(a: EvaluationResult, b: EvaluationResult) -> tuple[str, ...]:
    """Return the identity fields in which two results differ, the models themselves left out.

    Two results with none may stand in one column, under the protocols that both have. A result
    that rests on stand-ins for words is comparable only with itself. What nobody knows of two
    files of features, such as their clip policies, is named with `` (unknown)`` behind it.

    Returns:
        Dotted paths such as ``clip_policy``, ``manifest.digest`` or ``clip_policy (unknown)``,
        sorted.
    """
    if a.sha256 == b.sha256:
        return ()
    left, right = _flat(a.identity), _flat(b.identity)
    paths = {path for path in left.keys() | right.keys() if not path.startswith(_LEFT_OUT)}
    differing = {path for path in paths if left.get(path) != right.get(path)}
    differing -= _excused(left, right, differing)
    if left.get(_WEIGHTS) != right.get(_WEIGHTS):
        differing |= {f"{p} (unknown)" for p in paths if left.get(p) == right.get(p) == GIVEN}
    if left.get(_APPROXIMATE) or right.get(_APPROXIMATE):
        differing.add(_APPROXIMATE)
    ours, theirs = a.identity["protocols"], b.identity["protocols"]
    shared = ours.keys() & theirs.keys()
    if not shared or any(ours[name] != theirs[name] for name in shared):
        differing.add("protocols")
    return tuple(sorted(differing))


def _excused(
    left: Mapping[str, object], right: Mapping[str, object], differing: Collection[str]
) -> set[str]:
    """Return the fields that may differ: own class vectors, videos that one protocol alone has."""
    kind = left.get(_KIND)
    is_own = "model's own" in str(kind) or kind == "given with the features"
    excused = {"class_vectors.sha256"} if is_own and kind == right.get(_KIND) else set()
    if not (_SEEN in left and _SEEN in right):
        excused |= {path for path in differing if path.startswith("seen_videos.")}
    return excused


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, inner in cast("dict[str, object]", value).items():
        flat.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return flat
