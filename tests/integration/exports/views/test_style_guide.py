"""The style page shows everything there is, and is not there in production."""

from __future__ import annotations

import re

import pytest

from exports.models import Export
from exports.status import Stage, Status
from exports.views.style_guide import SCHEMES

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]


@pytest.fixture
def shown(client, settings):
    settings.DEBUG = True
    response = client.get("/style/")
    assert response.status_code == 200
    return response.content.decode()


def test_style_guide_has_every_status_and_stage_in_both_schemes(shown):
    for found, wanted in (
        (re.findall(r'<li class="card"[^>]* data-status="(\w+)"', shown), Status.values),
        (re.findall(r'<li class="card"[^>]* data-stage="(\w*)"', shown), Stage.values),
    ):
        for value in wanted:
            assert found.count(value) >= len(SCHEMES), value
    assert 'data-state="expired"' in shown
    assert "No update for" in shown
    assert "are being re-read" in shown


def test_style_guide_writes_nothing(shown):
    assert shown
    assert not Export.objects.exists()


def test_style_guide_has_no_inline_code_and_no_duplicate_ids(shown):
    ids = re.findall(r'\sid="([^"]+)"', shown)

    assert not re.search(r"<style|<script(?![^>]*src=)|\son\w+=|\sstyle=", shown)
    assert [each for each in ids if ids.count(each) > 1] == []


def test_style_guide_is_missing_without_debug(client, settings):
    settings.DEBUG = False

    assert client.get("/style/").status_code == 404
