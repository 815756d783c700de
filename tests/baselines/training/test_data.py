"""Which samples and classes a configuration picks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zsl_bench.baselines.training.data import (
    candidate_classes,
    open_training_data,
    select_samples,
)
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet

CLASSES = ("archery", "bowling", "juggling balls", "milking cow", "surfing water", "swimming")


def _select(config: TrainConfig) -> TrainingSet:
    manifest = open_training_data(config.data)
    classes, notes = candidate_classes(manifest, config.data)
    return select_samples(manifest, classes, config, notes=notes)


def test_everything_is_taken_by_default(tiny_config: Callable[..., TrainConfig]) -> None:
    chosen = _select(tiny_config())
    assert chosen.classes.names == CLASSES
    assert len(chosen) == 24
    assert [CLASSES[label] for label in chosen.labels] == [row.label for row in chosen.rows]
    assert chosen.path(0).is_file()


def test_even_subsets_are_those_of_linspace(tiny_config: Callable[..., TrainConfig]) -> None:
    chosen = _select(tiny_config(data={"num_classes": 4, "num_samples": 5, "subset": "even"}))
    names = [CLASSES[int(i)] for i in np.linspace(0, 5, 4)]
    rows = sorted(f"{name}/v{i}.mp4" for name in names for i in range(4))
    wanted = [rows[int(i)] for i in np.linspace(0, 15, 5)]
    assert [row.id for row in chosen.rows] == wanted


def test_random_subsets_depend_on_their_seed_alone(
    tiny_config: Callable[..., TrainConfig],
) -> None:
    def pick(seed: int, **more: dict[str, int]) -> tuple[str, ...]:
        config = tiny_config(data={"num_samples": 9, "subset_seed": seed}, **more)
        return tuple(row.id for row in _select(config).rows)

    picked = {seed: pick(seed) for seed in range(4)}
    assert all(len(rows) == 9 for rows in picked.values())
    assert len(set(picked.values())) == 4
    assert pick(2, run={"seed": 99}) == picked[2]


def test_every_class_is_as_likely_as_any_other(tiny_config: Callable[..., TrainConfig]) -> None:
    counts = Counter(
        name
        for seed in range(60)
        for name in _select(tiny_config(data={"num_classes": 2, "subset_seed": seed})).classes.names
    )
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 8


def test_held_out_classes_are_not_trained_on(tiny_config: Callable[..., TrainConfig]) -> None:
    chosen = _select(tiny_config(validation={"held_out": 0.34}))
    assert chosen.held_out is not None
    assert len(chosen.held_out.classes) == 2
    assert not set(chosen.classes.names) & set(chosen.held_out.classes.names)
    assert {row.label for row in chosen.held_out.rows} == set(chosen.held_out.classes.names)
    assert len(chosen) + len(chosen.held_out) == 24


def test_a_list_of_classes_and_exclusions_narrow_the_data(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    listed = tmp_path / "classes.txt"
    listed.write_text("swimming\narchery\nbowling\n")
    config = tiny_config(data={"classes": str(listed), "exclude": ("bowling",)})
    chosen = _select(config)
    assert chosen.classes.names == ("archery", "swimming")
    assert chosen.notes[-1] == "left out by data.exclude: bowling"


def test_classes_that_lose_every_sample_are_not_said_to_be_trained_on(
    tiny_config: Callable[..., TrainConfig],
) -> None:
    chosen = _select(tiny_config(data={"num_samples": 2}))
    assert set(chosen.classes.names) == {row.label for row in chosen.rows}
    assert "lost every sample" in chosen.notes[-1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"num_classes": 7}, "data.num_classes = 7: only 6; ask for at most"),
        ({"num_samples": 25}, "data.num_samples = 25: only 24"),
        ({"exclude": ("archary",)}, "did you mean 'archery'"),
        ({"exclude": CLASSES}, "no class with a sample is left"),
        ({"path": "nowhere"}, "no folder and no manifest nowhere; set data.path"),
    ],
)
def test_what_is_not_there_is_refused(tiny_config, data, message) -> None:
    with pytest.raises(DatasetError, match=message):
        _select(tiny_config(data=data))


def test_the_digest_follows_rows_and_classes_but_not_the_folder(
    tiny_config: Callable[..., TrainConfig], training_videos: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "moved"
    linked.symlink_to(training_videos, target_is_directory=True)
    whole = _select(tiny_config())
    assert _select(tiny_config(data={"path": str(linked)})).digest == whole.digest
    assert _select(tiny_config(data={"num_samples": 23})).digest != whole.digest
    assert _select(tiny_config(validation={"held_out": 0.34})).digest != whole.digest


def test_listed_samples_that_are_missing_are_told(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(
        "path,label\narchery/v0.mp4,archery\nbowling/v0.mp4,bowling\narchery/gone.mp4,archery\n"
    )
    chosen = _select(tiny_config(data={"list": str(listed)}))
    assert len(chosen) == 2
    assert any("1 listed samples are missing" in note and "gone" in note for note in chosen.notes)


def test_a_folder_too_high_is_told(
    tiny_config: Callable[..., TrainConfig], training_videos: Path, tmp_path: Path
) -> None:
    for part in ("one", "two"):
        (tmp_path / part).symlink_to(training_videos, target_is_directory=True)
    chosen = _select(tiny_config(data={"path": str(tmp_path)}))
    assert any("is data.path one level too high?" in note for note in chosen.notes)
    assert not any("too high" in note for note in _select(tiny_config()).notes)


def test_one_class_is_nothing_to_train_or_validate_on(
    tiny_config: Callable[..., TrainConfig],
) -> None:
    with pytest.raises(DatasetError, match="nothing to tell apart"):
        _select(tiny_config(data={"num_classes": 1}))
    with pytest.raises(DatasetError, match="1 held out and 5 to train on"):
        _select(tiny_config(validation={"held_out": 0.2}))
