"""Wait until every process answers, and welcome the user."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

from config.run.processes import HOST
from config.run.terminal import say
from demo.accounts import ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE = 60.0  # Seconds until the terminal shows which process does not answer yet.
PAUSE_SECONDS = 0.25
ANSWER_SECONDS = 10.0


def unready(port: int, hosts: Sequence[str]) -> str | None:
    """Return a line for each part that does not answer yet; None when all answer.

    `hosts` is ALLOWED_HOSTS: the request names a host that the site accepts.
    """
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
    """Wait until everything answers. Return False if the run `is_over` before that."""
    complain_at = time.monotonic() + PATIENCE
    while missing := unready(port, hosts):
        if is_over():
            return False
        if time.monotonic() > complain_at:
            complain_at = float("inf")
            say(f"Not ready after {PATIENCE:.0f} s. Still waiting for:\n{missing}")
        time.sleep(PAUSE_SECONDS)
    return not is_over()


def welcome(url: str, *, debug: bool) -> str:
    """Return the lines that the terminal shows once everything answers."""
    if debug:
        logins = "\n".join(f"  {name + '/' + name:12} {rights}" for name, rights, *_ in ACCOUNTS)
        accounts = f"""{logins}

These logins are insecure: everybody knows their passwords. They exist only
because DEBUG=1, which is the default here. DEBUG=0 creates no accounts."""
    else:
        accounts = (
            "There are no accounts. To create one: .venv/bin/python manage.py createsuperuser"
        )
    return f"\nWaybill is ready: {url}\n\n{accounts}\n\nCtrl-C stops everything.\n"
