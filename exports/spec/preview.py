"""Preview what a spec would export: how many rows, the first of them, how long it would take.

Nobody has to wait for it. Each answer is given some seconds, and is left out if it needs more.
So is all of it while as many are looked for as the database is to bear, or one for the same user.
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
from exports.readers.retries import is_curable, refusal
from exports.spec import context, queryset
from exports.spec.columns import choose_columns
from exports.status import Status
from notifications.printable import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Field, Page
    from exports.spec.spec import ExportSpec

ROWS = 20
SECONDS = 3.0
LONGEST = 200  # characters of a cell
PAST_RUNS = 20

# The keys of users for whom this process looks now. On PostgreSQL each has a connection of its
# own besides that of its request, for some seconds; and whoever types asks again and again,
# while the answer that they do not want any more is still being looked for.
_looking: set[Any] = set()
_lock = Lock()


@dataclass(frozen=True)
class Sample:
    """The first rows as they will be in the file: cells, or the lines of a file that has none."""

    headers: Sequence[str]
    cells: Sequence[Sequence[str]]
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Estimate:
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Preview:
    """`count` is None for more rows than can be counted in time, `sample` if there was no time.

    `left_out` is how many rows of an admin list the exporter does not give; None if that takes
    too long to count. `problem` says why there is no sample, if something is wrong with a row, in the language of
    the reader. `is_busy`: nothing was looked for, and it may be asked for again in a moment.
    """

    count: int | None
    sample: Sample | None
    estimate: Estimate | None
    problem: str = ""
    is_busy: bool = False
    left_out: int | None = 0


def preview(spec: ExportSpec) -> Preview:
    """Return a preview of the file that `spec` would give, if there is room for one now.

    Nobody is waited for: that would keep a thread of the server from everybody else.
    """
    user = spec.owner.pk
    with _lock:
        if user in _looking or len(_looking) >= conf.PREVIEWS:
            return Preview(None, None, None, is_busy=True)
        _looking.add(user)
    try:
        return _preview(spec)
    finally:
        with _lock:
            _looking.remove(user)


def _preview(spec: ExportSpec) -> Preview:
    count, left_out, sample, problem = None, None, None, ""
    try:
        count = counted(spec)
        left_out = not_given(spec, count)
        # As a worker does: what a Python column says is in the language that was asked for.
        with context.activated(context.with_language(spec.context)):
            sample = first_rows(spec)
    except TookTooLong:
        pass  # There is a place for it on the page, which says so.
    except ExportError as error:
        problem = storable(error.localized())
    except DatabaseError as error:
        if is_curable(error):
            raise
        problem = storable(refusal(error).localized())
    estimate = None if count is None else estimated(spec, count)
    return Preview(count, sample, estimate, problem, left_out=left_out)


def counted(spec: ExportSpec) -> int | None:
    """How many rows there are now; None if counting takes too long."""
    found = queryset.rows(registry.get(spec.exporter), spec.owner, spec.params, spec.context)
    return _number(found, spec)


def not_given(spec: ExportSpec, count: int | None) -> int | None:
    """How many rows of an admin list are not among the `count` that the exporter gives.

    None if that is not known in time.
    """
    exporter = registry.get(spec.exporter)
    listed = queryset.whole_admin_list(exporter, spec.owner, spec.params, spec.context)
    if listed is None:
        return 0
    total = None if count is None else _number(listed, spec)
    # A row may have come or gone between the two counts.
    return None if total is None or count is None else max(total - count, 0)


def _number(found: QuerySet[Any], spec: ExportSpec) -> int | None:
    """How many rows `found` has; None if counting takes too long."""
    connection = connections[found.db]
    connection.ensure_connection()
    try:
        with limited(connection, SECONDS), context.activated(spec.context):
            return number_of_rows(found)
    except TookTooLong:
        return None


def first_rows(spec: ExportSpec) -> Sample:
    """The first rows, in the order of the file. Raises TookTooLong or UnreadableRow."""
    exporter, params = registry.get(spec.exporter), spec.params
    found = queryset.rows(exporter, spec.owner, params, spec.context)
    chosen = choose_columns(exporter, params.get("columns"), params.get("headers"))
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
                pages = list(blame.named(read, source, found, readings, upto))
    return _as_written(spec, fields, pages)


def _first(source: Source, found: QuerySet[Any]) -> tuple[QuerySet[Any], Any]:
    """The first of these rows, and the last key of them in the order of keys; None of none."""
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


def _as_written(spec: ExportSpec, fields: Sequence[Field], pages: Iterable[Page]) -> Sample:
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
        # Not splitlines(): a text may have what only Unicode takes for the end of a line.
        return Sample(headers, [], [_short(line) for line in text.split("\n")[:-1]])
    # By default the reader refuses a cell of more than 128 KB, which the file may well have.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    read = csv.reader(io.StringIO(text, newline=""), delimiter=options.delimiter)
    return Sample(headers, [_shortened(row) for row in read])


def _shortened(row: Iterable[Any]) -> list[str]:
    return [_short(cell(value)) for value in row]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def estimated(spec: ExportSpec, count: int) -> Estimate | None:
    """Size and time of `count` rows, by past runs of the exporter; None without any.

    Where users see different rows, only the owner's runs count: the width of rows is a secret, too.
    """
    past = Export.objects.filter(
        exporter=spec.exporter, format=spec.format, status=Status.SUCCEEDED, rows_done__gt=0
    ).order_by("-finished_at")
    if has_own_scope(registry.get(spec.exporter)):
        past = past.filter(owner=spec.owner)
    # Of the parameters only the columns are loaded.
    past = past.defer("params").annotate(chosen=F("params__columns"))
    is_packed = bool(spec.options.get("gzip"))
    runs = [run for run in past[:PAST_RUNS] if bool(run.options.get("gzip")) == is_packed]
    if not runs:
        return None
    # Of several widths: a file with half the columns has about half the bytes.
    all_columns = len(registry.get(spec.exporter).columns)
    width = len(spec.params.get("columns") or ()) or all_columns
    cells = sum(run.rows_done * (len(run.chosen or ()) or all_columns) for run in runs)
    rows_done = sum(run.rows_done for run in runs)
    took = sum((_took(run) for run in runs), start=0.0)
    return Estimate(
        bytes=round(sum(run.bytes for run in runs) / cells * width * count),
        seconds=took / rows_done * count,
    )


def _took(run: Export) -> float:
    assert run.started_at is not None
    assert run.finished_at is not None
    return (run.finished_at - run.started_at).total_seconds()
