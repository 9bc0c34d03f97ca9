"""The admin with django-unfold as its theme: a server of its own, with that app before the admin."""

from __future__ import annotations

import http.client
import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from exports.lifecycle import attempts
from exports.lifecycle.announce import announce
from exports.models import Export, Part
from exports.status import Status
from tests.services.waybill import HOST
from tests.support import flights
from tests.support.signing_in import session_cookie
from tests.support.starting import start_export

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on("sqlite"),  # Templates are the same on both.
]

EXPORTS = "/admin/exports/export/"


@pytest.fixture
def themed(start_server):
    return start_server(DJANGO_SETTINGS_MODULE="tests.themed.settings")


@pytest.fixture
def operator(transactional_db):
    return User.objects.create_superuser("operator")


@pytest.fixture
def ask(themed, operator):
    """Ask the server as the operator: the status, and the page as text."""
    name, value = session_cookie(operator)

    def ask(path, method="GET", body=None, cookies=""):
        connection = http.client.HTTPConnection(HOST, themed.port, timeout=60)
        headers = {"Cookie": f"{name}={value}; {cookies}"}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = unescape(response.read().decode())
        connection.close()
        return response, text

    return ask


def test_pages_work_in_the_unfold_theme(ask, operator):
    flights.load(5)
    running = start_export(user=operator, exporter="flights", enqueue=False)
    running = attempts.claim(running.pk, worker="worker-1@host")
    Part.objects.create(export=running, number=1, upto_key="9", rows=9, worker="worker-1@host")
    failed = Export.objects.create(
        owner=operator, exporter="flights", label="Broken", status=Status.FAILED, error="No room."
    )
    with transaction.atomic():
        announce(failed)
    wanted = {
        EXPORTS: [
            "<progress",
            'class="waybill-status" data-status="running"',
            '<option value="run_again">',
            "data-streams=",
            "data-news=",
            f'href="{EXPORTS}health/"',
        ],
        f"{EXPORTS}{running.pk}/change/": [
            'class="waybill-panel"',
            f'formaction="{EXPORTS}{running.pk}/cancel/"',
            'id="parts-group"',
            "worker-1@host",
            "exports/page.js",
        ],
        f"{EXPORTS}{failed.pk}/change/": [
            "<strong>Failed.</strong>",
            ">No room.<",
            "Retry",
        ],
        f"{EXPORTS}health/": ['data-part="workers"', "Check again"],
        # An admin of unfold's own with the mixin, and one of Django's.
        "/admin/demo/flight/?carrier__carrier__exact=UA": [
            'href="/admin/demo/flight/export/?carrier__carrier__exact=UA"',
            '<option value="export_selected">',
        ],
        "/admin/demo/plane/": ['href="/admin/demo/plane/export/"'],
        "/admin/demo/flight/export/?carrier__carrier__exact=UA": ["United Air Lines", "Parquet"],
        "/admin/notifications/event/?q=queued": ["export.queued"],
        "/admin/notifications/stream/": [running.stream],
    }

    for path, pieces in wanted.items():
        response, page = ask(path)

        assert response.status == 200, path
        assert "unfold/css/styles.css" in page, f"{path} is not in the theme"
        for piece in pieces:
            assert piece in page, f"{path} has no {piece}"
    assert "admin/css/base.css" not in page


def test_button_and_action_work_in_the_unfold_theme(ask, operator):
    flights.load(5)
    export = start_export(user=operator, exporter="flights", enqueue=False)
    response, page = ask(f"{EXPORTS}{export.pk}/change/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(.*?)"', page)[1]
    cookie = response.getheader("Set-Cookie").partition(";")[0]

    pressed, _ = ask(
        f"{EXPORTS}{export.pk}/cancel/", "POST", f"csrfmiddlewaretoken={token}", cookie
    )
    chosen = f"csrfmiddlewaretoken={token}&action=export_selected&_selected_action=1&index=0"
    asked, selection = ask("/admin/demo/flight/", "POST", chosen, cookie)

    export.refresh_from_db()
    assert (pressed.status, export.status) == (302, "cancelled")
    assert asked.status == 200
    assert "1 selected flight" in selection
