"""What a protocol needs beside the test videos and their classes."""

from __future__ import annotations

from zsl_bench.protocols.catalogue import load_definition
from zsl_bench.protocols.recipes import RECIPES


def needs_distractors(reference: str) -> bool:
    """Say whether a protocol has a model's declared training classes among its candidates.

    Raises:
        ProtocolError: There is no such protocol.
    """
    if reference in RECIPES:
        return reference == "open"
    return bool(load_definition(reference)["declared_distractors"])


def needs_seen_videos(reference: str) -> bool:
    """Say whether a protocol scores held-out videos of training classes too.

    Raises:
        ProtocolError: There is no such protocol.
    """
    return reference not in RECIPES and load_definition(reference)["metric"] == "harmonic_mean"
