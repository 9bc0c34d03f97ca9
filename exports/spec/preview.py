"""Preview a spec: how many rows the export would have, the first rows, the size and the duration.

A preview never keeps a user waiting: each part of it is left out if it takes more than a few
seconds. A process prepares one preview at a time for each user, and at most EXPORTS_PREVIEWS in
total. Further requests get a preview that `is_busy`.
"""

from __future__ import annotations

import csv
import io
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections
from django.db.models import F

from exports.conf import conf
from exports.exceptions import ExportError, TookTooLong
from exports.exporters import registry
from exports.exporters.joins import number_of_rows
from exports.exporters.querysets import has_own_scope
from exports.formats import writer_class
from exports.formats.base import Options
from exports.formats.text import cell
from exports.models import COMPRESSIBLE, Export, Format
from exports.readers import blame, rows
from exports.readers.connection import Source, limited
from exports.readers.plan import Range, refuse_repeated
from exports.readers.projection import project, selected
from exports.readers.retries import is_transient, message_of
from exports.spec import context, queryset
from exports.status import Status
from notifications.printable import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Field, Page
    from exports.spec.spec import ExportSpec

ROWS = 20  # Rows in the sample.
SECONDS = 3.0  # The time limit of counting, and that of reading the sample.
MAX_CELL = 200  # Characters of a cell.
PAST_RUNS = 20  # The latest exports that an estimate is based on.

# The keys of users whose preview is in progress. On PostgreSQL each preview uses a second
# connection for some seconds, and a page requests a new one while its user types.
_in_progress: set[Any] = set()
_lock = Lock()


@dataclass(frozen=True)
class Sample:
    """The first rows as they will be in the file: cells, or lines if the format has no cells."""

    headers: Sequence[str]
    cells: Sequence[Sequence[str]]
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Estimate:
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Preview:
    """The expected contents of the file, before the export starts.

    `count` is None if counting took too long, and `sample` if reading did. `left_out` is the number
    of rows of an admin list that are outside the exporter's scope; None if counting took too long.
    `problem` says in the user's language why a row cannot be exported. With `is_busy` nothing was
    prepared, and the page may request the preview again.
    """

    count: int | None
    sample: Sample | None
    estimate: Estimate | None
    problem: str = ""
    is_busy: bool = False
    left_out: int | None = 0


def preview(spec: ExportSpec) -> Preview:
    """Return a preview of the file that `spec` would give, or one that `is_busy`.

    It does not wait for another preview to end, because that would block a thread of the server.
    """
    user = spec.owner.pk
    with _lock:
        if user in _in_progress or len(_in_progress) >= conf.PREVIEWS:
            return Preview(None, None, None, is_busy=True)
        _in_progress.add(user)
    try:
        return _preview(spec)
    finally:
        with _lock:
            _in_progress.remove(user)


def _preview(spec: ExportSpec) -> Preview:
    count, left_out, sample, problem = None, None, None, ""
    try:
        count = count_rows(spec)
        left_out = _left_out(spec, count)
        # In the language of the file, because a Python column may return text in the active one.
        with context.activate_for_file(spec.context):
            sample = first_rows(spec)
    except TookTooLong:
        pass  # The page then says that the sample is missing.
    except ExportError as error:
        problem = storable(error.localized())
    except DatabaseError as error:
        if is_transient(error):
            raise
        problem = storable(message_of(error).localized())
    expected = None if count is None else estimate(spec, count)
    return Preview(count, sample, expected, problem, left_out=left_out)


def count_rows(spec: ExportSpec) -> int | None:
    """Return the number of rows; None if counting takes too long."""
    found = queryset.rows(registry.get(spec.exporter), spec.owner, spec.params, spec.context)
    return _count(found, spec)


def _left_out(spec: ExportSpec, count: int | None) -> int | None:
    """Return how many rows of the admin list are not among the `count` rows of the export."""
    exporter = registry.get(spec.exporter)
    listed = queryset.whole_admin_list(exporter, spec.owner, spec.params, spec.context)
    if listed is None:
        return 0
    if count is None or (total := _count(listed, spec)) is None:
        return None
    return max(total - count, 0)  # A row may have been removed between the two counts.


def _count(found: QuerySet[Any], spec: ExportSpec) -> int | None:
    """Return the number of rows in `found`; None if counting takes too long."""
    connection = connections[found.db]
    connection.ensure_connection()
    try:
        with limited(connection, SECONDS), context.activate(spec.context):
            return number_of_rows(found)
    except TookTooLong:
        return None


def first_rows(spec: ExportSpec) -> Sample:
    """Return the first rows, in the order of the file. Raises TookTooLong or UnreadableRow."""
    found, chosen = queryset.rows_and_columns(spec)
    with closing(Source(found.db)) as source:
        source.connection.ensure_connection()
        with limited(source.connection, SECONDS):
            with source.reading(rows=False):
                refuse_repeated(source, found)
                found, last = _first(source, found)
            readings = project(found, chosen, source.connection.vendor)
            fields = [reading.field for reading in readings]
            pages: Iterable[Page] = ()
            if last is not None:
                upto = Range(None, last, ROWS)
                read = rows.read(source, found, readings, upto, ROWS)
                pages = list(blame.name_in_errors(read, source, found, readings, upto))
    return _sample(spec, fields, pages)


def _first(source: Source, found: QuerySet[Any]) -> tuple[QuerySet[Any], Any]:
    """Return the first rows and their highest key; the key is None if there are no rows."""
    order = found.query.order_by or ["pk"]
    first = source.pages(selected(found.order_by(*order), ["pk"])[:ROWS], ROWS)
    keys = [key for page in first for (key,) in page]
    if not keys:
        return found, None
    if found.query.order_by:
        found = found.filter(pk__in=keys)
        last = source.pages(found.order_by("-pk").values_list("pk")[:1], 1)
        return found, next(last)[0][0]
    return found, keys[-1]


def _sample(spec: ExportSpec, fields: Sequence[Field], pages: Iterable[Page]) -> Sample:
    headers = [field.header for field in fields]
    if spec.format not in COMPRESSIBLE:
        made = (zip(*page, strict=True) for page in pages)
        return Sample(headers, [_shortened(row) for row in chain.from_iterable(made)])
    options = replace(Options(**spec.options), gzip=False)
    buffer = io.BytesIO()
    writer: Any = writer_class(spec.format)(fields, options).part(buffer)
    for page in pages:
        writer.write(page)
    writer.close()
    text = buffer.getvalue().decode()
    if spec.format == Format.JSONL:
        # Not splitlines(), which also splits at Unicode line separators inside a text.
        return Sample(headers, [], [_short(line) for line in text.split("\n")[:-1]])
    # By default csv.reader refuses cells of more than 128 KB.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    read = csv.reader(io.StringIO(text, newline=""), delimiter=options.delimiter)
    return Sample(headers, [_shortened(row) for row in read])


def _shortened(row: Iterable[Any]) -> list[str]:
    return [_short(cell(value)) for value in row]


def _short(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"


def estimate(spec: ExportSpec, count: int) -> Estimate | None:
    """Estimate the size and duration of `count` rows from past runs of the exporter.

    None if there are no past runs. If the exporter has a scope for each user, only runs of the
    owner count, because even the average size of a row may be confidential.
    """
    past = Export.objects.filter(
        exporter=spec.exporter, format=spec.format, status=Status.SUCCEEDED, rows_done__gt=0
    ).order_by("-finished_at")
    if has_own_scope(registry.get(spec.exporter)):
        past = past.filter(owner=spec.owner)
    # `params` may be large, and only the columns are needed.
    past = past.defer("params").annotate(chosen=F("params__columns"))
    has_gzip = bool(spec.options.get("gzip"))
    runs = [run for run in past[:PAST_RUNS] if bool(run.options.get("gzip")) == has_gzip]
    if not runs:
        return None
    # Bytes are estimated by cell: a file with half the columns has about half the bytes.
    all_columns = len(registry.get(spec.exporter).columns)
    columns = len(spec.params.get("columns") or ()) or all_columns
    cells = sum(run.rows_done * (len(run.chosen or ()) or all_columns) for run in runs)
    rows_done = sum(run.rows_done for run in runs)
    seconds = sum(
        (run.finished_at - run.started_at).total_seconds()
        for run in runs
        if run.started_at is not None and run.finished_at is not None
    )
    return Estimate(
        bytes=round(sum(run.bytes for run in runs) / cells * columns * count),
        seconds=seconds / rows_done * count,
    )
