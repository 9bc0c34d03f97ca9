"""A project whose routers read from replicas that are behind: rows just written are not there."""

from __future__ import annotations

import http.client
import json
import os
import sys

import pytest
from django.contrib.auth.models import User
from django.db import connection

from demo.models import Flight
from exports.models import Export
from exports.status import Status
from tests.services.waybill import HOST, start_beat
from tests.support.exporting import expire_lease, make_flights
from tests.support.signing_in import session_cookie
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on("sqlite"),  # Routers are the same on both; a copy of a file is simple.
]

FLIGHTS = 30

# An exporter with a scope of its own, for the rows of a list in the admin.
SCOPED = """
from django.contrib.auth import get_user_model
from demo.models import Flight
from exports.exporters import Exporter, registry
from exports.spec import queryset

class Scoped(Exporter):
    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    columns = ["id"]

    def get_queryset(self, user):
        return Flight.objects.filter(id__gt=0)

registry.register(Scoped)
person = get_user_model().objects.get()
asked = {"changelist": {"model": "demo.flight", "query": ""}}
print(queryset.rows(registry.get("scoped"), person, asked).count())
"""


@pytest.fixture
def cookie():
    """Of somebody who has signed in before the replicas were copied."""
    return "=".join(session_cookie(User.objects.create_superuser("person")))


@pytest.fixture
def project(cookie, tmp_path):
    """The environment of its processes. Of two replicas the second has no flights.

    No database is the default one: what does not ask the router fails.
    """
    make_flights(range(1, FLIGHTS + 1))
    replicas = [tmp_path / f"{name}.sqlite3" for name in ("behind", "far-behind")]
    for replica in replicas:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(replica)])
        Flight.objects.all().delete()
    make_flights(range(1, FLIGHTS + 1))
    return {
        "DJANGO_SETTINGS_MODULE": "tests.replicated.settings",
        "REPLICAS": os.pathsep.join(map(str, replicas)),
    }


@pytest.fixture
def ask(cookie, project, start_server):
    server = start_server(**project)

    def ask(method, path, body=None):
        web = http.client.HTTPConnection(HOST, server.port, timeout=60)
        headers = {"Cookie": f"{cookie}; csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}
        if body:
            headers["Content-Type"] = "application/json"
        web.request(method, path, body and json.dumps(body), headers)
        response = web.getresponse()
        answer = response.read()
        web.close()
        return response, answer

    return ask


def request(ask):
    asked = {"exporter": "flights", "columns": ["id"]}
    started, answer = ask("POST", "/api/v1/exports", asked)
    assert started.status == 202, answer
    return Export.objects.get(pk=json.loads(answer)["id"])


@pytest.mark.proves("replicas-are-read-consistently")
def test_export_runs_although_replicas_lag_behind(ask, project, start_worker):
    start_worker(**project)

    export = request(ask)

    wait_until(lambda: Export.objects.get().status == Status.SUCCEEDED, what="it has succeeded")
    for path in ("/exports/", f"/exports/{export.pk}/", f"/api/v1/exports/{export.pk}/log"):
        assert ask("GET", path)[0].status == 200, path
    file, downloaded = ask("GET", f"/exports/{export.pk}/file")
    # Each export has the rows of one replica, and never some of each.
    export.refresh_from_db()
    assert export.rows_total in {0, FLIGHTS}
    assert (file.status, len(downloaded.splitlines())) == (200, export.rows_total + 1)
    followed, events = ask("GET", f"/api/v1/streams/{export.stream}")
    assert followed.status == 200
    assert b"export.succeeded" in events


def test_list_rows_are_read_from_the_database_of_the_exporter(project, run):
    program = [sys.executable, "manage.py", "shell", "--no-imports", "--command", SCOPED]
    process = run.start("manage", program, env=project)

    assert process.wait() == 0, process.log_text()
    assert process.log_text().split()[-1] in {"0", str(FLIGHTS)}


@pytest.mark.proves("replicas-are-read-consistently")
def test_lost_export_is_rescued_on_the_primary(ask, project, run, valkey):
    export = request(ask)
    Export.objects.filter(pk=export.pk).update(status=Status.RUNNING)
    expire_lease(export)

    beat = start_beat(run, project)
    try:
        wait_until(lambda: Export.objects.get().status == Status.QUEUED, what="it is rescued")
    finally:
        beat.kill()


def test_commands_read_the_primary_database(ask, project, run):
    export = request(ask)

    for command in (["rescue_exports"], ["prune_exports"], ["mail_notifications"], ["healthcheck"]):
        process = run.start("manage", [sys.executable, "manage.py", *command], env=project)
        process.wait()
        said = process.log_text()
        assert "Traceback" not in said, said
        assert "ImproperlyConfigured" not in said, said
    assert Export.objects.get() == export
