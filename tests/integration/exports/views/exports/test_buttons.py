"""The buttons of an export: what they do, and where they lead."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from exports.models import Export
from exports.status import Status
from tests.support.pages import DASHBOARD, page, text_of

pytestmark = pytest.mark.django_db


def test_cancel_button_returns_to_the_card(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("cancel", export))

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
    assert (response.status_code, response["Location"]) == (303, f"{DASHBOARD}#{export.key}")


def test_button_returns_to_its_page(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("pause", export), {"next": export.get_absolute_url()})

    assert response["Location"] == export.get_absolute_url()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_button_never_leads_to_another_site(signed_in, make_export, elsewhere):
    response = signed_in.post(page("cancel", make_export()), {"next": elsewhere})

    assert response["Location"].startswith(DASHBOARD)


def test_resumed_export_is_queued_again(signed_in, make_export):
    export = make_export()
    signed_in.post(page("pause", export))
    export.refresh_from_db()
    assert export.status == Status.PAUSED

    signed_in.post(page("resume", export))

    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_illegal_action_is_refused_with_a_reason(signed_in, make_export):
    export = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("cancel", export), follow=True)

    assert "This export is failed. It can no longer be cancelled." in text_of(response)
    export.refresh_from_db()
    assert export.status == Status.FAILED


@pytest.mark.parametrize(
    ("status", "button"), [("failed", "retry"), ("cancelled", "retry"), ("succeeded", "again")]
)
def test_export_is_repeated_from_its_card_and_from_its_page(signed_in, make_export, status, button):
    origin = make_export(status=status, finished_at=timezone.now())

    from_card = signed_in.post(page(button, origin))
    from_page = signed_in.post(page(button, origin), {"next": origin.get_absolute_url()})

    new = Export.objects.exclude(pk=origin.pk).get()
    assert (from_card.status_code, from_card["Location"]) == (303, f"{DASHBOARD}#{new.key}")
    assert (from_page.status_code, from_page["Location"]) == (303, new.get_absolute_url())
    shown = signed_in.get(new.get_absolute_url())
    link = re.escape(f'<a href="{origin.get_absolute_url()}">')
    assert re.search(rf"Re-run of</dt>\s*<dd>{link}", shown.content.decode())
    assert "You already started this export." in text_of(shown)


def test_first_export_shows_no_repetition(signed_in, make_export):
    assert "Repeats" not in text_of(signed_in.get(page("detail", make_export())))


def test_refused_retry_returns_with_a_reason(signed_in, make_export, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("retry", origin), follow=True)

    assert response.redirect_chain == [(f"{DASHBOARD}#{origin.key}", 303)]
    assert "You can start 1 exports a minute." in text_of(response)
    assert Export.objects.count() == 1


def test_retry_without_permission_is_refused(signed_in, user, make_export):
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())
    user.user_permissions.clear()

    response = signed_in.post(page("retry", origin))

    assert response.status_code == 403
    assert 'You do not have permission to export "Airports".' in text_of(response)


def test_get_request_of_a_button_only_shows_the_export(signed_in, make_export):
    export = make_export()

    response = signed_in.get(page("cancel", export))

    assert (response.status_code, response["Location"]) == (303, export.get_absolute_url())
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_cross_site_button_does_nothing(make_export, user):
    export = make_export()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert strict.post(page("cancel", export)).status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED
