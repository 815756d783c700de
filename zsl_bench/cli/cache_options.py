"""Where the cache of clip outputs is: an option of ``evaluate``, and one of ``cache``."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.core import ParameterSource

from zsl_bench.files import cache_dir

_VARIABLE = "ZSL_BENCH_CLIP_CACHE"
_USERS = ""


def clip_cache_dir() -> Path:
    """Return the folder of the user's cache of clip outputs: the variable's, or the default."""
    return Path(os.environ.get(_VARIABLE) or cache_dir() / "clips")


def _folder(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    if value is None:
        return None
    folder = clip_cache_dir() if value == _USERS else Path(value)
    if folder.exists() and not folder.is_dir():
        raise click.BadParameter(f"{folder} is a file", ctx=ctx, param=param)
    return folder


def _existing_folder(ctx: click.Context, param: click.Parameter, value: str) -> Path | None:
    folder = _folder(ctx, param, value)
    typed = ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
    if typed and folder is not None and not folder.is_dir():
        raise click.BadParameter(f"there is no folder {folder}", ctx=ctx, param=param)
    return folder


clip_cache_option = click.option(
    "--cache", callback=_folder, is_flag=False, flag_value=_USERS, envvar=_VARIABLE,
    metavar="[FOLDER]", show_envvar=True,
    help="Take the outputs of clips from a cache that serves all data sets and result folders, and "
    "add those that it lacks. Without FOLDER, the user's; see zsl-bench cache.",
)  # fmt: skip

cache_folder_option = click.option(
    "--folder", callback=_existing_folder, default=_USERS, envvar=_VARIABLE, metavar="FOLDER",
    show_envvar=True, help="The cache. Default: the user's.",
)  # fmt: skip
