"""The button and the action of a list that can be exported."""

from __future__ import annotations

import pytest

from tests.support.list_export import LIST, PAGE, hrefs
from tests.support.pages import text

pytestmark = pytest.mark.django_db


def test_button_carries_filters_and_order_but_no_page(exporting):
    listed = exporting.get(LIST, {"carrier__carrier__exact": "UA", "q": "N14", "o": "-1", "p": "1"})

    assert f"{PAGE}?carrier__carrier__exact=UA&q=N14&o=-1" in hrefs(listed)


def test_button_and_action_are_hidden_without_permission(exporting, looking):
    offered, hidden = exporting.get(LIST), looking.get(LIST)

    assert "Export…" in text(offered)
    assert "Export selected flights" in text(offered)
    assert hidden.status_code == 200
    assert "Export" not in text(hidden)


def test_popup_has_no_button(exporting):
    listed = exporting.get(LIST, {"_popup": "1"})

    assert listed.status_code == 200
    assert "Export" not in text(listed)


def test_list_with_its_own_template_gets_the_button(exporting, settings, tmp_path):
    own = tmp_path / "admin" / "demo" / "flight" / "change_list.html"
    own.parent.mkdir(parents=True)
    own.write_text(
        '{% extends "admin/change_list.html" %}'
        "{% block content %}Our own words{{ block.super }}{% endblock %}"
    )
    templates = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**templates, "DIRS": [tmp_path, *templates["DIRS"]]}]

    listed = exporting.get(LIST)

    assert "Our own words" in text(listed)
    assert PAGE in hrefs(listed)
