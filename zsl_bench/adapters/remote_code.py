"""Keep libraries from running code that comes with downloaded weights."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from zsl_bench.errors import ModelError
from zsl_bench.model import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zsl_bench.model import LoadOptions

TRUST = "read that code, then give --trust-remote-code"
_FLAG = "trust_remote_code"

_Made = TypeVar("_Made")


def load_guarded(step: Callable[[], _Made], options: LoadOptions, *, asked: str) -> _Made:
    """Run a library's loading; code of a repository runs only where the user trusts it.

    Args:
        step: What loads.
        options: What the loader is told.
        asked: What is being loaded, for the message.

    Raises:
        ModelError: It wants code that is not trusted, or it raises something; one line says what.
    """

    def told() -> _Made:
        try:
            return step()
        except ValueError as error:
            if _FLAG not in str(error) or options.trust_remote_code:
                raise
            found = "a model that wants code of its repository to be run"
            raise ModelError(asked, found=found, fix=TRUST) from error

    with no_remote_code(options, asked=asked):
        return guarded(told, asked)


@contextmanager
def no_remote_code(options: LoadOptions, *, asked: str) -> Iterator[None]:
    """Make transformers refuse to import code of a repository, whoever asks for it.

    For libraries that pass ``trust_remote_code=True`` on the user's behalf: all code of
    repositories that transformers and sentence-transformers run is imported by one function, which
    raises within this context. Nor is the user prompted. Both count for the whole process while
    the context lasts.

    Args:
        options: What the loader is told; where it trusts remote code, nothing is done, nor
            without transformers.
        asked: What is being loaded, for the message.
    """
    if options.trust_remote_code or find_spec("transformers") is None:
        yield
        return
    from transformers import dynamic_module_utils as module

    def refuse(class_name: str, *_args: Any, **_options: Any) -> NoReturn:  # noqa: ANN401
        found = f"a model whose {class_name} is code of its repository"
        raise ModelError(asked, found=found, fix=TRUST)

    importer, patience = module.get_class_in_module, module.TIME_OUT_REMOTE_CODE
    module.get_class_in_module, module.TIME_OUT_REMOTE_CODE = refuse, 0
    try:
        yield
    finally:
        module.get_class_in_module, module.TIME_OUT_REMOTE_CODE = importer, patience
