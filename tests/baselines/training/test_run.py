"""Whole runs: what they leave behind, what they refuse, and being stopped and resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.checkpoints import CheckpointStore
from zsl_bench.baselines.training.progress import Quiet
from zsl_bench.baselines.training.run import prepare, train
from zsl_bench.baselines.training.validation import HeldOutScore
from zsl_bench.baselines.weights import load_weights
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ClassSetError, DatasetError, ModelError, WordVectorError
from zsl_bench.splits import read_split
from zsl_bench.verdict import zero_shot_verdict
from zsl_bench.videos import Manifest
from zsl_bench.workers import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig

LONG = {
    "optimiser": {"epochs": 4, "milestones": (2,)},
    "run": {"checkpoint_every": 3, "workers": 1, "device": "cpu", "log_every": 2},
    "validation": {"held_out": 0.34, "select": "best"},
}


def _write_toml(config: TrainConfig, path: Path) -> Path:
    lines = [f'name = "{config.name}"']
    for section, values in config.to_json().items():
        if isinstance(values, dict):
            lines.append(f"[{section}]")
            lines += [f"{k} = {json.dumps(v)}" for k, v in values.items() if v is not None]
    path.write_text("\n".join(lines))
    return path


def _command(config: TrainConfig, folder: Path, *more: str) -> list[str]:
    toml = _write_toml(config, folder.with_suffix(".toml"))
    return [sys.executable, "-m", "zsl_bench", "train", str(toml), "--out", str(folder), *more]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _states_equal(a: Path, b: Path) -> None:
    one, other = (load_weights(folder / "weights").state_dict() for folder in (a, b))
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key


def test_a_shortage_of_shared_memory_is_told(tiny_config, tmp_path: Path, monkeypatch) -> None:
    notes: list[str] = []
    tight = Machine(processors=8, shared=1000)
    monkeypatch.setattr(Machine, "here", staticmethod(lambda: tight))
    monkeypatch.setattr(Quiet, "note", lambda _, line: notes.append(line))
    config = tiny_config(run={"workers": None, "device": "cpu"}, optimiser={"epochs": 1})
    train(config, tmp_path / "run")
    assert len([line for line in notes if line.startswith("decoding in one process")]) == 1


def test_a_run_leaves_what_the_next_step_needs(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(validation={"held_out": 0.34, "select": "best"})
    report = train(config, tmp_path / "run", samples=3)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "audit.json", "checkpoints", "config.json", "manifest.json", "metrics.csv", "samples",
        "split.json", "unreadable.csv", "weights",
    }  # fmt: skip
    assert {p.name for p in (tmp_path / "run" / "samples").iterdir()} == {
        "epoch-0.png", "epoch-0.gif",
    }  # fmt: skip
    model = load_weights(report.weights)
    trained, held_out = model.card.trained_on
    assert len(trained) == report.classes == 4
    assert len(held_out) == report.held_out_classes == 2
    assert model.card.pretrained_on == ()
    assert not set(trained.names) & set(held_out.names)
    split = read_split(tmp_path / "run" / "split.json")
    assert set(split.kept) == {*trained.names, *held_out.names}
    manifest = Manifest.load(tmp_path / "run" / "manifest.json")
    assert {video.label for video in manifest.videos} == {*trained.names, *held_out.names}
    assert manifest.resolve(manifest.videos[0]).exists()
    card = json.loads((tmp_path / "run" / "weights" / "card.json").read_text())
    assert card["training"]["config"] == config.to_json()
    assert card["training"]["selected_epoch"] == report.selected_epoch
    assert zero_shot_verdict(model.card, load_class_set("hmdb51")).finding == "disjoint"


def test_the_best_epoch_is_kept(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(validation={"held_out": 0.34, "select": "best"}, optimiser={"epochs": 5})
    report = train(config, tmp_path / "run")
    rows = [line.split(",") for line in (tmp_path / "run" / "metrics.csv").read_text().split()]
    header, scores = rows[0], [row for row in rows if row[0] == "validation"]
    top1 = [float(row[header.index("held_out_top1")]) for row in scores]
    assert len(top1) == 5
    assert report.held_out_top1 == max(top1)
    assert report.selected_epoch == top1.index(max(top1))


def test_training_leaves_the_random_state_alone(tiny_config, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(tiny_config(optimiser={"epochs": 1}), tmp_path / "run")
    assert torch.equal(before, torch.get_rng_state())


def test_an_allowed_overlap_is_on_the_card_for_ever(tiny_config, tmp_path: Path) -> None:
    with pytest.raises(ClassSetError, match="archery"):
        prepare(tiny_config(audit={"against": ("ucf101",)}))
    config = tiny_config(
        audit={"against": ("ucf101",), "allow_overlap": True}, optimiser={"epochs": 1}
    )
    report = train(config, tmp_path / "run")
    assert report.overlap
    card = load_weights(report.weights).card
    assert "overlap with ucf101" in card.description
    verdict = zero_shot_verdict(card, load_class_set("ucf101"))
    assert verdict.finding == "overlapping"
    assert "Archery" in {seen.name for seen in verdict.seen}
    assert not (tmp_path / "run" / "split.json").exists()


def test_overlapping_classes_can_be_left_out(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(
        audit={"against": ("ucf101",), "remove_overlap": True}, optimiser={"epochs": 1}
    )
    report = train(config, tmp_path / "run")
    assert "archery" in report.removed
    card = load_weights(report.weights).card
    assert zero_shot_verdict(card, load_class_set("ucf101")).finding == "disjoint"


def test_a_word_without_a_vector_stops_the_run(tiny_config, training_videos, tmp_path) -> None:
    import shutil

    shutil.copytree(training_videos, tmp_path / "v")
    (tmp_path / "v" / "swimming").rename(tmp_path / "v" / "qwertyuiopasdf")
    with pytest.raises(WordVectorError, match=r"qwertyuiopasdf.*model.vectors"):
        prepare(tiny_config(data={"path": str(tmp_path / "v")}))


def test_pretraining_goes_into_the_next_card(tiny_config, tmp_path: Path) -> None:
    first = train(tiny_config(data={"num_classes": 3}, optimiser={"epochs": 1}), tmp_path / "a")
    config = tiny_config(model={"weights": str(first.weights)}, optimiser={"epochs": 1})
    second = load_weights(train(config, tmp_path / "b").weights)
    assert second.card.pretrained_on == load_weights(first.weights).card.trained_on
    other = train(
        tiny_config(run={"seed": 1}, data={"num_classes": 3}, optimiser={"epochs": 1}),
        tmp_path / "c",
    )
    for name in ("model.safetensors", "config.json"):
        (other.weights / name).replace(first.weights / name)
    with pytest.raises(ModelError, match="starting weights have changed"):
        train(config, tmp_path / "b", resume=True)


def test_images_pretrain_and_videos_follow(tiny_config, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("attic", "beach", "castle"):
        (tmp_path / "images" / name[0] / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name[0] / name / f"{number}.jpg")
    images = tiny_config(
        data={"dataset": "sun397", "path": str(tmp_path / "images"), "kind": "images",
              "exclude": ("/a/attic",)},
        optimiser={"epochs": 1, "batch_size": 2},
    )  # fmt: skip
    pretrained = train(images, tmp_path / "sun")
    card = load_weights(pretrained.weights).card
    assert [one.names for one in card.trained_on] == [("/b/beach", "/c/castle")]
    follow = tiny_config(model={"weights": str(pretrained.weights)}, optimiser={"epochs": 1})
    both = load_weights(train(follow, tmp_path / "both").weights).card
    assert [one.dataset for one in both.pretrained_on] == ["sun397"]
    assert len(both.trained_on[0]) == 6


def test_a_folder_with_a_run_is_not_overwritten(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(optimiser={"epochs": 1})
    train(config, tmp_path / "run")
    with pytest.raises(ModelError, match="give --resume"):
        train(config, tmp_path / "run")
    again = train(config, tmp_path / "run", resume=True)
    assert again.steps == 6
    with pytest.raises(ModelError, match=r"optimiser.epochs was 1 and is 2, optimiser.loss was"):
        train(
            tiny_config(optimiser={"epochs": 2, "loss": "eq2-raw"}), tmp_path / "run", resume=True
        )
    with pytest.raises(ModelError, match="the training samples have changed"):
        train(
            tiny_config(optimiser={"epochs": 1}, data={"path": str(_fewer(config, tmp_path))}),
            tmp_path / "run", resume=True,
        )  # fmt: skip


def _fewer(config: TrainConfig, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(config.data.path, tmp_path / "fewer")
    (tmp_path / "fewer" / "archery" / "v0.mp4").unlink()
    return tmp_path / "fewer"


@pytest.mark.slow
def test_killed_and_resumed_runs_end_with_the_same_weights(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = tiny_config(**LONG)
    whole = tmp_path / "whole"
    started = time.monotonic()
    subprocess.run(_command(config, whole), check=True, capture_output=True, env=_environment())
    seconds = time.monotonic() - started
    broken, delays = tmp_path / "broken", random.Random(4)  # noqa: S311
    kills = 0
    for _ in range(30):
        resume = ["--resume"] if (broken / "checkpoints").exists() else []
        with subprocess.Popen(
            _command(config, broken, *resume), stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, env=_environment(), start_new_session=True,
        ) as process:  # fmt: skip
            try:
                rest = delays.uniform(0.5, 0.95) if kills < 3 else 10
                code = process.wait(timeout=seconds * rest)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
                continue
        assert code == 0
        break
    assert kills >= 1
    _states_equal(whole, broken)
    drop = {"seconds", "clips_per_second", "peak_memory_mb", "clips"}
    assert _without(whole / "metrics.csv", drop) == _without(broken / "metrics.csv", drop)


def _without(path: Path, dropped: set[str]) -> list[tuple[str, ...]]:
    header, *rows = (line.split(",") for line in path.read_text().split())
    kept = [i for i, name in enumerate(header) if name not in dropped]
    return [tuple(row[i] for i in kept) for row in rows]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_saves_and_ends_the_run(tiny_config, tmp_path, number, code) -> None:
    config = tiny_config(
        optimiser={"epochs": 200}, run={"workers": 1, "device": "cpu", "log_every": 1}
    )
    folder = tmp_path / "run"
    with subprocess.Popen(
        _command(config, folder), stderr=subprocess.PIPE, text=True, env=_environment(),
        start_new_session=True,
    ) as process:  # fmt: skip
        metrics = folder / "metrics.csv"
        for _ in range(600):
            if metrics.exists() and metrics.read_text().count("\n") > 3:
                break
            time.sleep(0.1)
        os.killpg(process.pid, number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert list((folder / "checkpoints").glob("step-*"))
    assert not (folder / "weights").exists()


def test_a_run_that_is_asked_to_stop_can_go_on(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(optimiser={"epochs": 3}, run={"log_every": 1})
    whole = train(config, tmp_path / "whole")

    class Stopper(Quiet):
        """Sends SIGTERM to this process in the middle of the second epoch."""

        steps = 0

        def advance(self, **_: object) -> None:
            self.steps += 1
            if self.steps == 8:
                os.kill(os.getpid(), signal.SIGTERM)

    assert threading.current_thread() is threading.main_thread()
    stopped = train(config, tmp_path / "run", progress=Stopper())
    assert stopped.stopped
    assert stopped.weights is None
    assert stopped.steps < whole.steps
    resumed = train(config, tmp_path / "run", resume=True)
    assert not resumed.stopped
    _states_equal(tmp_path / "whole", tmp_path / "run")


def test_a_full_disk_leaves_nothing_half_written(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(optimiser={"epochs": 50})
    folder = tmp_path / "run"
    done = train(tiny_config(optimiser={"epochs": 1}), tmp_path / "size")
    size = (done.weights / "model.safetensors").stat().st_size
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size // 2},) * 2); "
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); " + limit
        + "from zsl_bench.cli import main; main()"
    )  # fmt: skip
    command = _command(config, folder)
    failed = subprocess.run(
        [sys.executable, "-c", code, *command[3:]], capture_output=True, text=True, check=False,
        env=_environment(),
    )  # fmt: skip
    assert failed.returncode == 1
    assert "save checkpoint" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not list((folder / "checkpoints").iterdir())


def test_what_the_starting_weights_have_seen_is_frozen_into_the_run(
    tiny_config, tmp_path: Path
) -> None:
    first = train(tiny_config(data={"num_classes": 3}, optimiser={"epochs": 1}), tmp_path / "a")
    config = tiny_config(model={"weights": str(first.weights)}, optimiser={"epochs": 1})
    train(config, tmp_path / "b")
    card = json.loads((first.weights / "card.json").read_text())
    card["trained_on"] = []
    (first.weights / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="are said to have seen have changed"):
        train(config, tmp_path / "b", resume=True)


def test_other_word_vectors_or_test_sets_are_another_run(tiny_config, tmp_path: Path) -> None:
    listed = tmp_path / "tests.txt"
    listed.write_text("yoga\n")
    config = tiny_config(audit={"against": (str(listed),)}, optimiser={"epochs": 1})
    train(config, tmp_path / "run")
    listed.write_text("yoga\nbreakdancing\n")
    with pytest.raises(ModelError, match="the test sets of the audit have changed"):
        train(config, tmp_path / "run", resume=True)
    listed.write_text("yoga\n")
    words = sorted({word for name in _names(config) for word in name.split()} | {"yoga"})
    lines = [f"{word} {' '.join(['0.1'] * i + ['1'] + ['0'] * (300 - i - 1))}"
             for i, word in enumerate((*words, *(w + "s" for w in words)))]  # fmt: skip
    glove = tmp_path / "vectors.txt"
    glove.write_text(f"{len(lines)} 300\n" + "\n".join(lines) + "\n")
    other = tiny_config(
        audit={"against": (str(listed),)}, optimiser={"epochs": 1},
        model={"vectors": str(glove), "allow_approximate": True},
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"model.allow_approximate was False and is True"):
        train(other, tmp_path / "run", resume=True)
    approximate = {"audit": {"against": (str(listed),)}, "optimiser": {"epochs": 1}}
    train(tiny_config(**approximate, model={"allow_approximate": True}), tmp_path / "two")
    with pytest.raises(ModelError, match="the word vectors have changed"):
        train(other, tmp_path / "two", resume=True)


def _names(config: TrainConfig) -> list[str]:
    from pathlib import Path

    return sorted(path.name for path in Path(config.data.path).iterdir())


def test_classes_known_beside_open_data_are_audited_and_declared(
    tiny_config, tmp_path: Path
) -> None:
    """A network trained on archery that started from open data has seen both."""
    base = create_network("r2plus1d_tiny", seed=0)
    torch.save(base.state_dict(), tmp_path / "web.pt")
    first = train(
        tiny_config(
            model={"weights": str(tmp_path / "web.pt"), "pretrained_on": "open"},
            audit={"against": ("ucf101",), "allow_overlap": True},
            optimiser={"epochs": 1},
        ),
        tmp_path / "a",
    )
    assert first.silent == "open"
    follow = tiny_config(
        data={"exclude": ("archery", "bowling", "juggling balls")},
        model={"weights": str(first.weights)},
        audit={"against": ("ucf101",), "allow_overlap": True},
        optimiser={"epochs": 1},
    )
    second = train(follow, tmp_path / "b")
    assert any("archery" in pair for pair in second.overlap)
    card = load_weights(second.weights).card
    assert card.pretrained_on == "open"
    assert {"archery"} <= {name for one in card.trained_on for name in one.names}
    assert zero_shot_verdict(card, load_class_set("ucf101")).finding == "overlapping"


def test_equal_classes_overlap_under_any_threshold(tiny_config) -> None:
    with pytest.raises(ClassSetError, match="archery"):
        prepare(tiny_config(audit={"against": ("ucf101",), "threshold": 0.0}))


def test_unreadable_held_out_samples_are_bounded_and_listed(
    tiny_config, training_videos, tmp_path: Path
) -> None:
    import shutil

    held = {"held_out": 0.34, "select": "best"}
    names = train(tiny_config(validation=held, optimiser={"epochs": 1}), tmp_path / "a")
    (_, held_out) = load_weights(names.weights).card.trained_on
    shutil.copytree(training_videos, tmp_path / "v")
    (tmp_path / "v" / held_out.names[0] / "v0.mp4").write_bytes(b"junk")
    data = {"path": str(tmp_path / "v")}
    with pytest.raises(DatasetError, match="1 of 8 samples unreadable"):
        train(tiny_config(validation=held, data=data), tmp_path / "b")
    report = train(
        tiny_config(validation=held, data={**data, "max_unreadable": 0.2}), tmp_path / "c"
    )
    assert report.unreadable == 1
    assert f"{held_out.names[0]}/v0.mp4" in (tmp_path / "c" / "unreadable.csv").read_text()


def test_weights_kept_are_those_of_the_epoch_that_is_named(
    tiny_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A best epoch that a resumed run did not go through is forgotten."""
    from zsl_bench.baselines.training import watch

    scores = iter([0.4, 0.2, 0.9])

    def scored(*_, **__) -> HeldOutScore:
        return HeldOutScore(top1=next(scores), top5=1.0, samples=4, unreadable={})

    monkeypatch.setattr(watch, "validate", scored)
    config = tiny_config(validation={"held_out": 0.34, "select": "best"}, optimiser={"epochs": 3})
    saved = CheckpointStore.save

    def dies(self, position, **content):
        if position.epoch == 3:
            raise KeyboardInterrupt
        return saved(self, position, **content)

    monkeypatch.setattr(CheckpointStore, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run")
    monkeypatch.setattr(CheckpointStore, "save", saved)
    scores = iter([0.3])
    report = train(config, tmp_path / "run", resume=True)
    assert (report.selected_epoch, report.held_out_top1) == (0, 0.4)
    best = CheckpointStore(tmp_path / "run" / "checkpoints", keep=2).best()
    kept = load_weights(report.weights).state_dict()
    assert best.position.epoch == 1
    assert all(torch.equal(kept[key], best.model[key]) for key in kept)


@pytest.mark.parametrize("trouble", ["loss", "unreadable"])
def test_a_run_that_fails_ends_though_processes_decode_for_it(
    tiny_config, training_videos, tmp_path: Path, trouble: str
) -> None:
    import shutil

    root = tmp_path / "videos"
    shutil.copytree(training_videos, root)
    rate = 1e30 if trouble == "loss" else 1e-3
    if trouble == "unreadable":
        (root / "archery" / "v1.mp4").write_bytes(b"no video at all")
    config = tiny_config(
        data={"path": str(root)}, run={"workers": 2, "device": "cpu"},
        optimiser={"epochs": 30, "learning_rate": rate},
    )  # fmt: skip
    ran = subprocess.run(
        _command(config, tmp_path / "run"), capture_output=True, text=True, check=False,
        timeout=90, env=_environment(),
    )  # fmt: skip
    assert ran.returncode == 1
    assert ("not a finite number" if trouble == "loss" else "1 of 24 samples") in ran.stderr
    assert "Traceback" not in ran.stderr
