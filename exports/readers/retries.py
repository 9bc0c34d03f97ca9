"""Decide which database errors are transient, so that another attempt may succeed.

After a transient error an export keeps its finished parts, and another attempt continues when the
lease expires. Any other error fails the export at once, because the same rows would cause it again.
`docs/operations.md` lists these tables for operators.
"""

from __future__ import annotations

import sqlite3

import psycopg
from django.db import InterfaceError, OperationalError

from exports.i18n.message import Message

# PostgreSQL: classes of SQLSTATE (its first two characters).
TRANSIENT_CLASSES = {
    "08": "the connection was lost",
    "40": "a deadlock, or a transaction that could not be serialized",
    "53": "the server is out of connections, memory or disk",
    "55": "something is locked or in use",
    "57": "the server shuts down, starts, or a query was cancelled or took too long",
    "58": "the system below the server failed, for example a disk",
    "28": "the password or role is not accepted, as while credentials are changed",
}
# Single states of other classes.
TRANSIENT_STATES = {
    "25006": "the server is read-only, as a standby is until it is promoted",
    "25P03": "a transaction was idle for too long",
    "25P04": "a transaction took too long",
    "72000": "the snapshot is too old",
    "XX000": "an internal error, as when a table is changed meanwhile",
}
# SQLite: primary result codes.
TRANSIENT_CODES = {
    sqlite3.SQLITE_BUSY: "another process has locked the database",
    sqlite3.SQLITE_LOCKED: "a table is locked",
    sqlite3.SQLITE_NOMEM: "there is no memory",
    sqlite3.SQLITE_READONLY: "the file is read-only now",
    sqlite3.SQLITE_INTERRUPT: "a query was ended",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "the locks could not be acquired",
    sqlite3.SQLITE_SCHEMA: "the tables were changed meanwhile",
}
_PRIMARY = 0xFF  # An extended code has the primary one in its lowest byte.


def is_transient(error: BaseException) -> bool:
    """Return whether `error`, which Django has raised, may be gone at the next attempt.

    The SQLSTATE or the result code decides, if there is one. An OperationalError or InterfaceError
    without it means that a connection was lost or could not be made.
    """
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        return cause.sqlstate[:2] in TRANSIENT_CLASSES or cause.sqlstate in TRANSIENT_STATES
    if isinstance(cause, sqlite3.Error):
        # Without a code, the error comes from Python's module, as for text that is not UTF-8.
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & _PRIMARY in TRANSIENT_CODES
    return isinstance(error, OperationalError | InterfaceError)


def reason_of(error: BaseException) -> str:
    """Return what went wrong, in one line, without the SQL that PostgreSQL quotes."""
    cause = error.__cause__
    primary = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return primary or f"{error}".partition("\n")[0] or type(error).__name__


def message_of(error: BaseException) -> Message:
    """Return the message for a database error whose column and row are not known."""
    return Message("Database error: %(problem)s", problem=reason_of(error))
