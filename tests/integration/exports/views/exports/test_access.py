"""The pages: who may see an export, and who may stop it."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from exports.status import Status
from tests.support.pages import DASHBOARD, page

pytestmark = pytest.mark.django_db


# -- Who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["detail", "card", "file", "log_text"])
def test_anonymous_user_is_sent_to_the_login_page(client, make_export, name):
    url = page(name, make_export())

    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('login')}?next={url}"


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *(("get", name) for name in ("detail", "card", "file", "log_text")),
        *(("post", name) for name in ("cancel", "pause", "resume", "retry", "again")),
    ],
)
def test_foreign_export_gives_404(client, make_user, make_export, method, name):
    export = make_export()
    client.force_login(make_user("other", "export_airport"))

    response = getattr(client, method)(page(name, export))

    assert response.status_code == 404
    export.refresh_from_db()
    assert export.status == Status.QUEUED


def test_view_permission_opens_foreign_exports(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("auditor", "view_export"))

    assert client.get(page("detail", export)).status_code == 200
    assert not client.get(DASHBOARD).context["active"]


def test_missing_export_gives_404(signed_in):
    assert signed_in.get(reverse("exports:detail", args=[uuid.uuid4()])).status_code == 404


# -- Who may look, and who may stop it -----------------------------------------------------------


def test_user_who_may_only_view_has_no_buttons(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("auditor", "view_export"))

    page = client.get(export.get_absolute_url()).content.decode()
    pressed = client.post(reverse("exports:cancel", args=[export.pk]))
    called = client.post(f"/api/v1/exports/{export.pk}/cancel")

    export.refresh_from_db()
    assert reverse("exports:cancel", args=[export.pk]) not in page
    assert (pressed.status_code, called.status_code, export.status) == (403, 403, Status.QUEUED)


def test_user_with_change_permission_stops_foreign_exports(client, make_user, make_export):
    export = make_export()
    client.force_login(make_user("operator", "view_export", "change_export"))

    client.post(reverse("exports:cancel", args=[export.pk]))

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
