"""Forms in parts (multipart/form-data): as large as any form may be, and with as many fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.http import HttpRequest


class BoundedMultipart(MiddlewareMixin):
    """Refuse what Django would parse for long before it notices that there is no field in it.

    Django counts fields and files that have names, and limits no file. A body of 360 KiB with
    parts of nothing took a second of a processor, for which nobody had to be signed in. After
    CsrfViewMiddleware, which reads the form once all middleware has seen the request.
    """

    def process_request(self, request: HttpRequest) -> None:
        if request.method != "POST" or request.content_type != "multipart/form-data":
            return
        assert request.content_params is not None
        delimiter = f"--{request.content_params.get('boundary', '')}".encode(errors="replace")
        # Raises RequestDataTooBig. Nobody uploads: a file is no exception.
        parts = request.body.count(delimiter)
        allowed = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        if allowed is not None and parts > allowed + 1:  # One more ends the last part.
            raise TooManyFieldsSent(f"The form has {parts} parts.")
