"""Whether everything answers, and what the person is told then."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from config.run.processes import HOST
from config.run.terminal import say
from demo.accounts import ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE = 60.0  # seconds; then we say what we wait for, and go on waiting
ASK_SECONDS = 0.25
ANSWER_SECONDS = 10.0


def unready(port: int, hosts: Sequence[str]) -> str | None:
    """What does not answer yet, in words; None when everything does."""
    named = [host.lstrip(".") for host in hosts if host not in {"*", HOST}]
    header = named[0] if named and HOST not in hosts and "*" not in hosts else f"{HOST}:{port}"
    with closing(http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as web:
        try:
            web.request("GET", "/health/ready", headers={"Host": header})
            answer = web.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"  web: does not answer ({error})"
    if answer.status == http.HTTPStatus.OK:
        return None
    try:
        checks: dict[str, str] = json.loads(body)["checks"]
    except (ValueError, LookupError, TypeError):
        return f"  web: /health/ready answers {answer.status}"
    return "\n".join(f"  {name}: {found}" for name, found in checks.items() if found != "ok")


def wait_until_ready(port: int, hosts: Sequence[str], is_over: Callable[[], bool]) -> bool:
    """Ask until everything answers. False if it `is_over` before that."""
    pause = threading.Event()
    complain_at = time.monotonic() + PATIENCE
    while missing := unready(port, hosts):
        if is_over():
            return False
        if time.monotonic() > complain_at:
            complain_at = float("inf")
            say(f"Not ready after {PATIENCE:.0f} s. Still waiting for:\n{missing}")
        pause.wait(ASK_SECONDS)
    return not is_over()


def welcome(url: str, *, debug: bool) -> str:
    """The lines that are shown once everything answers."""
    lines = ["", f"Waybill is ready: {url}", ""]
    if debug:
        for name, rights, *_ in ACCOUNTS:
            lines.append(f"  {name + '/' + name:12} {rights}")
        lines += [
            "",
            "These logins are insecure: everybody knows their passwords. They exist only",
            "because DEBUG=1, which is the default here. With DEBUG=0 none is made.",
        ]
    else:
        lines.append("No account was made. For one: .venv/bin/python manage.py createsuperuser")
    return "\n".join([*lines, "", "Ctrl-C stops everything.", ""])
