"""What is logged while an export runs is collected: all of it, in order, and nobody else's."""

from __future__ import annotations

import contextvars
import logging
import threading
from contextlib import contextmanager

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from hypothesis import example, given
from hypothesis import strategies as st

from exports.log import capture

logger = logging.getLogger("some.exporter")


@pytest.fixture(autouse=True)
def _info_is_logged(caplog):
    caplog.set_level(logging.INFO)


def messages(lines):
    return [line["message"] for line in lines]


def fail_with(reason):
    """Log a traceback that ends with `reason`."""
    try:
        raise LookupError(reason)  # noqa: TRY301 - as an exporter does
    except LookupError:
        logger.exception("It failed.")


def test_lines_of_any_logger_are_kept_in_order():
    with capture.capture() as log:
        logger.info("first of %s", 2)
        logging.getLogger("another").warning("second")

    assert log.take() == [
        {"level": "INFO", "message": "first of 2", "logger": "some.exporter"},
        {"level": "WARNING", "message": "second", "logger": "another"},
    ]


def test_lines_are_taken_once():
    with capture.capture() as log:
        logger.info("first")
        log.take()
        logger.info("second")

        assert messages(log.take()) == ["second"]
        assert log.take() == []


def test_unsaved_lines_come_first_the_next_time():
    with capture.capture() as log:
        logger.info("first")
        lines = log.take()
        logger.info("second")

        log.give_back(lines)

        assert messages(log.take()) == ["first", "second"]


def test_debug_lines_are_not_captured(caplog):
    caplog.set_level(logging.DEBUG)

    with capture.capture() as log:
        logger.debug("SELECT 1")

    assert log.take() == []


def test_threads_have_separate_logs():
    def work():
        with capture.capture() as other:
            logger.info("theirs")
            seen.extend(messages(other.take()))

    seen = []
    with capture.capture() as log:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        logger.info("mine")

    assert messages(log.take()) == ["mine"]
    assert seen == ["theirs"]


def test_capture_ends_even_after_an_error():
    def fail():
        with capture.capture() as log:
            logs.append(log)
            raise LookupError

    logs = []
    with pytest.raises(LookupError):
        fail()

    logger.info("later")

    assert logs[0].take() == []


def test_traceback_is_part_of_its_line():
    with capture.capture() as log:
        fail_with("no such plane")

    (line,) = log.take()
    assert line["level"] == "ERROR"
    assert line["message"].startswith("It failed.\nTraceback")
    assert line["message"].endswith("LookupError: no such plane")


def test_long_message_is_cut_and_says_so():
    with capture.capture() as log:
        logger.info("%s%s%s", "x" * 1_000, "y" * 1_000, "z" * 3_000)

    (message,) = messages(log.take())
    assert message == "x" * 1_000 + " … (5000 characters) … " + "z" * 3_000


def test_end_of_a_long_traceback_is_kept():
    with capture.capture() as log:
        fail_with("a long story " * 1_000 + "no such plane")

    (message,) = messages(log.take())
    assert message.startswith("It failed.\nTraceback")
    assert message.endswith("no such plane")
    assert len(message) < 5_000


@pytest.mark.parametrize(
    "bad", [("%d planes", ("two",)), ("%(planes)s", ({},)), ("%s", ()), ("%s %s", ("one",))]
)
def test_malformed_log_call_does_not_stop_the_export(bad, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    message, arguments = bad

    with capture.capture() as log:
        logger.info(message, *arguments or ((),))
        logger.info("afterwards")

    assert messages(log.take())[-1] == "afterwards"


def test_unprintable_object_does_not_stop_the_export(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Unshown:
        def __str__(self):
            raise RuntimeError("not loaded")

    with capture.capture() as log:
        logger.info("%s", Unshown())
        logger.info("afterwards")

    assert messages(log.take()) == [
        "%s [this line could not be formatted: RuntimeError: not loaded]",
        "afterwards",
    ]


def test_unstorable_characters_are_replaced():
    with capture.capture() as log:
        logging.getLogger("reader\0").info("a file named \udcff, \0")

    (line,) = log.take()
    assert (line["logger"], line["message"]) == ("reader\ufffd", "a file named \ufffd, \ufffd")


# -- Threads --------------------------------------------------------------------------------


def test_thread_with_the_context_logs_to_its_export():
    with capture.capture() as log:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=[logger.info, "from a thread"])
        thread.start()
        thread.join()

    assert messages(log.take()) == ["from a thread"]


def test_thread_without_the_context_is_left_out():
    with capture.capture() as log:
        thread = threading.Thread(target=logger.info, args=["from nowhere"])
        thread.start()
        thread.join()

    assert log.take() == []


def test_lines_logged_through_asgiref_are_captured():
    with capture.capture() as log:
        async_to_sync(sync_to_async(logger.info, thread_sensitive=False))("from elsewhere")

    assert messages(log.take()) == ["from elsewhere"]


def test_concurrent_lines_are_taken_once_each():
    taken, threads = [], []
    with capture.capture() as log:
        for number in range(4):
            context = contextvars.copy_context()
            threads.append(threading.Thread(target=context.run, args=[_count_to_500, number]))
            threads[-1].start()
        while any(thread.is_alive() for thread in threads):
            taken += messages(log.take())
        taken += messages(log.take())

    assert len(taken) == len(set(taken)) == 2_000
    for number in range(4):
        mine = [line for line in taken if line.startswith(f"{number}:")]
        assert mine == [f"{number}:{count}" for count in range(500)]


def _count_to_500(number):
    for count in range(500):
        logger.info("%s:%s", number, count)


# -- Floods and loops -----------------------------------------------------------------------


def test_flood_keeps_the_first_and_the_newest_lines(settings):
    settings.EXPORTS_LOG_LINES = 10
    with capture.capture() as log:
        for number in range(1_000):
            logger.info("%s", number)

    assert messages(log.take()) == [str(n) for n in (*range(10), *range(995, 1_000))]


def test_unsaved_flood_is_kept_within_the_same_bounds(settings):
    settings.EXPORTS_LOG_LINES = 10
    with capture.capture() as log:
        for number in range(30):
            logger.info("%s", number)
        lines = log.take()
        for number in range(30, 40):
            logger.info("%s", number)

        log.give_back(lines)

    assert messages(log.take()) == [str(n) for n in (*range(10), *range(35, 40))]


def test_logging_while_formatting_a_line_does_not_recurse():
    class Talkative:
        def __str__(self):
            logger.info("shown: %s", self)
            return "a plane"

    with without_other_handlers(), capture.capture() as log:
        logger.info("%s", Talkative())

    assert messages(log.take()) == ["a plane"]


# -- Whose lines ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writer", "named"),
    [
        ({"attempt": 1}, {}),
        ({"attempt": 2}, {"worker": "w1", "attempt": 2}),
        ({"attempt": 1, "helping": True}, {"worker": "w1", "attempt": 1}),
    ],
)
def test_ambiguous_line_names_its_worker(writer, named):
    with capture.capture(worker="w1", **writer) as log:
        logger.info("first")

    assert log.take() == [{"level": "INFO", "message": "first", "logger": "some.exporter", **named}]


# -- Any line -------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(), st.sampled_from([(), ("two",), ({},), (1, 2), (None,)]))))
@example([("\0\ud800%s", ("two",)), ("x" * 100_000, ()), ("%d", ("two",)), ("%(a)s", ({},))])
def test_random_lines_are_kept_in_order_and_storable(asked):
    with without_other_handlers(), capture.capture() as log:
        for number, (text, arguments) in enumerate(asked):
            logger.info(f"{number}|{text}", *arguments)  # noqa: G004 - texts of any kind

    lines = log.take()
    assert [int(message.partition("|")[0]) for message in messages(lines)] == [*range(len(asked))]
    for line in lines:
        assert "\0" not in line["message"]
        assert len(line["message"].encode()) < 5 * capture.MAX_MESSAGE


@contextmanager
def without_other_handlers():
    """Those of pytest would run into loops themselves, and fail on lines that cannot be made."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = before
