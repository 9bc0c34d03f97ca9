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


def test_cancelling_leads_back_to_the_card(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("cancel", export))

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
    assert (response.status_code, response["Location"]) == (303, f"{DASHBOARD}#{export.key}")


def test_a_button_leads_back_to_the_page_that_it_was_on(signed_in, make_export):
    export = make_export()

    response = signed_in.post(page("pause", export), {"next": export.get_absolute_url()})

    assert response["Location"] == export.get_absolute_url()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_a_button_never_leads_to_another_site(signed_in, make_export, elsewhere):
    response = signed_in.post(page("cancel", make_export()), {"next": elsewhere})

    assert response["Location"].startswith(DASHBOARD)


def test_paused_and_resumed_it_waits_again(signed_in, make_export):
    export = make_export()
    signed_in.post(page("pause", export))
    export.refresh_from_db()
    assert export.status == Status.PAUSED

    signed_in.post(page("resume", export))

    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_what_cannot_be_done_any_more_is_refused_in_words(signed_in, make_export):
    export = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("cancel", export), follow=True)

    assert "This export is failed. It can no longer be cancelled." in text_of(response)
    export.refresh_from_db()
    assert export.status == Status.FAILED


@pytest.mark.parametrize(
    ("status", "button"), [("failed", "retry"), ("cancelled", "retry"), ("succeeded", "again")]
)
def test_what_is_over_is_asked_again_from_its_card_and_from_its_page(
    signed_in, make_export, status, button
):
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


def test_what_repeats_nothing_does_not_say_so(signed_in, make_export):
    assert "Repeats" not in text_of(signed_in.get(page("detail", make_export())))


def test_a_retry_that_is_refused_leads_back_and_says_why(signed_in, make_export, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())

    response = signed_in.post(page("retry", origin), follow=True)

    assert response.redirect_chain == [(f"{DASHBOARD}#{origin.key}", 303)]
    assert "You can start 1 exports a minute." in text_of(response)
    assert Export.objects.count() == 1


def test_who_may_not_export_it_any_more_cannot_retry_it(signed_in, user, make_export):
    origin = make_export(status=Status.FAILED, finished_at=timezone.now())
    user.user_permissions.clear()

    response = signed_in.post(page("retry", origin))

    assert response.status_code == 403
    assert 'You do not have permission to export "Airports".' in text_of(response)


def test_a_get_does_nothing_and_leads_to_the_export(signed_in, make_export):
    export = make_export()

    response = signed_in.get(page("cancel", export))

    assert (response.status_code, response["Location"]) == (303, export.get_absolute_url())
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_a_button_of_another_site_does_nothing(make_export, user):
    export = make_export()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)

    assert strict.post(page("cancel", export)).status_code == 403
    export.refresh_from_db()
    assert export.status == Status.QUEUED
