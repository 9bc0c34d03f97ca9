"""A real SMTP server in a thread of this process, with replies that a test chooses."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

logging.getLogger("mail.log").setLevel(logging.WARNING)  # Lower levels log each command.

HOST = "127.0.0.1"
OK = "250 OK"


class MailServer:
    """Stores accepted e-mails in `letters`, in their order, and as bytes in `contents`."""

    def __init__(self) -> None:
        self.port = _free_port()
        # The replies to the sender's address, to a recipient's address, and to the e-mail.
        self.to_sender = OK
        self.to_recipient: dict[str, str] = {}
        self.to_letter = OK
        self.is_silent = False
        # A thread calls this when an e-mail has arrived, before it is acknowledged.
        self.on_letter: Callable[[EmailMessage], Any] = lambda letter: None
        self.letters: list[EmailMessage] = []
        self.contents: list[bytes] = []
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Return the recipients and subjects."""
        return [(letter["To"], letter["Subject"]) for letter in self.letters]

    def start(self) -> None:
        self._controller = Controller(
            self,
            hostname=HOST,
            port=self.port,
            # The server refuses all credentials, and needs none.
            authenticator=lambda *_: AuthResult(success=False, handled=False),
            auth_require_tls=False,
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    # -- Called by aiosmtpd -------------------------------------------------------------

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if self.is_silent:
            await asyncio.Event().wait()
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.to_recipient.get(address, OK)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.to_letter == OK:
            letter: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.letters.append(letter)
            self.contents.append(envelope.content)
            await asyncio.to_thread(self.on_letter, letter)
        return self.to_letter


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
