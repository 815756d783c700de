"""From a file of released weights to a weights folder, or to a backbone that training takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.convert.declarations import Declarations, declare, known_torchvision
from zsl_bench.baselines.convert.keys import (
    MISSING,
    PROBLEMS,
    UNEXPECTED,
    UNLIKE,
    KeyPlan,
    plan_keys,
)
from zsl_bench.baselines.convert.reading import Checkpoint, read_checkpoint
from zsl_bench.baselines.models import PAPER_CLIP
from zsl_bench.baselines.networks import empty_network
from zsl_bench.baselines.weights import save_weights
from zsl_bench.classes import RULE_SETS, bundled_class_sets, load_class_set
from zsl_bench.errors import WeightsError, WordVectorError, listing
from zsl_bench.files import atomic_write
from zsl_bench.model import ModelCard
from zsl_bench.state_files import fill_network
from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from zsl_bench.wordvectors import WordVectors

BACKBONE_FILE = "backbone.safetensors"
_BACKBONE = "backbone."
_ENDINGS = (".tar", ".pth", ".pt", ".pkl", ".pickle", ".safetensors")


@dataclass(frozen=True, kw_only=True, eq=False)
class Conversion:
    """A checkpoint, what becomes of its keys, and what its options say.

    Attributes:
        checkpoint: What was read.
        plan: The network, and what becomes of every key.
        declared: What is known of its training.
        origin: torchvision weights that the file is to the byte; None for others.
    """

    checkpoint: Checkpoint
    plan: KeyPlan
    declared: Declarations
    origin: str | None

    @property
    def kind(self) -> str:
        """``checkpoint``, ``state dict`` (of a whole network) or ``backbone``."""
        if self.plan.is_backbone:
            return "backbone"
        return "state dict" if self.checkpoint.options is None else "checkpoint"

    def check(self) -> None:
        """Refuse keys that do not fit.

        Raises:
            WeightsError: A key is missing, unexpected or of another shape.
        """
        plan = self.plan
        if not plan.of(*PROBLEMS):
            return
        found = []
        for outcome, what in (
            (MISSING, "keys missing"),
            (UNEXPECTED, "unexpected keys"),
            (UNLIKE, "keys of another shape"),
        ):
            keys = [str(key.source or key.target) for key in plan.of(outcome)]
            if keys:
                found.append(f"{len(keys)} {what} ({listing(keys, limit=2)})")
        raise WeightsError(
            f"convert {self.checkpoint.path} to {plan.network}",
            found=", ".join(found),
            fix="see the keys above; --network names another network",
        )

    def provenance(self) -> dict[str, Any]:
        """Return where the weights come from, as the card keeps it."""
        checkpoint = self.checkpoint
        return {
            "converted_from": {
                "file": checkpoint.path.name,
                "sha256": checkpoint.sha256,
                "kind": self.kind,
            },
            "opt": None if checkpoint.options is None else dict(checkpoint.options),
            "accuracy": checkpoint.accuracy,
            "notes": list(self.declared.notes),
            "keys": {str(key.target): key.source for key in self.plan.keys if key.target},
        }


def convert(path: str | Path, *, network: str | None = None) -> Conversion:
    """Read a file of weights and decide what becomes of every key; nothing is written.

    Args:
        path: A released checkpoint, a state dict, torchvision's weights of ``r2plus1d_18`` or
            ``r3d_18``, or C3D's weights of Sports-1M.
        network: The network that it is for; None for the one that its keys fit best.

    Raises:
        ModelError: There is no network of that name.
        WeightsError: The file is missing, damaged or unsafe, or of no known network.
    """
    checkpoint = read_checkpoint(Path(path))
    plan = plan_keys(checkpoint, network=network)
    return Conversion(
        checkpoint=checkpoint,
        plan=plan,
        declared=declare(checkpoint, plan.network),
        origin=known_torchvision(plan.network, checkpoint.sha256) if plan.is_backbone else None,
    )


def default_name(path: Path) -> str:
    """Return a model's name from its file: ``run.pth.tar`` is ``run``."""
    name = path.name
    while name.lower().endswith(_ENDINGS):
        name = name.rpartition(".")[0]
    return name or path.name.lstrip(".")


def save_conversion(
    conversion: Conversion, folder: str | Path, *, name: str, vectors: str | Path | None = None
) -> Path:
    """Write a weights folder; for a backbone alone, one file that training can start from.

    Args:
        conversion: What :func:`convert` returned.
        folder: Where; made where it is missing.
        name: Name of the model, for its card.
        vectors: Word vectors, of which those of the bundled classes are saved with it.

    Returns:
        The folder, or the backbone's file in it.

    Raises:
        WeightsError: A key does not fit, a value is not finite, or a backbone got word vectors.
        WordVectorError: The word vectors cannot be read, or are of another length.
        ResultError: The folder cannot be written.
    """
    conversion.check()
    plan, asked = conversion.plan, f"convert {conversion.checkpoint.path}"
    if plan.is_backbone:
        return _save_backbone(conversion, Path(folder), vectors)
    declared = conversion.declared
    network = empty_network(plan.network, dim=plan.dim)
    fill_network(network, plan.state, asked=asked)
    model = BaselineModel(
        network,
        config=NetworkConfig(
            family=declared.family,
            network=plan.network,
            dim=plan.dim,
            backbone=declared.backbone,
        ),
        card=_card(conversion, name),
        vectors=None if vectors is None else _bundled_vectors(vectors, dim=plan.dim),
    )
    return save_weights(model, Path(folder), training=conversion.provenance())


def _card(conversion: Conversion, name: str) -> ModelCard:
    declared, checkpoint = conversion.declared, conversion.checkpoint
    return ModelCard(
        name=name,
        clip=PAPER_CLIP,
        trained_on=declared.trained_on,
        pretrained_on=declared.pretrained_on,
        licence="unknown",
        description=f"{declared.family} {conversion.plan.network} converted from "
        f"{checkpoint.path.name}; {declared.notes[0]}",
    )


def _bundled_vectors(reference: str | Path, *, dim: int) -> WordVectors:
    sets = [load_class_set(name, rules) for name in bundled_class_sets() for rules in RULE_SETS]
    words = {word for one in sets for row in one.words for word in row}
    vectors = load_word_vectors(reference, words=words)
    if vectors.dim != dim:
        raise WordVectorError(
            f"word vectors {reference}",
            found=f"vectors of length {vectors.dim}",
            fix=f"give vectors of length {dim}, the network's output",
        )
    return vectors


def _save_backbone(conversion: Conversion, folder: Path, vectors: str | Path | None) -> Path:
    plan, asked = conversion.plan, f"convert {conversion.checkpoint.path}"
    if vectors is not None:
        raise WeightsError(
            f"{asked} with word vectors",
            found="a backbone without a linear layer, which points at no vectors",
            fix="leave --vectors out, and train with model.vectors",
        )
    state = {key.removeprefix(_BACKBONE): tensor for key, tensor in plan.state.items()}
    fill_network(empty_network(plan.network).backbone, state, asked=asked)
    file = folder / BACKBONE_FILE
    with atomic_write(file) as stream:
        stream.write(save(state))
    return file
