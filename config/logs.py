"""The format of log lines."""

from __future__ import annotations

from copy import copy
from http import HTTPStatus
from typing import TYPE_CHECKING

from notifications.printable import Escaping

if TYPE_CHECKING:
    import logging


class ShortRefusals(Escaping):
    """A formatter that writes a refused request on one line, with the reason and no traceback.

    Django logs a traceback if an exception refused the request, such as for a 403 or an unknown
    host, although no code is at fault.
    """

    def format(self, record: logging.LogRecord) -> str:
        status = getattr(record, "status_code", None)
        is_refused = isinstance(status, int) and (
            HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if is_refused and record.exc_info:
            reason, message = str(record.exc_info[1]), record.getMessage()
            if reason and reason not in message:
                # The reason is a text for users, and may have line breaks.
                message = f"{message} ({' '.join(reason.split())})"
            record = copy(record)  # Other handlers get the whole record.
            record.msg, record.args = message, None
            record.exc_info = record.exc_text = None
        return super().format(record)
