"""Pages are compressed: a dashboard of 75 exports is a twelfth then. And the one for 400."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import TooManyFieldsSent
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

from notifications.problems import problem

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
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


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before a view of ours could: in words, where it is not an attack."""
    if isinstance(exception, TooManyFieldsSent):
        reason = _(
            "This form has more fields than this server takes at once. An administrator can "
            "raise the limit: DATA_UPLOAD_MAX_NUMBER_FIELDS."
        )
    else:
        reason = _("The server could not make sense of this request. Nothing was done.")
    if request.path.startswith(reverse("api:api-root")):
        return problem(400, reason)
    return render(request, "400.html", {"reason": reason}, status=400)
