"""Files of data sets: pinned, resumed by range requests, checked, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import DatasetError
from zsl_bench.files import cache_dir
from zsl_bench.hub import HubFile, HubListing, download_folder, fetch_data, list_data
from zsl_bench.hub.listing import check_paths

if TYPE_CHECKING:
    from pathlib import Path

BIG = np.random.default_rng(5).bytes(24 << 20)
DRIVER = """
import sys
from pathlib import Path
from zsl_bench.errors import ZslBenchError
from zsl_bench.hub import download_folder, fetch_data, list_data
try:
    if sys.argv[1] == "folder":
        download_folder(list_data(sys.argv[2]).select(), Path(sys.argv[3]))
    else:
        print(fetch_data(sys.argv[2]))
except ZslBenchError as error:
    print(error)
    sys.exit(1)
"""
SMALL = {
    "README.md": b"# card",
    "data/test-0.parquet": b"t" * 3000,
    "data/train-0.parquet": b"r" * 5000,
    "videos/a b.mp4": b"v" * 10,
    "loader.py": b"raise SystemExit",
    "weights.pkl": b"a pickle",
    "part.tar.gz.00": b"0" * 100,
}
DATA = sorted(set(SMALL) - {"loader.py", "weights.pkl"})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_data_is_fetched_at_one_commit_and_code_is_not(local_hub, commit, recorded):
    local_hub.datasets["org/small"] = SMALL
    snapshot = fetch_data("org/small", progress=recorded)
    assert str(snapshot) == f"hub:org/small@{commit}"
    assert contents(snapshot.path) == {name: SMALL[name] for name in DATA}
    assert local_hub.fetched() == DATA
    total = sum(len(SMALL[name]) for name in DATA)
    assert (recorded.total, recorded.done) == (total, total)
    assert (recorded.starts, recorded.finished) == (1, 1)
    left_out = list_data("org/small").left_out()
    assert left_out == "left out, no data files: 2 (.py 1, .pkl 1)"


def test_what_is_there_is_not_fetched_again_and_the_rest_is(local_hub):
    local_hub.datasets["org/small"] = SMALL
    first = fetch_data("org/small@main", patterns=["data/test-*"])
    assert local_hub.fetched() == ["data/test-0.parquet"]
    both = fetch_data("hub:org/small", patterns=["data/*"])
    assert both.path == first.path
    assert local_hub.fetched() == ["data/test-0.parquet", "data/train-0.parquet"]
    assert fetch_data("org/small", patterns=["data/*"]) == both
    assert len(local_hub.fetched()) == 2


def test_without_a_network_what_was_fetched_serves(local_hub, commit, monkeypatch):
    from huggingface_hub import constants

    local_hub.datasets["org/small"] = SMALL
    there = fetch_data("org/small@v1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    local_hub.requests.clear()
    assert fetch_data("org/small@v1") == fetch_data(f"org/small@{commit}") == there
    with pytest.raises(DatasetError, match=r"no connection to the Hub.*connect to the internet"):
        fetch_data("org/small@main")
    assert local_hub.requests == []


def test_a_server_that_is_gone_is_one_line(local_hub):
    local_hub.close()
    local_hub.close = lambda: None
    with pytest.raises(DatasetError) as caught:
        fetch_data("org/small@main")
    assert str(caught.value).startswith("hub:org/small@main: no connection to the Hub (Connect")
    assert "give a folder on the disk" in str(caught.value)
    assert local_hub.url not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("org/unknown", "no such repository, or one that needs permission"),
        ("org/private", "no such repository, or one that needs permission"),
        ("org/gated", "no such repository, or one that needs permission"),
        ("org/broken", "the Hub answers with status 418"),
        ("org/small@v9", "no revision 'v9' in it"),
        ("small", "spell it like hub:org/repo@v1"),
        ("org/bad--name", "a name that the Hub does not allow"),
    ],
)
def test_what_the_hub_refuses_is_one_line(local_hub, reference, words):
    local_hub.datasets["org/small"] = SMALL
    with pytest.raises(DatasetError) as caught:
        fetch_data(reference)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pattern_that_fits_nothing_shows_what_there_is(local_hub):
    local_hub.datasets["org/small"] = SMALL
    local_hub.datasets["org/code"] = {"run.py": b"1"}
    with pytest.raises(DatasetError, match=r"named \*\.zip.*data/test-0\.parquet.*choose from"):
        fetch_data("org/small", patterns=["*.zip"])
    with pytest.raises(DatasetError, match=r"1 other files \(run\.py\)"):
        fetch_data("org/code")


@pytest.mark.parametrize("name", ["data/test-0.parquet", "videos/a b.mp4"])
def test_content_that_does_not_fit_its_hash_is_refused_and_kept_out(local_hub, name, tmp_path):
    local_hub.datasets["org/small"] = SMALL
    local_hub.altered[name] = SMALL[name][:-1] + b"x"
    with pytest.raises(DatasetError, match="another content than the Hub has the hash of"):
        download_folder(list_data("org/small").select(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    local_hub.altered.clear()
    download_folder(list_data("org/small").select(), tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == SMALL[name]


def test_a_folder_appears_whole_once_and_nothing_else_is_overwritten(local_hub, tmp_path):
    local_hub.datasets["org/small"] = SMALL
    wanted = list_data("org/small").select()
    out = tmp_path / "out"
    out.mkdir()
    assert download_folder(wanted, out) is True
    assert set(contents(out)) == {*DATA, ".zsl-bench-download.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    asked = len(local_hub.requests)
    assert download_folder(wanted, out) is False
    assert len(local_hub.requests) == asked
    (out / "videos" / "a b.mp4").unlink()
    with pytest.raises(DatasetError, match="something else under that name"):
        download_folder(wanted, out)
    with pytest.raises(DatasetError, match="something else under that name"):
        download_folder(wanted.select(["data/*"]), out)


def test_no_space_is_told_before_anything_is_fetched(local_hub, monkeypatch, tmp_path):
    local_hub.datasets["org/small"] = SMALL
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DatasetError, match=r"0\.0 GB free"):
        download_folder(list_data("org/small").select(), tmp_path / "out")
    assert local_hub.fetched() == []


def test_files_of_the_clients_own_cache_are_used(local_hub, commit):
    from huggingface_hub import hf_hub_download

    local_hub.datasets["org/small"] = SMALL
    name = "data/train-0.parquet"
    hf_hub_download("org/small", name, repo_type="dataset", revision=commit)
    assert local_hub.fetched() == [name]
    snapshot = fetch_data("org/small", patterns=["data/*"])
    assert local_hub.fetched() == ["data/test-0.parquet", name]
    assert (snapshot.path / name).read_bytes() == SMALL[name]


@pytest.mark.parametrize("kind", ["folder", "cache"])
def test_a_killed_download_goes_on_where_it_was(hub, hub_environment, tmp_path, kind):
    hub.datasets["org/big"] = {"big.zip": BIG, "small.csv": b"a,b\n"}
    hub.pause_after = 21 << 20
    command = [sys.executable, "-c", DRIVER, kind, "org/big", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=hub_environment, start_new_session=True)
    try:
        assert hub.paused.wait(60)
        parts = _wait_for_part(tmp_path)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "out").exists()
    half = parts.stat().st_size
    assert 0 < half < len(BIG)
    hub.pause_after = None
    hub.go.set()
    done = subprocess.run(command, env=hub_environment, capture_output=True, text=True, check=True)
    assert hub.ranges == [("big.zip", half)]
    assert "big.zip" not in done.stderr
    found = next(tmp_path.rglob("big.zip"))
    assert hashlib.sha256(found.read_bytes()).digest() == hashlib.sha256(BIG).digest()
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "out").exists() == (kind == "folder")


def _wait_for_part(folder: Path) -> Path:
    for _ in range(600):
        found = [path for path in folder.rglob(".big.zip.part") if path.stat().st_size]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no part was written")


def test_a_part_that_is_longer_than_the_file_is_thrown_away(local_hub, recorded):
    local_hub.datasets["org/small"] = SMALL
    folder = fetch_data("org/small", patterns=["*.md"]).path
    part = folder / "data" / ".test-0.parquet.part"
    part.parent.mkdir()
    part.write_bytes(b"t" * 4000)
    fetch_data("org/small", patterns=["data/test-*"], progress=recorded)
    assert (folder / "data" / "test-0.parquet").read_bytes() == SMALL["data/test-0.parquet"]
    assert recorded.done == 3000


def test_a_listing_on_the_disk_that_was_damaged_is_asked_for_again(local_hub, commit):
    local_hub.datasets["org/small"] = SMALL
    fetch_data(f"org/small@{commit}", patterns=["*.md"])
    kept = cache_dir() / "hub" / "datasets--org--small" / f"{commit}.json"
    kept.write_text('{"repo": 3')
    assert len(list_data(f"org/small@{commit}").files) == len(SMALL)


@pytest.mark.parametrize(
    "path", ["../x.mp4", "/etc/x.csv", "a/../../x.csv", "a//x.csv", "a\\x.mp4"]
)
def test_paths_that_lead_out_are_refused(path, commit):
    with pytest.raises(DatasetError, match="could lead out of the folder"):
        check_paths(HubListing(repo="o/r", commit=commit, files=(HubFile(path=path, size=1),)))


@given(st.binary(max_size=500), st.booleans(), st.integers(0, 499))
def test_a_file_fits_its_own_hash_and_no_other_content(tmp_path_factory, content, large, place):
    path = tmp_path_factory.mktemp("f") / "f"
    path.write_bytes(content)
    file = HubFile(
        path="f",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest() if large else None,
        blob=None if large else blob_of(content),
    )
    assert file.fits(path)
    if content:
        changed = bytearray(content)
        changed[place % len(content)] ^= 1
        path.write_bytes(bytes(changed))
        assert not file.fits(path)


def blob_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("name", "is_data"),
    [
        ("a/UCF-101.zip", True),
        ("v1-3_train_val.tar.gz.00", True),
        ("A.tar.part-000", True),
        ("x.MP4", True),
        ("train.parquet", True),
        ("loader.py", False),
        ("model.pkl", False),
        ("x.py.1", False),
        (".gitattributes", False),
        ("Makefile", False),
        ("run.sh", False),
    ],
)
def test_names_of_data_files(name, is_data):
    assert HubFile(path=name, size=1).is_data is is_data
