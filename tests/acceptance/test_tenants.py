"""A project with tenants in its own processes: a worker has the tenant that the request had."""

from __future__ import annotations

import datetime
import http.client
import json

import pytest
from django.contrib.auth.models import User

from demo.models import Flight
from exports.models import Export
from exports.status import Status
from tests.services.waybill import HOST
from tests.support.exporting import make_flights
from tests.support.signing_in import session_cookie
from tests.support.waiting import wait_until
from tests.tenancy.requests import TENANT, ZONE, keys_of

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = {"DJANGO_SETTINGS_MODULE": "tests.tenancy.settings", "EXPORTS_PART_ROWS": "2"}


def test_worker_uses_the_tenant_and_the_time_zone_of_the_request(start_server, start_worker):
    person = User.objects.create_superuser("person")
    make_flights(range(1, 41))
    # In Tokyo, where it is nine hours later, six flights of the tenant are on another day.
    late = datetime.datetime(2013, 1, 1, 16, tzinfo=datetime.UTC)
    Flight.objects.filter(pk__lte=16).update(time_hour=late)
    name, value = session_cookie(person)
    server = start_server(**PROJECT)
    start_worker(**PROJECT)
    start_worker(**PROJECT)

    def ask(method, path, body=None):
        web = http.client.HTTPConnection(HOST, server.port, timeout=60)
        headers = {
            "Cookie": f"{name}={value}; csrftoken={'a' * 32}",
            "X-CSRFToken": "a" * 32,
            "Content-Type": "application/json",
            TENANT: "2",
            ZONE: "Asia/Tokyo",
        }
        web.request(method, path, body and json.dumps(body), headers)
        response = web.getresponse()
        answer = response.read()
        web.close()
        return response.status, answer

    def exported(**asked):
        status, answer = ask("POST", "/api/v1/exports", {"exporter": "tenant_flights", **asked})
        assert status == 202, answer
        export = Export.objects.get(pk=json.loads(answer)["id"])
        wait_until(lambda: is_over(export), what="the export is over")
        assert (export.status, export.error) == (Status.SUCCEEDED, "")
        status, lines = ask("GET", f"/exports/{export.pk}/file")
        assert status == 200
        return [int(each) for each in lines.split()[1:]]

    assert exported() == keys_of(2)
    assert exported(filters={"day": "2013-01-02"}) == [11, 12, 13, 14, 15, 16]


def is_over(export):
    export.refresh_from_db()
    return export.status in {Status.SUCCEEDED, Status.FAILED}
