"""Publishing: which files go to the Hub, and under which message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.baselines.weights import CARD_FILE, CONFIG_FILE, MODEL_FILE, VECTORS_FILE
from zsl_bench.errors import one_line
from zsl_bench.hub import FILES, Upload, check_target, parse_reference
from zsl_bench.workflows.publish.model_card import README, RESULTS, model_card

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.workflows.publish.candidate import Candidate

_RESULT = re.compile(rf"{RESULTS}/[A-Za-z0-9._-]+--[A-Za-z0-9._-]+--[0-9a-f]{{12}}\.json")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where and how something is published.

    Attributes:
        repo: ``org/repo``.
        private: The repository is to be private.
        as_pull_request: Propose the commit instead of making it.
        branch: The branch.
        message: Message of the commit; empty for one that says what it holds.
    """

    repo: str
    private: bool = False
    as_pull_request: bool = False
    branch: str = "main"
    message: str = ""


def upload_of(candidate: Candidate, target: Target) -> Upload:
    """Return what is uploaded: the files of the folder, a README.md, the results; nothing else.

    What an earlier push put there and this one does not is removed: results of other weights would
    stand beside these. :func:`zsl_bench.hub.push_files` does it, as one commit.

    Raises:
        WeightsError: The target is not ``org/repo``, or the branch has a name that no reference
            could hold; or the folder's README.md cannot be read.
    """
    repo = check_target(target.repo)
    parse_reference(f"{repo}@{target.branch}")
    folder = candidate.folder.path
    files: dict[str, Path | bytes] = {
        name: folder / name
        for name in (MODEL_FILE, VECTORS_FILE, CARD_FILE, CONFIG_FILE)
        if name != VECTORS_FILE or candidate.folder.words is not None
    }
    files[README] = model_card(candidate, repo, branch=target.branch).encode()
    for one in candidate.results:
        files[f"{RESULTS}/{one.result.stem}.json"] = one.path
    count = len(candidate.results)
    what = f" and {count} result{'' if count == 1 else 's'}" if count else ""
    return Upload(
        repo=repo,
        files=files,
        message=target.message or one_line(f"Weights of {candidate.folder.about.card.name}{what}"),
        private=target.private,
        as_pull_request=target.as_pull_request,
        branch=target.branch,
        replaces=_is_ours,
    )


def _is_ours(path: str) -> bool:
    return path in FILES or _RESULT.fullmatch(path) is not None
