"""The files of the demo are what their README and the loader say they are."""

from __future__ import annotations

import hashlib
import re

import pytest

from demo.loader.source import DATA, DamagedFileError, Source
from demo.loader.tables import TABLES

ROWS = {
    "airlines": 16,
    "airports": 1_458,
    "planes": 3_322,
    "weather": 26_115,
    "flights": 336_776,
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.source.name)
def test_demo_files_have_the_expected_rows_and_digests(table):
    source = table.source

    digest = hashlib.sha256((DATA / f"{source.name}.csv.xz").read_bytes()).hexdigest()

    assert source.sha256 == digest
    assert source.rows == ROWS[source.name]
    assert sum(1 for _ in source.read()) == ROWS[source.name]


def test_readme_lists_every_file_with_its_rows_and_digest():
    text = (DATA / "README.md").read_text(encoding="utf-8")

    listed = re.findall(r"^\| `(\w+)\.csv\.xz` \| ([\d ]+) \| `([0-9a-f]{64})` \|$", text, re.M)

    assert {(name, int(rows.replace(" ", "")), digest) for name, rows, digest in listed} == {
        (table.source.name, table.source.rows, table.source.sha256) for table in TABLES
    }
    assert {path.name for path in DATA.glob("*.xz")} == {f"{name}.csv.xz" for name in ROWS}


def test_damaged_file_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("demo.loader.source.DATA", tmp_path)
    content = bytearray((DATA / "airlines.csv.xz").read_bytes())
    content[100] ^= 1
    (tmp_path / "airlines.csv.xz").write_bytes(content)

    with pytest.raises(DamagedFileError, match=r"airlines\.csv\.xz is damaged.*git checkout"):
        TABLES[0].source.verify()


def test_missing_file_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("demo.loader.source.DATA", tmp_path)

    with pytest.raises(DamagedFileError, match=r"nothing\.csv\.xz cannot be read.*git checkout"):
        Source("nothing", rows=1, sha256="").verify()
