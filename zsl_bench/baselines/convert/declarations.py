"""What a checkpoint's stored options allow one to say about the data that it has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torchvision.models import get_model_weights

from zsl_bench.baselines.cards import backbone_classes
from zsl_bench.classes import load_class_set
from zsl_bench.overlap import audit_overlap
from zsl_bench.splits import load_split
from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.baselines.convert.reading import Checkpoint
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import TrainingData

_TWO_TESTS = "kinetics2both"
_TESTS = ("ucf101", "hmdb51")
_SOURCES = ("kinetics400", "kinetics700")
_BACKBONES = {
    "r2plus1d_18": "R2Plus1D_18_Weights.KINETICS400_V1",
    "r3d_18": "R3D_18_Weights.KINETICS400_V1",
}
_HASH_LENGTH = 8


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """What is known of a checkpoint beside its tensors.

    Attributes:
        family: ``e2e``, or ``frozen`` where the options say that the convolutions were fixed.
        trained_on: Training classes; None where the options do not tell.
        pretrained_on: Pretraining classes; ``()`` where the options say that there were none.
        backbone: torchvision weights that the backbone started from; None for none or unknown.
        notes: Sentences on how far each of these is known.
    """

    family: str
    trained_on: TrainingData
    pretrained_on: TrainingData
    backbone: str | None
    notes: tuple[str, ...]


def declare(checkpoint: Checkpoint, network: str) -> Declarations:
    """Say what a checkpoint's options tell about its training, and no more.

    Args:
        checkpoint: What was read.
        network: The network that its tensors are of.
    """
    options = checkpoint.options
    if options is None:
        note = "the file stores no options: its training data is undeclared"
        return Declarations(
            family="e2e", trained_on=None, pretrained_on=None, backbone=None, notes=(note,)
        )
    trained_on, notes = _training_classes(options)
    pretrained_on, backbone, note = _pretraining(options, network)
    notes.append(note)
    if options.get("network") not in (None, network):
        notes.append(f"the options name the network {options['network']}, the tensors {network}")
    if checkpoint.accuracy is not None:
        notes.append(
            "the stored accuracy is on test videos: the released code keeps the epoch with the "
            "best test accuracy, so it is no estimate on unseen data"
        )
    return Declarations(
        family="frozen" if options.get("fixconvs") is True else "e2e",
        trained_on=trained_on,
        pretrained_on=pretrained_on,
        backbone=backbone,
        notes=tuple(notes),
    )


def known_torchvision(network: str, sha256: str) -> str | None:
    """Return the name of torchvision's weights that a file is, by its SHA-256, or None."""
    if network not in _BACKBONES:
        return None
    for member in get_model_weights(network):
        published = member.url.rpartition("-")[2].partition(".")[0]
        if len(published) >= _HASH_LENGTH and sha256.startswith(published):
            return str(member)
    return None


def _training_classes(options: Mapping[str, Any]) -> tuple[TrainingData, list[str]]:
    """Find the classes whose number and threshold are those of the options."""
    wanted, threshold = options.get("n_classes"), options.get("class_overlap")
    said = f"n_classes {wanted}, class_overlap {threshold}, dataset {options.get('dataset')}"
    if (
        options.get("dataset") == _TWO_TESTS
        and type(wanted) is int
        and wanted > 0
        and isinstance(threshold, (int, float))
        and 0 <= threshold <= 2
    ):
        for name in _SOURCES:
            kept = _kept(name, float(threshold))
            if len(kept) == wanted:
                note = (
                    f"the training classes were never published; {wanted} of {name} are what its "
                    f"audit against {' and '.join(_TESTS)} keeps at {threshold:g}, as the options "
                    f"say ({said}), and are declared as a reconstruction"
                )
                return (kept,), [note]
    return None, [f"the options do not settle the training classes ({said}): undeclared"]


def _kept(name: str, threshold: float) -> ClassSet:
    train, tests = load_class_set(name), [load_class_set(test) for test in _TESTS]
    words = {word for one in (train, *tests) for row in one.words for word in row}
    audit = audit_overlap(train, tests, vectors=load_word_vectors(words=words), threshold=threshold)
    kept = train.select(neighbour.name for neighbour in audit.kept)
    split = load_split("tp1")
    if split.train[0] == name and set(split.kept) == set(kept.names):
        return split.classes()
    return replace(kept, dataset=f"{name} kept at {threshold:g}")


def _pretraining(options: Mapping[str, Any], network: str) -> tuple[TrainingData, str | None, str]:
    """Read ``nopretrained``, whose value says the opposite of its name."""
    if options.get("weights"):
        return None, None, f"it started from other weights ({options['weights']}): undeclared"
    is_pretrained = options.get("nopretrained")
    if is_pretrained is False:
        return (), None, "not pretrained: --nopretrained is stored as nopretrained = False"
    if is_pretrained is not True:
        return None, None, "the options do not say whether it was pretrained: undeclared"
    backbone = _BACKBONES.get(network)
    if backbone is None:
        return None, None, f"{network} started from Sports-1M weights, whose classes are unlisted"
    return (backbone_classes(backbone),), backbone, f"it started from torchvision's {backbone}"
