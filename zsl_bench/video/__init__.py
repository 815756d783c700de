"""Video in: clip policies, frame-exact decoding, resizing and cropping."""

from __future__ import annotations

from zsl_bench.video.clips import VideoClips, load_clips
from zsl_bench.video.decode import VideoInfo, VideoReader, decoder_id, probe
from zsl_bench.video.policies import POLICIES, ClipPlan, ClipPolicy, clip_policy, plan_clips
from zsl_bench.video.transform import ClipSpec, resized_size, resizer_id, transform_frames

__all__ = [
    "POLICIES",
    "ClipPlan",
    "ClipPolicy",
    "ClipSpec",
    "VideoClips",
    "VideoInfo",
    "VideoReader",
    "clip_policy",
    "decoder_id",
    "load_clips",
    "plan_clips",
    "probe",
    "resized_size",
    "resizer_id",
    "transform_frames",
]
