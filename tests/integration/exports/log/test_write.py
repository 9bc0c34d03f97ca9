"""Lines that are appended to the log of an export, and what a full log still takes."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from exports import log
from exports.log.capture import LAST_LINES
from exports.models import Export
from tests.support import exporting

pytestmark = pytest.mark.django_db

FULL = "The log is full at 3 lines. Later lines are not kept."


@pytest.fixture
def export(settings):
    settings.EXPORTS_LOG_LINES = 3
    return exporting.request(User.objects.create_superuser("person"), enqueue=False)


def lines(*messages):
    return [{"level": "INFO", "message": each, "logger": "tests"} for each in messages]


def test_log_cap_holds_for_stale_objects(export):
    stale = Export.objects.only("pk").get(pk=export.pk)

    log.append(export, lines("a", "b"))
    log.append(stale, lines("c", "d"))
    log.append(export, lines("e"))

    assert exporting.log(export) == ["a", "b", FULL]
    assert Export.objects.get(pk=export.pk).log_lines == 5


def test_final_append_keeps_its_last_lines_in_a_full_log(export):
    messages = [f"line {number}" for number in range(10)]

    log.append(export, lines(*messages), is_last=True)

    assert exporting.log(export) == [*messages[:2], FULL, *messages[-LAST_LINES:]]


def test_empty_append_writes_nothing(export, django_assert_num_queries):
    with django_assert_num_queries(0):
        log.append(export, [])
