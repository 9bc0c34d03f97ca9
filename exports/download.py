"""A finished file as a response, for the pages and the API."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from django.utils.translation import gettext as _

from exports.engine import store
from exports.exceptions import ExportError
from exports.models import Format, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.http import HttpRequest

    from exports.models import Export

BLOCK_BYTES = 256 * 1024
CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl; charset=utf-8",
}


class NoFile(ExportError):
    """There is nothing to download. `status` is HTTP's."""

    status = 404


class FileGone(NoFile):
    """There was a file, and it is not kept any more."""

    status = 410


def file_response(request: HttpRequest, export: Export) -> HttpResponseBase:
    """The file of `export` as an attachment, or 304 if `request` says that it is there.

    Who may have it is for the caller to ask. Raises NoFile.
    """
    if not export.has_file(timezone.now()):
        raise _no_file(export)
    etag = quote_etag(export.sha256)
    response = get_conditional_response(request, etag=etag) or _attachment(export)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _attachment(export: Export) -> HttpResponseBase:
    try:
        file = store.open_file(export.file)
    except FileNotFoundError:
        raise FileGone(
            _("The file is not in the storage any more. Start the export again.")
        ) from None
    disposition = content_disposition_header(as_attachment=True, filename=_safe(export.filename))
    return StreamingHttpResponse(
        Blocks(file),
        content_type=CONTENT_TYPES[Format(export.format)],
        headers={
            "Content-Disposition": str(disposition),
            "Content-Length": str(export.bytes),
            "X-Content-Type-Options": "nosniff",
        },
    )


def _no_file(export: Export) -> NoFile:
    if export.status == Status.SUCCEEDED:
        return FileGone(
            _("This file has expired and is not kept any more. Start the export again.")
        )
    status = Status(export.status).label.lower()
    return NoFile(_("This export has no file. It is %(status)s.") % {"status": status})


def _safe(name: str) -> str:
    """`name` without what could not be in a header, or would be a path."""
    return re.sub(r"[\x00-\x1f\x7f/\\]+", "_", name)


class Blocks:
    """The content of `file` for ASGI, read by threads, a block at a time.

    Django reads a synchronous iterator into memory as a whole there.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._read = sync_to_async(file.read, thread_sensitive=False)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while block := await self._read(BLOCK_BYTES):
                yield block
        finally:
            self.close()

    def close(self) -> None:
        """Also called by the response, should nobody have begun to read."""
        self._file.close()
