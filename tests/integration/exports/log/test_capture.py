"""The log of an export as its stream has it: in order, storable, and only of who holds it."""

from __future__ import annotations

import contextvars
import logging
import threading

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo.models import Flight
from exports import log as export_log
from exports.exporters import Column, Exporter
from exports.lifecycle import attempts, rescue
from exports.log import capture
from tests.support.exporting import (
    WORKER,
    events,
    expire_lease,
    log,
    make_flights,
    registered,
    request,
    resume_with,
    run,
)

pytestmark = pytest.mark.django_db(transaction=True)

logger = logging.getLogger("some.exporter")


@pytest.fixture(autouse=True)
def _flights():
    make_flights(range(1, 5))


def exporter_that(does):
    """An exporter that calls `does(key)` for each row."""

    class Talking(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [Column("said", needs=["id"], python=does)]

    return Talking


def started(superuser):
    return attempts.claim(
        request(superuser, exporter="talking", columns=None, enqueue=False).pk, worker=WORKER
    )


def said(export):
    """The messages of the exporter itself."""
    return [
        line["message"] for line in events(export.stream, "log") if line["logger"] == logger.name
    ]


def test_exporters_log_lines_are_kept_in_order(superuser):
    with registered(exporter_that(lambda key: logger.info("row %s\0", key))):
        export = run(started(superuser))

    assert said(export) == [f"row {key}\ufffd" for key in range(1, 5)]


def test_log_lines_of_threads_with_the_context_are_kept(superuser):
    def in_a_thread(key):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=[logger.info, "row %s", key])
        thread.start()
        thread.join()

    with registered(exporter_that(in_a_thread)):
        export = run(started(superuser))

    assert said(export) == [f"row {key}" for key in range(1, 5)]


def test_error_with_unstorable_text_fails_the_export_with_it(superuser):
    def fail(key):
        raise LookupError(f"no plane \0 \udcff in row {key}")

    with registered(exporter_that(fail)):
        export = run(started(superuser))

    export.refresh_from_db()
    assert export.status == "failed"
    assert "no plane \ufffd" in export.error
    assert any("no plane \ufffd" in message for message in log(export))


def test_log_lines_of_a_fenced_worker_are_dropped(superuser):
    def lose_it_at_the_third_row(key):
        logger.info("go %s, row %s", gone, key)
        if key == 3 and gone == 1:
            expire_lease(export)
            rescue.rescue()
            logger.info("a line of a worker that was thought dead")

    with registered(exporter_that(lose_it_at_the_third_row)):
        gone, export = 1, started(superuser)
        run(export)
        gone = 2
        again = resume_with(export)

    assert again.status == "succeeded"
    assert said(export) == [f"go 2, row {key}" for key in range(1, 5)]


def test_log_names_the_lost_worker_and_its_successor(superuser):
    with registered(exporter_that(lambda key: logger.info("row %s", key))):
        export = expire_lease(started(superuser))
        rescue.rescue()
        resume_with(export, "worker-2@tests")

    warning, first, *rest = events(export.stream, "log")
    assert warning["message"].startswith(f"Worker {WORKER}, attempt 1, has not responded")
    assert "worker" not in warning
    assert first["message"] == f"Export {export.pk}, attempt 2 by worker-2@tests."
    assert {(line["worker"], line["attempt"]) for line in (first, *rest)} == {("worker-2@tests", 2)}


def test_first_attempt_names_no_worker_in_its_lines(superuser):
    with registered(exporter_that(lambda key: logger.info("row %s", key))):
        export = run(started(superuser))

    assert not any("worker" in line for line in events(export.stream, "log"))


def test_flood_of_lines_is_cut_with_a_notice_and_an_end(superuser, settings):
    settings.EXPORTS_LOG_LINES = 10

    def flood(key):
        for number in range(100):
            logger.info("row %s, %s", key, number)

    with registered(exporter_that(flood)):
        export = run(started(superuser))

    lines = log(export)
    (notice,) = [number for number, line in enumerate(lines) if "The log is full" in line]
    assert notice == 9
    assert len(lines) <= 10 + capture.LAST_LINES
    assert "4 rows" in lines[-1]


# Half of a surrogate pair is no text for UTF-8; hypothesis makes some, if it is asked to.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(st.lists(st.lists(ANY_TEXT, max_size=8), max_size=4), st.integers(1, 20))
@example([["\0", "\ud800", "\udfff\ud800", "x" * 10_000], ["%d", "%(a)s"]], 20)
@example([["kept", "also"], ["not kept"]], 3)
def test_random_lines_are_stored_in_order_up_to_the_cap(superuser, asked, cap):
    # One export an example, which nobody finishes.
    with override_settings(EXPORTS_MAX_ACTIVE=0, EXPORTS_MAX_REQUESTS_PER_MINUTE=0):
        export = request(superuser, exporter="airports", columns=None, enqueue=False)
    with override_settings(EXPORTS_LOG_LINES=cap), capture.capture() as captured:
        for texts in asked:
            for text in texts:
                logger.info(text)
            lines = captured.take()
            with transaction.atomic():
                export_log.append(export, lines)

    everything = [expected(text) for texts in asked for text in texts]
    full = f"The log is full at {cap} lines. Later lines are not kept."
    if len(everything) >= cap:
        everything[cap - 1 :] = [full]
    assert log(export) == everything


def expected(text):
    text = "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)
    if len(text) <= 4_000:
        return text
    return f"{text[:1000]} … ({len(text)} characters) … {text[-3000:]}"
