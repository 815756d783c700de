"""Where a download goes, what is left alone there, and what a Hub out of order changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download, snapshot_download

from zsl_bench.baselines import published
from zsl_bench.baselines.models import save_random
from zsl_bench.baselines.published import Published, download_weights
from zsl_bench.errors import DatasetError, WeightsError
from zsl_bench.hub import download_folder, fetch_data, fetch_snapshot, list_data, list_weights

FILES = {"data/a.csv": b"a,b\n", "data/b.csv": b"c" * 3000}
INFO = "GET /api/datasets/org/small"


@pytest.fixture
def wanted(local_hub):
    local_hub.datasets["org/small"] = FILES
    return list_data("org/small").select()


@pytest.mark.parametrize("target", ["real", "nowhere", "full"])
def test_a_link_is_refused_before_anything_is_fetched(local_hub, wanted, tmp_path, target):
    (tmp_path / "real").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(DatasetError, match="a symbolic link under that name; choose another"):
        download_folder(wanted, tmp_path / "out")
    assert local_hub.fetched() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "out", "real"]


def test_a_link_to_the_very_download_is_that_download(wanted, tmp_path):
    assert download_folder(wanted, tmp_path / "real") is True
    (tmp_path / "out").symlink_to("real")
    assert download_folder(wanted, tmp_path / "out") is False


def test_a_place_that_cannot_be_made_is_one_line(wanted, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="Not a directory; choose another folder with --out"):
        download_folder(wanted, tmp_path / "file" / "out")


def test_only_an_unfinished_download_is_thrown_away(wanted, tmp_path):
    staging = tmp_path / ".out.download"
    staging.mkdir()
    (staging / "thesis.tex").write_text("years")
    with pytest.raises(DatasetError, match="no unfinished download; move it away"):
        download_folder(wanted, tmp_path / "out")
    (staging / ".zsl-bench-download.json").write_text("[]")
    with pytest.raises(DatasetError, match="no unfinished download; move it away"):
        download_folder(wanted, tmp_path / "out")
    assert (staging / "thesis.tex").read_text() == "years"
    older = {**wanted.to_json(), "commit": "1" * 40}
    (staging / ".zsl-bench-download.json").write_text(json.dumps(older))
    assert download_folder(wanted, tmp_path / "out") is True
    assert not (tmp_path / "out" / "thesis.tex").exists()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_where_the_files_gather_is_refused(wanted, tmp_path, kind):
    staging = tmp_path / ".out.download"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        staging.symlink_to("elsewhere")
    else:
        staging.touch()
    with pytest.raises(DatasetError, match="no unfinished download"):
        download_folder(wanted, tmp_path / "out")
    assert staging.is_symlink() is (kind == "link")


def test_a_start_that_was_cut_off_while_its_record_was_written_is_gone_on_with(wanted, tmp_path):
    staging = tmp_path / ".out.download"
    staging.mkdir()
    (staging / "..zsl-bench-download.json.abc.part").touch()
    assert download_folder(wanted, tmp_path / "out") is True


def test_a_folder_of_ones_own_shares_no_file_with_the_clients_cache(local_hub, wanted, tmp_path):
    place = {"repo_type": "dataset", "revision": wanted.commit}
    cached = {name: Path(hf_hub_download("org/small", name, **place)) for name in FILES}
    fetched = local_hub.fetched()
    download_folder(wanted, tmp_path / "out")
    assert local_hub.fetched() == fetched
    for name, content in FILES.items():
        own = tmp_path / "out" / name
        with own.open("r+b") as stream:
            stream.write(b"x")
        assert own.stat().st_nlink == 1
        assert cached[name].read_bytes() == content


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_out_of_order_is_one_that_does_not_answer(local_hub, wanted, status):
    before = fetch_data("org/small")
    local_hub.refusals[INFO] = status
    assert fetch_data("org/small") == before
    assert list_data("org/small").commit == before.commit
    with pytest.raises(DatasetError, match=f"answers with status {status}"):
        list_data("org/small@other")


@pytest.mark.parametrize("status", [401, 404, 429])
def test_a_hub_that_says_no_is_believed(local_hub, wanted, status):
    fetch_data("org/small")
    local_hub.refusals[INFO] = status
    with pytest.raises(DatasetError):
        list_data("org/small")


def test_the_clients_cache_serves_while_the_hub_is_out_of_order(local_hub, tmp_path):
    folder = save_random(tmp_path / "weights", network="r2plus1d_tiny")
    local_hub.repositories["me/tiny"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    snapshot_download("me/tiny")
    local_hub.refusals["GET /api/models/me/"] = 502
    assert fetch_snapshot("me/tiny").path.is_relative_to(constants.HF_HUB_CACHE)
    assert list_weights("me/tiny").repo == "me/tiny"
    for verb in (fetch_snapshot, list_weights):
        with pytest.raises(WeightsError, match="the Hub answers with status 502"):
            verb("me/other")


def test_a_folder_that_is_there_is_compared_with_the_published_digest(
    local_hub, tmp_path, monkeypatch
):
    folder = save_random(tmp_path / "weights", network="r2plus1d_tiny")
    local_hub.repositories["me/tiny"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    out = tmp_path / "out"
    assert download_weights("me/tiny", out).is_new is True
    assert download_weights("me/tiny", out).is_new is False
    table = Published(reference="me/tiny", sha256="0" * 64)
    monkeypatch.setattr(published, "published_weights", lambda _name: table)
    with pytest.raises(WeightsError, match="a digest other than the published one"):
        download_weights("e2e", out)
    with pytest.raises(WeightsError, match="a digest other than the published one"):
        download_weights("e2e", tmp_path / "another")
