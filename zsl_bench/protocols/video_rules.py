"""Video rules of data sets whose videos can be counted in more than one way."""

from __future__ import annotations

from dataclasses import dataclass

_ANNOTATIONS = "ActivityNet 1.3 annotation file (Caba Heilbron et al. 2015)"


@dataclass(frozen=True, kw_only=True)
class VideoRule:
    """What one row of a data set is, and which rows there are.

    Attributes:
        name: Such as ``anet13-segments-v1``; the name of the manifest's video list.
        dataset: The data set.
        what: The rule.
        source: Where it comes from.
        quoted: How many rows a publication reports, and which; the rows at hand are counted from
            the annotation file.
    """

    name: str
    dataset: str
    what: str
    source: str
    quoted: str


VIDEO_RULES = (
    VideoRule(
        name="anet13-segments-v1",
        dataset="activitynet200",
        what="one row per annotated segment of the training and validation videos; a segment that "
        "overlaps with one of another label stays and is right only for its own; group = video",
        source=f"{_ANNOTATIONS}; Brattoli et al. 2020, released code",
        quoted="27,801 in Brattoli et al. 2020",
    ),
    VideoRule(
        name="anet13-video",
        dataset="activitynet200",
        what="one row per whole video of the training and validation videos",
        source=f"{_ANNOTATIONS}; Wu et al. 2023 (Text4Vis), lists/anet/anet_full_for_zeroshot.txt",
        quoted="14,950 in the list of Wu et al. 2023",
    ),
)
