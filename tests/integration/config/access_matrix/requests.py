"""A request of one person, what came of it, and whether it changed any row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.client import ClientHandler

from notifications.models import AuditEntry
from tests.integration.config.access_matrix.routes import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.http import HttpResponseBase

    from tests.integration.config.access_matrix.people import World

SECRET = "c" * 32
FORM = "application/x-www-form-urlencoded"
WRITTEN = re.compile(r'(?:INTO|UPDATE|DELETE FROM) "(\w+)"')
# Another in each answer, whoever asks.
MASKED = re.compile(r'(name="csrfmiddlewaretoken" value=")\w+')


@dataclass(frozen=True)
class Answer:
    """What came back, and whether rows are not as they were."""

    status: int
    headers: dict[str, str]
    body: str
    has_written: bool

    @property
    def cell(self) -> str:
        """As the tables have it."""
        is_sign_in = self.status in {302, 303} and "/login/" in self.headers["Location"]
        return ("login" if is_sign_in else str(self.status)) + ("*" if self.has_written else "")

    def without(self, export_id: str) -> Answer:
        """The same, as if it had been about an export that does not exist."""
        headers = {n: value.replace(export_id, UNKNOWN) for n, value in self.headers.items()}
        body = MASKED.sub(r"\1", self.body).replace(export_id, UNKNOWN)
        return Answer(self.status, headers, body, self.has_written)


class _Client(RequestFactory):
    """Django's test client without its copies of each template's context, which take longer
    than the answers. An error of a view is a 500, as for everybody else.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handler = ClientHandler(enforce_csrf_checks=True)

    def request(self, **request: Any) -> Any:
        return self._handler(self._base_environ(**request))


class Sender:
    """Sends requests of everybody. Each leaves the database as it was."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client = _Client()
        self._before = all_rows()

    def send(
        self,
        person: str,
        method: str,
        path: str,
        body: str = "",
        *,
        content_type: str = FORM,
        has_csrf_token: bool = True,
    ) -> Answer:
        world, cookies = self._world, self._client.cookies
        cookies.clear()
        headers = {}
        if person in world.sessions:
            cookies[settings.SESSION_COOKIE_NAME] = world.sessions[person]
        if person in world.tokens:
            headers["Authorization"] = f"Bearer {world.tokens[person]}"
        if has_csrf_token:
            cookies[settings.CSRF_COOKIE_NAME] = headers["X-CSRFToken"] = SECRET
        written: set[str] = set()
        with transaction.atomic(), connection.execute_wrapper(_noting(written)):
            response = self._client.generic(method, path, body, content_type, headers=headers)
            text = _text(response)
            has_written = any(
                found != self._before[table]
                for table, found in rows_of(written - {AUDITED}).items()
            )
            transaction.set_rollback(True)
        return Answer(response.status_code, _compared(response), text, has_written)


# What is refused is written down there, too.
AUDITED = AuditEntry._meta.db_table


def rows_of(tables: Iterable[str]) -> dict[str, list[Any]]:
    """Every row of these tables."""
    models = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    return {
        table: list(models[table]._base_manager.order_by("pk").values_list()) for table in tables
    }


def all_rows() -> dict[str, list[Any]]:
    return rows_of(model._meta.db_table for model in apps.get_models(include_auto_created=True))


def _noting(tables: set[str]) -> Callable[..., Any]:
    """A wrapper of statements that keeps the names of the tables which they may write."""

    def execute(run: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            tables.add(WRITTEN.search(sql)[1])
        return run(sql, *arguments)

    return execute


def _text(response: HttpResponseBase) -> str:
    """The body. A stream is closed unread: what is in it is for tests of downloads and logs."""
    if isinstance(response, HttpResponse):
        return response.content.decode(errors="replace")
    for close in response._resource_closers:  # Its close() would close the connection, too.
        close()
    return ""


def _compared(response: HttpResponseBase) -> dict[str, str]:
    left_out = {"Content-Length", "Expires"}  # By the length of an id, and by the clock.
    return {name: value for name, value in response.items() if name not in left_out}
