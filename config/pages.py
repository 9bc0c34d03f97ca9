"""Pages are compressed: a dashboard of 75 exports is a twelfth then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class CompressPages(GZipMiddleware):
    """Compress HTML, and nothing else. A download has ranges and its checksum for an ETag, and
    an event of a stream must not wait until a block is full.

    What an attacker could guess from the length of a page (BREACH) is not in ours as it is:
    Django masks its CSRF token anew in each, and GZipMiddleware adds a random length.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
