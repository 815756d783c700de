"""Where prepared files lie: safe names, none twice, all below the root."""

from __future__ import annotations

import os
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from zsl_bench.errors import DatasetError
from zsl_bench.preparation.names import safe_name, target_paths
from zsl_bench.videos import Video

TIMES = st.sampled_from([(None, None), (0.0, 1.5), (1.5, None)])
NAMES = st.text(st.sampled_from("aAbé\u0301ß \\:?*<>|\"'~.-_@()&%\n"), min_size=1, max_size=6)
PATHS = st.lists(st.one_of(NAMES, st.text(min_size=1)), min_size=1, max_size=3).map("/".join)


def video_or_none(number, path, times):
    try:
        return Video(
            id=f"row {number}", label="x", path=path, group="g", start=times[0], end=times[1]
        )
    except DatasetError:
        return None


@given(st.lists(st.tuples(PATHS, TIMES), min_size=1, max_size=12))
@example([("a.mp4/b.avi", (None, None)), ("a.avi", (None, None)), ("A.AVI", (None, None))])
@example([("a?.avi", (None, None)), ("a_.avi", (None, None)), ("a:.avi", (None, None))])
@example([("a.avi", (0.0, 1.5)), ("a@0-1.5.avi", (None, None))])
def test_names_are_safe_and_differ_in_more_than_case(rows):
    videos = [video_or_none(k, path, times) for k, (path, times) in enumerate(rows)]
    videos = [video for video in videos if video is not None]
    paths = target_paths(videos, ".mp4")
    assert sorted(paths) == sorted(video.id for video in videos)
    folded = [path.casefold() for path in paths.values()]
    assert len(set(folded)) == len(folded)
    folders = {path.rsplit("/", depth)[0] for path in folded for depth in range(1, path.count("/"))}
    assert not folders & set(folded)
    for path in paths.values():
        assert path.startswith("videos/")
        assert path.endswith(".mp4")
        assert os.path.normpath(path) == path
        Video(id="x", label="x", path=path, group="g")
        for part in path.split("/"):
            assert not set(part) & set('\\:*?"<>|\n\0~') - {"~"}
            assert not part.startswith((".", "-", " "))
            assert not part.endswith((" ", "."))
            assert len(part.encode()) <= 240


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_folders_stay_apart(one, other):
    composed = (unicodedata.normalize("NFC", text) for text in (one, other))
    if len(set(composed)) == 2:
        assert safe_name(one) != safe_name(other)


def test_usual_names_stay():
    for name in ("v_Archery_g01_c01", "playing violin", "swing_baseball!", "(HQ)_Rock_Climbing-x#1",
                 "ID_000010_000020", "air drumming (not in game)", "Café 日本"):  # fmt: skip
        assert safe_name(name) == name


def test_long_and_reserved_names():
    assert safe_name("con") == "_con~" + safe_name("con").partition("~")[2]
    long = "x" * 255
    assert len(safe_name(long)) < 200
    assert safe_name(long) != safe_name(long[:-1])


def test_layout_is_kept_and_segments_are_named_by_their_times():
    videos = [
        Video(id="1", label="x", path="train/red ball/one.avi", group="g"),
        Video(id="2", label="x", path="long.mkv", group="g", start=12.25, end=30.0),
        Video(id="3", label="x", path="long.mkv", group="g"),
    ]
    assert target_paths(videos, ".mp4") == {
        "1": "videos/train/red ball/one.mp4",
        "2": "videos/long@12.25-30.mp4",
        "3": "videos/long.mp4",
    }
