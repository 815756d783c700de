"""References to repositories on the Hub, and what they were fetched as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.errors import ZslBenchError

_REFERENCE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class HubSnapshot:
    """Files of a Hub repository as they were at one commit.

    Attributes:
        repo: ``org/repo``.
        commit: The commit, 40 hex digits.
        path: The folder of the files.
    """

    repo: str
    commit: str
    path: Path

    def __str__(self) -> str:
        """Return the reference that gives these very files again."""
        return f"hub:{self.repo}@{self.commit}"


def parse_reference(
    reference: str, *, error: type[ZslBenchError] = WeightsError
) -> tuple[str, str]:
    """Split ``org/repo@revision`` into repository and revision, ``main`` where none is given.

    Args:
        reference: The reference, without ``hub:``.
        error: What to raise where it is malformed.

    Raises:
        WeightsError: It is not of that form; or another error, as asked for.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or ".." in reference:
        raise error(
            f"hub:{reference}", found="no org/repo@revision", fix="spell it like hub:org/repo@v1"
        )
    return match["repo"], match["revision"] or "main"


def is_commit(revision: str) -> bool:
    """Return whether a revision is a full commit, which never means anything else later."""
    return _COMMIT.fullmatch(revision) is not None
