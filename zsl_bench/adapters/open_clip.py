"""Models of open_clip: images and texts, by architecture and tag, repository or folder."""

from __future__ import annotations

import difflib
import pickle
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from zsl_bench.adapters.common import (
    DATA_FILES,
    Place,
    find_frames,
    find_prompts,
    locate,
    require,
)
from zsl_bench.adapters.image_text import ImageTextModel
from zsl_bench.adapters.open_clip_texts import check_text_config, find_text_parts
from zsl_bench.adapters.prompted import Encoders
from zsl_bench.adapters.remote_code import load_guarded
from zsl_bench.errors import ModelError, WeightsError, listing, near_matches
from zsl_bench.files import read_json, sha256_json
from zsl_bench.hub import fetch_snapshot
from zsl_bench.model import ModelCard, check_settings, guarded
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import torch
    from torch import Tensor

    from zsl_bench.adapters.open_clip_texts import TextParts
    from zsl_bench.model import LoadOptions, TrainingData

SETTINGS = ("frames", "prompts")
_CONFIG = "open_clip_config.json"
_SAFE = "open_clip_model.safetensors"
_PICKLE = "open_clip_pytorch_model.bin"
_FILE_KINDS = (".safetensors", ".bin", ".pt", ".pth")
_TENSORS = "give a state dict of tensors, best as safetensors"
_FRAMES = 8
_PROMPTS = "video-of"
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
_LIKE_AN_ARCHITECTURE = 0.8
_WEB_TAGS = (
    "cc12m",
    "commonpool",
    "datacomp",
    "dfn",
    "frozen_laion",
    "laion",
    "merged2b",
    "metaclip",
    "mscoco_finetuned_laion",
    "openai",
    "webli",
    "yfcc15m",
)
"""How tags begin that are named after image-text pairs from the web."""
_FURTHER_LABELS = ("mscoco_finetuned",)
_FURTHER_TOWERS = ("EVA",)
_DISTILLED = ("datacompdr", "dfndr")
"""How tags begin of networks that learnt from an ensemble of others (MobileCLIP)."""


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What is to be loaded.

    Attributes:
        label: What the card is called.
        architecture: open_clip's name for it, or ``local-dir:`` and a folder.
        folder: The folder, where it is one.
        source: Where the weights come from.
        weights: A file of weights; None where they lie in the folder.
        tag: open_clip's tag for the weights, where they are known to be of one.
        tagged: open_clip's entry for the tag whose preprocessing counts.
        licence: Licence that the repository states.
    """

    label: str
    architecture: str
    source: str
    folder: Path | None = None
    weights: Path | None = None
    tag: str | None = None
    tagged: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "unknown"


def load(name: str, options: LoadOptions) -> ImageTextModel:
    """Load a model of open_clip; a clip's vector is the mean of its frames' unit vectors.

    Preprocessing is what open_clip states for the weights. A tag whose weights want the QuickGELU
    gets it, under the architecture's plain name as well. Data that the weights have seen are
    declared where their tag is named after them; those of a file or folder are undeclared.

    Args:
        name: ``ARCHITECTURE/TAG`` as open_clip lists them, such as ``ViT-B-32/openai``;
            ``org/repo@revision`` on the Hub; a folder (``./name``) with ``open_clip_config.json``;
            or, with a file of weights in the options, ``ARCHITECTURE`` alone or with the tag whose
            preprocessing it has.
        options: What the loader is told; the settings are ``frames`` (8) and ``prompts``
            (``video-of``).

    Raises:
        ModelError: There is no such architecture, tag, folder or setting, or it does not load.
        WeightsError: The weights cannot be fetched, or there are none.
    """
    asked = f"open_clip model {name!r}"
    library = require("open_clip", extra="open-clip", asked=asked)
    check_settings(options, SETTINGS, asked)
    prompts = find_prompts(options, default=_PROMPTS, asked=asked)
    frames = find_frames(options, default=_FRAMES, asked=asked)
    choice = _choose(library, name, options, asked)
    texts = find_text_parts(library, choice.architecture, choice.folder, asked)
    network = load_guarded(
        lambda: _create(library, choice, texts, options), options, asked=f"{asked}: loading it"
    )
    tokenizer = load_guarded(texts.tokenizer, options, asked=f"{asked}: its tokeniser")
    stated = library.get_model_preprocess_cfg(network)
    configuration = {
        "architecture": library.get_model_config(choice.architecture),
        "preprocessing": stated,
        "quick_gelu": bool(choice.tagged.get("quick_gelu")),
        "tokenizer": texts.digest,
    }
    recorded = {
        "prompts": prompts.name,
        "prompts_digest": sha256_json(prompts.templates),
        "configuration": sha256_json(configuration),
        **texts.sources,
    }
    card = _card(choice, _clip_spec(stated, frames, asked), recorded)
    encoders = _encoders(network, tokenizer, stated)
    model = ImageTextModel(network, encoders, card=card, prompts=prompts, source=choice.source)
    return model.to(options.device)


def _encoders(network: Any, tokenizer: Any, stated: Mapping[str, Any]) -> Encoders:  # noqa: ANN401
    def texts(batch: list[str]) -> Tensor:
        device: torch.device = network.logit_scale.device
        encoded: Tensor = network.encode_text(tokenizer(batch).to(device))
        return encoded

    return Encoders(
        images=network.encode_image,
        texts=texts,
        mean=_triple(stated["mean"]),
        std=_triple(stated["std"]),
    )


def _triple(value: Any) -> tuple[float, ...]:  # noqa: ANN401
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * 3


def _create(library: Any, choice: _Choice, texts: TextParts, options: LoadOptions) -> Any:  # noqa: ANN401
    changes = {}
    if texts.changes:
        stated = library.get_model_config(choice.architecture)["text_cfg"]
        changes["text_cfg"] = {**stated, **texts.changes}
    with _readable_weights(choice):
        network = library.create_model(
            choice.architecture,
            pretrained=None if choice.weights is None else str(choice.weights),
            force_preprocess_cfg={
                key: choice.tagged[key] for key in _PREPROCESSING if choice.tagged
            },
            force_quick_gelu=bool(choice.tagged.get("quick_gelu")),
            require_pretrained=True,
            pretrained_text=False,
            weights_only=True,
            device=options.device,
            **changes,
        )
    return network.eval()


@contextmanager
def _readable_weights(choice: _Choice) -> Iterator[None]:
    """Say in one line what is wrong with a file of weights, not how to read it unsafely."""
    asked = f"weights {choice.weights or choice.source}"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            yield
    except pickle.UnpicklingError as error:
        found = "it contains code or is damaged; refused"
        raise WeightsError(asked, found=found, fix=_TENSORS) from error
    except SafetensorError as error:
        found = f"no whole safetensors file ({error}); refused"
        raise WeightsError(asked, found=found, fix=_TENSORS) from error


def _clip_spec(stated: Mapping[str, Any], frames: int, asked: str) -> ClipSpec:
    size, mode = stated["size"], stated["resize_mode"]
    sides = set(size) if isinstance(size, (list, tuple)) else {size}
    if len(sides) > 1 or mode not in ("shortest", "squash"):
        raise ModelError(
            asked,
            found=f"frames of {size} with resize mode {mode!r}",
            fix="use a model with square frames, cut by 'shortest' or 'squash'",
        )
    (side,) = sides
    return ClipSpec(
        frames=frames,
        size=side,
        short_side=side,
        resize="exact",
        interpolation="bilinear" if stated["interpolation"] == "bilinear" else "bicubic",
        antialias=True,
        crop="squash" if mode == "squash" else "center",
    )


def _card(choice: _Choice, clip: ClipSpec, settings: dict[str, str]) -> ModelCard:
    trained_on, pretrained_on = _declared(choice)
    return ModelCard(
        name=choice.label,
        clip=clip,
        policy=f"uniform-{clip.frames}",
        trained_on=trained_on,
        pretrained_on=pretrained_on,
        settings=settings,
        licence=choice.licence,
        citation="Ilharco et al., OpenCLIP, 2021, doi:10.5281/zenodo.5143773",
        description=f"{choice.label}: images and texts by open_clip, vectors of frames averaged",
    )


def _declared(choice: _Choice) -> tuple[TrainingData, TrainingData]:
    """Return what the tag says of labelled and other training data."""
    if choice.tag is None or not choice.tag.startswith(_WEB_TAGS):
        return None, None
    labels = choice.tag.startswith((*_FURTHER_LABELS, *_DISTILLED))
    towers = choice.architecture.startswith(_FURTHER_TOWERS)
    return (None if labels or towers else ()), "open"


def _choose(library: Any, name: str, options: LoadOptions, asked: str) -> _Choice:  # noqa: ANN401
    architecture, _, tag = name.partition("/")
    known = library.list_models()
    if name.startswith((".", "/", "~")):
        return _in_folder(library, name, options, asked)
    if architecture not in known:
        close = difflib.get_close_matches(architecture, known, 3, _LIKE_AN_ARCHITECTURE)
        if close or not tag:
            found = f"the unknown architecture {architecture!r}"
            raise ModelError(asked, found=found, fix=near_matches(architecture, known))
        return _in_folder(library, name, options, asked)
    tags = library.list_pretrained_tags_by_model(architecture)
    if tag and tag not in tags:
        raise ModelError(asked, found=f"no tag {tag!r}", fix=near_matches(tag, tags))
    if options.weights is not None:
        return _from_file(library, (architecture, tag), options.weights, asked)
    if not tag:
        fix = f"name a tag ({listing(tags)}), or a file with --weights"
        raise ModelError(asked, found="an architecture without weights", fix=fix)
    return _tagged(library, architecture, tag, asked)


def _from_file(
    library: Any,  # noqa: ANN401
    named: tuple[str, str],
    weights: Path,
    asked: str,
) -> _Choice:
    """Take weights from a file; the preprocessing is a tag's, or that of all tags there are."""
    architecture, tag = named
    if not weights.is_file() or weights.suffix not in _FILE_KINDS:
        raise WeightsError(
            f"{asked}, weights {weights}",
            found="no file of weights",
            fix=f"give one file, {' or '.join(_FILE_KINDS)}",
        )
    tags = [tag] if tag else library.list_pretrained_tags_by_model(architecture)
    entries = [library.get_pretrained_cfg(architecture, each) for each in tags]
    alike = {
        (*(entry[key] for key in _PREPROCESSING), bool(entry.get("quick_gelu")))
        for entry in entries
    }
    if len(alike) > 1:
        raise ModelError(
            asked,
            found=f"weights for it are preprocessed in {len(alike)} ways",
            fix=f"name the tag they are like, {architecture}/{tags[0]} or another: {listing(tags)}",
        )
    return _Choice(
        label=f"open_clip-{architecture}-{weights.stem}",
        architecture=architecture,
        source=weights.name,
        weights=weights,
        tagged=entries[0] if entries else {},
    )


def _tagged(library: Any, architecture: str, tag: str, asked: str) -> _Choice:  # noqa: ANN401
    entry = library.get_pretrained_cfg(architecture, tag)
    repository, _, file_name = entry["hf_hub"].rpartition("/")
    if not repository:
        raise WeightsError(
            asked,
            found="weights that are not on the Hub",
            fix=f"fetch {entry['url'] or 'them'} and name the file with --weights",
        )
    place, weights = _fetch(repository, file_name or _PICKLE)
    return _Choice(
        label=f"open_clip-{architecture}-{tag}",
        architecture=architecture,
        source=place.source,
        weights=weights,
        tag=tag,
        tagged=entry,
        licence=_licence(place.folder),
    )


def _fetch(repository: str, pickle: str) -> tuple[Place, Path]:
    """Fetch weights, as safetensors where the repository has them, else as a pickle."""
    safe = (_SAFE, f"{pickle.rpartition('.')[0]}.safetensors")
    snapshot = fetch_snapshot(repository, files=(*safe, "README.md"))
    present = [snapshot.path / name for name in safe if (snapshot.path / name).is_file()]
    if not present:
        pinned = f"{snapshot.repo}@{snapshot.commit}"
        snapshot = fetch_snapshot(pinned, files=(pickle, "README.md"))
        present = [snapshot.path / pickle]
    return Place(folder=snapshot.path, source=str(snapshot)), present[0]


def _in_folder(library: Any, name: str, options: LoadOptions, asked: str) -> _Choice:  # noqa: ANN401
    if options.weights is not None:
        raise ModelError(
            asked, found="weights named twice", fix="name a folder, or an architecture and a file"
        )
    place = locate(name, options)
    config = place.folder / _CONFIG
    if not config.is_file():
        fix = "give a model of open_clip, or transformers:NAME where it is one of transformers"
        raise ModelError(asked, found=f"no {_CONFIG}", fix=fix)
    check_text_config(read_json(config, what="configuration"), options, asked)
    if not any(place.folder.glob("*.safetensors")):
        place = _with_pickle(place, asked)
    repository = name.partition("@")[0]
    tags = [
        tag
        for architecture, tag in library.list_pretrained()
        if library.get_pretrained_cfg(architecture, tag)["hf_hub"].rpartition("/")[0] == repository
    ]
    return _Choice(
        label=f"open_clip-{place.folder.name if name == place.source else repository}".replace(
            "/", "-"
        ),
        architecture=f"local-dir:{place.folder}",
        folder=place.folder,
        source=place.source,
        tag=tags[0] if tags else None,
        licence=_licence(place.folder),
    )


def _with_pickle(place: Place, asked: str) -> Place:
    """Return the place with a pickle of tensors in it, fetched where that is possible."""
    if place.source.startswith("hub:"):
        snapshot = fetch_snapshot(place.source.removeprefix("hub:"), files=(*DATA_FILES, _PICKLE))
        place = Place(folder=snapshot.path, source=str(snapshot))
    if not (place.folder / _PICKLE).is_file():
        raise WeightsError(
            asked, found="no weights in the folder", fix=f"put {_SAFE} next to {_CONFIG}"
        )
    return place


def _licence(folder: Path) -> str:
    """Return the licence that the front matter of a model's README states."""
    from huggingface_hub import metadata_load

    readme = folder / "README.md"
    if not readme.is_file():
        return "unknown"
    stated = guarded(lambda: metadata_load(readme), f"read {readme}") or {}
    return str(stated.get("license") or "unknown")
