"""What the Hub's client raises, told in one line."""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.errors import ZslBenchError

CONNECT = "connect to the internet (and unset HF_HUB_OFFLINE), or "
_OUT_OF_ORDER = 500
_OF_THE_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of the Hub.

    Attributes:
        repo: ``org/repo``.
        revision: The revision.
        instead: What a user can do without the Hub, as the end of a sentence.
        error: What to raise.
        access: What to do where the Hub refuses access.
    """

    repo: str
    revision: str
    instead: str
    error: type[ZslBenchError]
    access: str = "ask for access and run hf auth login"

    def __str__(self) -> str:
        """Return the reference."""
        return f"hub:{self.repo}@{self.revision}"


def client_tools() -> Any:  # noqa: ANN401
    """Return the utilities of the Hub's client, which it exports lazily, past type checkers."""
    from huggingface_hub import utils

    return utils


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Turn what the Hub's client raises into one line; no address, header or token is repeated."""
    from huggingface_hub.errors import HfHubHTTPError

    # The client's transport errors derive from its bases, whichever HTTP library it uses.
    bases = cast("tuple[type[Exception], ...]", HfHubHTTPError.__bases__)
    expected: tuple[type[Exception], ...] = (OSError, ValueError, *bases)
    try:
        yield
    except expected as error:
        cause = error.__cause__
        answered = isinstance(cause, HfHubHTTPError) and not isinstance(error, HfHubHTTPError)
        found, fix = _explanation(cause if answered and cause is not None else error, asked)
        raise asked.error(str(asked), found=found, fix=fix) from error


@contextmanager
def quiet_client() -> Iterator[None]:
    """Silence the client's own bars, and its warnings, which repeat addresses."""
    utils = client_tools()
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    shown = not utils.are_progress_bars_disabled()
    if shown:
        utils.disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            utils.enable_progress_bars()


def was_answered(error: ZslBenchError) -> bool:
    """Return whether it was the Hub that said no, rather than that nobody answered.

    A status of 500 and more is no answer: the server, or one before it, is out of order.
    """
    from huggingface_hub.errors import HfHubHTTPError

    cause = error.__cause__
    return isinstance(cause, HfHubHTTPError) and cause.response.status_code < _OUT_OF_ORDER


def _explanation(error: BaseException, asked: Asked) -> tuple[str, str]:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return f"no revision {asked.revision!r} in it", "name a commit, branch or tag that it has"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "no such repository, or one that needs permission",
            f"check the name; for a private or gated one {asked.access}",
        )
    if isinstance(error, LocalEntryNotFoundError):
        return "it is not in the cache and the Hub cannot be reached", CONNECT + asked.instead
    if isinstance(error, HfHubHTTPError):
        return _answer(error.response.status_code, asked)
    if isinstance(error, HFValidationError):
        return "a name that the Hub does not allow", "spell it like hub:org/repo@v1"
    return _of_the_machine(error, asked)


def _of_the_machine(error: BaseException, asked: Asked) -> tuple[str, str]:
    said = getattr(error, "strerror", None)
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return said or "the disk refuses", "free some space, or choose another place"
    found = said or f"no connection to the Hub ({type(error).__name__})"
    return found, CONNECT + asked.instead


def _answer(status: int, asked: Asked) -> tuple[str, str]:
    if status in {401, 403}:
        return f"the Hub refuses access ({status})", asked.access
    if status == 429:
        return "the Hub says too many requests (429)", "wait a few minutes, or run hf auth login"
    if status in {409, 412}:
        found = f"somebody else changed the repository at the same time ({status})"
        return found, "look at what is there, then try again"
    return f"the Hub answers with status {status}", "try again later"
