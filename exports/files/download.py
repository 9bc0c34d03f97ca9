"""A finished file as a response, for the pages and the API.

Who may have it is for the caller to ask, each time: what follows here hands it out, or a
link to it, and writes down to whom.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.db import IntegrityError
from django.db.models import F
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext as _

from exports.audit.record import record_action
from exports.conf import conf
from exports.exceptions import ExportError, StorageFailed
from exports.files import byte_range, storage
from exports.files.names import attachment
from exports.models import Download, Format
from exports.status import Status
from notifications.audit_actions import Action
from notifications.client_address import client_address, network_of
from notifications.http import never_compressed, user_of
from notifications.streams.access import key_name
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from django.http import HttpRequest

    from exports.models import Export

logger = logging.getLogger(__name__)

BLOCK_BYTES = 256 * 1024
CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
}
# As its type, never as Content-Encoding: a browser would unpack it, and what it saves would
# not be what the checksum is of.
GZIP = "application/gzip"


class NoFile(ExportError):
    """There is nothing to download. `status` is HTTP's."""

    status = HTTPStatus.NOT_FOUND


class FileGone(NoFile):
    """There was a file, and it is not kept any more."""

    status = HTTPStatus.GONE


class StorageAway(NoFile):
    """There is a file, and the storage does not give it just now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


def file_response(request: HttpRequest, export: Export) -> HttpResponseBase:
    """The file of `export` as an attachment, or what of it `request` asks for.

    304 and 412 by its ETag, 206 and 416 by its Range. Raises NoFile.
    """
    if not export.has_file(timezone.now()):
        raise _no_file(export)
    never_compressed(request)
    etag = quote_etag(export.sha256)
    response = get_conditional_response(request, etag=etag) or _answer(request, export, etag)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.setdefault("ETag", etag)
    return response


def _answer(request: HttpRequest, export: Export, etag: str) -> HttpResponseBase:
    with _storage_in_words():
        there = storage.size(export.file)
    if there != export.bytes:  # What is cut off must not look whole.
        raise FileGone(_("The stored file is damaged. Run the export again."))
    try:
        part = _range(request, export, etag)
    except byte_range.Unsatisfiable:
        return HttpResponse(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{export.bytes}", "Accept-Ranges": "bytes"},
        )
    if request.method == "HEAD":
        return HttpResponse(headers={**_headers(export), "Content-Length": str(export.bytes)})
    with _storage_in_words():
        response = WAYS[conf.DOWNLOAD](export, part)
    _record(request, export, part)
    return response


@contextmanager
def _storage_in_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileGone(_("The file is no longer in storage. Run the export again.")) from None
    except (OSError, StorageFailed) as error:
        logger.exception("A file cannot be handed out.")
        raise StorageAway(
            _("The file storage is not responding. Try again in a minute.")
        ) from error


def _no_file(export: Export) -> NoFile:
    if export.status == Status.SUCCEEDED:
        return FileGone(_("This file has expired. Run the export again to create a new one."))
    status = Status(export.status).label.lower()
    return NoFile(_("This export has no file. Its status is %(status)s.") % {"status": status})


def _range(request: HttpRequest, export: Export, etag: str) -> byte_range.Range | None:
    """What part of the file is asked for; None for all of it. Raises Unsatisfiable."""
    if request.method == "HEAD":
        return None
    # A part of another version of the file is of no use: then the whole of this one. The
    # storage, to which a link leads, compares with an ETag of its own.
    if conf.DOWNLOAD != "redirect" and request.headers.get("If-Range", etag) != etag:
        return None
    return byte_range.wanted(request.headers.get("Range"), export.bytes)


def _headers(export: Export) -> dict[str, str]:
    is_gzip = export.extension.endswith(".gz")
    return {
        "Content-Type": GZIP if is_gzip else CONTENT_TYPES[Format(export.format)],
        "Content-Disposition": attachment(export.title, export.extension),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }


def _record(request: HttpRequest, export: Export, part: byte_range.Range | None) -> None:
    """Record the download in one row for each user, address and hour.

    Several processes may record at once: they count in the same row.
    """
    user, address, now = user_of(request), client_address(request), timezone.now()
    # Else whoever has a network of IPv6 could fill the disk with a row for each of its addresses.
    slot = f"{_hour(now)} {network_of(address)} {key_name(user.pk)}"
    size = part.length if part else export.bytes
    rows = Download.objects.filter(export=export, slot=slot)
    more: dict[str, Any] = {
        "requests": F("requests") + 1,
        "bytes": F("bytes") + size,
        "last_at": now,
    }
    wanted = "".join(request.headers["Range"].split()) if part else ""
    details = {"rows": export.rows_done, "bytes": export.bytes, "range": wanted}
    if part is None:
        with atomic():
            # Else a range of one byte would be all that the trail ever says of this hour.
            if rows.exclude(range="").update(range="", **more):
                record_action(Action.EXPORT_DOWNLOADED, export, details=details)
                return
    if rows.update(**more):
        return
    first = {"user": user, "address": address, "range": wanted, "bytes": size}
    try:
        with atomic():
            Download.objects.create(export=export, slot=slot, last_at=now, **first)
            record_action(Action.EXPORT_DOWNLOADED, export, details=details)
    except IntegrityError:  # Another process has just made this row.
        rows.update(**more)


def _hour(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%dT%H}"


# -- How the bytes get there: EXPORTS_DOWNLOAD -----------------------------------------


def _stream(export: Export, part: byte_range.Range | None) -> HttpResponseBase:
    """We read it, and send it."""
    first, length = (part.first, part.length) if part else (0, export.bytes)
    headers = {**_headers(export), "Content-Length": str(length)}
    if part:
        headers["Content-Range"] = part.content_range
    return StreamingHttpResponse(
        Blocks(storage.open_at(export.file, first, length), length),
        status=HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK,
        headers=headers,
    )


def _accel(export: Export, _: byte_range.Range | None) -> HttpResponseBase:
    """The proxy reads it, and cuts the range out of it (config/proxy/nginx.conf)."""
    headers = {**_headers(export), "X-Accel-Redirect": conf.ACCEL_PREFIX + quote(export.file)}
    del headers["Accept-Ranges"]  # It is for nginx to say, which would say it twice.
    return HttpResponse(headers=headers)


def _redirect(export: Export, _: byte_range.Range | None) -> HttpResponseBase:
    """The storage sends it, to whoever follows this link while it is fresh."""
    answered = _headers(export)
    headers = {name: answered[name] for name in ("Content-Type", "Content-Disposition")}
    signed = storage.link(export.file, timedelta(seconds=conf.LINK_SECONDS), headers)
    return HttpResponseRedirect(signed, headers={"Cache-Control": "no-store"})


WAYS = {"stream": _stream, "accel": _accel, "redirect": _redirect}


class Blocks:
    """The next `length` bytes of `file` for ASGI, read by threads, a block at a time.

    Django reads a synchronous iterator into memory as a whole there.
    """

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length
        self._read = sync_to_async(file.read, thread_sensitive=False)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while block := await self._read(min(self._left, BLOCK_BYTES)):
                self._left -= len(block)
                yield block
        finally:
            self.close()

    def close(self) -> None:
        """Also called by the response, should nobody have begun to read."""
        self._file.close()
