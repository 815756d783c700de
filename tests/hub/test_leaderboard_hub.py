"""Results for a leaderboard from a repository on the Hub."""

from __future__ import annotations

import pytest

from zsl_bench.errors import DatasetError
from zsl_bench.report.submissions import gather


@pytest.fixture
def files(tmp_path, write_results):
    write_results(tmp_path)
    found = {f"results/{path.name}": path.read_bytes() for path in (tmp_path / "results").iterdir()}
    return {**found, "loader.py": b"raise SystemExit", "other.npz": b"n" * 5000}


def test_results_and_their_arrays_alone_are_fetched_and_verified(local_hub, files, commit):
    local_hub.datasets["org/results"] = files
    found = gather(["hub:org/results"])
    assert [(one.file, one.verified) for one in found.submissions] == [
        ("results/a.json", True),
        ("results/b.json", True),
    ]
    assert {one.source for one in found.submissions} == {f"hub:org/results@{commit}"}
    folder = found.submissions[0].path.parents[1]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {name for name in files if name.startswith("results/")}


def test_a_repository_of_a_model_is_looked_at_where_there_is_no_data_set(local_hub):
    local_hub.repositories["org/model"] = {"config.json": b"{}", "results/a.json": b"{"}
    found = gather(["hub:org/model"])
    assert [one.file for one in found.not_listed] == ["results/a.json"]
    assert found.others == 1


def test_a_repository_that_is_not_there_is_told(local_hub):
    with pytest.raises(DatasetError, match="org/nothing"):
        gather(["hub:org/nothing"])
