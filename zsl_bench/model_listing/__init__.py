"""What models there are: cards read from source, without importing any, and library families."""

from __future__ import annotations

from zsl_bench.model_listing.families import FAMILIES, Family
from zsl_bench.model_listing.listed import (
    AMBIGUOUS,
    BROKEN,
    NEEDS_WEIGHTS,
    OK,
    READABLE,
    ListedModel,
    clip_text,
    declaration_text,
    listed_models,
)
from zsl_bench.model_listing.loading import loaded_models
from zsl_bench.model_listing.reading import ReadCard, Unread, read_card
from zsl_bench.model_listing.source_files import BrokenSourceError

__all__ = [
    "AMBIGUOUS",
    "BROKEN",
    "FAMILIES",
    "NEEDS_WEIGHTS",
    "OK",
    "READABLE",
    "BrokenSourceError",
    "Family",
    "ListedModel",
    "ReadCard",
    "Unread",
    "clip_text",
    "declaration_text",
    "listed_models",
    "loaded_models",
    "read_card",
]
