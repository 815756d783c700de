"""Kinetics-400, -600, -700 and -700-2020: class folders or flat parts, with or without lists."""

from __future__ import annotations

import gc
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.folder import read_class_folders
from zsl_bench.datasets.kinetics_choice import (
    Found,
    Wanted,
    choose_parts,
    find_annotations,
    part_that_fits,
    understand,
)
from zsl_bench.datasets.kinetics_layout import Layout, find_layout, scan_below, sub_folders
from zsl_bench.datasets.kinetics_lists import PATHS, kind_of, read_annotations
from zsl_bench.datasets.kinetics_matching import (
    Matching,
    match_files,
    overlapping_rows,
    replace_files,
    row_ids,
)
from zsl_bench.datasets.kinetics_names import (
    WHOLE,
    clip_key,
    clip_of,
    part_of_annotations,
    release_of,
)
from zsl_bench.datasets.own_list import read_list
from zsl_bench.datasets.scan import VIDEOS, printable, scan_folder
from zsl_bench.errors import DatasetError, listing
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.kinetics_annotations import Annotations, Clip
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.datasets.scan import Scan


def open_kinetics(request: DatasetRequest) -> Manifest:
    """Read a folder of Kinetics in any of its usual layouts.

    The folder may hold class folders, or thousands of files named ``ID_000010_000020`` without
    them; or parts such as ``train``, ``videos_val`` or ``train_256`` that hold one of the two, up
    to three deep, with folders of replacements beside them. Annotations are given, or found by
    their usual names in the folder, in ``annotations`` or in the folder above: the authors' CSV or
    JSON, or a list of paths with labels.

    With annotations rows are the clips that they list, with the ids ``ID_000010_000020``. Without
    them they are the files of the class folders, with ids such as ``abseiling/x.mp4``. The group
    is the YouTube id. ``test_list`` is ``train``, ``val``, ``test``, several of them as
    ``train+val``, ``all``, or a file of annotations.

    Raises:
        DatasetError: The folder, the part or the annotations are not what they should be.
    """
    with _collecting_later():
        return _open(understand(request))


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Keep the collector from walking hundreds of thousands of growing rows again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _open(wanted: Wanted) -> Manifest:
    layout = find_layout(wanted.root, wanted.classes, wanted.release)
    if wanted.file is not None:
        return _noted(_by_given(wanted, layout, wanted.file), wanted)
    found = find_annotations(wanted, layout)
    parts = choose_parts(wanted, layout, found)
    if found.parts:
        scan = scan_below(layout, (*layout.folders(parts or ()), *_outside(layout, parts)))
        parts = part_that_fits(wanted, found, scan) if parts is None else parts
        if _have_annotations(wanted, found, parts):
            manifest = _by_found(wanted, layout, found, parts or (), scan)
            if manifest is not None:
                return _noted(manifest, wanted)
    return _noted(_by_folders(wanted, layout, found, parts), wanted)


def _have_annotations(wanted: Wanted, found: Found, parts: Sequence[str] | None) -> bool:
    """Return whether all of the parts have annotations, or none.

    Raises:
        DatasetError: Some have and some have not.
    """
    listed = [part for part in parts or () if part in found.parts]
    absent = [part for part in parts or () if part not in listed]
    if listed and absent:
        raise DatasetError(
            f"split {wanted.split(parts)!r} of {wanted.asked}",
            found=f"annotations of {', '.join(listed)}, none of {', '.join(absent)}",
            fix="put the CSV files of all parts into annotations, or ask for one part",
        )
    return bool(listed)


def _outside(layout: Layout, parts: Iterable[str] | None) -> tuple[str, ...]:
    """Return the folders of replacements, where the folders of the parts leave them out."""
    return () if layout.folders(parts or ()) == ("",) else layout.replacements


def _noted(manifest: Manifest, wanted: Wanted) -> Manifest:
    named = release_of(os.path.basename(os.path.abspath(wanted.root)))  # noqa: PTH100, PTH119
    if named is None or f"kinetics{named}" == wanted.release:
        return manifest
    note = f"the folder is named after kinetics{named}, and {wanted.release} was asked for"
    return replace(manifest, notes=(*manifest.notes, note))


def _by_given(wanted: Wanted, layout: Layout, path: Path) -> Manifest:
    if kind_of(path) == PATHS:
        if wanted.parts is not None:
            raise DatasetError(
                f"split {wanted.split(wanted.parts)!r} of {printable(str(path))}",
                found="a list of paths, which tells no parts",
                fix="leave the split out",
            )
        return read_list(wanted.dataset, path, wanted.root)
    table = read_annotations(path, wanted.classes)
    usual = part_of_annotations(path.stem, wanted.dataset, is_2020=wanted.is_2020)
    parts = _parts_given(wanted, layout, table, None if usual == WHOLE else usual)
    several = len(table.parts) > 1
    clips = [c for c in table.clips if c.part in (parts or ())] if several else table.clips
    is_usual = parts is not None and (usual is not None or wanted.parts is not None)
    split = wanted.split(parts) if is_usual else f"custom-{printable(path.stem)}"
    folders = layout.folders(parts or ())
    scan = scan_below(layout, (*folders, *_outside(layout, parts)))
    rows = row_ids(clips)
    matching = match_files(rows, scan, wanted.classes)
    if not matching.found:
        raise _none_there(wanted, str(path), rows)
    manifest = _manifest(wanted, split, rows, matching, scan)
    if not is_usual:
        manifest = _without_extra(manifest)
    return replace(manifest, notes=(*manifest.notes, *table.notes()))


def _none_there(wanted: Wanted, path: str, rows: Mapping[str, Clip]) -> DatasetError:
    return DatasetError(
        f"files of {printable(path)} in {printable(str(wanted.root))}",
        found=f"not one of {len(rows):,}, such as {next(iter(rows), 'none')}",
        fix="give the folder that the annotations are about",
    )


def _without_extra(manifest: Manifest) -> Manifest:
    """Count the files that a list of one's own leaves out, instead of naming them as extra."""
    if not manifest.extra:
        return manifest
    note = f"files that the list does not name: {len(manifest.extra):,}"
    return replace(manifest, extra=(), notes=(*manifest.notes, note))


def _parts_given(
    wanted: Wanted, layout: Layout, table: Annotations, usual: str | None
) -> tuple[str, ...] | None:
    """Return the parts of given annotations that are meant, or None where nothing tells them."""
    if len(table.parts) <= 1:
        own = (usual,) if usual else table.parts or None
        if wanted.parts is not None and own is not None and wanted.parts != own:
            raise DatasetError(
                f"split {wanted.split(wanted.parts)!r} of {printable(str(table.path))}",
                found=f"annotations of {own[0]}",
                fix=f"give the annotations of that part, or ask for {own[0]}",
            )
        return own or wanted.parts
    there = (layout.own,) if layout.own else tuple(layout.parts)
    chosen = wanted.parts or (there if len(there) == 1 and not layout.homes else None)
    parts = tuple(part for part in table.parts if part in (chosen or ()))
    if not parts:
        raise DatasetError(
            f"annotations {printable(str(table.path))}",
            found=f"the parts {', '.join(table.parts)}",
            fix=f"say which is meant with --split, such as --split {table.parts[-1]}",
        )
    return parts


def _by_found(
    wanted: Wanted, layout: Layout, found: Found, parts: Sequence[str], scan: Scan
) -> Manifest | None:
    """Return the clips of parts with annotations, None where not one of them is there."""
    rows = row_ids(clip for part in parts for clip in found.clips(part))
    others = [p for p in layout.parts if p not in parts]
    below = tuple(folder for part in others for folder in layout.parts[part])
    if below and layout.folders(parts) == ("",):
        scan = replace(scan, files=tuple(f for f in scan.files if not f.path.startswith(below)))
    matching = match_files(rows, scan, wanted.classes)
    if not matching.found:
        if all(part in layout.parts or part == layout.own for part in parts):
            return None
        raise _none_there(wanted, str(found.path(parts[0])), rows)
    if layout.folders(parts) == ("",) and matching.extra:
        matching = _of_no_part(matching, found, parts)
    manifest = _manifest(wanted, wanted.split(parts), rows, matching, scan)
    tables = {path: found.read(path) for part in parts if (path := found.path(part))}
    notes = [note for table in tables.values() for note in table.notes()]
    named = ", ".join(_shown(path, wanted.root) for path in tables)
    return replace(manifest, notes=(f"annotations: {named}", *manifest.notes, *notes))


def _of_no_part(matching: Matching, found: Found, parts: Sequence[str]) -> Matching:
    """Leave out of the extra files those that are clips of other parts."""
    others = (clip for part in found.parts if part not in parts for clip in found.clips(part))
    keys = {key for clip in others for key in (clip.key, clip.source)}
    return replace(matching, extra=tuple(f for f in matching.extra if clip_key(f.name) not in keys))


def _shown(path: Path, root: Path) -> str:
    """Return a path below the root, or from the folder above it, as it does not lead further."""
    return printable(os.path.relpath(path, root).replace(os.sep, "/"))


def _manifest(
    wanted: Wanted, split: str, rows: Mapping[str, Clip], matching: Matching, scan: Scan
) -> Manifest:
    counts = Counter(clip.label for clip in rows.values())
    notes = [*matching.notes, *scan.notes()]
    if len(counts) < len(wanted.classes):
        notes.append(f"the annotations name {len(counts)} of {len(wanted.classes)} classes")
    return Manifest(
        dataset=wanted.dataset,
        classes=wanted.classes,
        split=split,
        root=wanted.root,
        videos=tuple(
            Video(id=i, label=rows[i].label, path=file.path, group=rows[i].source)
            for i, file in matching.found.items()
        ),
        expected={name: counts[name] for name in wanted.classes.names},
        missing=tuple(i for i in rows if i not in matching.found),
        extra=tuple(printable(file.path) for file in matching.extra),
        unreadable=tuple((i, f.problem) for i, f in matching.found.items() if f.problem),
        notes=tuple(notes),
        overlapping=tuple(i for i in overlapping_rows(rows) if i in matching.found),
    )


def _by_folders(
    wanted: Wanted, layout: Layout, found: Found, parts: Sequence[str] | None
) -> Manifest:
    """Read class folders without annotations, or with annotations of other files."""
    named = tuple(parts or ())
    folders = layout.folders(named)
    if folders == ("",):
        folders = layout.homes or ("",)
    homes = [_home(layout.root, folder, wanted.classes) for folder in folders]
    for home in homes:
        _check_folders(wanted, layout.root / home, found, named)
    read = [
        (home, read_class_folders(wanted.dataset, layout.root / home, VIDEOS)) for home in homes
    ]
    videos = [
        replace(video, path=home + video.path) for home, part in read for video in part.videos
    ]
    unreadable = dict(pair for _, part in read for pair in part.unreadable)
    videos, notes = _with_replacements(videos, unreadable, layout)
    unused = [_shown(path, wanted.root) for path in found.files.values()]
    if unused:
        why = "as they tell no part or none of these files"
        notes.append(f"annotations passed over, {why}: {listing(unused)}")
    _check_once(wanted, videos)
    return replace(
        read[0][1],
        split=wanted.split(named),
        root=wanted.root,
        videos=tuple(videos),
        extra=tuple(home + path for home, part in read for path in part.extra),
        unreadable=tuple(unreadable.items()),
        notes=(*(note for _, part in read for note in part.notes), *notes),
    )


def _home(root: Path, folder: str, classes: ClassSet) -> str:
    """Return the folder, or the one that it alone holds, in which class folders begin."""
    for _ in range(3):
        names = list(sub_folders(root / folder))
        if len(names) != 1 or classes.find(composed(names[0])) is not None:
            break
        if next(sub_folders(root / folder / names[0]), None) is None:
            break
        folder += f"{names[0]}/"
    return folder


def _check_once(wanted: Wanted, videos: Sequence[Video]) -> None:
    first: dict[str, Video] = {}
    for video in videos:
        other = first.setdefault(video.id, video)
        if other is not video:
            raise DatasetError(
                wanted.asked,
                found=f"one video as {other.path!r} and {video.path!r}",
                fix="keep one of them, or give the folder of one copy or one part",
            )


def _with_replacements(
    videos: list[Video], unreadable: dict[str, str], layout: Layout
) -> tuple[list[Video], list[str]]:
    if not layout.replacements:
        return videos, []
    files = scan_below(layout, layout.replacements).files
    names = {video.id: video.path.rpartition("/")[2] for video in videos}
    better = replace_files(names, files)
    for video_id in better:
        unreadable.pop(video_id, None)
    if not better:
        return videos, []
    count = f"{len(better):,} ({listing(better, limit=3)})"
    note = f"clips taken from the folder of replacements instead of their own: {count}"
    return [
        replace(video, path=better[video.id].path) if video.id in better else video
        for video in videos
    ], [note]


def _check_folders(wanted: Wanted, home: Path, found: Found, parts: Sequence[str]) -> None:
    """Refuse clips without class folders where nothing tells their labels."""
    names = list(sub_folders(home))
    if any(wanted.classes.find(composed(name)) is not None for name in names):
        return
    scan = scan_folder(home, depth=1)
    clips = [file for file in scan.files if clip_of(clip_key(file.name)) is not None]
    if not clips or 2 * len(clips) < len(scan.files):
        return
    part = parts[0] if parts else "val"
    without = found.unlabelled.get(part)
    told = f", and {without.name} has no labels" if without else ""
    listed = ", ".join(_shown(path, wanted.root) for path in found.files.values())
    other = f", and {listed} names none of them" if listed else ""
    raise DatasetError(
        f"{wanted.release} in {printable(str(home))}",
        found=f"clips ({len(clips):,}), such as {clips[0].name}, but no class folders and no "
        f"annotations that tell their labels{told}{other}",
        fix=f"put the authors' CSV beside them as annotations/{part}.csv, or give it with "
        "--annotations FILE",
    )
