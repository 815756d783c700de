"""Models that MTEB wraps: texts with videos, or texts with images whose vectors are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from zsl_bench.adapters.common import embed_labels, embed_texts, find_frames, find_prompts, require
from zsl_bench.adapters.mteb_frames import find_clip, find_size
from zsl_bench.adapters.remote_code import TRUST, load_guarded
from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.errors import ModelError, listing, near_matches
from zsl_bench.files import sha256_json
from zsl_bench.model import ModelCard, check_settings, guarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions, TrainingData
    from zsl_bench.prompts import PromptSet
    from zsl_bench.video import ClipSpec

SETTINGS = ("frames", "prompts", "size")
_FRAMES = 8
_PROMPTS = "video-of"
_TASKS = {"video": "HMDB51ZeroShot", "image": "UCF101ZeroShot"}
"""MTEB's own zero-shot tasks, whose instructions a wrapper gives its model."""
_NOT_LABELS = ("caption", "retrieval")
_TEXTS_AT_ONCE = 32


class _Rows(Dataset[dict[str, Any]]):
    """Rows of one column in memory, in the form in which MTEB's wrappers look at a data set."""

    def __init__(self, column: str, values: Sequence[Any]) -> None:
        self.column = column
        self.values = values
        self.features = {column: None}
        self.column_names = [column]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {self.column: self.values[index]}


def _collate(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


class _Decoded:
    """A clip's frames, in the form of the decoder that MTEB's collators ask for frames.

    Args:
        frames: ``(T, 3, S, S)`` uint8. They count as a second apart, so that a wrapper that samples
            by time, which takes one frame a second or more, takes all that it has room for.
    """

    def __init__(self, frames: Tensor) -> None:
        self._frames = frames
        count = len(frames)
        self.metadata = SimpleNamespace(
            num_frames=count,
            begin_stream_seconds=0.0,
            end_stream_seconds=float(count),
            duration_seconds=float(count),
            average_fps=1.0,
            height=frames.shape[2],
            width=frames.shape[3],
        )

    def __len__(self) -> int:
        return len(self._frames)

    def get_frames_at(self, indices: Sequence[int]) -> Any:  # noqa: ANN401
        """Return the frames of some positions, as ``data`` of the result."""
        return SimpleNamespace(data=self._frames[list(indices)])


@dataclass(frozen=True, kw_only=True)
class MtebParts:
    """What an :class:`MtebModel` is made of.

    Attributes:
        encoder: A model of MTEB's ``EncoderProtocol``.
        task: Metadata of the task whose instructions it is given.
        column: ``video`` or ``image``.
    """

    encoder: Any
    task: Any
    column: str


class MtebModel:
    """A model of MTEB's encoder protocol behind the plug-in interface.

    Args:
        parts: The encoder, and how it is asked.
        card: What it wants to be handed and has seen.
        prompts: The templates around the class labels.
        source: Where the weights come from.
        device: Where the encoder is, and the vectors go.
    """

    def __init__(
        self,
        parts: MtebParts,
        *,
        card: ModelCard,
        prompts: PromptSet,
        source: str,
        device: str = "cpu",
    ) -> None:
        self.card = card
        self.prompts = prompts
        self.source = source
        self.parts = parts
        self._device = device
        for _, network in _networks(parts.encoder):
            network.eval()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of the networks that the encoder holds, by attribute and key."""
        return {
            f"{name}.{key}": value
            for name, network in _networks(self.parts.encoder)
            for key, value in network.state_dict().items()
        }

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length.

        The labels go into the templates; the unit vectors of a class's texts are averaged.
        """
        return embed_texts(classes, self.prompts, lambda texts: self._encode("text", texts))

    def embed_labels(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class from its label alone, without templates, ``(C, D)``."""
        return embed_labels(classes, lambda texts: self._encode("text", texts))

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``: the encoder's, or the mean of its frames'.

        Args:
            clips: ``(B, T, 3, S, S)``, RGB levels 0 to 255, uint8.
        """
        levels = clips.to("cpu", torch.uint8)
        if self.parts.column == "video":
            return self._encode("video", [_Decoded(frames) for frames in levels])
        from PIL import Image

        frames = levels.flatten(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
        vectors = self._encode("image", [Image.fromarray(frame) for frame in frames])
        unit = torch.nn.functional.normalize(vectors, dim=-1)
        return unit.view(*clips.shape[:2], -1).mean(dim=1)

    def _encode(self, column: str, values: Sequence[Any]) -> Tensor:
        """Encode rows of one column; the state of the random generator stays what it is."""
        size = _TEXTS_AT_ONCE if column == "text" else len(values)
        loader = DataLoader(_Rows(column, values), batch_size=size, collate_fn=_collate)
        with torch.random.fork_rng(devices=[]):
            vectors = self.parts.encoder.encode(
                loader,
                task_metadata=self.parts.task,
                hf_split="test",
                hf_subset="default",
                batch_size=size,
                show_progress_bar=False,
            )
        return torch.as_tensor(vectors).to(self._device, torch.float32).clone()


def load(name: str, options: LoadOptions) -> MtebModel:
    """Load a model that MTEB has a wrapper for.

    Args:
        name: Its name there, ``org/model`` or ``org/model@revision``.
        options: What the loader is told; see :func:`load_meta`.

    Raises:
        ModelError: MTEB has no such model, or see :func:`load_meta`.
    """
    asked = f"mteb model {name!r}"
    require("mteb", extra="mteb", asked=asked)
    from mteb.models.model_implementations import MODEL_REGISTRY

    known, _, revision = name.partition("@")
    if known not in MODEL_REGISTRY:
        able = [each for each, meta in MODEL_REGISTRY.items() if _column(meta)]
        raise ModelError(asked, found="no wrapper of that name", fix=near_matches(known, able))
    meta = MODEL_REGISTRY[known]
    if revision:
        meta = meta.model_copy(update={"revision": revision})
    return load_meta(meta, options, asked=asked)


def load_meta(meta: Any, options: LoadOptions, *, asked: str) -> MtebModel:  # noqa: ANN401
    """Load a model from its ``mteb.ModelMeta``, which need not be registered.

    Frames come decoded, so that MTEB's extras that only decode files need not be installed. What
    the metadata say of training data counts where a name is that of a bundled class set; of other
    data they say too little, so that the pretraining data stay undeclared.

    A wrapper resizes and crops by itself. Where it does so by a processor of transformers, frames
    come in the size and shape that this processor resizes them to, so that what it does to them
    changes nothing: a processor that resizes to 256 and crops 224 is handed 256 x 256. Otherwise
    they come as their central square, which the card's description says. The crop may lie one pixel
    off where the difference of the two sides is odd.

    Args:
        meta: The metadata; its modalities are text and video, or text and image.
        options: What the loader is told. Settings: ``frames`` (as the wrapper takes, or 8),
            ``prompts`` (``video-of``), ``size`` (the side that the wrapper's processor resizes to
            where it has one, or 224).
        asked: What is being loaded, for the message.

    Raises:
        ModelError: It cannot embed texts together with videos or images, has another similarity
            than cosine, wants remote code that is not trusted, or does not load.
    """
    require("mteb", extra="mteb", asked=asked)
    check_settings(options, SETTINGS, asked)
    prompts = find_prompts(options, default=_PROMPTS, asked=asked)
    column = _checked_column(meta, options, asked)
    frames = find_frames(
        options, default=int(meta.loader_kwargs.get("num_frames") or _FRAMES), asked=asked
    )
    size = find_size(options, asked=asked)
    encoder = _load_encoder(meta, frames, options, asked)
    task = guarded(lambda: _task_metadata(_TASKS[column]), f"{asked}: mteb's task")
    clip, note = find_clip(encoder, column, frames=frames, size=size, asked=asked)
    return MtebModel(
        MtebParts(encoder=encoder, task=task, column=column),
        card=_card(meta, clip, _recorded(meta, prompts, _TASKS[column]), note),
        prompts=prompts,
        source=f"mteb:{meta.name}" + (f"@{meta.revision}" if meta.revision else ""),
        device=options.device,
    )


def _column(meta: Any) -> str:  # noqa: ANN401
    """Return what a model takes besides texts: ``video``, else ``image``, else nothing."""
    if "text" not in meta.modalities or "dense" not in meta.model_type:
        return ""
    return next((each for each in _TASKS if each in meta.modalities), "")


def _checked_column(meta: Any, options: LoadOptions, asked: str) -> str:  # noqa: ANN401
    column = _column(meta)
    if not column:
        kinds = listing([*meta.model_type, *meta.modalities])
        fix = "choose a dense model of text and video, or of text and image"
        raise ModelError(asked, found=f"a model that is {kinds}", fix=fix)
    similarity = meta.similarity_fn_name
    if similarity is not None and str(similarity.value) != "cosine":
        raise ModelError(
            asked,
            found=f"the similarity {similarity.value!r}",
            fix="choose a model that is compared by cosine",
        )
    if options.weights is not None:
        raise ModelError(asked, found="a file of weights", fix="name org/model@revision only")
    if meta.loader_kwargs.get("trust_remote_code") and not options.trust_remote_code:
        raise ModelError(asked, found="a wrapper that runs code of the repository", fix=TRUST)
    return column


def _load_encoder(meta: Any, frames: int, options: LoadOptions, asked: str) -> Any:  # noqa: ANN401
    """Load without the modalities' extras; what a wrapper really lacks, its import says."""
    plain = meta.model_copy(update={"modalities": ["text"]})
    sampling = {"num_frames": frames} if meta.loader_kwargs.get("num_frames") else {}

    def made() -> Any:  # noqa: ANN401
        try:
            return plain.load_model(device=options.device, **sampling)
        except ImportError as error:
            extras = ",".join(meta.extra_requirements_groups or ())
            if not extras:
                raise
            found = str(error).splitlines()[0]
            raise ModelError(asked, found=found, fix=f"pip install 'mteb[{extras}]'") from error

    encoder = load_guarded(made, options, asked=f"{asked}: loading it")
    encoder.mteb_model_meta = meta
    return encoder


def _task_metadata(name: str) -> Any:  # noqa: ANN401
    import mteb

    return mteb.get_task(name).metadata


def _recorded(meta: Any, prompts: PromptSet, task: str) -> dict[str, str]:  # noqa: ANN401
    """Return what the numbers depend on besides the weights and the clip."""
    configuration = {
        "mteb": version("mteb"),
        "name": meta.name,
        "revision": meta.revision,
        "options": {name: str(value) for name, value in meta.loader_kwargs.items()},
    }
    return {
        "prompts": prompts.name,
        "prompts_digest": sha256_json(prompts.templates),
        "task": task,
        "configuration": sha256_json(configuration),
    }


def _card(meta: Any, clip: ClipSpec, settings: dict[str, str], note: str) -> ModelCard:  # noqa: ANN401
    name = str(meta.name)
    return ModelCard(
        name="mteb-" + name.replace("/", "-"),
        clip=clip,
        policy=f"uniform-{clip.frames}",
        trained_on=_known_classes(meta.training_datasets or ()),
        settings=settings,
        licence=str(meta.license or "unknown"),
        citation=str(meta.citation or meta.reference or "").strip(),
        description=f"{name} as MTEB wraps it{note}",
    )


def _known_classes(datasets: Iterable[str]) -> TrainingData:
    """Return the bundled class sets that names of MTEB's tasks begin with; None without any."""
    folded = [
        name.casefold()
        for name in datasets
        if not any(word in name.casefold() for word in _NOT_LABELS)
    ]
    found = [each for each in bundled_class_sets() if any(name.startswith(each) for name in folded)]
    return tuple(load_class_set(each) for each in found) or None


def _networks(encoder: Any) -> list[tuple[str, nn.Module]]:  # noqa: ANN401
    """Return the networks that an encoder is or holds, by attribute."""
    if isinstance(encoder, nn.Module):
        return [("encoder", encoder)]
    held = sorted(vars(encoder).items())
    return [(name, value) for name, value in held if isinstance(value, nn.Module)]
