from __future__ import annotations

import csv
import json

import pytest

from zsl_bench.datasets import open_dataset
from zsl_bench.errors import ResultError
from zsl_bench.indexing import check_manifest, write_detail


@pytest.fixture
def check(tmp_path, clip):
    root = tmp_path / "ucf"
    clip(root / "Archery/v_Archery_g01_c01.avi")
    clip(root / "Archery/v_Archery_g01_c02.avi")
    clip(root / 'Archery/a, "b".avi', 5)
    (root / "YoYo").mkdir()
    (root / "YoYo/v_YoYo_g01_c01.avi").write_bytes(b"")
    return check_manifest(open_dataset("ucf101", root, test_list="testlist01"))


def test_csv_has_a_line_for_each_file_and_each_missing_row(check, tmp_path):
    write_detail(check, tmp_path / "out/detail.csv")
    with (tmp_path / "out/detail.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 4 + 3780
    by_path = {line["path"]: line for line in lines if line["path"]}
    sound = by_path["Archery/v_Archery_g01_c01.avi"]
    assert sound["rows"] == "v_Archery_g01_c01"
    assert (sound["labels"], sound["frames"], sound["codec"]) == ("Archery", "75", "mpeg4")
    assert (sound["findings"], sound["remedy"]) == ("", "")
    assert by_path["Archery/v_Archery_g01_c02.avi"]["findings"] == "duplicate"
    assert by_path['Archery/a, "b".avi']["findings"] == "extra"
    assert by_path["YoYo/v_YoYo_g01_c01.avi"]["reason"] == "zero length"
    missing = {line["rows"]: line for line in lines if line["findings"] == "missing"}
    assert missing["v_YoYo_g01_c02"]["labels"] == "YoYo"


def test_json_has_the_same_with_lists_and_numbers(check, tmp_path):
    write_detail(check, tmp_path / "detail.json")
    value = json.loads((tmp_path / "detail.json").read_text("utf-8"))
    assert (value["kind"], value["schema"]) == ("zsl-bench index detail", 1)
    assert value["digest"] == check.manifest.digest
    files = {line["path"]: line for line in value["files"]}
    assert files["Archery/v_Archery_g01_c01.avi"]["frames"] == 75
    assert files["Archery/v_Archery_g01_c02.avi"]["findings"] == ["duplicate"]
    assert len(value["files"]) == 3784


def test_another_ending_is_refused_and_nothing_is_left(check, tmp_path):
    with pytest.raises(ResultError, match=r"without \.csv or \.json"):
        write_detail(check, tmp_path / "detail.txt")
    assert not (tmp_path / "detail.txt").exists()
