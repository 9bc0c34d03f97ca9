"""Send a finished file, for the pages and the API, and record the download.

The caller checks, each time, that the user may download the file. This module checks no rights.
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
from notifications.http import disable_compression, user_of
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


class NoFile(ExportError):
    """The export has no file. `status` is the HTTP status of the response."""

    status = HTTPStatus.NOT_FOUND


class FileGone(NoFile):
    """The file has been deleted or damaged."""

    status = HTTPStatus.GONE


class StorageUnavailable(NoFile):
    """The storage does not respond."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


def file_response(request: HttpRequest, export: Export) -> HttpResponseBase:
    """Return the file of `export` as an attachment, or the range of it that is requested.

    The ETag may cause 304 or 412, and the Range header 206 or 416. Raise NoFile.
    """
    if not export.has_file(timezone.now()):
        raise _no_file(export)
    disable_compression(request)
    etag = quote_etag(export.sha256)
    response = get_conditional_response(request, etag=etag) or _response(request, export, etag)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.setdefault("ETag", etag)
    return response


def _response(request: HttpRequest, export: Export, etag: str) -> HttpResponseBase:
    with _storage_errors():
        size = storage.size(export.file)
    if size != export.bytes:  # A truncated file must not look complete.
        raise FileGone(_("The stored file is damaged. Run the export again."))
    try:
        requested = _range(request, export, etag)
    except byte_range.Unsatisfiable:
        return HttpResponse(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{export.bytes}", "Accept-Ranges": "bytes"},
        )
    if request.method == "HEAD":
        return HttpResponse(headers={**_headers(export), "Content-Length": str(export.bytes)})
    with _storage_errors():
        response = METHODS[conf.DOWNLOAD](export, requested)
    _record(request, export, requested)
    return response


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn errors of the storage into NoFile."""
    try:
        yield
    except FileNotFoundError:
        raise FileGone(_("The file is no longer in storage. Run the export again.")) from None
    except (OSError, StorageFailed) as error:
        logger.exception("A file could not be sent.")
        message = _("The file storage is not responding. Try again in a minute.")
        raise StorageUnavailable(message) from error


def _no_file(export: Export) -> NoFile:
    if export.status == Status.SUCCEEDED:
        return FileGone(_("This file has expired. Run the export again to create a new one."))
    status = Status(export.status).label.lower()
    return NoFile(_("This export has no file. Its status is %(status)s.") % {"status": status})


def _range(request: HttpRequest, export: Export, etag: str) -> byte_range.Range | None:
    """Return the requested range; None for the whole file. Raise Unsatisfiable."""
    if request.method == "HEAD":  # HTTP defines ranges for GET only.
        return None
    # If the client has a range of another version, it needs the whole of this one. After a
    # redirect, the storage compares the header with its own ETag.
    if conf.DOWNLOAD != "redirect" and request.headers.get("If-Range", etag) != etag:
        return None
    return byte_range.parse(request.headers.get("Range"), export.bytes)


def _headers(export: Export) -> dict[str, str]:
    # A gzip file has no Content-Encoding. Otherwise a browser would decompress it and save a file
    # with another checksum.
    is_gzip = export.extension.endswith(".gz")
    return {
        "Content-Type": "application/gzip" if is_gzip else CONTENT_TYPES[Format(export.format)],
        "Content-Disposition": attachment(export.title, export.extension),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }


def _record(request: HttpRequest, export: Export, requested: byte_range.Range | None) -> None:
    """Record the download in one row for each user, network and hour.

    Several processes may update the same row at the same time.
    """
    user, address, now = user_of(request), client_address(request), timezone.now()
    # A network counts as one address. Otherwise an IPv6 network could fill the disk with rows.
    slot = f"{_hour(now)} {network_of(address)} {key_name(user.pk)}"
    size = requested.length if requested else export.bytes
    rows = Download.objects.filter(export=export, slot=slot)
    increments: dict[str, Any] = {
        "requests": F("requests") + 1,
        "bytes": F("bytes") + size,
        "last_at": now,
    }
    header = "".join(request.headers["Range"].split()) if requested else ""
    details = {"rows": export.rows_done, "bytes": export.bytes, "range": header}
    if requested is None:
        with atomic():
            # The audit trail also gets the first whole file after ranges in the same hour.
            if rows.exclude(range="").update(range="", **increments):
                record_action(Action.EXPORT_DOWNLOADED, export, details=details)
                return
    if rows.update(**increments):
        return
    first = {"user": user, "address": address, "range": header, "bytes": size}
    try:
        with atomic():
            Download.objects.create(export=export, slot=slot, last_at=now, **first)
            record_action(Action.EXPORT_DOWNLOADED, export, details=details)
    except IntegrityError:  # Another process has just created this row.
        rows.update(**increments)


def _hour(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%dT%H}"


# -- The methods of EXPORTS_DOWNLOAD ---------------------------------------------------


def _stream(export: Export, requested: byte_range.Range | None) -> HttpResponseBase:
    """Send the bytes from this process."""
    first, length = (requested.first, requested.length) if requested else (0, export.bytes)
    headers = {**_headers(export), "Content-Length": str(length)}
    if requested:
        headers["Content-Range"] = requested.content_range
    return StreamingHttpResponse(
        Blocks(storage.open_at(export.file, first, length), length),
        status=HTTPStatus.PARTIAL_CONTENT if requested else HTTPStatus.OK,
        headers=headers,
    )


def _accel(export: Export, _: byte_range.Range | None) -> HttpResponseBase:
    """Let the proxy send the file or a range of it (config/proxy/nginx.conf)."""
    headers = {**_headers(export), "X-Accel-Redirect": conf.ACCEL_PREFIX + quote(export.file)}
    del headers["Accept-Ranges"]  # nginx adds this header itself.
    return HttpResponse(headers=headers)


def _redirect(export: Export, _: byte_range.Range | None) -> HttpResponseBase:
    """Redirect to a signed link, at which the storage sends the file for a short time."""
    all_headers = _headers(export)
    headers = {name: all_headers[name] for name in ("Content-Type", "Content-Disposition")}
    signed = storage.link(export.file, timedelta(seconds=conf.LINK_SECONDS), headers)
    return HttpResponseRedirect(signed, headers={"Cache-Control": "no-store"})


METHODS = {"stream": _stream, "accel": _accel, "redirect": _redirect}


class Blocks:
    """Read the next `length` bytes of `file` in threads, block by block.

    Under ASGI, Django would read a synchronous iterator into memory as a whole.
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
        """Close the file. The response calls this, too, in case nothing has been read."""
        self._file.close()
