"""The bodies of the API's requests and responses. `exports.serialize` has that of an export."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from exports.log import read
from exports.serialize import ExportOut  # noqa: TC001 - pydantic reads the annotations
from exports.status import Status
from notifications.api.problems import Problem

NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store a NUL in a text.


class Option(Schema):
    name: str
    default: bool | str
    choices: list[bool | str]


class FormatOut(Schema):
    name: str
    label: str
    options: list[Option]


class ExporterOut(Schema):
    name: str
    label: str
    description: str
    columns: list[str]
    filters: list[str]
    formats: list[FormatOut]


class ExportIn(Schema):
    """The settings of an export. Without `columns` it has all columns."""

    model_config = ConfigDict(extra="forbid")

    exporter: str
    format: str = "csv"
    options: dict[str, Any] | None = Field(None, description="Options of the file format.")
    columns: list[str] | None = None
    headers: dict[str, str] | None = Field(
        None, description="Custom column headers, by column name."
    )
    filters: dict[str, Any] | None = None
    label: str = Field("", max_length=200, pattern=NO_NUL)
    # Strict, because otherwise `true` would mean team 1.
    team: int | None = Field(
        None, strict=True, description="The ID of a team of yours to share the export with."
    )


class Limited(Problem):
    """The name and value of the limit. The Retry-After header is set if the time is known.

    Status 507 means that the site has no room for new files.
    """

    limit: str
    allowed: int


class ExportPage(Schema):
    count: int
    items: list[ExportOut]


class Page(Schema):
    limit: int = Field(25, ge=1, le=100)
    offset: int = Field(0, ge=0, le=2**31)  # Databases refuse larger ones.
    status: Literal[tuple(Status.values)] | None = None  # type: ignore[valid-type]


class LogIn(Schema):
    """`after`: the `cursor` of the previous page. Without it the page starts at the first line."""

    after: str | None = None
    limit: int = Field(1_000, ge=1, le=read.MAX_LINES)


class LogLine(BaseModel):  # A page has thousands, and ninja.Schema takes four times as long.
    """A log line. `worker` and `attempt` are set if the lines come from several workers."""

    offset: int
    at: str
    level: str = ""
    message: str = ""
    logger: str = ""
    worker: str | None = None
    attempt: int | None = None


class LogPage(Schema):
    """Send `cursor` as `after` to get the next page. `more`: the next page has lines already.

    The last `cursor` is where to start following the stream of the export.
    """

    stream: str
    cursor: str
    reset: Literal["pruned", "epoch"] | None
    more: bool
    lines: list[LogLine]
