"""The protocol catalogue: exactly which classes are candidates, in how many trials, for whom."""

from __future__ import annotations

from zsl_bench.protocols.catalogue import (
    aliases_of,
    frozen_trials,
    list_protocols,
    load_definition,
    resolve_protocol,
)
from zsl_bench.protocols.distractors import distractor_class_set
from zsl_bench.protocols.generalised import (
    GeneralisedScores,
    harmonic_mean,
    score_generalised,
)
from zsl_bench.protocols.needs import needs_distractors, needs_seen_videos
from zsl_bench.protocols.protocol import ALL_VIDEOS, METRICS, Protocol, Trial
from zsl_bench.protocols.ranking import ListedVideos, TrialRanks, rank_trials
from zsl_bench.protocols.recipes import CUSTOM, RECIPES, custom_protocol, half_draws
from zsl_bench.protocols.score import ProtocolScores, TrialScores, score_protocol
from zsl_bench.protocols.video_rules import VIDEO_RULES, VideoRule

__all__ = [
    "ALL_VIDEOS",
    "CUSTOM",
    "METRICS",
    "RECIPES",
    "VIDEO_RULES",
    "GeneralisedScores",
    "ListedVideos",
    "Protocol",
    "ProtocolScores",
    "Trial",
    "TrialRanks",
    "TrialScores",
    "VideoRule",
    "aliases_of",
    "custom_protocol",
    "distractor_class_set",
    "frozen_trials",
    "half_draws",
    "harmonic_mean",
    "list_protocols",
    "load_definition",
    "needs_distractors",
    "needs_seen_videos",
    "rank_trials",
    "resolve_protocol",
    "score_generalised",
    "score_protocol",
]
