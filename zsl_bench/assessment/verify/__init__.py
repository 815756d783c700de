"""Whether a result file holds: everything in it that can be made again is made again."""

from __future__ import annotations

from zsl_bench.assessment.verify.checks import Check, State, Verification
from zsl_bench.assessment.verify.run import verify_result

__all__ = ["Check", "State", "Verification", "verify_result"]
