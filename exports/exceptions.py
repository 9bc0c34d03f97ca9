"""What can go wrong, and who can do something about it.

ExportError
├── DefinitionError       an exporter cannot work as declared: its developer
├── NotPermitted          the user may not do this
├── RequestError          the request is not valid: the user who sent it
│   ├── UnknownExporter
│   ├── UnknownFormat
│   ├── UnknownColumn
│   ├── UnknownTeam
│   ├── InvalidQueryset
│   ├── MissingContext
│   ├── InvalidHeader
│   ├── InvalidFilter
│   ├── InvalidOption
│   ├── InvalidPreset
│   ├── RequestTooLarge
│   └── InvalidSelection
├── OverLimit             the user has reached a limit: a later request may succeed
│   ├── TooManyExports
│   ├── TooManyRequests
│   ├── TooManyInADay
│   ├── TooManyRefusals
│   ├── OverQuota
│   └── OutOfSpace        the site, not the user, has no room for files
├── IllegalMove           the export cannot do that in its status
├── TookTooLong           a query that is not essential took too long
├── TooLarge              the export has more rows or bytes than allowed
├── NoRoom                a running export must wait until there is room for files
├── UnreadableRow         a value cannot be read or computed
├── Unwritable            the format cannot hold a value
├── RepeatedKey           several rows share a primary key, so parts cannot be told apart
├── WrongCount            the file would not have the rows that the database has
├── StorageFailed         the storage refused a file, or lost one
└── LostRace              another process was first: read the export again
    ├── WaitsForSpace     a queued export has no room for its file yet
    ├── Fenced            another attempt has taken over from this worker
    └── Stopped           a user has paused or cancelled the export that a worker holds

`files.download` and `management.terminal` derive errors of their own from ExportError. Messages are
written for people, and name the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class ExportError(Exception):
    """The base of all errors of this app. Its argument is a text or a Message."""

    def localized(self) -> str:
        """Return the message in the reader's language. `str()` is for logs."""
        message = self.args[0] if self.args else ""
        return message.localized() if isinstance(message, Message) else str(message)

    def page_message(self) -> str:
        """Return the message for a page, which shows labels where the API has names."""
        return self.localized()


class DefinitionError(ExportError):
    """An exporter cannot work as it is declared."""


class NotPermitted(ExportError):
    """The user may not run this exporter, or has lost the permission."""


class RequestError(ExportError):
    """A request is not valid. `field` is the field at fault."""

    field = ""


class UnknownExporter(RequestError):
    field = "exporter"


class UnknownFormat(RequestError):
    field = "format"


class UnknownColumn(RequestError):
    field = "columns"


class InvalidQueryset(RequestError):
    """The queryset of an exporter, a filter or an admin list cannot be exported.

    The message is for the developer who wrote it.
    """

    field = "exporter"


class MissingContext(RequestError):
    """Rows depend on something of the HTTP request that is not stored, so no worker knows it.

    This is not an AttributeError, because getattr() with a default must not hide it.
    """

    field = "exporter"


class InvalidHeader(RequestError):
    """A file cannot have this header, or two columns share it. `columns` are the ones at fault."""

    field = "headers"

    def __init__(self, message: str, *, columns: Collection[str]) -> None:
        super().__init__(message)
        self.columns = columns


class UnknownTeam(RequestError):
    """The user is in no such team, whether or not the team exists."""

    field = "team"


class InvalidFilter(RequestError):
    """A filter is not valid. `problems` has a message for each filter, by name.

    The message has the names of filters, for the API. `page_message` has their labels.
    """

    field = "filters"

    def __init__(
        self, message: str, *, page_message: str = "", problems: Mapping[str, Message] | None = None
    ) -> None:
        super().__init__(message)
        self.problems = problems or {}
        self._page_message = page_message

    def page_message(self) -> str:
        return self._page_message or self.localized()


class InvalidOption(RequestError):
    """The format does not have this option, or the option cannot have this value."""

    field = "options"


class InvalidPreset(RequestError):
    """A preset cannot be saved, or not under this name."""

    field = "preset"


class RequestTooLarge(RequestError):
    """A request has too many bytes. `field` is its largest part."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidSelection(RequestError):
    """A selection from an admin change list cannot be read."""

    field = "changelist"


class OverLimit(ExportError):
    """A request would exceed a limit: `limit` is its name, and `allowed` its value.

    After `retry_after` seconds a request may succeed. None if that is not known.
    """

    limit = ""
    status = 429  # The status of the HTTP response.

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
    """The files of the owner have reached the quota. As for any limit of a user, this is a 429."""

    limit = "stored_bytes"


class OutOfSpace(OverLimit):
    """The site has no room for new files. No client is at fault, so the status is 507, not 4xx."""

    limit = "space"
    status = 507


class TooManyRefusals(OverLimit):
    """Too many requests of the user were refused, so the next one is not even checked."""

    limit = "refused_requests_per_minute"


class TookTooLong(ExportError):
    """A query has exceeded its time limit."""


class TooLarge(ExportError):
    """An export has more rows or bytes than allowed. The message has both numbers."""


class NoRoom(ExportError):
    """The disk is nearly full, or the files of all exports have reached the site's quota."""


class IllegalMove(ExportError):
    """`status.MOVES` does not have this move."""


class UnreadableRow(ExportError):
    """A value cannot be read or computed. The message names the column and the row."""


class Unwritable(ExportError):
    """The format cannot hold a value. The message names the column and the remedy.

    `row` is the index of the row in its page, by which its primary key can be found.
    """

    def __init__(self, message: str, *, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class RepeatedKey(ExportError):
    """The primary key of an unmanaged model is not unique."""


class WrongCount(ExportError):
    """The file would not have as many rows as the database, or as its parts."""


class StorageFailed(ExportError):
    """The storage refused a file, or lost it. The message quotes the storage."""


class LostRace(ExportError):
    """A conditional UPDATE changed no row. Nothing was written."""


class WaitsForSpace(LostRace):
    """A queued export cannot start until there is room for its file."""


class Fenced(LostRace):
    """A newer attempt holds this export or part. The worker must stop and write nothing."""


class Stopped(LostRace):
    """The export was paused or cancelled. The worker must stop, and record that it has."""
