"""Run exports while a test watches their rows."""

from __future__ import annotations

import hashlib

from django.core.files.storage import default_storage

from exports.files import storage
from tests.support.exporting import content, file_with, left_in, make_flights, start


def watched(owner, rows=35, **fields):
    """Claim an export of so many flights, with a function to call during the run."""
    make_flights(range(1, rows + 1))
    return start(owner, exporter="watched", **fields)


def assert_whole(export, rows=35):
    """Check that the export succeeded with the file of an undisturbed run."""
    expected = file_with(range(1, rows + 1))
    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    assert content(export) == expected
    assert export.bytes == len(expected)
    assert export.sha256 == hashlib.sha256(expected).hexdigest()
    assert (export.rows_done, export.rows_total) == (rows, rows)
    assert left_in_storage() == {export.file}


def left_in_storage():
    return left_in(storage.Path(default_storage.location))
