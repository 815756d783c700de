"""Weights folders: a network, its card and the word vectors of its classes, saved and loaded.

A folder holds ``model.safetensors``, ``config.json``, ``card.json`` and, where it brings its own
word vectors, ``vectors.safetensors``. ``config.json`` carries the SHA-256 of the tensor files and
is written last, so that a folder of two different saves does not load.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.cards import (
    card_from_json,
    card_to_json,
    checked_object,
    checked_training,
    with_backbone_classes,
)
from zsl_bench.baselines.networks import ARCHITECTURES, empty_network, identify_network
from zsl_bench.errors import ResultError, WeightsError, near_matches
from zsl_bench.files import atomic_write, read_json, sha256_file, write_json
from zsl_bench.model import ModelCard
from zsl_bench.state_files import (
    METADATA_KEY,
    PICKLE_SUFFIXES,
    SUFFIXES,
    fill_network,
    read_pickle,
    read_tensors,
)
from zsl_bench.wordvectors import WordVectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CONFIG_SCHEMA = 1
FAMILIES = ("e2e", "frozen")
MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CARD_FILE = "card.json"
VECTORS_FILE = "vectors.safetensors"
_CONFIG_KEYS = frozenset({"schema", "family", "network", "dim", "backbone", "sha256"})


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a weights folder says of itself.

    Attributes:
        config: What the network is.
        card: What the model is and has seen.
        training: How the weights came about, as the card keeps it.
        digests: SHA-256 of the tensor files by name, as ``config.json`` has them.
    """

    config: NetworkConfig
    card: ModelCard
    training: Mapping[str, Any]
    digests: Mapping[str, str]


def save_weights(
    model: BaselineModel, place: Path, *, training: Mapping[str, Any] | None = None
) -> Path:
    """Save a model's weights with all that loading them needs.

    Args:
        model: The model. Word vectors that it holds as :class:`WordVectors` are saved with it.
        place: A folder, made where it is missing; or a ``.safetensors`` file that carries
            configuration and card in its metadata, without word vectors.
        training: How the weights came about; kept in the card.

    Returns:
        The folder or file.

    Raises:
        ResultError: There is no space or no permission; what was there before stays whole.
    """
    config, card = asdict(model.config), card_to_json(model.card, training=training)
    config = {"schema": CONFIG_SCHEMA, **config}
    tensors = {
        key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()
    }
    if place.suffix == ".safetensors":
        _write_tensors(place, tensors, {"config": config, "card": card})
        return place
    made = not place.exists()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".saving-") as name:
            staged = _stage(Path(name), model, tensors, config, card)
            for path in staged:
                path.replace(place / path.name)
            if VECTORS_FILE not in {path.name for path in staged}:
                (place / VECTORS_FILE).unlink(missing_ok=True)
    except (OSError, ResultError) as error:
        if made:
            shutil.rmtree(place, ignore_errors=True)
        if isinstance(error, ResultError):
            raise
        raise ResultError(
            f"save weights to {place}",
            found=error.strerror or str(error),
            fix="free some space or choose another place",
        ) from error
    return place


def load_weights(
    path: Path,
    *,
    vectors: WordVectors | str | Path | None = None,
    allow_approximate: bool = False,
    device: str = "cpu",
    source: str | None = None,
) -> BaselineModel:
    """Load a model from a weights folder or file, every key accounted for.

    A file without configuration (a bare state dict) is matched to a network by its keys, and its
    card says that the training data is undeclared.

    Args:
        path: A weights folder or a file of one, a ``.safetensors`` file, or a PyTorch file
            (``.pt``, ``.pth``, ``.tar``, ``.pkl``) with a plain state dict of tensors.
        vectors: Word vectors instead of the folder's own or the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.
        device: Where to put the network.
        source: What to call the weights' origin; the path where it is not given.

    Raises:
        WeightsError: Something is missing, damaged, unsafe to read, or of another network.
    """
    folder = path.parent if path.name in {CONFIG_FILE, MODEL_FILE} else path
    if path.is_dir() or path.name == CONFIG_FILE or (folder / CONFIG_FILE).exists():
        state, config, card, own = _read_folder(folder)
    else:
        state, config, card = _read_file(path)
        own = None
    network = empty_network(config.network, dim=config.dim)
    fill_network(network, state, asked=f"weights {path} for {config.network}")
    model = BaselineModel(
        network,
        config=config,
        card=card,
        vectors=vectors if vectors is not None else own,
        allow_approximate=allow_approximate,
        source=source or str(path),
    )
    return model.to(device)


def _stage(
    folder: Path,
    model: BaselineModel,
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    card: dict[str, Any],
) -> list[Path]:
    """Write a folder's files where nobody looks; ``config.json`` is the last of the list."""
    files = [folder / MODEL_FILE]
    _write_tensors(files[0], tensors)
    if isinstance(model.vectors, WordVectors):
        files.append(folder / VECTORS_FILE)
        _write_vectors(files[-1], model.vectors)
    digests = {path.name: sha256_file(path) for path in files}
    files += [folder / CARD_FILE, folder / CONFIG_FILE]
    write_json(folder / CARD_FILE, card)
    write_json(folder / CONFIG_FILE, {**config, "sha256": digests})
    return files


def _write_tensors(path: Path, tensors: dict[str, Tensor], note: object = None) -> None:
    metadata = None if note is None else {METADATA_KEY: json.dumps(note, sort_keys=True)}
    with atomic_write(path) as stream:
        stream.write(save(tensors, metadata))


def _write_vectors(path: Path, vectors: WordVectors) -> None:
    words = sorted(vectors.words, key=lambda word: vectors.words[word])
    rows = np.ascontiguousarray(vectors.matrix[[vectors.words[word] for word in words]])
    note = {"words": words, "source": vectors.source, "digest": vectors.digest}
    _write_tensors(path, {"vectors": torch.from_numpy(rows.copy())}, note)


def _read_folder(
    folder: Path,
) -> tuple[dict[str, Tensor], NetworkConfig, ModelCard, WordVectors | None]:
    about = read_description(folder)
    tensor_files(folder, about.digests)
    state, _ = read_tensors(folder / MODEL_FILE)
    own = folder / VECTORS_FILE
    return state, about.config, about.card, read_vectors(own) if own.exists() else None


def read_description(folder: Path) -> Description:
    """Read what a weights folder says of itself: its configuration and its card.

    Raises:
        WeightsError: One of the two is missing, damaged or malformed.
    """
    asked = f"weights folder {folder}"
    if not folder.is_dir():
        raise WeightsError(asked, found="no such folder", fix="check the path")
    if not (folder / CONFIG_FILE).exists() and any(folder.glob("*.py")):
        raise WeightsError(
            asked,
            found=f"code and no {CONFIG_FILE}",
            fix="give the weights folder of a bundled network; a model of one's own is a package",
        )
    content = _read_json(folder / CONFIG_FILE, asked)
    if isinstance(content, dict) and "schema" not in content and "model_type" in content:
        place = folder if folder.is_absolute() else f"./{folder}"
        raise WeightsError(
            asked, found="a model of another library", fix=f"name it transformers:{place}"
        )
    card = _read_json(folder / CARD_FILE, asked)
    config = _config_from_json(content, f"{CONFIG_FILE} of {asked}")
    return Description(
        config=config,
        card=_card(card, config, f"{CARD_FILE} of {asked}"),
        training=checked_training(card, f"{CARD_FILE} of {asked}"),
        digests=_digests(content.get("sha256", {}), f"{CONFIG_FILE} of {asked}"),
    )


def tensor_files(folder: Path, digests: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the tensor files of a weights folder, compared with what ``config.json`` has of them.

    Args:
        folder: The folder.
        digests: SHA-256 by name.

    Raises:
        WeightsError: A file is missing, is another one, or does not belong to the folder.
    """
    asked = f"weights folder {folder}"
    files = [folder / MODEL_FILE]
    if (folder / VECTORS_FILE).exists() or VECTORS_FILE in digests:
        files.append(folder / VECTORS_FILE)
    for path in files:
        if not path.exists():
            raise WeightsError(asked, found=f"no {path.name}", fix="fetch or save the folder again")
    for path in files:
        _check_digest(path, digests, asked)
    return tuple(files)


def _read_file(path: Path) -> tuple[dict[str, Tensor], NetworkConfig, ModelCard]:
    asked = f"weights {path}"
    note = None
    if path.suffix == ".safetensors":
        state, note = read_tensors(path)
    elif path.suffix in PICKLE_SUFFIXES:
        state = read_pickle(path)
    else:
        found = "a file of another kind" if path.exists() else "no such file or folder"
        raise WeightsError(
            asked, found=found, fix=f"give a weights folder or a file in {', '.join(SUFFIXES)}"
        )
    if note is None:
        network, dim = identify_network(state, asked=asked)
        description = f"{network} from a bare file: training data undeclared"
        card = ModelCard(name=FAMILIES[0], description=description)
        return state, NetworkConfig(family=FAMILIES[0], network=network, dim=dim), card
    both = checked_object(
        {"schema": CONFIG_SCHEMA, **note} if isinstance(note, dict) else note,
        schema=CONFIG_SCHEMA,
        known=("schema", "config", "card"),
        asked=asked,
    )
    config = _config_from_json(both.get("config"), f"configuration in {asked}")
    return state, config, _card(both.get("card"), config, f"card in {asked}")


def _read_json(path: Path, asked: str) -> Any:  # noqa: ANN401
    if not path.exists():
        raise WeightsError(
            asked,
            found=f"no {path.name}",
            fix=f"save it again: {MODEL_FILE}, {CONFIG_FILE} and {CARD_FILE} belong together",
        )
    try:
        return read_json(path, what=path.name)
    except ResultError as error:
        raise WeightsError(error.asked, found=error.found, fix=error.fix) from error


def _card(value: object, config: NetworkConfig, asked: str) -> ModelCard:
    card = card_from_json(value, asked=asked)
    seen = with_backbone_classes(card.pretrained_on, config.backbone, asked=asked)
    return replace(card, pretrained_on=seen)


def _config_from_json(value: object, asked: str) -> NetworkConfig:
    content = checked_object(value, schema=CONFIG_SCHEMA, known=_CONFIG_KEYS, asked=asked)
    for key, known in (("family", FAMILIES), ("network", tuple(ARCHITECTURES))):
        if content.get(key) not in known:
            raise WeightsError(
                asked,
                found=f"{key} {content.get(key)!r}",
                fix=near_matches(str(content.get(key)), known),
            )
    dim, backbone = content.get("dim"), content.get("backbone")
    if not isinstance(dim, int) or not 1 <= dim <= 65536:
        raise WeightsError(asked, found=f"dim {dim!r}", fix="give the word vectors' length")
    if not isinstance(backbone, (str, type(None))):
        raise WeightsError(asked, found=f"backbone {backbone!r}", fix="give a name or null")
    return NetworkConfig(
        family=content["family"], network=content["network"], dim=dim, backbone=backbone
    )


def _digests(value: object, asked: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(digest, str) for digest in value.values()):
        raise WeightsError(asked, found="sha256 that is no table of digests", fix="save it again")
    return value


def _check_digest(path: Path, digests: Mapping[str, str], asked: str) -> None:
    """Compare a file with the digest that ``config.json`` has of it, where it has one."""
    expected = digests.get(path.name)
    if expected is None and digests:
        raise WeightsError(
            asked,
            found=f"{path.name}, which {CONFIG_FILE} does not name",
            fix="fetch or save the folder again, or remove the file",
        )
    if expected is not None and sha256_file(path) != expected:
        raise WeightsError(
            asked,
            found=f"{path.name} is not the file that {CONFIG_FILE} describes (SHA-256 differs)",
            fix="fetch or save the folder again",
        )


def read_vectors(path: Path) -> WordVectors:
    """Read the word vectors of a weights folder.

    Raises:
        WeightsError: The file is damaged, or holds no words.
    """
    tensors, note = read_tensors(path)
    try:
        return WordVectors(
            words={str(word): row for row, word in enumerate(note["words"])},
            matrix=tensors["vectors"].numpy(),
            source=str(note["source"]),
            digest=str(note["digest"]),
        )
    except (TypeError, KeyError) as error:
        raise WeightsError(
            f"word vectors {path}", found="no words beside the vectors", fix="save the folder again"
        ) from error
