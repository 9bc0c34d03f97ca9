"""A NUL in what is asked for. PostgreSQL refuses a question with one in it."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages

from tests.support import flights
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)

EXPORTS = "/admin/exports/export/"
STREAMS = "/admin/notifications/"
DEMO = "/admin/demo/"

ROWS = [
    f"{EXPORTS}%00/change/",
    f"{EXPORTS}%00/history/",
    f"{STREAMS}stream/%00/change/",
    f"{DEMO}airport/%00/change/",
]
LISTS = [
    *(f"{EXPORTS}?{field}=%00" for field in ("status__exact", "exporter", "format", "q")),
    *(f"{STREAMS}{name}/?q=%00" for name in ("stream", "event", "retained", "token")),
    f"{STREAMS}inbox/?email__exact=%00",
    f"{DEMO}flight/?carrier__carrier__exact=%00",
    f"{DEMO}airport/?q=%00",
    "/admin/auth/user/?username=%00",
    "/admin/django_celery_results/taskresult/?status__exact=%00",
]
OTHERS = {
    "/exports/?page=%00": 200,
    "/exports/new/flights/?preset=%00&format=%00": 200,
    "/exports/new/%00/": 404,
    "/inbox/?before=%00": 200,
    "/%00": 404,
    f"{DEMO}flight/export/?carrier__carrier__exact=%00": 200,
    "/api/v1/exports?status=%00": 422,
    "/api/v1/streams/user-%00": 404,
}
FORMS = [
    (f"{DEMO}airport/export/", {"column": "faa", "_selected_action": "\0"}, 422),
    (f"{DEMO}flight/export/", {"label": "\0"}, 422),
    (f"{DEMO}flight/export/preview/?carrier__carrier__exact=%00", {}, 200),
    ("/exports/new/flights/", {"filter-carrier": "\0"}, 422),
    ("/exports/new/flights/", {"header-id": "a\0"}, 422),
    ("/exports/new/flights/", {"save": "", "preset": "\0"}, 422),
]


@pytest.fixture(autouse=True)
def _ada(client, django_user_model):
    flights.load(3)
    ada = django_user_model.objects.create_superuser("ada")
    start_export(user=ada, exporter="flights", enqueue=False)
    client.force_login(ada)


def test_admin_reports_a_missing_row_for_a_nul(client):
    for path in ROWS:
        response = client.get(path)

        assert (response.status_code, response["Location"]) == (302, "/admin/"), path
        *_, said = map(str, get_messages(response.wsgi_request))
        assert "ID “\ufffd”" in said, path


def test_admin_lists_are_empty_for_a_nul(client):
    for address in LISTS:
        response = client.get(address)

        assert response.status_code == 200, address
        assert response.context["cl"].result_count == 0, address


def test_new_exports_are_empty_for_a_nul(client):
    for field in ("status__exact", "exporter", "q"):
        response = client.get(f"{EXPORTS}news/0/?{field}=%00")

        assert (response.status_code, response.json()) == (200, {"ids": []}), field
    assert client.get(f"{EXPORTS}news/0/").json() != {"ids": []}


def test_pages_and_api_treat_a_nul_like_any_invalid_text(client):
    for address, status in OTHERS.items():
        assert client.get(address).status_code == status, address


def test_forms_refuse_a_nul(client):
    for address, sent, status in FORMS:
        chosen = {"format": "csv", "column": "id", "header-id": "", **sent}

        assert client.post(address, chosen).status_code == status, (address, sent)
