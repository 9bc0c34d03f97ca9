"""What logs do without."""

from __future__ import annotations

from copy import copy
from http import HTTPStatus
from typing import TYPE_CHECKING

from notifications.printable import Escaping

if TYPE_CHECKING:
    import logging


class Calm(Escaping):
    """A request that was refused is one line, which says why. No code of ours is at fault.

    Django adds a traceback to what a view refuses by raising: to a 403, or to a host that it
    does not know.
    """

    def format(self, record: logging.LogRecord) -> str:
        status = getattr(record, "status_code", None)
        is_refused = isinstance(status, int) and (
            HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if is_refused and record.exc_info:
            reason, message = str(record.exc_info[1]), record.getMessage()
            if reason and reason not in message:
                # A reason is for people, and may have lines.
                message = f"{message} ({' '.join(reason.split())})"
            record = copy(record)  # Other handlers may want all of it.
            record.msg, record.args = message, None
            record.exc_info = record.exc_text = None
        return super().format(record)
