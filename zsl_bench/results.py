"""Result files: what was measured, what could change it, and where it was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from zsl_bench.errors import ResultError
from zsl_bench.files import read_json, sha256_json, write_json

SCHEMA = 1
_KIND, _APPROXIMATE = "class_vectors.kind", "class_vectors.approximate_words"
_FIELDS = ("identity", "zero_shot", "coverage", "complete", "scores", "environment")


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
        ResultError: The file is missing, damaged, edited, or of a newer schema.
    """
    data = read_json(Path(path), what="result file")
    asked = f"read result file {path}"
    if not isinstance(data, dict) or data.get("kind") != "evaluation":
        raise ResultError(asked, found="no evaluation result", fix="give a file made by evaluate")
    if data.get("schema") != SCHEMA:
        raise ResultError(
            asked, found=f"schema {data.get('schema')!r}", fix="update zsl-bench to read it"
        )
    lacking = [name for name in _FIELDS if name not in data]
    if lacking:
        raise ResultError(asked, found=f"no field {lacking[0]!r}", fix="evaluate again")
    result = EvaluationResult(
        **{name: data[name] for name in _FIELDS},
        arrays=data.get("arrays"),
        class_table=data.get("class_table"),
    )
    content = {name: value for name, value in data.items() if name != "sha256"}
    if result.sha256 != data.get("identity_sha256") or sha256_json(content) != data.get("sha256"):
        raise ResultError(
            asked, found="contents that do not match their SHA-256", fix="evaluate again"
        )
    return result


def comparable(a: EvaluationResult, b: EvaluationResult) -> tuple[str, ...]:
    """Return the identity fields in which two results differ, the models themselves left out.

    Two results with none may stand in one column, under the protocols that both have. A result
    that rests on stand-ins for words is comparable only with itself.

    Returns:
        Dotted paths such as ``clip_policy`` or ``manifest.digest``, sorted.
    """
    if a.sha256 == b.sha256:
        return ()
    left, right = _flat(a.identity), _flat(b.identity)
    differing = {key for key in left.keys() | right.keys() if left.get(key) != right.get(key)}
    differing = {key for key in differing if not key.startswith(("model.", "protocols."))}
    if "model's own" in str(left.get(_KIND)) and left.get(_KIND) == right.get(_KIND):
        differing.discard("class_vectors.sha256")
    if left.get(_APPROXIMATE) or right.get(_APPROXIMATE):
        differing.add(_APPROXIMATE)
    shared = a.identity["protocols"].keys() & b.identity["protocols"].keys()
    if not shared or any(a.identity["protocols"][p] != b.identity["protocols"][p] for p in shared):
        differing.add("protocols")
    return tuple(sorted(differing))


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, inner in cast("dict[str, object]", value).items():
        flat.update(_flat(inner, f"{prefix}.{key}" if prefix else key))
    return flat
