"""Frames for MTEB's wrappers: what the network sees equals what it sees of whole frames."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
import transformers
from mteb.models.model_implementations.clip_models import CLIPModel
from mteb.models.model_implementations.siglip_models import SiglipModelWrapper
from mteb.models.model_implementations.xclip_models import XCLIPModel
from mteb.models.model_meta import ModelMeta, ScoringFunction
from PIL import Image

from zsl_bench.adapters import mteb as adapter
from zsl_bench.adapters.mteb_frames import find_clip
from zsl_bench.model import LoadOptions
from zsl_bench.video.transform import transform_frames

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mteb")
SHAPES = [(240, 320), (320, 240), (237, 421), (240, 428)]


@pytest.fixture
def frames(shared_data):
    """Three frames of a real video, ``(3, H, W, 3)``."""
    path = sorted((shared_data / "videos" / "ucf101").rglob("*.avi"))[0]
    with av.open(str(path)) as container:
        decoded = container.decode(video=0)
        return [next(decoded).to_image() for _ in range(4)]


def pixels_seen(model, call) -> torch.Tensor:
    """Return the pixels that reach the network of a wrapper during a call."""
    seen: list[torch.Tensor] = []
    network = model.parts.encoder.model
    hook = network.vision_model.register_forward_pre_hook(
        lambda _module, _given, named: seen.append(named["pixel_values"]), with_kwargs=True
    )
    with torch.no_grad():
        call()
    hook.remove()
    return torch.cat(seen)


CUTS = {
    "clip": {"size": {"shortest_edge": 32}, "crop_size": 32},
    "resized to 40, cut to 32": {"size": {"shortest_edge": 40}, "crop_size": 32},
    "squashed": {
        "size": {"height": 32, "width": 32},
        "do_center_crop": False,
        "resample": 2,
    },
    "squashed to 40, cut to 32": {"size": {"height": 40, "width": 40}, "crop_size": 32},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cut", CUTS)
def test_an_image_wrapper_sees_what_it_sees_of_whole_frames(saved, tmp_path, frames, shape, cut):
    kind, wrapper = ("siglip", SiglipModelWrapper) if cut == "squashed" else ("clip", CLIPModel)
    processor = transformers.CLIPImageProcessor(**CUTS[cut])
    if kind == "siglip":
        processor = transformers.SiglipImageProcessor(size=CUTS[cut]["size"], resample=2)
    model = wrapped(saved(kind), tmp_path, processor, wrapper, "image")
    pictures = [each.resize(shape[::-1], Image.Resampling.BICUBIC) for each in frames]
    clip = transform_frames(np.stack([np.asarray(each) for each in pictures]), model.card.clip)
    ours = pixels_seen(model, lambda: model.embed_clips(torch.from_numpy(clip)[None]))
    whole = pixels_seen(model, lambda: model._encode("image", pictures))
    assert_alike(ours, whole)
    assert "central square" not in model.card.description


@pytest.mark.parametrize("shape", SHAPES)
def test_a_video_wrapper_sees_what_it_sees_of_whole_frames(saved, tmp_path, frames, shape):
    processor = transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
    )
    model = wrapped(saved("xclip"), tmp_path, processor, XCLIPModel, "video")
    pictures = [each.resize(shape[::-1], Image.Resampling.BICUBIC) for each in frames]
    levels = np.stack([np.asarray(each) for each in pictures])
    clip = torch.from_numpy(transform_frames(levels, model.card.clip))
    whole = adapter._Decoded(torch.from_numpy(levels).permute(0, 3, 1, 2))
    ours = pixels_seen(model, lambda: model.embed_clips(clip[None]))
    assert_alike(ours, pixels_seen(model, lambda: model._encode("video", [whole])))
    assert (model.card.clip.size, model.card.clip.crop) == (40, "center-down")


def assert_alike(ours: torch.Tensor, whole: torch.Tensor) -> None:
    """Pixels are alike but for rounding to whole levels."""
    assert ours.shape == whole.shape
    levels = (ours - whole).abs() * 0.27 * 255
    assert float(levels.max()) <= 2.5
    assert float(levels.mean()) <= 0.3


def wrapped(folder, tmp_path, processor, wrapper, column):
    """Load a tiny model with another processor through a wrapper of MTEB."""
    place = tmp_path / folder.name
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kinds = {
        CLIPModel: transformers.CLIPProcessor,
        SiglipModelWrapper: transformers.SiglipProcessor,
        XCLIPModel: transformers.XCLIPProcessor,
    }
    (place / "preprocessor_config.json").unlink()
    kinds[wrapper](processor, tokenizer).save_pretrained(place)
    meta = ModelMeta(
        loader=wrapper,
        name=str(place),
        revision=None,
        release_date=None,
        languages=None,
        n_parameters=None,
        memory_usage_mb=None,
        max_tokens=None,
        embed_dim=None,
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        training_datasets=None,
        modalities=[column, "text"],
        loader_kwargs={"num_frames": 4} if column == "video" else {},
    )
    options = LoadOptions(settings={"frames": "4"})
    return adapter.load_meta(meta, options, asked="model")


class Plain:
    """A wrapper of a processor that says nothing."""

    def processor(self, images):
        return images


@pytest.mark.parametrize(
    "processor", [None, Plain().processor, transformers.CLIPImageProcessor(resample=1)]
)
def test_what_is_not_known_is_said(processor):
    encoder = Plain()
    encoder.processor = processor
    clip, note = find_clip(encoder, "image", frames=4, size=None, asked="model")
    assert (clip.size, clip.short_side, clip.crop) == (224, 224, "center")
    assert "its central square, as what the wrapper would cut is not known" in note


def test_of_two_processors_that_of_the_column_counts():
    encoder = Plain()
    encoder.processor = Plain()
    encoder.processor.image_processor = transformers.SiglipImageProcessor(
        size={"height": 64, "width": 64}
    )
    encoder.processor.video_processor = transformers.VivitVideoProcessor()
    image, _ = find_clip(encoder, "image", frames=4, size=None, asked="model")
    video, _ = find_clip(encoder, "video", frames=4, size=None, asked="model")
    given, _ = find_clip(encoder, "image", frames=4, size=48, asked="model")
    assert (image.size, image.crop) == (64, "squash")
    assert (video.size, video.short_side, video.crop) == (256, 256, "center-down")
    assert (given.size, given.short_side, given.crop) == (48, 48, "squash")
