"""What reads texts for a model of open_clip: its tokeniser, and a text tower named elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zsl_bench.adapters.common import TOKENIZER_FILES, files_digest
from zsl_bench.adapters.remote_code import TRUST
from zsl_bench.errors import ModelError, listing
from zsl_bench.files import read_json
from zsl_bench.hub import fetch_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zsl_bench.hub import HubSnapshot
    from zsl_bench.model import LoadOptions

_CONFIG = "config.json"
_FILES = (_CONFIG, *TOKENIZER_FILES)
_OTHER_NAMES = {
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "roberta-base": "FacebookAI/roberta-base",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
}
"""Repositories that open_clip calls by a name without an organisation."""
_KERNELS = ("attn_implementation", "_attn_implementation")
_ELSEWHERE = ("_dir", "_file", "_path")


@dataclass(frozen=True, kw_only=True)
class TextParts:
    """The text side of a model, as far as it is not in the weights.

    Attributes:
        tokenizer: Makes the tokeniser: a function from texts to tokens ``(N, L)``.
        digest: SHA-256 of the tokeniser's files; empty for one that is part of open_clip.
        sources: Repositories and commits of what was fetched from elsewhere, by what it is.
        changes: Entries of ``text_cfg`` that open_clip is told otherwise.
    """

    tokenizer: Callable[[], Any]
    digest: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)


def check_text_config(config: Any, options: LoadOptions, asked: str) -> None:  # noqa: ANN401
    """Refuse a configuration that is none, trusts code on the user's behalf or names files.

    Args:
        config: What ``open_clip_config.json`` holds.
        options: What the loader is told.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: It is such a one.
    """
    try:
        given = dict(config["model_cfg"]["text_cfg"].get("tokenizer_kwargs", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found = "open_clip_config.json without model_cfg and its text_cfg"
        raise ModelError(asked, found=found, fix="save the model with open_clip again") from error
    if given.get("trust_remote_code") and not options.trust_remote_code:
        raise ModelError(
            asked,
            found="a tokeniser that wants code of its repository to be run",
            fix=TRUST,
        )
    named = [key for key in given if str(key).endswith(_ELSEWHERE)]
    if named:
        found = f"a tokeniser that reads files from elsewhere ({listing(named)})"
        raise ModelError(asked, found=found, fix="put them in the folder and name none")


def find_text_parts(library: Any, architecture: str, folder: Path | None, asked: str) -> TextParts:  # noqa: ANN401
    """Find what reads texts; parts in other repositories are fetched, data only, at a commit.

    Args:
        library: The module ``open_clip``.
        architecture: The library's name for it, or ``local-dir:`` and the folder.
        folder: The folder of the model, which then holds its tokeniser; None for an architecture
            that the library knows.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: The text tower's configuration names a kernel to be fetched, which is code.
        WeightsError: A part cannot be fetched.
    """
    stated = library.get_model_config(architecture)["text_cfg"]
    sources, changes = {}, {}
    if stated.get("hf_model_name"):
        tower = _fetch(stated["hf_model_name"], (_CONFIG,))
        _refuse_kernels(tower.path / _CONFIG, asked)
        sources["text_tower"] = str(tower)
        changes = {"hf_model_name": str(tower.path), "hf_model_pretrained": False}
    if not stated.get("hf_tokenizer_name"):
        return TextParts(
            tokenizer=lambda: library.get_tokenizer(architecture), sources=sources, changes=changes
        )
    if folder is None:
        fetched = _fetch(stated["hf_tokenizer_name"], _FILES)
        folder, sources["tokenizer"] = fetched.path, str(fetched)
    return TextParts(
        tokenizer=lambda: _tokenizer(library, folder, stated),
        digest=files_digest(folder, _FILES),
        sources=sources,
        changes=changes,
    )


def _fetch(name: str, files: tuple[str, ...]) -> HubSnapshot:
    return fetch_snapshot(_OTHER_NAMES.get(name, name), files=files)


def _tokenizer(library: Any, folder: Path, stated: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Make the tokeniser of a folder as ``open_clip.get_tokenizer`` does."""
    module = library.tokenizer
    return module.HFTokenizer(
        str(folder),
        context_length=stated.get("context_length", module.DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=stated.get("tokenizer_mode"),
        **stated.get("tokenizer_kwargs", {}),
    )


def _refuse_kernels(config: Path, asked: str) -> None:
    content = read_json(config, what="configuration")
    named = [content[key] for key in _KERNELS if isinstance(content, dict) and content.get(key)]
    if any("/" in str(each) for each in named):
        raise ModelError(asked, found=f"a text tower with attention from {named[0]}", fix=TRUST)
