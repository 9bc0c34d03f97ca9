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
    """Stores accepted e-mails in `messages`, in their order, and as bytes in `contents`."""

    def __init__(self) -> None:
        self.port = _free_port()
        # The replies to the address of the sender, to those of recipients, and to the message.
        self.sender_reply = OK
        self.recipient_replies: dict[str, str] = {}
        self.message_reply = OK
        self.is_silent = False
        # A thread calls this when a message has arrived, before the server acknowledges it.
        self.on_message: Callable[[EmailMessage], Any] = lambda message: None
        self.messages: list[EmailMessage] = []
        self.contents: list[bytes] = []
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Return the recipients and subjects."""
        return [(message["To"], message["Subject"]) for message in self.messages]

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
        return self.sender_reply

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.recipient_replies.get(address, OK)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.message_reply == OK:
            message: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.messages.append(message)
            self.contents.append(envelope.content)
            await asyncio.to_thread(self.on_message, message)
        return self.message_reply


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
