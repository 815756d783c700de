"""Tiny models of transformers with random weights, saved as their makers save theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIDE = 32
_SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
_BODY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_IMAGE = {"image_size": SIDE, "patch_size": 8}
_SPELLINGS = "abcdefghijklmnopqrstuvwxyz"
_VOCABULARY = 4 + 2 * len(_SPELLINGS) + 1
_TEXT = {
    **_BODY,
    "vocab_size": _VOCABULARY,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_CROPPED = {"size": {"shortest_edge": 36}, "crop_size": {"height": SIDE, "width": SIDE}}
_SQUASHED = {"size": {"height": SIDE, "width": SIDE}}


def save_tokenizer(folder: Path, *, length: int) -> None:
    """Save a tokeniser of letters: letters inside words are other tokens than at their start."""
    letters = [*_SPELLINGS, *(f"##{letter}" for letter in _SPELLINGS), "."]
    vocabulary = {token: i for i, token in enumerate([*_SPECIAL, *letters])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))  # noqa: S106
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106
        bos_token="<bos>",  # noqa: S106
        eos_token="<eos>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        model_max_length=length,
    ).save_pretrained(folder)


def save(folder: Path, network: torch.nn.Module, *, processor: object, length: int = 77) -> Path:
    """Save a network whose weights differ enough for different inputs to show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.25, generator=generator)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    save_tokenizer(folder, length=length)
    return folder


def make(kind: str, folder: Path) -> Path:
    """Save the tiny model of a kind; its folder is named after it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _KINDS[kind](folder / kind)


def clip(folder: Path) -> Path:
    config = transformers.CLIPConfig(
        text_config=_TEXT, vision_config={**_BODY, **_IMAGE}, projection_dim=24
    )
    processor = transformers.CLIPImageProcessor(**_CROPPED)
    return save(folder, transformers.CLIPModel(config), processor=processor)


def metaclip_2(folder: Path) -> Path:
    config = transformers.MetaClip2Config(
        text_config=_TEXT, vision_config={**_BODY, **_IMAGE}, projection_dim=24
    )
    processor = transformers.CLIPImageProcessor(**_CROPPED)
    return save(folder, transformers.MetaClip2Model(config), processor=processor)


def siglip(folder: Path) -> Path:
    text = {**_TEXT, "max_position_embeddings": 64}
    config = transformers.SiglipConfig(text_config=text, vision_config={**_BODY, **_IMAGE})
    processor = transformers.SiglipImageProcessor(**_SQUASHED)
    return save(folder, transformers.SiglipModel(config), processor=processor, length=64)


def siglip2(folder: Path) -> Path:
    text = {**_TEXT, "max_position_embeddings": 64}
    vision = {**_BODY, "patch_size": 8, "num_patches": 16}
    config = transformers.Siglip2Config(text_config=text, vision_config=vision)
    processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=18)
    return save(folder, transformers.Siglip2Model(config), processor=processor, length=64)


def altclip(folder: Path) -> Path:
    text = {**_TEXT, "pad_token_id": 0, "project_dim": 24}
    config = transformers.AltCLIPConfig(
        text_config=text, vision_config={**_BODY, **_IMAGE}, projection_dim=24
    )
    processor = transformers.CLIPImageProcessor(**_CROPPED)
    return save(folder, transformers.AltCLIPModel(config), processor=processor)


def chinese_clip(folder: Path) -> Path:
    config = transformers.ChineseCLIPConfig(
        text_config=_TEXT, vision_config={**_BODY, **_IMAGE}, projection_dim=24
    )
    processor = transformers.ChineseCLIPImageProcessor(**_SQUASHED, do_center_crop=False)
    return save(folder, transformers.ChineseCLIPModel(config), processor=processor)


def align(folder: Path) -> Path:
    vision = {
        "image_size": SIDE,
        "width_coefficient": 0.25,
        "depth_coefficient": 0.25,
        "hidden_dim": 32,
        "num_hidden_layers": 7,
    }
    text = {key: value for key, value in _TEXT.items() if key != "bos_token_id"}
    config = transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=80)
    processor = transformers.EfficientNetImageProcessor(
        size={"height": 37, "width": 37},
        crop_size={"height": SIDE, "width": SIDE},
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        include_top=False,
        resample=2,
    )
    return save(folder, transformers.AlignModel(config), processor=processor)


def blip(folder: Path) -> Path:
    text = {**_TEXT, "encoder_hidden_size": 32, "projection_dim": 24}
    config = transformers.BlipConfig(
        text_config=text, vision_config={**_BODY, **_IMAGE}, projection_dim=24
    )
    processor = transformers.BlipImageProcessor(**_SQUASHED)
    return save(folder, transformers.BlipModel(config), processor=processor)


def xclip(folder: Path) -> Path:
    vision = {
        **_BODY,
        **_IMAGE,
        "num_frames": 4,
        "mit_hidden_size": 24,
        "mit_intermediate_size": 32,
        "mit_num_hidden_layers": 1,
        "mit_num_attention_heads": 2,
    }
    config = transformers.XCLIPConfig(
        text_config=_TEXT,
        vision_config=vision,
        projection_dim=24,
        prompt_layers=1,
        prompt_num_attention_heads=2,
        prompt_alpha=0.5,
    )
    processor = transformers.VideoMAEImageProcessor(**_CROPPED)
    return save(folder, transformers.XCLIPModel(config), processor=processor)


def videoprism(folder: Path) -> Path:
    vision = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "num_spatial_layers": 1,
        "num_temporal_layers": 1,
        "num_auxiliary_layers": 1,
        "image_size": SIDE,
        "num_frames": 4,
        "tubelet_size": [1, 8, 8],
    }
    text = {**_TEXT, "max_position_embeddings": 64}
    config = transformers.VideoPrismConfig(text_config=text, vision_config=vision)
    processor = transformers.LlavaOnevisionVideoProcessor(**_SQUASHED, do_normalize=False)
    network = transformers.VideoPrismClipModel(config)
    return save(folder, network, processor=processor, length=64)


LABELS = ("yoyo", "archery", "playing chess", "welding")


def _labels(names: tuple[str, ...]) -> dict[str, object]:
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def videomae(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    config = transformers.VideoMAEConfig(
        **_BODY, **_IMAGE, **_labels(labels), num_frames=4, tubelet_size=2
    )
    network = transformers.VideoMAEForVideoClassification(config)
    return save(folder, network, processor=transformers.VideoMAEImageProcessor(**_CROPPED))


def timesformer(folder: Path) -> Path:
    config = transformers.TimesformerConfig(**_BODY, **_IMAGE, **_labels(LABELS), num_frames=4)
    network = transformers.TimesformerForVideoClassification(config)
    return save(folder, network, processor=transformers.VideoMAEImageProcessor(**_CROPPED))


def vivit(folder: Path) -> Path:
    config = transformers.VivitConfig(
        **_BODY, **_labels(LABELS), image_size=SIDE, num_frames=4, tubelet_size=[2, 8, 8]
    )
    network = transformers.VivitForVideoClassification(config)
    return save(folder, network, processor=transformers.VivitImageProcessor(**_CROPPED))


def vjepa2(folder: Path) -> Path:
    config = transformers.VJEPA2Config(
        hidden_size=36,
        num_hidden_layers=1,
        num_attention_heads=3,
        num_pooler_layers=1,
        pred_hidden_size=36,
        pred_num_attention_heads=3,
        pred_num_hidden_layers=1,
        crop_size=SIDE,
        patch_size=8,
        frames_per_clip=4,
        **_labels(LABELS),
    )
    network = transformers.VJEPA2ForVideoClassification(config)
    return save(folder, network, processor=transformers.VJEPA2VideoProcessor(crop_size=SIDE))


def videoprism_classifier(folder: Path) -> Path:
    config = transformers.VideoPrismVisionConfig(
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=48,
        num_spatial_layers=1,
        num_temporal_layers=1,
        image_size=SIDE,
        num_frames=4,
        tubelet_size=[1, 8, 8],
        **_labels(LABELS),
    )
    network = transformers.VideoPrismForVideoClassification(config)
    processor = transformers.LlavaOnevisionVideoProcessor(**_SQUASHED, do_normalize=False)
    return save(folder, network, processor=processor)


IMAGE_KINDS = (
    "clip",
    "siglip",
    "siglip2",
    "metaclip_2",
    "altclip",
    "chinese_clip",
    "align",
    "blip",
)
CLASSIFIER_KINDS = ("videomae", "timesformer", "vivit", "vjepa2", "videoprism_classifier")
_KINDS: dict[str, Callable[[Path], Path]] = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "metaclip_2": metaclip_2,
    "altclip": altclip,
    "chinese_clip": chinese_clip,
    "align": align,
    "blip": blip,
    "xclip": xclip,
    "videoprism": videoprism,
    "videomae": videomae,
    "timesformer": timesformer,
    "vivit": vivit,
    "vjepa2": vjepa2,
    "videoprism_classifier": videoprism_classifier,
}
