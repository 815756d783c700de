"""Folders of fitted methods: the method, the backbone of its features, the classes it was shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.extracted.record import (
    BackboneRecord,
    classes_from_json,
    classes_to_json,
)
from zsl_bench.baselines.methods.storage import ARRAYS, SETTINGS, load_fitted, save_method
from zsl_bench.classes import RULE_SETS
from zsl_bench.errors import DatasetError, WeightsError
from zsl_bench.files import read_json, sha256_file, sha256_json, write_json
from zsl_bench.model import ModelCard, parse_settings
from zsl_bench.verdict import Declared
from zsl_bench.verdict.declared import OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.baselines.methods.base import FittedMethod
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions, TrainingData

FIT = "fit.json"
FORMAT = 1
_KINDS = {"files": dict, "features": dict, "vectors": dict, "audit": dict, "seed": int}


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFolder:
    """A fitted method with all that a number of it depends on.

    Attributes:
        method: The fitted method.
        seen: The classes that it was shown.
        backbone: The model that made the features; None where their file did not say.
        features: Name, SHA-256 and number of videos of the features file.
        vectors: Source and digest of the word vectors, the SHA-256 of the seen classes' vectors,
            and their words without a vector.
        audit: The seen classes and the backbone's against the test sets, before the fit.
        seed: Of whatever was drawn at random.
        path: The folder; None before it is written.
    """

    method: FittedMethod
    seen: ClassSet
    backbone: BackboneRecord | None
    features: Mapping[str, Any]
    vectors: Mapping[str, Any]
    audit: Mapping[str, Any]
    seed: int
    path: Path | None = None

    @property
    def backbone_reference(self) -> str:
        """How the backbone was named when the features were extracted.

        Raises:
            WeightsError: The features' file did not say.
        """
        reference = None if self.backbone is None else self.backbone.reference
        if reference is None:
            raise WeightsError(
                self.asked,
                found="features of a backbone that nobody named",
                fix="name it with --set backbone=REF, or fit to features of zsl-bench extract",
            )
        return reference

    @property
    def asked(self) -> str:
        """The beginning of a message about the folder."""
        return f"fitted method {self.path or self.method.spec.name}"

    def backbone_options(self, options: LoadOptions, reference: str) -> LoadOptions:
        """Return what the backbone's loader is told: as at the extraction, on this device.

        Args:
            options: What the loader of the folder is told.
            reference: The backbone; one that is named otherwise than at the extraction brings its
                own weights.
        """
        given: Mapping[str, Any] = {} if self.backbone is None else self.backbone.given
        weights, settings = given.get("weights"), given.get("settings", [])
        moved = self.backbone is None or self.backbone.reference != reference
        return replace(
            options,
            weights=None if weights is None or moved else Path(weights),
            settings=parse_settings(settings),
        )

    def declared(self) -> Declared:
        """Return what method and backbone together have seen.

        The seen classes are the training data, the backbone's the pretraining data. Where one of
        the backbone's two declarations is silent, the pretraining data is, and the classes that
        are known stand beside the seen ones, so that none is lost.
        """
        card = None if self.backbone is None else self.backbone.card
        parts = (None, None) if card is None else (card.trained_on, card.pretrained_on)
        known = {one.fingerprint: one for part in parts if isinstance(part, tuple) for one in part}
        if all(isinstance(part, tuple) for part in parts):
            return Declared(trained_on=(self.seen,), pretrained_on=tuple(known.values()))
        silent: TrainingData = None if None in parts else OPEN
        others = tuple(one for key, one in known.items() if key != self.seen.fingerprint)
        return Declared(trained_on=(self.seen, *others), pretrained_on=silent)

    def digest(self) -> str:
        """Return the SHA-256 of the written method, in hex.

        Raises:
            ResultError: The folder is not there.
        """
        if self.path is None:
            raise WeightsError(self.asked, found="no folder", fix="save it first")
        return sha256_json(_digests(self.path))

    def save(self, folder: Path) -> FittedFolder:
        """Write the folder; ``fit.json`` comes last and names the digests of the others.

        Raises:
            ResultError: It cannot be written.
        """
        save_method(self.method, folder)
        spec = self.method.spec
        write_json(
            folder / FIT,
            {
                "format": FORMAT,
                "method": spec.name,
                "title": spec.title,
                "fidelity": spec.fidelity,
                "setting": spec.setting,
                "side_data": list(spec.side_data),
                "assumed": list(spec.assumed),
                "files": _digests(folder),
                "seen": classes_to_json(self.seen),
                "backbone": None if self.backbone is None else self.backbone.to_json(),
                "features": dict(self.features),
                "vectors": dict(self.vectors),
                "audit": dict(self.audit),
                "seed": self.seed,
            },
        )
        return replace(self, path=folder)


def read_fitted_folder(folder: Path) -> FittedFolder:
    """Read the folder of a fitted method.

    Raises:
        WeightsError: A file is missing, damaged, or of another fit.
        ResultError: There is no such folder.
    """
    asked = f"fitted method {folder}"
    about = read_json(folder / FIT, what="fitted method")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise WeightsError(asked, found=f"{FIT} of another format", fix="update zsl-bench")
    wrong = [key for key, kind in _KINDS.items() if not isinstance(about.get(key), kind)]
    if wrong:
        raise WeightsError(asked, found=f"no {wrong[0]} in {FIT}", fix="fit it again")
    if _digests(folder) != about["files"]:
        raise WeightsError(asked, found="files of another fit", fix="fit it again")
    _check_installed(folder, asked)
    record = about.get("backbone")
    try:
        seen = classes_from_json(about.get("seen"), asked=asked)
        backbone = None if record is None else BackboneRecord.from_json(record, asked=asked)
    except DatasetError as error:
        raise WeightsError(asked, found=error.found, fix="fit it again") from error
    return FittedFolder(
        method=load_fitted(folder),
        seen=seen,
        backbone=backbone,
        features=about["features"],
        vectors=about["vectors"],
        audit=about["audit"],
        seed=about["seed"],
        path=folder,
    )


def _check_installed(folder: Path, asked: str) -> None:
    """Refuse a method named by a place in code: what a folder says makes nothing be imported."""
    about = read_json(folder / SETTINGS, what="fitted method")
    name = about.get("method") if isinstance(about, dict) else None
    if not isinstance(name, str) or ":" in name:
        raise WeightsError(
            asked,
            found=f"a method named {name!r}",
            fix="offer the method as an entry point, which has a short name",
        )


def card_of(folder: FittedFolder, backbone: ModelCard) -> ModelCard:
    """Return the card of a fitted method behind its backbone.

    Args:
        folder: The fitted method.
        backbone: The card of what makes the features, with the settings they depend on.
    """
    spec, record = folder.method.spec, folder.backbone
    declared = folder.declared()
    return replace(
        backbone,
        name=f"{spec.name}-{backbone.name}",
        policy=record.card.policy if record is not None else backbone.policy,
        scores="logits",
        rules=folder.seen.rules if folder.seen.rules in RULE_SETS else backbone.rules,
        trained_on=declared.trained_on,
        pretrained_on=declared.pretrained_on,
        settings={
            **backbone.settings,
            "method": spec.name,
            "method_sha256": folder.digest(),
            "fidelity": spec.fidelity,
            "setting": spec.setting,
        },
        description=f"{spec.title} ({spec.fidelity}, {spec.setting}) on clip features of "
        f"{backbone.name}",
        citation="; ".join(spec.sources),
    )


def _digests(folder: Path) -> dict[str, str]:
    try:
        return {name: sha256_file(folder / name) for name in (ARRAYS, SETTINGS)}
    except OSError as error:
        raise WeightsError(
            f"fitted method {folder}",
            found=f"a file is missing ({error.strerror})",
            fix="keep the folder's files together",
        ) from error
