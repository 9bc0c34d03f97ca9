"""Which errors a further attempt may cure: the whole table, written down a second time."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, DataError, InterfaceError, OperationalError

from exports.readers import retries
from exports.readers.retries import is_transient, reason_of

OPERATIONS = Path(__file__).resolve().parents[4] / "docs" / "operations.md"
TRANSIENT = [
    "08000",
    "08003",
    "08006",
    "08P01",
    "40001",
    "40P01",
    "53100",
    "53200",
    "53300",
    "55000",
    "55006",
    "55P03",
    "57014",
    "57P01",
    "57P02",
    "57P03",
    "57P05",
    "58000",
    "58030",
    "25006",
    "25P03",
    "25P04",
    "28P01",
    "28000",
    "72000",
    "XX000",
]
FINAL = [
    "22012",
    "22P02",
    "22003",
    "22008",
    "22021",
    "42883",
    "42P01",
    "42703",
    "42601",
    "42501",
    "0A000",
    "21000",
    "23505",
    "25001",
    "25P02",
    "38000",
    "39000",
    "54000",
    "54001",
    "P0001",
    "XX001",
    "XX002",
    "HV000",
    "99999",
]
TRANSIENT_CODES = [5, 6, 7, 8, 9, 10, 13, 14, 15, 17, 5 | 2 << 8, 10 | 3 << 8]
FINAL_CODES = [1, 11, 18, 19, 20, 25, 26]


def raised(cause: Exception, kind: type[Exception] = DatabaseError) -> Exception:
    """As Django raises what the driver has raised."""
    error = kind(*cause.args)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("state", [*TRANSIENT, *FINAL])
def test_sqlstate_decides_whether_a_retry_may_help(state):
    # Whatever psycopg takes it for: to it, 54001 is operational.
    cause = type("Cause", (psycopg.OperationalError,), {"sqlstate": state})("refused")

    assert is_transient(raised(cause, OperationalError)) is (state in TRANSIENT)
    assert is_transient(raised(cause, DataError)) is (state in TRANSIENT)


@pytest.mark.parametrize("code", [*TRANSIENT_CODES, *FINAL_CODES])
def test_code_of_sqlite_decides_whether_a_retry_may_help(code):
    cause = sqlite3.OperationalError("refused")
    cause.sqlite_errorcode = code

    assert is_transient(raised(cause, OperationalError)) is (code in TRANSIENT_CODES)


def test_text_that_is_not_utf8_is_final():
    # SQLite gives it, and Python's module cannot read it: an error without a code.
    cause = sqlite3.OperationalError("Could not decode to UTF-8 column 'text'")

    assert not is_transient(raised(cause, OperationalError))


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_lost_connection_has_no_state_and_is_curable(kind):
    assert is_transient(kind("the connection is closed"))
    assert is_transient(raised(psycopg.OperationalError("the connection is lost"), kind))


@pytest.mark.parametrize("error", [DataError("x"), ValueError("x"), KeyError("x")])
def test_other_errors_are_final(error):
    assert not is_transient(error)


def test_database_problem_is_one_line():
    error = raised(psycopg.Error('column "x" does not exist\nLINE 1: SELECT x\n'))

    assert reason_of(error) == 'column "x" does not exist'
    assert reason_of(OperationalError()) == "OperationalError"


def test_documented_tables_match_the_code():
    text = OPERATIONS.read_text()

    documented = dict(re.findall(r"^\| `([0-9A-Z_]+)` \| (.+?) \|$", text, re.M))

    codes = {
        name: retries.TRANSIENT_CODES[getattr(sqlite3, name)]
        for name in documented
        if name.startswith("SQLITE_")
    }
    assert len(codes) == len(retries.TRANSIENT_CODES)
    assert documented == {**retries.TRANSIENT_CLASSES, **retries.TRANSIENT_STATES, **codes}
