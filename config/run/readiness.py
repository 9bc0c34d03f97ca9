"""Wait until every process is ready, and welcome the user."""

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

REPORT_AFTER = 60.0  # Seconds until the terminal shows which processes are not ready yet.
PAUSE_SECONDS = 0.25
TIMEOUT_SECONDS = 10.0


def unready(port: int, hosts: Sequence[str]) -> str | None:
    """Return a line for each part that is not ready yet, or None when all are.

    `hosts` is ALLOWED_HOSTS, because the request must name a host that the site accepts.
    """
    named = [host.lstrip(".") for host in hosts if host not in {"*", HOST}]
    header = named[0] if named and HOST not in hosts and "*" not in hosts else f"{HOST}:{port}"
    with closing(http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)) as web:
        try:
            web.request("GET", "/health/ready", headers={"Host": header})
            response = web.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"  web: does not answer ({error})"
    if response.status == http.HTTPStatus.OK:
        return None
    try:
        checks: dict[str, str] = json.loads(body)["checks"]
    except (ValueError, LookupError, TypeError):
        return f"  web: /health/ready answers {response.status}"
    return "\n".join(f"  {name}: {found}" for name, found in checks.items() if found != "ok")


def wait_until_ready(port: int, hosts: Sequence[str], is_over: Callable[[], bool]) -> bool:
    """Wait until everything is ready. Return False if the run `is_over` before that."""
    report_at = time.monotonic() + REPORT_AFTER
    while missing := unready(port, hosts):
        if is_over():
            return False
        if time.monotonic() > report_at:
            report_at = float("inf")
            say(f"Not ready after {REPORT_AFTER:.0f} s. Still waiting for:\n{missing}")
        time.sleep(PAUSE_SECONDS)
    return not is_over()


def welcome(url: str, *, debug: bool) -> str:
    """Return the text that the terminal shows when everything is ready."""
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
