"""Programs that users have: each opens a workbook and returns its rows.

A row is a list of the reader's values: text, numbers, dates.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import openpyxl
from python_calamine import CalamineWorkbook

from tests.services.spreadsheets import NODE, SCRIPTS, libraries, program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = list[list[Any]]

EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - cells have no time zone
# The first day of Excel's calendar.
DAY_0 = datetime.datetime(1899, 12, 30)  # noqa: DTZ001
# The filter of LibreOffice: comma, quotes, UTF-8, from line 1, values instead of displayed text.
LIBREOFFICE_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false"


def by_openpyxl(path: Path) -> Rows:
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        return [list(row) for row in book.active.iter_rows(values_only=True)]
    finally:
        book.close()


def by_calamine(path: Path) -> Rows:
    book = CalamineWorkbook.from_path(str(path))
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def by_xlsx2csv(path: Path) -> Rows:
    command = [sys.executable, "-W", "ignore", "-c", "import xlsx2csv; xlsx2csv.main()"]
    return _csv(run([*command, "--dateformat", "%Y-%m-%d %H:%M:%S", str(path)]))


def by_gnumeric(path: Path) -> Rows:
    made = path.with_suffix(".gnumeric.csv")
    run([program("ssconvert"), str(path), str(made)])
    return _csv(made.read_bytes())


def by_libreoffice(path: Path) -> Rows:
    home = path.parent / "libreoffice"
    # Each process has its own profile, because two with the same one wait for each other or fail.
    profile = f"-env:UserInstallation={(home / 'profile').as_uri()}"
    command = [program("soffice"), profile, "--headless", "--convert-to", LIBREOFFICE_CSV]
    run([*command, "--outdir", str(home), str(path)])
    return _csv((home / f"{path.stem}.csv").read_bytes())


def by_npm(reader: str) -> Callable[[Path], Rows]:
    def read(path: Path) -> Rows:
        lines = run_script(reader, path).decode().split("\n")
        return [list(map(_value, json.loads(line))) for line in lines if line]

    return read


READERS: dict[str, Callable[[Path], Rows]] = {
    "openpyxl": by_openpyxl,
    "calamine": by_calamine,
    "xlsx2csv": by_xlsx2csv,
    "gnumeric": by_gnumeric,
    "libreoffice": by_libreoffice,
    "exceljs": by_npm("exceljs"),
    "sheetjs": by_npm("sheetjs"),
    "read-excel-file": by_npm("read-excel-file"),
}


def by_decompression_stream(path: Path) -> bytes:
    """Decompress as browsers do, with Node."""
    return run_script("DecompressionStream", path)


def by_php(path: Path) -> bytes:
    script = "echo gzdecode(file_get_contents($argv[1]));"
    return run([program("php"), "-d", "memory_limit=-1", "-r", script, str(path)])


def run_script(reader: str, path: Path) -> bytes:
    script = SCRIPTS / "read.cjs"
    env = {**os.environ, "NODE_PATH": str(libraries()), "NODE_OPTIONS": "--no-deprecation"}
    return run([str(NODE), str(script), reader, str(path)], env)


def run(command: list[str], env: dict[str, str] | None = None) -> bytes:
    """Return the output of a command."""
    done = subprocess.run(command, check=False, capture_output=True, env=env, timeout=300)
    assert done.returncode == 0, f"{command[0]}: {done.stderr.decode()}"
    return done.stdout


def _csv(data: bytes) -> Rows:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return EPOCH + datetime.timedelta(milliseconds=value["ms"])
    return value


# -- Comparing values -------------------------------------------------


def is_same(kind: str, expected: Any, found: Any) -> bool:
    """Return whether the reader found the written value. None equals an empty text."""
    if expected in (None, "") or found in (None, ""):
        return expected in (None, "") and found in (None, "")
    match kind:
        case "number":
            return float(found) == float(expected)
        case "truth":
            return str(found).lower() in (("true", "1") if expected else ("false", "0"))
        case "moment":
            # If a double is a little less than the time, read-excel-file loses a millisecond.
            return abs(_moment(found) - expected) <= datetime.timedelta(milliseconds=1)
    return bool(found == expected)


def _moment(found: Any) -> datetime.datetime:
    match found:
        case datetime.datetime():
            return found
        case datetime.date():
            return datetime.datetime.combine(found, datetime.time())
        case int() | float():
            return DAY_0 + datetime.timedelta(days=found)
    return datetime.datetime.fromisoformat(found.replace("/", "-"))
