"""What pages, bars and programs say of a difference."""

from __future__ import annotations

from functools import partial

import pytest
from django.urls import reverse

from exports.serialize import snapshot
from tests.support.exporting import make_flights, retained, run, start
from tests.support.recount import delete

pytestmark = pytest.mark.django_db(transaction=True)


SAID = "Rows counted: 35. Rows in the file: 34. 1 row was removed while the export ran."


@pytest.fixture
def differing(superuser, after_plan, client):
    """An export from which a row was deleted meanwhile. Its owner is signed in."""
    make_flights(range(1, 36))
    after_plan(partial(delete, 3))
    client.force_login(superuser)
    return run(start(superuser))


@pytest.mark.parametrize("name", ["exports:detail", "exports:card", "admin:exports_export_change"])
def test_pages_explain_the_difference(client, differing, name):
    shown = client.get(reverse(name, args=[differing.pk])).content.decode()

    assert SAID in shown


def test_page_without_a_difference_shows_no_explanation(client, superuser):
    make_flights(range(1, 36))
    client.force_login(superuser)
    export = run(start(superuser))

    shown = client.get(export.get_absolute_url()).content.decode()

    assert "Rows counted" not in shown


def test_bar_is_full_for_a_file_with_fewer_rows(client, differing):
    shown = client.get(differing.get_absolute_url()).content.decode()

    assert '<progress aria-label="Progress" max="1" value="1"></progress>' in shown


def test_api_and_streams_report_the_difference(client, differing):
    found = client.get(f"/api/v1/exports/{differing.pk}").json()

    told = {"rows_total": 35, "rows_done": 34, "rows_added": 0, "rows_removed": 1}
    assert {name: found[name] for name in told} == told
    pushed = retained(differing.stream, differing.key)
    assert {name: pushed[name] for name in told} == told
    assert {name: snapshot(differing)[name] for name in told} == told
