"""An e-mail backend for development: a directory with a file for each e-mail."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)


class Mailbox(BaseEmailBackend):
    """Writes e-mails to EMAIL_FILE_PATH as files that mail programs open, and logs their paths."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        directory = Path(settings.EMAIL_FILE_PATH)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f-")
            # The file has a unique name, and only its owner can read it.
            with NamedTemporaryFile(
                prefix=time, suffix=".eml", dir=directory, delete=False
            ) as file:
                file.write(message.message().as_bytes())
            logger.info("E-mail to %s: %s", ", ".join(message.recipients()), file.name)
        return len(email_messages)
