"""What the arrays and columns of a features file may be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.classes import fold
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

IDS = "video_ids"
LABELS = "labels"
GROUPS = "groups"
VIDEO_VECTORS = "video_vectors"
CLASS_VECTORS = "class_vectors"
SCORES = "scores"
CLASSES = "classes"
DISTRACTORS = "distractors"
LAYOUT = "layout"

NAMES = {
    IDS: (
        *("video_ids", "video_id", "ids", "id", "names", "name", "video_names", "video_name"),
        *("paths", "path", "video_paths", "video_path", "video"),
        *("filenames", "filename", "files", "file"),
    ),
    LABELS: ("labels", "label", "targets", "target", "class", "class_name", "class_label"),
    GROUPS: ("groups", "group"),
    VIDEO_VECTORS: (
        *("video_vectors", "vectors", "vector"),
        *("video_features", "features", "feature", "image_features"),
        *("video_embeddings", "embeddings", "embedding", "image_embeddings"),
    ),
    CLASS_VECTORS: (
        *("class_vectors", "class_features", "class_embeddings"),
        *("text_vectors", "text_features", "text_embeddings"),
    ),
    SCORES: ("scores", "score", "logits", "logit", "similarity", "similarities", "probabilities"),
    CLASSES: ("classes", "class_names", "label_names", "categories"),
    DISTRACTORS: ("distractors",),
    LAYOUT: ("layout",),
}
_ROLES = {fold(name): role for role, names in NAMES.items() for name in names}


def role_of(name: str) -> str | None:
    """Return the role that an array's or column's name stands for, or None.

    Case, spaces and punctuation do not matter.

    Example:
        >>> role_of("Text_Features")
        'class_vectors'
    """
    return _ROLES.get(fold(name))


def roles_of(asked: str, names: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Sort the names of arrays or columns by their role.

    Args:
        asked: What is read, for the message.
        names: The names.

    Returns:
        The name for each role that one has, and the names that have none.

    Raises:
        DatasetError: Two names have the same role.
    """
    chosen: dict[str, str] = {}
    unused = []
    for name in names:
        role = role_of(name)
        if role is None:
            unused.append(name)
        elif role in chosen:
            raise DatasetError(
                asked,
                found=f"{chosen[role]!r} and {name!r}, which both could be the {role}",
                fix="keep one of them, or rename one",
            )
        else:
            chosen[role] = name
    return chosen, tuple(unused)
