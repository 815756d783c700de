"""Models of Hugging Face transformers behind the plug-in interface.

``transformers:NAME`` takes a folder (``./clip``) or a repository on the Hub, ``org/repo@revision``,
with weights as safetensors. The kind of model decides how it is used:

* with ``get_image_features`` and ``get_text_features`` (CLIP, SigLIP 1 and 2, MetaCLIP 2, AltCLIP,
  Chinese-CLIP, ALIGN, BLIP and others): the unit vectors of a clip's frames are averaged;
* X-CLIP scores, because its class vectors depend on the clip;
* with ``get_video_features`` and ``get_text_features`` (VideoPrism): whole clips are embedded;
* video classifiers (VideoMAE, TimeSformer, ViViT, V-JEPA 2, VideoPrism): zero-shot by ConSE.

Resize and crop are those of the model's processor, declared in the card. Settings: ``prompts``, a
prompt set; ``frames`` for image models; those of :mod:`zsl_bench.adapters.conse` for classifiers.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.adapters.common import find_frames, find_prompts
from zsl_bench.adapters.conse import CONSE_SETTINGS, Classifier, conse_model
from zsl_bench.adapters.image_text import ImageTextModel
from zsl_bench.adapters.prompted import Encoders
from zsl_bench.adapters.transformers_cards import declared, label_classes
from zsl_bench.adapters.transformers_preprocessing import Preprocessing, read_preprocessing
from zsl_bench.adapters.transformers_source import Source, open_source, vectors_of
from zsl_bench.adapters.video_text import VideoTextModel, XClipModel
from zsl_bench.errors import ModelError
from zsl_bench.files import sha256_json
from zsl_bench.model import LoadOptions, ModelCard, check_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zsl_bench.model import Model, Setting
    from zsl_bench.prompts import PromptSet

DEFAULT_PROMPTS = "video-of"
DEFAULT_FRAMES = 8
"""Frames of an image model, evenly spaced over the video."""
_NO_OPTIONS = LoadOptions()


def load(name: str, options: LoadOptions = _NO_OPTIONS) -> Model:
    """Load a model of transformers.

    Args:
        name: A folder, beginning with ``.``, ``/`` or ``~``, or ``org/repo@revision`` on the Hub.
        options: What the loader is told.

    Raises:
        ModelError: There is no such model, it is of no kind that can be used, its weights are not
            all there, or a setting is unknown.
        WeightsError: It cannot be fetched.
    """
    source = open_source(name, options)
    if _is_classifier(source.config):
        return _classifier(source)
    kind: Any = source.library.MODEL_MAPPING.get(type(source.config), None)
    return _text_model(source, kind[0] if isinstance(kind, tuple) else kind)


def _text_model(source: Source, kind: type | None) -> Model:
    """Load a model that takes texts.

    Args:
        source: The model on disk.
        kind: Its class, to refuse it before the weights are read; None where the library has none.
    """
    if kind is not None:
        _check_kind(source, kind)
    if source.config.model_type == "xclip":
        return _x_clip(source)
    network = source.network(source.library.AutoModel)
    _check_kind(source, type(network))
    if hasattr(network, "get_video_features"):
        return _video_text(source, network)
    return _image_text(source, network)


def _check_kind(source: Source, kind: type) -> None:
    """Refuse a network without text vectors, or without those of images or videos."""
    has_texts = hasattr(kind, "get_text_features")
    if has_texts and any(hasattr(kind, f"get_{what}_features") for what in ("image", "video")):
        return
    raise ModelError(
        source.asked,
        found=f"{kind.__name__}, which gives no vectors of texts and of images or videos",
        fix="give a model such as CLIP, SigLIP or X-CLIP, or a video classifier",
    )


def _is_classifier(config: Any) -> bool:  # noqa: ANN401
    names = getattr(config, "architectures", None) or ()
    return any(name.endswith("ForVideoClassification") for name in names)


def _image_text(source: Source, network: Any) -> ImageTextModel:  # noqa: ANN401
    check_settings(source.options, ("prompts", "frames"), source.asked)
    frames = find_frames(source.options, default=DEFAULT_FRAMES, asked=source.asked)
    made = read_preprocessing(source.processor(), frames=frames, asked=source.asked)
    prompts = find_prompts(source.options, default=DEFAULT_PROMPTS, asked=source.asked)
    encoders = _encoders(source, network, made, _image_encoder(network, made))
    card = _card(source, made, prompts, what="image-text model, frames averaged")
    return ImageTextModel(
        network, encoders, card=card, prompts=prompts, source=source.reference
    ).to(source.options.device)


def _image_encoder(network: Any, made: Preprocessing) -> Callable[[Tensor], Tensor]:  # noqa: ANN401
    """Return a function from scaled frames ``(N, 3, S, S)`` to vectors ``(N, D)``."""
    patch = made.patch
    if patch is None:
        return lambda frames: vectors_of(network.get_image_features(pixel_values=made.cut(frames)))
    side = made.size // patch

    def encode(frames: Tensor) -> Tensor:
        count, grid = len(frames), (side, patch)
        patches = frames.reshape(count, 3, *grid, *grid).permute(0, 2, 4, 3, 5, 1)
        every = torch.ones(count, side * side, dtype=torch.int32, device=frames.device)
        output = network.get_image_features(
            pixel_values=patches.reshape(count, side * side, -1),
            pixel_attention_mask=every,
            spatial_shapes=torch.full((count, 2), side, device=frames.device),
        )
        return vectors_of(output)

    return encode


def _x_clip(source: Source) -> XClipModel:
    check_settings(source.options, ("prompts",), source.asked)
    network = source.network(source.library.AutoModel)
    frames = source.config.vision_config.num_frames
    made = read_preprocessing(source.processor(), frames=frames, asked=source.asked)
    prompts = find_prompts(source.options, default=DEFAULT_PROMPTS, asked=source.asked)
    card = _card(source, made, prompts, what="X-CLIP", scores="logits")
    encoders = _encoders(source, network, made, made.cut)
    return XClipModel(network, encoders, card=card, prompts=prompts, source=source.reference)


def _video_text(source: Source, network: Any) -> VideoTextModel:  # noqa: ANN401
    check_settings(source.options, ("prompts",), source.asked)
    made = read_preprocessing(_video_processor(source), frames=_frames(source), asked=source.asked)
    prompts = find_prompts(source.options, default=DEFAULT_PROMPTS, asked=source.asked)
    pixels = _pixels_of(network.get_video_features)
    encoders = _encoders(
        source,
        network,
        made,
        lambda clips: vectors_of(network.get_video_features(**{pixels: made.cut(clips)})),
    )
    card = _card(source, made, prompts, what="video-text model")
    return VideoTextModel(network, encoders, card=card, prompts=prompts, source=source.reference)


def _classifier(source: Source) -> Model:
    check_settings(source.options, CONSE_SETTINGS, source.asked)
    classes = label_classes(source.config.id2label, name=source.name, asked=source.asked)
    made = read_preprocessing(_video_processor(source), frames=_frames(source), asked=source.asked)
    network = source.network(source.library.AutoModelForVideoClassification)
    pixels, scale = _pixels_of(network.forward), made.scale().to(source.options.device)
    known = declared(source.reference)
    card = ModelCard(
        name=source.name,
        clip=made.clip,
        policy=f"uniform-{made.clip.frames}",
        trained_on=(classes,),
        pretrained_on=known.pretrained_on,
        settings={"configuration": source.configuration_digest()},
        licence=known.licence,
        citation=known.citation,
        description=f"{source.config.model_type} video classifier, zero-shot by ConSE{made.note}",
    )
    classifier = Classifier(
        network=network,
        logits=lambda clips: network(**{pixels: made.cut(scale(clips))}).logits.flatten(1),
        classes=classes,
        source=source.reference,
    )
    return conse_model(classifier, card=card, options=source.options, asked=source.asked)


def _video_processor(source: Source) -> Any:  # noqa: ANN401
    """Load the processor of a video model; VideoPrism's says elsewhere what it does to frames."""
    processor = source.processor()
    if source.config.model_type.startswith("videoprism"):
        of_video = getattr(source.config, "vision_config", source.config)
        side = of_video.image_size
        processor.size = {"height": side, "width": side} if isinstance(side, int) else side
        processor.do_normalize = False
    return processor


def _frames(source: Source) -> int:
    """Return how many frames a clip has by the configuration of a video model."""
    for config in (source.config, getattr(source.config, "vision_config", None)):
        for key in ("num_frames", "frames_per_clip"):
            if isinstance(getattr(config, key, None), int):
                return int(getattr(config, key))
    raise ModelError(
        source.asked, found="no num_frames in config.json", fix="give a model that states it"
    )


def _pixels_of(function: Callable[..., Any]) -> str:
    """Return what a function calls its pixels."""
    return next(name for name in inspect.signature(function).parameters if "pixel_values" in name)


def _encoders(
    source: Source,
    network: Any,  # noqa: ANN401
    made: Preprocessing,
    images: Callable[[Tensor], Tensor],
) -> Encoders:
    texts = source.texts(network.get_text_features)
    return Encoders(images=images, texts=texts, mean=made.mean, std=made.std)


def _card(
    source: Source, made: Preprocessing, prompts: PromptSet, *, what: str, scores: str = "cosine"
) -> ModelCard:
    known = declared(source.reference)
    settings: dict[str, Setting] = {
        "prompts": prompts.name,
        "prompts_digest": sha256_json(prompts.templates),
        "configuration": source.configuration_digest(),
    }
    return ModelCard(
        name=source.name,
        clip=made.clip,
        policy=f"uniform-{made.clip.frames}",
        scores=scores,
        trained_on=known.trained_on,
        pretrained_on=known.pretrained_on,
        settings=settings,
        licence=known.licence,
        citation=known.citation,
        description=f"{source.config.model_type} of transformers: {what}{made.note}",
    )
