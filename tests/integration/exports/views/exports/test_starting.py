"""The form that starts an export, and what it refuses."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from exports.models import Export
from exports.status import Status
from tests.support.pages import DASHBOARD, text_of

pytestmark = pytest.mark.django_db


def test_start_form_leads_to_the_card_on_the_dashboard(signed_in, user):
    response = signed_in.post(
        reverse("exports:create"), {"exporter": "airports", "format": "jsonl"}
    )

    export = Export.objects.get(owner=user)
    assert (response.status_code, response["Location"]) == (303, f"{DASHBOARD}#{export.key}")
    assert (export.exporter, export.format, export.status) == ("airports", "jsonl", Status.QUEUED)
    assert f'id="{export.key}"' in signed_in.get(DASHBOARD).content.decode()


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("exporter", {"exporter": "nothing", "format": "csv"}),
        ("format", {"exporter": "airports", "format": "xyz"}),
    ],
)
def test_invalid_choice_is_named_at_its_field(signed_in, field, data):
    response = signed_in.post(reverse("exports:create"), data)

    assert response.status_code == 422
    assert data[field] in response.context["form"].errors[field][0]
    assert not Export.objects.exists()


CSV = {"exporter": "airports", "format": "csv"}


def test_form_has_options_beside_the_format(signed_in):
    chosen = {"delimiter": "\t", "bom": "on", "gzip": "on"}

    assert signed_in.post(reverse("exports:create"), {**CSV, **chosen}).status_code == 303
    assert Export.objects.get().options == {"delimiter": "\t", "bom": True, "gzip": True}


def test_untouched_options_fit_every_format(signed_in):
    untouched = {"exporter": "airports", "format": "parquet", "delimiter": ","}

    assert signed_in.post(reverse("exports:create"), untouched).status_code == 303
    assert Export.objects.get().options == {}


def test_unsupported_option_is_refused_beside_the_options(signed_in):
    chosen = {"exporter": "airports", "format": "jsonl", "delimiter": ";", "gzip": "on"}

    response = signed_in.post(reverse("exports:create"), chosen)

    content = response.content.decode()
    assert response.status_code == 422
    assert 'JSON Lines has no option "delimiter". Available: gzip (true or false).' in text_of(
        response
    )
    assert re.search(
        r'<details class="options" data-options open>.*JSON Lines has.*</details>', content, re.S
    )
    assert '<option value=";" selected>' in content
    assert not Export.objects.exists()


def test_identical_request_leads_to_the_existing_card(signed_in):
    first = signed_in.post(reverse("exports:create"), CSV)

    second = signed_in.post(reverse("exports:create"), CSV)

    assert second["Location"] == first["Location"]
    assert Export.objects.count() == 1
    assert "You already started this export." in text_of(signed_in.get(DASHBOARD))


def test_new_export_is_not_reported_as_a_duplicate(signed_in):
    response = signed_in.post(reverse("exports:create"), CSV, follow=True)

    assert "already started" not in text_of(response)


def test_limit_of_active_exports_is_explained(signed_in, make_export, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    make_export()

    response = signed_in.post(reverse("exports:create"), CSV)

    assert response.status_code == 429
    assert "You have reached your limit of active exports (1 of 1). Wait for one" in text_of(
        response
    )
    assert "Retry-After" not in response
    assert Export.objects.count() == 1


def test_throttled_request_gets_the_retry_time(signed_in, make_export, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    make_export()

    response = signed_in.post(reverse("exports:create"), CSV)

    assert response.status_code == 429
    assert f"Try again in {response['Retry-After']} s." in text_of(response)


@pytest.mark.proves("export-needs-permission")
def test_hidden_exporter_looks_like_an_unknown_one(signed_in):
    response = signed_in.post(reverse("exports:create"), {"exporter": "planes", "format": "csv"})

    assert response.status_code == 422
    assert 'There is no exporter "planes". Available: ' in text_of(response)
    assert "Planes" not in text_of(response)


def test_user_without_exporters_is_referred_to_an_administrator(client, make_user):
    client.force_login(make_user("guest"))

    response = client.get(DASHBOARD)

    assert "You do not have access to any exports yet. Ask an administrator" in text_of(response)
    assert "Start export" not in text_of(response)
