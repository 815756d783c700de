"""What the names of Kinetics' folders, files and annotations tell: part, clip, replacement."""

from __future__ import annotations

import re

from zsl_bench.datasets.scan import VIDEO_SUFFIXES

RELEASES = ("kinetics400", "kinetics600", "kinetics700")
PARTS = ("train", "val", "test")
WHOLE = "whole"
_PART_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_ANNOTATION_WORDS = frozenset(
    (*("annotation", "annotations", "anno", "annos", "label", "labels"), *("list", "lists"))
)
_NO_VIDEO_WORDS = _ANNOTATION_WORDS | frozenset(
    (
        *("csv", "json", "txt", "splits", "frames", "rawframes", "flow", "audio"),
        *("features", "targz", "tar", "tars", "archives"),
    )
)
_USUAL_WORDS = _ANNOTATION_WORDS | frozenset(
    (
        *("kinetics", "k", "video", "videos", "clips", "data", "dataset", "split", "set"),
        *("full", "official", "cvdf", "deepmind", "file", "files", "filelist", "p"),
    )
)
_SIZES = frozenset(("224", "240", "256", "320", "340", "360", "480"))
_NUMBERS = frozenset(("400", "600", "700"))
_WORD = re.compile(r"[a-z]+|\d+")
_SOURCE = re.compile(r"[A-Za-z0-9_-]{11}")
_TIME = r"(\d{1,6})(?:\.0+)?"
_CLIP = re.compile(rf"([A-Za-z0-9_-]{{11}})(?:[_-]{_TIME}[_-]{_TIME}(?:[_-]\d{{3,4}}p?)?)?")
_WRITTEN_OUT = re.compile(r"[A-Za-z0-9_-]{11}_\d{6}_\d{6}")

Times = tuple[int, int]


def part_of_word(word: str) -> str | None:
    """Return ``train``, ``val`` or ``test`` for a word such as ``validate``, or None."""
    return _PART_WORDS.get(word.strip().casefold())


def part_of_folder(name: str) -> str | None:
    """Return the part that a folder is named after, or None.

    Example:
        >>> part_of_folder("videos_train_256p"), part_of_folder("k400val"), part_of_folder("latest")
        ('train', 'val', None)
    """
    words = _words(name)
    parts = {_PART_WORDS[word] for word in words if word in _PART_WORDS}
    if len(parts) != 1 or not _NO_VIDEO_WORDS.isdisjoint(words):
        return None
    return parts.pop()


def is_replacement(name: str) -> bool:
    """Return whether a folder holds replacements of corrupted files, by its name."""
    return any(word.startswith("replace") for word in _words(name))


def is_annotation_folder(name: str) -> bool:
    """Return whether a folder is named after annotations or lists."""
    return not (_ANNOTATION_WORDS | {"csv", "json", "splits"}).isdisjoint(_words(name))


def may_hold_videos(name: str) -> bool:
    """Return whether nothing in a folder's name says that it holds something else."""
    return _NO_VIDEO_WORDS.isdisjoint(_words(name))


def part_of_annotations(stem: str, dataset: str, *, is_2020: bool) -> str | None:
    """Return the part that a file of annotations is for by its usual name.

    Args:
        stem: The file's name without its extension.
        dataset: ``kinetics400``, ``kinetics600`` or ``kinetics700``.
        is_2020: Whether Kinetics-700-2020 is meant.

    Returns:
        ``train``, ``val`` or ``test``; ``whole`` where it may be for all of them; None where the
        name is of another kind or another release.

    Example:
        >>> part_of_annotations("kinetics400_val_list_videos", "kinetics400", is_2020=False)
        'val'
    """
    words = _words(stem)
    others = [word for word in words if word not in _PART_WORDS]
    release = dataset.removeprefix("kinetics")
    usual = _USUAL_WORDS | _SIZES | {release} | ({"2020"} if is_2020 else set())
    if not usual.issuperset(others):
        return None
    parts = {_PART_WORDS[word] for word in words if word in _PART_WORDS}
    if len(parts) == 1:
        return parts.pop()
    named = {"kinetics", "annotations", "annotation", release}
    return None if parts or named.isdisjoint(others) else WHOLE


def release_of(name: str) -> str | None:
    """Return the release that a name says, such as ``700-2020``, or None."""
    words = _words(name)
    numbers = [word for word in words if word in _NUMBERS]
    if not numbers or not ("k" in words or "kinetics" in words):
        return None
    return numbers[0] + ("-2020" if "2020" in words else "")


def _words(name: str) -> list[str]:
    return _WORD.findall(name.casefold())


def is_source(text: str) -> bool:
    """Return whether a text can be the id of a YouTube video."""
    return _SOURCE.fullmatch(text) is not None


def clip_of(stem: str) -> tuple[str, Times | None] | None:
    """Return the YouTube id and the seconds that a file's stem names.

    Returns:
        The id with its times, or None in their place for an id alone; None for any other name.

    Example:
        >>> clip_of("-_x45678901_000010_000020"), clip_of("-_x45678901_10_20")
        (('-_x45678901', (10, 20)), ('-_x45678901', (10, 20)))
    """
    match = _CLIP.fullmatch(stem)
    if match is None:
        return None
    source, start, end = match.groups()
    return source, None if start is None else (int(start), int(end))


def clip_name(source: str, times: Times | None) -> str:
    """Return a clip's name as the official files spell it: ``ID_000010_000020``, or ``ID``."""
    return source if times is None else f"{source}_{times[0]:06d}_{times[1]:06d}"


def clip_key(name: str) -> str:
    """Return the clip's official name for a file name of any spelling, else the name's stem.

    Extensions of videos are dropped, one after the other, as downloaders write ``ID.mp4.mkv``.
    """
    stem, _, suffix = name.rpartition(".")
    while stem and f".{suffix.casefold()}" in VIDEO_SUFFIXES:
        name = stem
        stem, _, suffix = name.rpartition(".")
    if _WRITTEN_OUT.fullmatch(name):
        return name
    clip = clip_of(name)
    return name if clip is None else clip_name(*clip)
