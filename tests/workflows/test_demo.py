import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import zsl_bench
from zsl_bench.cli import main
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.results import load_result
from zsl_bench.workflows.demo import figures
from zsl_bench.workflows.demo.classes import demo_classes
from zsl_bench.workflows.demo.report import Prediction, class_accuracies
from zsl_bench.workflows.demo.run import run_demo


def numbers(report):
    """All that a demonstration found, without times and places."""
    content = report.to_json()
    return {k: v for k, v in content.items() if k not in ("seconds", "stages", "paths", "notes")}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "out", minutes=0.1, seed=3)


def test_the_report_says_what_the_result_files_say(quick):
    e2e, frozen = (load_result(quick.paths[f"{name}_result"]) for name in ("e2e", "frozen"))
    for result, top1 in ((e2e, quick.e2e), (frozen, quick.frozen)):
        full, half = result.scores.values()
        assert full["mean"]["top1"] == top1
        assert len(half["trials"]) == 10
        assert result.verdict == "disjoint (brattoli2020, 0.05)"
        assert result.complete
    assert [scores.recipe for scores in quick.recipes] == ["full", "half"]
    assert (quick.num_unseen, quick.num_seen, quick.num_held_out) == (72, 144, 12)
    assert quick.chance == 1 / 72
    assert quick.recipes[1].chance == 1 / 36
    assert quick.recipes[1].e2e == list(e2e.scores.values())[1]["mean"]["top1"]
    assert zsl_bench.comparable(e2e, frozen) == ()


def test_every_path_is_there_and_the_report_is_on_the_disk(quick):
    assert all(path.exists() for path in quick.paths.values())
    assert json.loads(quick.paths["report"].read_text()) == quick.to_json()
    videos = quick.paths["videos"]
    assert len(list((videos / "train").glob("*/*.mp4"))) == 144
    assert len(list((videos / "test").glob("*/*.avi"))) == 72
    assert "too short to learn much" in quick.notes[0]


def test_the_audit_on_disk_is_of_these_classes(quick):
    audit = json.loads(quick.paths["audit"].read_text())
    classes = demo_classes(3)
    assert [row["name"] for row in audit["kept"]] == list(classes.train.names)
    assert audit["removed"] == audit["approximate_words"] == []
    assert min(row["distance"] for row in audit["kept"]) == quick.closest > 0.15


def test_the_cards_declare_seen_classes_only(quick):
    for family in ("e2e", "frozen"):
        card = json.loads((quick.paths[f"{family}_weights"] / "card.json").read_text())
        (declared,) = card["trained_on"]
        assert set(declared["classes"]) < set(demo_classes(3).train.names)
        assert len(declared["classes"]) == 132
        assert card["pretrained_on"] == []


def test_predictions_give_the_accuracies_again(quick):
    with quick.paths["figures/predictions.csv"].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == quick.num_videos == 72
    for name, top1 in (("e2e", quick.e2e), ("frozen", quick.frozen)):
        assert np.mean([row[name] == row["class"] for row in rows]) == pytest.approx(top1)
    assert all(row["video"].startswith(row["class"]) for row in rows)
    with quick.paths["figures/classes.csv"].open(newline="") as stream:
        classes = list(csv.DictReader(stream))
    assert np.mean([float(row["e2e"]) for row in classes]) == pytest.approx(quick.e2e)
    with quick.paths["figures/accuracy.csv"].open(newline="") as stream:
        full, half = csv.DictReader(stream)
    assert (full["recipe"], float(full["e2e"])) == ("full", quick.e2e)
    assert float(half["frozen"]) == quick.recipes[1].frozen


def test_sheets_are_pictures_and_the_moving_one_moves(quick):
    for name in ("videos.png", "predictions.png"):
        with Image.open(quick.paths[f"figures/{name}"]) as picture:
            assert picture.width > 500
            assert len(picture.getcolors(1 << 24)) > 1000
    with Image.open(quick.paths["figures/predictions.gif"]) as picture:
        assert picture.n_frames == 20


def test_the_same_seed_gives_the_same_numbers_and_files(quick, tmp_path):
    again = run_demo(tmp_path / "again", minutes=0.1, seed=3)
    assert numbers(again) == numbers(quick)
    for name in ("figures/predictions.csv", "figures/learning.csv", "figures/predictions.gif"):
        assert again.paths[name].read_bytes() == quick.paths[name].read_bytes()
    for family in ("e2e", "frozen"):
        first, second = (
            (report.paths[f"{family}_weights"] / "model.safetensors").read_bytes()
            for report in (quick, again)
        )
        assert first == second


def test_a_folder_with_something_in_it_is_left_alone(quick, tmp_path):
    before = quick.paths["report"].read_bytes()
    with pytest.raises(ZslBenchError, match="an earlier demonstration; give another folder"):
        run_demo(quick.paths["report"].parent, minutes=0.1)
    assert quick.paths["report"].read_bytes() == before
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ZslBenchError, match="a folder with other things in it"):
        run_demo(tmp_path, minutes=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_charts_are_drawn_where_matplotlib_is(quick):
    pytest.importorskip("matplotlib")
    for name in ("accuracy.png", "learning.png", "classes.png"):
        with Image.open(quick.paths[f"figures/{name}"]) as picture:
            assert picture.width > 500


def test_without_matplotlib_a_note_says_how_to_get_it(monkeypatch, quick, tmp_path):
    monkeypatch.setattr(figures, "can_plot", lambda: False)
    written = figures.draw_accuracy(quick.recipes, tmp_path / "accuracy.png")
    assert written == [tmp_path / "accuracy.csv"]
    assert "pip install 'zsl-bench[plots]'" in figures.NO_PLOTS


def test_the_full_version_without_a_gpu_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="no CUDA device to train R\\(2\\+1\\)D-18 on"):
        run_demo(tmp_path / "out", full=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--minutes", "0"], 1, "give more than 0"),
        (["--minutes", "nan"], 1, "give more than 0"),
        (["--minutes", "soon"], 2, "not a valid float"),
        (["--seed", "-1"], 2, "-1 is not in the range"),
    ],
)
def test_wrong_options_are_one_line(arguments, status, words, tmp_path):
    done = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "out"), *arguments])
    assert done.exit_code == status
    assert words in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out").exists()


def test_the_verb_prints_the_table_two_sentences_and_the_paths(quick, monkeypatch, tmp_path):
    monkeypatch.setattr("zsl_bench.workflows.demo.run.run_demo", lambda *_, **__: quick)
    done = CliRunner().invoke(main, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "72 videos of 72 classes never seen in training, disjoint" in done.stdout
    for words in ("chance", "frozen random backbone", "trained end to end", "36 x 10"):
        assert words in done.stdout
    assert f"{quick.e2e / quick.chance:.1f} times as often as guessing" in done.stdout
    assert all(str(path) in done.stdout for path in quick.paths.values())


def test_json_has_what_was_promised(quick, monkeypatch, tmp_path):
    monkeypatch.setattr("zsl_bench.workflows.demo.run.run_demo", lambda *_, **__: quick)
    done = CliRunner().invoke(main, ["demo", "--out", str(tmp_path), "--json"])
    printed = json.loads(done.stdout)
    for name in ("chance", "e2e", "frozen", "num_unseen", "seconds"):
        assert printed[name] == getattr(quick, name)
    assert printed["paths"] == {name: str(path) for name, path in quick.paths.items()}


def test_ctrl_c_is_told_in_a_line(monkeypatch, tmp_path):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("zsl_bench.workflows.demo.run.check_overlap", stopped)
    done = CliRunner().invoke(main, ["demo", "--minutes", "0.1", "--out", str(tmp_path / "out")])
    assert done.exit_code == 130
    assert "stopped; remove" in done.stderr
    assert not done.stdout
    assert not list((tmp_path / "out").rglob(".*"))


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom zsl_bench.cli import main\n"
        "try:\n    main(['demo', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'av', 'matplotlib', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_class_accuracies_are_shares_best_first():
    rows = [("a", "a"), ("a", "b"), ("b", "b"), ("c", "a"), ("c", "c"), ("c", "c")]
    made = [Prediction(video=f"{t}/{i}", truth=t, named=n) for i, (t, n) in enumerate(rows)]
    assert list(class_accuracies(made).items()) == [("b", 1.0), ("c", 2 / 3), ("a", 0.5)]


@pytest.mark.slow
def test_two_minutes_beat_chance_four_times_over_and_the_frozen_baseline(tmp_path):
    report = run_demo(tmp_path / "out", seed=0)
    assert report.num_unseen >= 20
    assert report.e2e >= 4 * report.chance
    assert report.e2e > report.frozen
    assert all(scores.e2e > scores.frozen for scores in report.recipes)
