"""Uploading files to a model repository on the Hub, as one commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import WeightsError
from zsl_bench.hub.failures import Asked, explained, quiet_client
from zsl_bench.hub.references import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAIN = "main"
_ACCESS = "run hf auth login with a token that may write there, or check the name"


def _none(_path: str) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        repo: ``org/repo``; made where there is none.
        files: For each path in the repository a file or its content. Nothing else is uploaded.
        message: Message of the commit.
        private: The repository is to be private.
        as_pull_request: Propose the commit instead of making it.
        branch: The branch that the commit goes to; made where there is none.
        replaces: Says of a path in the repository that is not uploaded whether it goes, because it
            was of what the upload replaces.
    """

    repo: str
    files: Mapping[str, Path | bytes]
    message: str
    private: bool = False
    as_pull_request: bool = False
    branch: str = MAIN
    replaces: Callable[[str], bool] = field(default=_none)

    @property
    def asked(self) -> Asked:
        """What is asked of the Hub, for messages."""
        return Asked(
            repo=self.repo,
            revision=self.branch,
            instead="push again later: it goes on from there",
            error=WeightsError,
            access=_ACCESS,
        )


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What an upload made.

    Attributes:
        repo: ``org/repo``.
        commit: The commit, 40 hex digits.
        revision: The branch, or ``refs/pr/N``.
        is_new: Whether the repository was made.
        removed: Paths that went.
    """

    repo: str
    commit: str
    revision: str
    is_new: bool
    removed: tuple[str, ...]

    def __str__(self) -> str:
        """Return the reference that gives these very files."""
        return f"hub:{self.repo}@{self.commit}"


def check_target(repo: str) -> str:
    """Return the name of a repository to upload to, without ``hub:``.

    Raises:
        WeightsError: It is not ``org/repo``.
    """
    name, asked = repo.removeprefix("hub:"), f"push to {repo}"
    if "@" in name:
        raise WeightsError(asked, found="a revision", fix="name a branch with --revision instead")
    if name.count("/") != 1:
        raise WeightsError(asked, found="no ORG/NAME", fix="spell it like me/my-model")
    parse_reference(name)
    return name


def push_files(upload: Upload) -> Pushed:
    """Upload files to a model repository as one commit.

    Large files go first; the commit names them by their SHA-256, so that a push that breaks off
    changes no file, and is begun again without sending them twice. A repository that it made before
    it broke off stays, and the message says so. Tokens are those of the Hub's own client; none is
    shown.

    Raises:
        WeightsError: There is no permission; the Hub cannot be reached or refuses; the repository
            is public and a private one was asked for; or somebody changed it at the same time.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with quiet_client():
        with explained(upload.asked):
            is_new = _make_repository(api, upload)
        try:
            with explained(upload.asked):
                return _push(api, upload, is_new=is_new)
        except WeightsError as error:
            if not is_new:
                raise
            found = f"{error.found}, after the repository was made"
            raise WeightsError(error.asked, found=found, fix=error.fix) from error.__cause__


def _push(api: Any, upload: Upload, *, is_new: bool) -> Pushed:  # noqa: ANN401
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    head = _make_branch(api, upload)
    there = set(api.list_repo_files(upload.repo, revision=head))
    removed = sorted(path for path in there if path not in upload.files and upload.replaces(path))
    operations = [
        *(
            CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)
            for path, content in upload.files.items()
        ),
        *(CommitOperationDelete(path_in_repo=path) for path in removed),
    ]
    made = _commit(api, upload, operations, head)
    return Pushed(
        repo=upload.repo,
        commit=made.oid,
        revision=(made.pr_revision or upload.branch) if upload.as_pull_request else upload.branch,
        is_new=is_new,
        removed=tuple(removed),
    )


def _make_repository(api: Any, upload: Upload) -> bool:  # noqa: ANN401
    """Make the repository where there is none, and say whether that was so."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        about = api.model_info(upload.repo)
    except RepositoryNotFoundError:
        if upload.as_pull_request:
            raise
        api.create_repo(upload.repo, private=upload.private, exist_ok=True)
        return True
    if upload.private and not about.private:
        raise WeightsError(
            f"push to {upload.repo} in private",
            found="the repository is there, and public",
            fix="leave --private out, or make it private in its settings first",
        )
    return False


def _make_branch(api: Any, upload: Upload) -> str:  # noqa: ANN401
    """Return the commit that the branch stands for; make the branch where there is none."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return str(api.model_info(upload.repo, revision=upload.branch).sha)
    except RevisionNotFoundError:
        api.create_branch(upload.repo, branch=upload.branch, exist_ok=True)
    return str(api.model_info(upload.repo, revision=upload.branch).sha)


def _commit(api: Any, upload: Upload, operations: list[Any], head: str) -> Any:  # noqa: ANN401
    try:
        return api.create_commit(
            upload.repo,
            operations=operations,
            commit_message=upload.message,
            revision=upload.branch,
            create_pr=upload.as_pull_request,
            parent_commit=head,
        )
    except RuntimeError as error:
        # The client wraps what goes wrong with one large file; its own words hold addresses.
        raise ConnectionError from error.__cause__ or error
