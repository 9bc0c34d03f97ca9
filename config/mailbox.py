"""Instead of a mail server: a directory, in which each letter is a file that mail programs open."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)


class Mailbox(BaseEmailBackend):
    """Writes letters to EMAIL_FILE_PATH, and says in a line of the log where each is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._directory = Path(settings.EMAIL_FILE_PATH)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for letter in email_messages:
            path = self._write(letter.message().as_bytes())
            logger.info("A letter to %s: %s", ", ".join(letter.recipients()), path)
        return len(email_messages)

    def _write(self, letter: bytes) -> str:
        """Write it under a name that begins with the time, and that nothing has."""
        began = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f-")
        # Which only its owner can read: what is in letters is for nobody else.
        with NamedTemporaryFile(
            prefix=began, suffix=".eml", dir=self._directory, delete=False
        ) as file:
            file.write(letter)
        return file.name
