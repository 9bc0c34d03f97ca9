"""What can go wrong, and who can do something about it.

ExportError
├── DefinitionError       an exporter cannot work as declared: its developer
├── NotPermitted          the person may not do this
├── RequestError          what was asked for cannot be: the person who asked
│   ├── UnknownExporter
│   ├── UnknownFormat
│   ├── UnknownColumn
│   ├── UnknownTeam
│   ├── InvalidQueryset
│   ├── NotKept
│   ├── InvalidHeader
│   ├── InvalidFilter
│   ├── InvalidOption
│   ├── InvalidPreset
│   ├── RequestTooLarge
│   └── InvalidSelection
├── OverLimit             the person has asked for as much as they may: later, perhaps
│   ├── TooManyExports
│   ├── TooManyRequests
│   ├── TooManyInADay
│   ├── TooManyRefusals
│   ├── OverQuota
│   └── OutOfSpace        nobody's limit but the site's: no room for files
├── IllegalMove           this export cannot do that now
├── TookTooLong           an answer that nobody need wait for: do without it
├── TooLarge              its rows or its file are more than an export may have
├── NoRoom                a running export must wait until there is room for files
├── UnreadableRow         a value that cannot be read or computed
├── Unwritable            a value that the format cannot hold
├── RepeatedKey           rows share a key, by which an export tells them apart
├── WrongCount            the file would not have the rows that the database has
├── StorageFailed         where files are kept refused, or lost what it was given
└── LostRace              another process got there first: look again
    ├── Waits             it is queued, and there is no room for its file yet
    ├── Fenced            this worker's claim is not its own any more
    └── Stopped           the export was asked to stop while a worker held it

Messages are written for a person, and name the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class ExportError(Exception):
    """The base of all errors of this app."""

    @property
    def in_words(self) -> str:
        """As pages say it, where names that a program sends have other words."""
        return str(self)


class DefinitionError(ExportError):
    """An exporter that cannot work as it is declared."""


class NotPermitted(ExportError):
    """The person may not run this exporter, or not any more."""


class RequestError(ExportError):
    """A request that names something that is not there. `field` says where."""

    field = ""


class UnknownExporter(RequestError):
    field = "exporter"


class UnknownFormat(RequestError):
    field = "format"


class UnknownColumn(RequestError):
    field = "columns"


class InvalidQueryset(RequestError):
    """What an exporter, a filter or an admin list returns cannot be exported as it is.

    The message is for the developer who wrote it.
    """

    field = "exporter"


class NotKept(RequestError):
    """Rows depend on something of the request that no worker can know.

    Not an AttributeError: getattr() with a default must not hide it.
    """

    field = "exporter"


class InvalidHeader(RequestError):
    """A header that a file cannot have, or that two columns would share. `columns` have it."""

    field = "headers"

    def __init__(self, message: str, *, columns: Collection[str]) -> None:
        super().__init__(message)
        self.columns = columns


class UnknownTeam(RequestError):
    """Also one that is there, and that the person is not in."""

    field = "team"


class InvalidFilter(RequestError):
    """Its message has the names of filters, which a program sends; `in_words` their labels.

    `problems`: what is wrong with each, by name.
    """

    field = "filters"

    def __init__(
        self, message: str, *, in_words: str = "", problems: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.problems = problems or {}
        self._in_words = in_words

    @property
    def in_words(self) -> str:
        return self._in_words or str(self)


class InvalidOption(RequestError):
    """One that the format does not have, or a value that it cannot have."""

    field = "options"


class InvalidPreset(RequestError):
    """A name under which no choice can be saved."""

    field = "preset"


class RequestTooLarge(RequestError):
    """A request has too many bytes. `field` is its largest part."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidSelection(RequestError):
    """A selection from an admin change list that cannot be read."""

    field = "changelist"


class OverLimit(ExportError):
    """As much as the person may ask for. `limit` says of what, `allowed` how much.

    `retry_after`: in how many seconds there is room again, where that can be known.
    """

    limit = ""
    status = 429  # in HTTP

    def __init__(self, message: str, *, allowed: int, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.allowed = allowed
        self.retry_after = retry_after


class TooManyExports(OverLimit):
    limit = "active_exports"


class TooManyRequests(OverLimit):
    limit = "requests_per_minute"


class TooManyInADay(OverLimit):
    limit = "requests_per_day"


class OverQuota(OverLimit):
    """The owner's files have reached the quota. Like every limit of one person it is a 429."""

    limit = "stored_bytes"


class OutOfSpace(OverLimit):
    """The site has no room for new files. No client is at fault, so it is no 4xx: 507."""

    limit = "space"
    status = 507


class TooManyRefusals(OverLimit):
    """So many requests of the user were refused that the next one is not checked yet."""

    limit = "refused_requests_per_minute"


class TookTooLong(ExportError):
    """A query that was given a time, and needs more."""


class TooLarge(ExportError):
    """More rows or bytes than an export may have. The message has both numbers."""


class NoRoom(ExportError):
    """The disk is nearly full, or all files together have reached the quota."""


class IllegalMove(ExportError):
    """A move that `status.MOVES` does not have."""


class UnreadableRow(ExportError):
    """A value cannot be read or computed. The message names the column and the row."""


class Unwritable(ExportError):
    """A value that the format cannot hold. The message names the column, and what to do.

    `row` is the place of the value in its page, from which its key can be told.
    """

    def __init__(self, message: str, *, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class RepeatedKey(ExportError):
    """The primary key of a model that Django does not manage is not unique."""


class WrongCount(ExportError):
    """The file would not have the rows that the database has, or not those of its parts."""


class StorageFailed(ExportError):
    """The storage refused, or did not keep what it was given. In its own words, and ours."""


class LostRace(ExportError):
    """A conditional UPDATE changed no row. Nothing was written."""


class Waits(LostRace):
    """A queued export cannot begin until there is room for its file."""


class Fenced(LostRace):
    """A newer attempt has this export or part. The worker must stop without a trace."""


class Stopped(LostRace):
    """The export was paused or cancelled. The worker must come to rest and say so."""
