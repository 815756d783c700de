"""Listing installed packages: real metadata on the path, broken ones among them."""

import importlib
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from zsl_bench.classes import load_class_set
from zsl_bench.cli import main
from zsl_bench.model_listing import (
    AMBIGUOUS,
    BROKEN,
    FAMILIES,
    NEEDS_WEIGHTS,
    OK,
    Unread,
    clip_text,
    declaration_text,
    listed_models,
    loaded_models,
)
from zsl_bench.video import ClipSpec

MODEL = """
import pathlib
pathlib.Path(__file__).with_name("imported.txt").write_text("yes")
from zsl_bench import ClipSpec, ModelCard, load_class_set

class Model:
    card = ModelCard(
        name="good", clip=ClipSpec(frames=8, size=32, short_side=40), policy="uniform-8",
        trained_on=load_class_set("kinetics400"), pretrained_on="open", licence="MIT",
        description="a good one",
    )
    def embed_classes(self, classes): return None
    def embed_clips(self, clips): return None

def late(): return Model()
"""
PACKAGES = {
    "good": ("good_model:Model", MODEL),
    "lost-import": ("lost_model:load", "import a_lost_package\n"),
    "late-failure": ("late_model:load", "raise RuntimeError('no\\nluck')\n"),
    "misspelt": ("misspelt_model:laod", "load = None\n"),
    "unparsed": ("unparsed_model:load", "def load(:\n"),
    "gone": ("gone_model:load", None),
    "leaves": ("leaving_model:load", "import sys\nsys.exit('goodbye')\n"),
    "e2e-random": ("good_model:Model", None),
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages that is on the path here and in processes."""
    for name, (value, text) in PACKAGES.items():
        info = tmp_path / f"{name.replace('-', '_')}_package-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-x\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[zsl_bench.models]\n{name} = {value}\n")
        if text is not None:
            (tmp_path / f"{value.partition(':')[0]}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


def by_package(rows):
    return {row.model.distribution: row for row in rows if row.model.distribution != "zsl-bench"}


def test_every_package_is_listed_and_none_imported(site):
    rows = by_package(listed_models())
    assert {name: row.state for name, row in rows.items()} == {
        "good-x": OK,
        "lost-import-x": BROKEN,
        "late-failure-x": BROKEN,
        "misspelt-x": BROKEN,
        "unparsed-x": BROKEN,
        "gone-x": BROKEN,
        "leaves-x": BROKEN,
        "e2e-random-x": AMBIGUOUS,
    }
    assert not (site / "imported.txt").exists()
    assert not [name for name in sys.modules if name.endswith("_model") and "zsl" not in name]
    card = rows["good-x"].card
    assert card.clip == ClipSpec(frames=8, size=32, short_side=40)
    assert card.trained_on == (load_class_set("kinetics400"),)
    assert rows["lost-import-x"].reason.startswith("it imports a_lost_package, which is not inst")
    assert rows["misspelt-x"].reason == "no 'laod' in misspelt_model; did you mean 'load'?"
    assert rows["unparsed-x"].reason.startswith("SyntaxError")
    assert rows["gone-x"].reason == "no module 'gone_model' is installed"
    assert rows["e2e-random-x"].reason.endswith("give py:good_model:Model")


def test_the_bundled_models_say_what_their_weights_decide():
    rows = {row.model.name: row for row in listed_models()}
    for name in ("e2e", "frozen"):
        assert rows[name].card.clip is Unread.FROM_WEIGHTS
        assert rows[name].card.trained_on is Unread.FROM_WEIGHTS
        assert rows[name].state == OK
    assert declaration_text(rows["e2e-random"].card.trained_on) == "nothing"
    assert clip_text(rows["e2e-random"].card.clip) == "16 x 112 px"


def test_loading_tells_what_only_loading_shows(site):
    chosen = [
        row
        for row in listed_models()
        if row.model.distribution in ("good-x", "late-failure-x", "leaves-x", "e2e-random-x")
        or row.model.name == "e2e"
    ]
    rows = {row.model.distribution: row for row in loaded_models(chosen)}
    assert rows["good-x"].state == OK
    assert rows["e2e-random-x"].state == AMBIGUOUS
    assert rows["zsl-bench"].state == NEEDS_WEIGHTS
    assert "--weights" in rows["zsl-bench"].reason
    assert rows["late-failure-x"].state == BROKEN
    assert "RuntimeError: no (late_model.py, line 1)" in rows["late-failure-x"].reason
    assert rows["leaves-x"].reason == "its process ended without an answer: goodbye"
    assert (site / "imported.txt").exists()
    assert "good_model" not in sys.modules


def test_a_model_that_hangs_is_given_up(site):
    (site / "gone_model.py").write_text("import time\ntime.sleep(600)\nload = None\n")
    (row,) = [row for row in listed_models() if row.model.name == "gone"]
    (tried,) = loaded_models([row], time_limit=3)
    assert (tried.state, tried.reason) == (BROKEN, "not loaded after 3 s")


def test_the_verb_shows_them(site):
    done = CliRunner().invoke(main, ["list", "models", "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    good = {row["distribution"]: row for row in shown["models"]}["good-x"]
    assert good["clip"]["frames"] == 8
    assert good["policy"] == "uniform-8"
    assert good["pretrained_on"] == "open"
    assert good["trained_on"][0]["dataset"] == "kinetics400"
    assert len(good["trained_on"][0]["classes"]) == 400
    assert {row["reference"].partition(":")[0] for row in shown["references"]} == {
        "transformers", "open_clip", "mteb", "torchvision", "hub", "path", "py",
    }  # fmt: skip
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["list", "models"])
    assert done.exit_code == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" good ")]
    for text in ("good-x 2.0", "8 x 32 px", "uniform-8", "kinetics400 (400 classes)", "open", "ok"):
        assert text in line
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" gone ")]
    assert line.split() == ["gone", "gone-x", "2.0", *"-----", "broken"]
    assert "gone: broken: no module 'gone_model' is installed" in done.stdout
    assert not (site / "imported.txt").exists()


def test_the_verb_checks_them_and_a_broken_one_gives_status_3(site):
    for names, status in ((("misspelt", "good"), 3), (("good",), 0)):
        command = [sys.executable, "-m", "zsl_bench", "list", "models", *names, "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        told = "misspelt: broken: no 'laod' in misspelt_model; did you mean 'load'?"
        assert (told in done.stdout) == (status == 3)
        assert "e2e" not in done.stdout
    done = CliRunner().invoke(main, ["list", "models", "mispelt"])
    assert done.exit_code == 1
    assert "did you mean 'misspelt'?" in done.stderr


def test_brief_texts():
    two = (load_class_set("ucf101"), load_class_set("hmdb51"))
    assert declaration_text(two) == "ucf101 (101 classes), hmdb51 (51 classes)"
    assert declaration_text(None) == "undeclared"
    assert declaration_text("open") == "open"
    assert declaration_text(Unread.WHEN_LOADED) == clip_text(Unread.WHEN_LOADED) == "when loaded"


def test_a_family_without_its_library_gives_the_line_that_installs_it(monkeypatch):
    from importlib import metadata

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    states = {family.spelling.partition(":")[0]: family.state for family in FAMILIES}
    assert states["open_clip"] == "pip install 'zsl-bench[open-clip]'"
    assert states["torchvision"] == "pip install 'torchvision'"
    assert states["path"] == "ready"
    (row,) = [f.to_json() for f in FAMILIES if f.spelling.startswith("mteb:")]
    assert (row["ready"], row["install"]) == (False, "pip install 'zsl-bench[mteb]'")
