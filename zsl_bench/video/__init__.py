"""Video in: clip policies, frame-exact decoding, resizing, training clips, Ken Burns clips."""

from __future__ import annotations

from zsl_bench.video.clips import VideoClips, load_clips
from zsl_bench.video.decode import VideoInfo, VideoReader, probe
from zsl_bench.video.decoders import DECODERS, decoder_id
from zsl_bench.video.image_files import MOST_PIXELS, read_image
from zsl_bench.video.ken_burns import (
    ken_burns_boxes,
    ken_burns_clip,
    load_image_clip,
    scale_image,
    scaled_size,
)
from zsl_bench.video.policies import POLICIES, ClipPlan, ClipPolicy, clip_policy, plan_clips
from zsl_bench.video.training_clips import load_training_clip
from zsl_bench.video.transform import ClipSpec, resized_size, resizer_id, transform_frames

__all__ = [
    "DECODERS",
    "MOST_PIXELS",
    "POLICIES",
    "ClipPlan",
    "ClipPolicy",
    "ClipSpec",
    "VideoClips",
    "VideoInfo",
    "VideoReader",
    "clip_policy",
    "decoder_id",
    "ken_burns_boxes",
    "ken_burns_clip",
    "load_clips",
    "load_image_clip",
    "load_training_clip",
    "plan_clips",
    "probe",
    "read_image",
    "resized_size",
    "resizer_id",
    "scale_image",
    "scaled_size",
    "transform_frames",
]
