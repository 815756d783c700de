"""Listing installed packages: real metadata on the path, broken ones among them."""

import importlib
import json
import os
import signal
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
    READABLE,
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
    "leaves": (
        "leaving_model:load",
        "import os, sys\nprint('goodbye', file=sys.stderr, flush=True)\nos._exit(4)\n",
    ),
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
        "good-x": READABLE,
        "lost-import-x": BROKEN,
        "late-failure-x": BROKEN,
        "misspelt-x": BROKEN,
        "unparsed-x": BROKEN,
        "gone-x": BROKEN,
        "leaves-x": BROKEN,
        "e2e-random-x": AMBIGUOUS,
    }
    assert not (site / "imported.txt").exists()
    written = {path.stem for path in site.glob("*_model.py")}
    assert written
    assert not written & set(sys.modules)
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
        assert rows[name].state == READABLE
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


def install(site, name, text):
    """Add a package with one model to those that are there."""
    info = site / f"{name}_package-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-x\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[zsl_bench.models]\n{name} = {name}_model:load\n")
    (site / f"{name}_model.py").write_text(text)
    importlib.invalidate_caches()


def tried(name, **more):
    """Load one model as --check does."""
    (row,) = [row for row in listed_models() if row.model.name == name]
    (after,) = loaded_models([row], **more)
    return after.state, after.reason


def test_an_odd_source_breaks_one_model_and_the_others_are_listed(site):
    install(site, "odd", MODEL.replace('"a good one"', "b'x'") + "load = Model\n")
    install(site, "odder", MODEL.replace('name="good"', "**{**[1], {}: 2}") + "load = Model\n")
    for arguments in ([], ["--json"]):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["list", "models", *arguments])
        assert done.exit_code == 0, done.output
    rows = {row.model.name: row for row in listed_models()}
    assert (rows["odd"].state, rows["odd"].reason) == (BROKEN, "its card: description is no text")
    assert (rows["odder"].state, rows["odder"].card.name) == (READABLE, Unread.WHEN_LOADED)
    assert rows["good"].state == READABLE


def test_what_a_terminal_would_act_on_is_shown_escaped(site):
    loud = "calm\\n\\x1b[2J\\x07\\x9b31m\\u202e\\ud800end"
    install(site, "loud", MODEL.replace("a good one", loud) + "load = Model\n")
    done = CliRunner(env={"COLUMNS": "300"}).invoke(main, ["list", "models", "loud"])
    assert done.exit_code == 0, done.output
    assert done.stdout.replace("\n", "").isprintable()
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" loud ")]
    assert "calm \\x1b[2J\\x07\\x9b31m\\u202e\\ud800end" in line
    done = CliRunner().invoke(main, ["list", "models", "loud", "--json"])
    assert done.exit_code == 0, done.output
    assert done.stdout.replace("\n", "").isprintable()
    (row,) = json.loads(done.stdout)["models"]
    assert row["description"] == "calm\n\x1b[2J\x07\x9b31m\u202e\ud800end"


@pytest.mark.parametrize(
    ("kind", "state"), [("MissingWeightsError", NEEDS_WEIGHTS), ("WeightsError", BROKEN)]
)
def test_only_the_lack_of_weights_needs_weights(site, kind, state):
    raised = f"raise {kind}('load', found='cut short', fix='fetch it again')"
    text = f"from zsl_bench.errors import {kind}\ndef load():\n    {raised}\n"
    install(site, "weighty", text)
    assert tried("weighty") == (state, "cut short; fetch it again")
    done = CliRunner().invoke(main, ["list", "models", "weighty", "--check"])
    assert done.exit_code == (3 if state == BROKEN else 0)


def test_a_process_that_a_loader_leaves_behind_is_not_waited_for(site):
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    keep = "pathlib.Path(__file__).with_name('pid.txt').write_text(str(child.pid))"
    load = f"\nimport subprocess, sys\ndef load():\n    child = {child}\n    {keep}\n"
    install(site, "leaver", f"{MODEL}{load}    return Model()\n")
    try:
        assert tried("leaver", time_limit=500) == (OK, "")
    finally:
        os.kill(int((site / "pid.txt").read_text()), signal.SIGTERM)


def test_an_answer_counts_also_when_its_process_does_not_end(site):
    hangs = "    threading.Thread(target=threading.Event().wait).start()\n"
    load = f"\nimport threading\ndef load():\n{hangs}    return Model()\n"
    install(site, "hanger", MODEL + load)
    assert tried("hanger", time_limit=8) == (OK, "")


def test_what_a_process_wrote_last_may_be_any_bytes(site):
    install(site, "noisy", "import os\nos.write(2, b'\\xff\\xfe no\\n')\nos._exit(4)\n")
    state, reason = tried("noisy")
    assert state == BROKEN
    assert reason.endswith(" no")


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
    for text in ("good-x 2.0", "8 x 32 px", "uniform-8", "kinetics400 (400 classes)", "open"):
        assert text in line
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" gone ")]
    assert line.split() == ["gone", "broken", "gone-x", "2.0", *"-----"]
    narrow = CliRunner(env={"COLUMNS": "100"}).invoke(main, ["list", "models", "good", "gone"])
    assert "description" not in narrow.stdout
    assert "good" in narrow.stdout
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
