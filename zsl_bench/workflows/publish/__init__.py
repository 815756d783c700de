"""Publishing a weights folder on the Hub, with a model card made from its results."""

from __future__ import annotations

from zsl_bench.workflows.publish.candidate import Candidate, read_candidate
from zsl_bench.workflows.publish.model_card import model_card
from zsl_bench.workflows.publish.upload import Target, upload_of

__all__ = ["Candidate", "Target", "model_card", "read_candidate", "upload_of"]
