"""What the API takes and answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID  # noqa: TC003 - ninja reads the annotations

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from exports.log import read
from exports.status import Status
from notifications.api.problems import Problem

if TYPE_CHECKING:
    pass  # noqa: TC005


logger = logging.getLogger(__name__)


NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores no text with one.


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
    # Strict: `true` is not the team 1.
    team: int | None = Field(
        None, strict=True, description="The ID of a team of yours to share the export with."
    )


class Links(Schema):
    self: str
    download: str | None


class Owner(Schema):
    username: str
    name: str


class Team(Schema):
    id: int
    name: str


class ExportOut(Schema):
    """The state of an export. `rows_total` is null until the rows are counted.

    `rate` is in rows a second, `eta` in seconds. A higher `version` is a newer state.
    """

    id: UUID
    owner: Owner
    team: Team | None
    exporter: str
    label: str
    format: str
    options: dict[str, bool | str]
    consistency: str
    origin: UUID | None
    status: str
    stage: str
    waits_for: Literal["", "space"]
    rows_done: int
    rows_again: int
    rows_total: int | None
    rows_added: int
    rows_removed: int
    assembled: float | None
    bytes: int
    protected_cells: int
    rate: float | None
    eta: float | None
    attempt: int
    version: int
    queue_position: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    read_from: str | None
    read_until: str | None
    expires_at: str | None
    error: str
    links: Links


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
    offset: int = Field(0, ge=0, le=2**31)  # More is beyond what databases count in.
    status: Literal[tuple(Status.values)] | None = None  # type: ignore[valid-type]


class LogIn(Schema):
    """`after`: the `cursor` of the previous page. Without it the page starts at the first line."""

    after: str | None = None
    limit: int = Field(1_000, ge=1, le=read.MAX_LINES)


class LogLine(BaseModel):  # Of thousands, ninja's own class would take four times as long.
    """A log line. `worker` and `attempt` are set if the lines come from several workers."""

    offset: int
    at: str
    level: str
    message: str
    logger: str
    worker: str | None
    attempt: int | None


class LogPage(Schema):
    """Send `cursor` as `after` to get the next page. `more`: the next page has lines already.

    The last `cursor` is where to start following the stream of the export.
    """

    stream: str
    cursor: str
    reset: Literal["pruned", "epoch"] | None
    more: bool
    lines: list[LogLine]
