"""Weights folders by the Hub's own client, from a server on this machine."""

import json
import subprocess
import sys

import pytest

from zsl_bench.errors import WeightsError
from zsl_bench.hub import HubSnapshot, parse_reference

TOKEN = "hf_" + "Secret0" * 5
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DRIVER = """
import json, sys
from pathlib import Path
from zsl_bench.errors import ZslBenchError
from zsl_bench.hub import fetch_snapshot
from zsl_bench.model_digest import weights_digest
from zsl_bench.registry import load_model

def tiny():
    from torch import nn
    from zsl_bench.baselines import networks, weights
    build = lambda: nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
    known = {"tiny": networks.Architecture(build=build, feature_dim=3, dropout=0.0)}
    networks.ARCHITECTURES = weights.ARCHITECTURES = known

for line in sys.argv[1:]:
    what, reference = line.split(" ")
    try:
        if what == "fetch":
            snapshot = fetch_snapshot(reference)
            files = sorted(p.relative_to(snapshot.path).as_posix()
                           for p in Path(snapshot.path).rglob("*") if p.is_file())
            print(json.dumps({"commit": snapshot.commit, "files": files}))
        elif what == "save":
            tiny()
            from zsl_bench.baselines.models import save_random
            print(json.dumps(str(save_random(reference, network="tiny", seed=2))))
        else:
            tiny()
            model = load_model(reference)
            print(json.dumps({"source": model.source, "digest": weights_digest(model)}))
    except ZslBenchError as error:
        print(json.dumps({"kind": type(error).__name__, "error": str(error)}))
"""


@pytest.fixture
def ask(hub_environment):
    """Return a function that hands references to a process of its own, as a user's would be."""

    def run(*lines, **environment):
        said = subprocess.run(
            [sys.executable, "-c", DRIVER, *lines],
            env={**hub_environment, "HF_TOKEN": TOKEN, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        assert TOKEN not in said.stdout + said.stderr
        return [json.loads(line) for line in said.stdout.splitlines()]

    return run


SMALL = {
    "config.json": b"{}",
    "card.json": b"[]",
    "model.safetensors": b"tensors",
    "README.md": b"# card",
    "pytorch_model.bin": b"a pickle",
    "model.py": b"raise SystemExit",
    "sub/config.json": b"{}",
    "optimizer.pt": b"a pickle",
}


def test_only_data_is_fetched_at_one_commit_and_the_cache_serves_offline(hub, ask):
    hub.repositories["org/small"] = SMALL
    wanted = ["README.md", "card.json", "config.json", "model.safetensors"]
    by_branch, by_tag, by_commit, newest = ask(
        "fetch org/small@main",
        "fetch org/small@v1",
        f"fetch org/small@{COMMIT}",
        "fetch org/small",
    )
    assert by_branch == by_tag == by_commit == newest == {"commit": COMMIT, "files": wanted}
    fetched = {
        r.rsplit("/", 1)[-1] for r in hub.requests if r.startswith("GET") and "/resolve/" in r
    }
    assert fetched == set(wanted)
    assert f"Bearer {TOKEN}" in hub.tokens
    hub.requests.clear()
    offline = ask("fetch org/small@main", f"fetch org/small@{COMMIT}", HF_HUB_OFFLINE="1")
    assert offline == [by_branch, by_branch]
    assert hub.requests == []
    (missing,) = ask("fetch org/never@main", HF_HUB_OFFLINE="1")
    assert "not in the cache and the Hub cannot be reached" in missing["error"]


def test_what_the_hub_refuses_is_told_in_one_line(hub, ask):
    hub.repositories["org/small"] = SMALL
    lines = {
        "org/unknown@main": "no such repository, or one that needs permission",
        "org/private@main": "no such repository, or one that needs permission",
        "org/gated@main": "no such repository, or one that needs permission",
        "org/forbidden@main": "the Hub refuses access (403)",
        "org/broken@main": "the Hub answers with status 418",
        "org/small@v9": "no revision 'v9' in it",
        f"org/small@{'f' * 40}": f"no revision '{'f' * 40}' in it",
        "org/bad--name@main": "a name that the Hub does not allow",
    }
    answers = ask(*(f"fetch {line}" for line in lines))
    for (reference, message), answer in zip(lines.items(), answers, strict=True):
        assert answer["kind"] == "WeightsError"
        assert answer["error"].startswith(f"hub:{reference}: {message}")
        assert "\n" not in answer["error"]


def test_without_a_network_it_says_so(hub, ask):
    hub.close()
    hub.close = lambda: None
    (answer,) = ask("fetch org/small@main")
    assert answer["kind"] == "WeightsError"
    assert "the Hub cannot be reached; connect to the internet" in answer["error"]
    assert "path:DIR" in answer["error"]


def test_a_weights_folder_loads_from_the_hub_and_one_without_a_card_does_not(hub, ask, tmp_path):
    folder = tmp_path / "w"
    saved, local = ask(f"save {folder}", f"load path:{folder}")
    assert saved == str(folder)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories["org/whole"] = content
    hub.repositories["org/cardless"] = {n: c for n, c in content.items() if n != "card.json"}
    hub.repositories["org/code"] = {"model.py": b"raise SystemExit", "README.md": b"x"}
    whole, cardless, code = ask(
        "load hub:org/whole@main", "load hub:org/cardless@main", "load hub:org/code@v1"
    )
    assert whole == {"source": f"hub:org/whole@{COMMIT}", "digest": local["digest"]}
    assert "no card.json" in cardless["error"]
    assert "no card.json" in code["error"]


@pytest.mark.parametrize(
    ("reference", "parsed"),
    [
        ("org/repo", ("org/repo", "main")),
        ("org/repo@v1.0", ("org/repo", "v1.0")),
        ("o.r-g/re_po@refs/pr/3", ("o.r-g/re_po", "refs/pr/3")),
    ],
)
def test_references_are_split(reference, parsed):
    assert parse_reference(reference) == parsed


@pytest.mark.parametrize(
    "reference", ["", "repo", "a/b/c", "a/b@", "@v1", "a/../b", "a/b@../x", "a b/c", "/a/b", "ä/b"]
)
def test_malformed_references_are_refused(reference):
    with pytest.raises(WeightsError, match="spell it like hub:org/repo@v1"):
        parse_reference(reference)


def test_a_snapshot_names_its_commit(tmp_path):
    snapshot = HubSnapshot(repo="org/repo", commit=COMMIT, path=tmp_path)
    assert str(snapshot) == f"hub:org/repo@{COMMIT}"
