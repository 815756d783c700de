"""Where training starts: random weights, torchvision's, or weights of one's own."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision.models import get_model_weights, get_weight

from zsl_bench.baselines.cards import backbone_classes
from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.weights import CONFIG_FILE, MODEL_FILE, load_weights
from zsl_bench.classes import with_rules
from zsl_bench.errors import WeightsError, listing
from zsl_bench.model_digest import state_digest
from zsl_bench.splits import class_list
from zsl_bench.state_files import (
    PICKLE_SUFFIXES,
    fill_network,
    read_pickle,
    read_tensors,
    strip_parallel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.config import ModelSettings, TrainConfig
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import TrainingData

_TORCHVISION = re.compile(r"\w+_Weights\.\w+")
_CLASSIFIERS = {"c3d": ("fc7.", "fc8.")}
_COUNTER = "num_batches_tracked"
_BACKBONE, _HEAD = "backbone.", "head."
_UNDECLARED = "undeclared"


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A network before its first training step.

    The classes that its weights have seen have the words of ``config.model.words``.

    Attributes:
        network: The network with its starting weights, on the CPU, in training mode.
        digest: ``sha256:`` and the SHA-256 of its state dict.
        pretrained_on: All that the starting weights have seen: what they were trained on and what
            they were pretrained on before that.
        known: Classes that they have seen beside data that ``pretrained_on`` calls open or
            undeclared, and so has no room for. They are to be audited, and declared as trained on.
        backbone: torchvision weights that the backbone started from; None for none of them.
        source: Where the weights come from.
    """

    network: ZeroShotNetwork
    digest: str
    pretrained_on: TrainingData
    known: tuple[ClassSet, ...] = ()
    backbone: str | None = None
    source: str


def starting_network(config: TrainConfig, *, dim: int, progress: bool = False) -> Start:
    """Make the network that a configuration starts from, and say what its weights have seen.

    ``config.model.weights`` may be None (random weights), the name of torchvision weights, a
    weights folder or file of this package (the whole network), a bare state dict of a whole
    network, or one of a backbone alone with torchvision's keys (or, for C3D, the keys ``conv1`` to
    ``fc6``), whose classifier is dropped and whose new head is random.

    Args:
        config: The training configuration.
        dim: Length of the word vectors.
        progress: Show the progress of a download on standard error.

    Raises:
        ModelError: There is no network of that name.
        WeightsError: The weights cannot be had, are of another network, or their training data is
            neither declared nor, where it is, free of contradiction.
        ZslBenchError: ``model.pretrained_on`` is no class list.
    """
    given = config.model.weights
    if given is None:
        return _random(config, dim)
    path = Path(given)
    if not path.exists() and _TORCHVISION.fullmatch(given):
        return _torchvision(config, dim, progress=progress)
    if not (path / CONFIG_FILE).exists() or not (path / MODEL_FILE).exists():
        _refuse_run_folder(path)
    state = _bare_state(path)
    return _carded(config, dim) if state is None else _bare(config, dim, state)


def _refuse_run_folder(path: Path) -> None:
    inside = path / "weights"
    if (inside / MODEL_FILE).exists():
        raise WeightsError(
            f"model.weights = {str(path)!r}", found="the folder of a run", fix=f"give {inside}"
        )


def union(*parts: TrainingData) -> tuple[TrainingData, tuple[ClassSet, ...]]:
    """Join declarations of training data.

    Returns:
        The joint declaration: undeclared where any part is, else open where any is, else all the
        class sets, each once; and the class sets that an undeclared or open union leaves out.
    """
    sets: dict[str, ClassSet] = {}
    for part in parts:
        for one in () if part is None or part == "open" else part:
            sets.setdefault(f"{one.dataset} {one.fingerprint}", one)
    known = tuple(sets.values())
    if None in parts:
        return None, known
    return ("open", known) if "open" in parts else (known, ())


def _random(config: TrainConfig, dim: int) -> Start:
    settings = config.model
    _refuse_declaration(settings, "no weights to declare", "leave it out, or give model.weights")
    network = create_network(settings.network, seed=config.run.seed, dim=dim)
    source = f"random initialisation, seed {config.run.seed}"
    return _start(settings, network, source=source, seen=((),))


def _torchvision(config: TrainConfig, dim: int, *, progress: bool) -> Start:
    settings = config.model
    name = _checked_name(settings)
    seen = backbone_classes(name)
    _refuse_declaration(
        settings, f"weights {name}, which say what they have seen", "leave model.pretrained_on out"
    )
    network = create_network(settings.network, seed=config.run.seed, dim=dim)
    state = _downloaded(name, progress=progress)
    _fill_backbone(network, state, settings.network, asked=f"torchvision weights {name}")
    return _start(settings, network, source=f"torchvision {name}", seen=((seen,),), backbone=name)


def _checked_name(settings: ModelSettings) -> str:
    """Return the full name of torchvision weights after a look at whether the network fits."""
    try:
        known = get_model_weights(settings.network)
    except ValueError:
        known = ()
    names = [str(member) for member in known]
    try:
        chosen = get_weight(str(settings.weights))
    except (ValueError, KeyError):
        chosen = None
    if chosen is None or str(chosen) not in names:
        raise WeightsError(
            f"torchvision weights {settings.weights!r} for {settings.network}",
            found="weights of another network" if chosen else "none of that name",
            fix=f"give {listing(names)}" if names else "give a weights folder or file",
        )
    return str(chosen)


def _downloaded(name: str, *, progress: bool) -> dict[str, Tensor]:
    weights = get_weight(name)
    asked = f"torchvision weights {name}"
    try:
        with redirect_stdout(sys.stderr):
            state: dict[str, Tensor] = weights.get_state_dict(
                progress=progress, check_hash=True, weights_only=True, map_location="cpu"
            )
    except UnpicklingError as error:
        raise WeightsError(
            asked, found="a file with code in it, or a damaged one", fix="remove it from the cache"
        ) from error
    except (OSError, HTTPException, RuntimeError) as error:
        said = str(error).strip().splitlines()
        raise WeightsError(
            asked,
            found=f"no download ({said[0][:120] if said else type(error).__name__})",
            fix=f"fetch {weights.url} elsewhere, then give its path as model.weights "
            "and model.pretrained_on = 'kinetics400'",
        ) from error
    return dict(state)


def _bare_state(path: Path) -> dict[str, Tensor] | None:
    """Read a file of tensors without configuration and card; None where it comes with them."""
    in_folder = path.name in {CONFIG_FILE, MODEL_FILE} and (path.parent / CONFIG_FILE).exists()
    if in_folder or not path.is_file():
        return None
    if path.suffix in PICKLE_SUFFIXES:
        return read_pickle(path)
    if path.suffix != ".safetensors":
        return None
    state, note = read_tensors(path)
    return strip_parallel(state) if note is None else None


def _carded(config: TrainConfig, dim: int) -> Start:
    settings, path = config.model, Path(str(config.model.weights))
    if not path.exists():
        raise WeightsError(
            f"weights {path}",
            found="no such file or folder, and no torchvision weights",
            fix="check the path; torchvision's are named like R2Plus1D_18_Weights.KINETICS400_V1",
        )
    model = load_weights(path)
    found = (model.config.network, model.config.dim)
    if found != (settings.network, dim):
        raise WeightsError(
            f"weights {path} for {settings.network} with {dim} outputs",
            found=f"{found[0]} with {found[1]} outputs",
            fix="set model.network and model.vectors as they were in its training",
        )
    card = model.card
    if None not in (card.trained_on, card.pretrained_on):
        _refuse_declaration(
            settings, f"weights {path}, whose card says it", "leave model.pretrained_on out"
        )
    declared: list[TrainingData] = [card.trained_on, card.pretrained_on]
    if settings.pretrained_on is not None:
        declared = [*(part for part in declared if part is not None), _declared(settings)]
    return _start(
        settings,
        model.network.train(),
        source=str(path),
        seen=tuple(declared),
        backbone=model.config.backbone,
    )


def _bare(config: TrainConfig, dim: int, state: Mapping[str, Tensor]) -> Start:
    settings, asked = config.model, f"weights {config.model.weights} for {config.model.network}"
    if settings.pretrained_on is None:
        raise WeightsError(
            asked,
            found="a file that does not say what it has seen",
            fix="set model.pretrained_on: a class list such as kinetics400, 'open' or 'undeclared'",
        )
    network = create_network(settings.network, seed=config.run.seed, dim=dim)
    if any(key.startswith((_BACKBONE, _HEAD)) for key in state):
        fill_network(network, _with_counters(network, state), asked=asked)
    else:
        _fill_backbone(network, state, settings.network, asked=asked)
    return _start(settings, network, source=str(settings.weights), seen=(_declared(settings),))


def _fill_backbone(
    network: ZeroShotNetwork, state: Mapping[str, Tensor], name: str, *, asked: str
) -> None:
    classifier = _CLASSIFIERS.get(name, ("fc.",))
    kept = {key: tensor for key, tensor in state.items() if not key.startswith(classifier)}
    backbone = network.backbone
    fill_network(backbone, _with_counters(backbone, kept), asked=asked)


def _with_counters(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Complete a state dict with batch norm's step counters, which old and converted files lack."""
    lacking = (key for key in network.state_dict() if key.endswith(_COUNTER) and key not in state)
    return {**state, **{key: torch.tensor(0) for key in lacking}}


def _declared(settings: ModelSettings) -> TrainingData:
    value = settings.pretrained_on
    if value is None or value == _UNDECLARED:
        return None
    return "open" if value == "open" else (class_list(value),)


def _ruled(data: TrainingData, rules: str) -> TrainingData:
    return tuple(with_rules(one, rules) for one in data) if isinstance(data, tuple) else data


def _refuse_declaration(settings: ModelSettings, found: str, fix: str) -> None:
    value = settings.pretrained_on
    if value is not None:
        raise WeightsError(
            f"model.pretrained_on = {settings.pretrained_on!r}", found=found, fix=fix
        )


def _start(
    settings: ModelSettings,
    network: ZeroShotNetwork,
    *,
    source: str,
    seen: tuple[TrainingData, ...],
    backbone: str | None = None,
) -> Start:
    if settings.dropout is not None:
        network.dropout = nn.Dropout(settings.dropout)
    pretrained_on, known = union(*(_ruled(part, settings.words) for part in seen))
    return Start(
        network=network,
        digest=state_digest(network.state_dict()),
        pretrained_on=pretrained_on,
        known=known,
        backbone=backbone if isinstance(pretrained_on, tuple) else None,
        source=source,
    )
