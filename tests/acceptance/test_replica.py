"""A project whose routers read from a replica that is behind: rows just written are not there."""

from __future__ import annotations

import http.client
import json

import pytest
from django.contrib.auth.models import User
from django.db import connection

from exports.models import Export, Status
from tests.exporting import make_flights
from tests.services.waybill import HOST
from tests.signing_in import session_cookie
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on("sqlite"),  # Routers are the same on both; a copy of a file is simple.
]


def test_export_runs_though_the_replica_never_sees_it(start_server, start_worker, tmp_path):
    person = User.objects.create_superuser("person")
    make_flights(range(1, 31))
    name, value = session_cookie(person)
    replica = tmp_path / "replica.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(replica)])
    project = {"DJANGO_SETTINGS_MODULE": "tests.replicated.settings", "REPLICA": str(replica)}
    server = start_server(**project)
    start_worker(**project)

    def ask(method, path, body=None):
        web = http.client.HTTPConnection(HOST, server.port, timeout=60)
        headers = {"Cookie": f"{name}={value}; csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}
        if body:
            headers["Content-Type"] = "application/json"
        web.request(method, path, body and json.dumps(body), headers)
        response = web.getresponse()
        answer = response.read()
        web.close()
        return response, answer

    started, answer = ask("POST", "/api/v1/exports", {"exporter": "flights", "columns": ["id"]})

    assert started.status == 202, answer
    export = Export.objects.get(pk=json.loads(answer)["id"])
    wait_until(lambda: Export.objects.get().status == Status.SUCCEEDED, what="it has succeeded")
    for path in ("/exports/", f"/exports/{export.pk}/", f"/api/v1/exports/{export.pk}/log"):
        assert ask("GET", path)[0].status == 200, path
    file, downloaded = ask("GET", f"/exports/{export.pk}/file")
    assert (file.status, len(downloaded.splitlines())) == (200, 31)
    followed, events = ask("GET", f"/api/v1/streams/{export.stream}")
    assert followed.status == 200
    assert b"export.succeeded" in events
