"""Pages group the digits of numbers for people, never in what programs read."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from exports.models import Export, Preset
from exports.status import Status
from notifications.inbox import inbox, notify
from notifications.models import Event, Stream
from tests.support.exporting import (
    force_status,
    make_flights,
    request,
)
from tests.support.streaming import append

pytestmark = pytest.mark.django_db(transaction=True)


GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,]\d{3})+(?![\d.,])")
# What people read or hear, and the shapes of icons.
FOR_PEOPLE = {"title", "alt", "placeholder", "aria-label", "d"}


class Attributes(HTMLParser):
    """Those of a page in which a number is grouped."""

    def __init__(self):
        super().__init__()
        self.grouped = []

    def handle_starttag(self, tag, attrs):
        self.grouped += [
            f"<{tag} {name}={value!r}>"
            for name, value in attrs
            # In JSON a number cannot be grouped, and 0.125 may be there.
            if name not in FOR_PEOPLE and not (value or "").startswith(("{", "["))
            if GROUPED.search(value or "")
        ]


@pytest.fixture
def large(settings):
    """Somebody for whom all numbers are large: those of keys, places, rows and attempts."""
    superuser = User.objects.create_superuser("person", pk=12_345)
    Preset.objects.create(pk=12_346, owner=superuser, exporter="flights", name="mine", format="csv")
    Preset.objects.create(pk=12_347, owner=superuser, exporter="flights", name="", format="csv")
    far = {"rows_done": 123_456, "rows_total": 1_234_567, "rows_most": 200_001, "rate": 4321.5}
    force_status(request(superuser), Status.RUNNING, **far, attempt=1_234)
    ended = {"file": "x.csv", "bytes": 5_678_901, "rows_done": 1_234, "rows_total": 1_234}
    now = timezone.now()
    force_status(request(superuser), Status.SUCCEEDED, **ended, started_at=now, finished_at=now)
    force_status(request(superuser), Status.FAILED, **far, error="It failed.")
    for name in Stream.objects.values_list("name", flat=True):
        Stream.objects.filter(name=name).update(head=54_321, floor=54_321, revision=54_321)
    for export in Export.objects.all():
        append(export.stream, "log", level="INFO", message="a line", logger="tests")
    with transaction.atomic():
        for number in range(60):  # On two pages.
            notify(superuser, f"news {number}")
    return superuser


@pytest.mark.proves("works-with-thousand-separators")
@pytest.mark.parametrize("language", ["en", "de"])
def test_numbers_in_attributes_have_no_separators(settings, language, large):
    settings.USE_THOUSAND_SEPARATOR = True
    make_flights(range(12_345, 12_350))
    client = Client(headers={"Accept-Language": language})
    client.force_login(large)
    pages = [
        "/exports/",
        "/exports/?page=1",
        "/inbox/",
        "/inbox/latest",
        "/exports/new/flights/",
        "/exports/new/flights/?preset=12346",
        "/admin/demo/flight/export/",
        "/admin/demo/flight/",
        "/admin/exports/export/",
        "/admin/exports/export/health/",
        *(f"/admin/notifications/{name}/" for name in ("stream", "event", "retained", "inbox")),
        *(f"/admin/notifications/event/{pk}/change/" for pk in Event.objects.values_list("pk")[0]),
    ]
    for export in Export.objects.all():
        place = f"/exports/{export.pk}/"
        pages += [place, f"{place}card", f"{place}card?sheet"]
        pages.append(f"/admin/exports/export/{export.pk}/change/")
    ticked = {"action": "export_selected", "_selected_action": ["12345", "12346"]}
    answers = {path: client.get(path) for path in pages}
    answers["preview"] = client.post("/exports/new/flights/preview", {"format": "csv"})
    answers["ticked"] = client.post("/admin/demo/flight/", ticked, follow=True)

    grouped = {}
    for path, answer in answers.items():
        assert answer.status_code == 200, path
        page = Attributes()
        page.feed(answer.content.decode())
        grouped[path] = page.grouped
    assert {path: found for path, found in grouped.items() if found} == {}


def test_form_with_a_large_number_is_read_correctly(settings, large):
    settings.USE_THOUSAND_SEPARATOR = True
    client = Client()
    client.force_login(large)
    page = client.get("/inbox/").content.decode()
    [up_to, *_] = re.findall(r'name="up_to" value="([^"]*)"', page)

    answer = client.post("/inbox/read", {"up_to": up_to})

    assert (answer.status_code, inbox.page(large).state.unread) == (303, 0)
