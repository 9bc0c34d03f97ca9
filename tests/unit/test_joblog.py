"""What is logged while an export runs is collected: all of it, in order, and nobody else's."""

from __future__ import annotations

import logging
import threading

import pytest

from exports.engine import joblog

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


def test_lines_of_any_logger_come_in_their_order():
    with joblog.capture() as log:
        logger.info("first of %s", 2)
        logging.getLogger("another").warning("second")

    assert log.take() == [
        {"level": "INFO", "message": "first of 2", "logger": "some.exporter"},
        {"level": "WARNING", "message": "second", "logger": "another"},
    ]


def test_lines_are_taken_once():
    with joblog.capture() as log:
        logger.info("first")
        log.take()
        logger.info("second")

        assert messages(log.take()) == ["second"]
        assert log.take() == []


def test_what_was_not_saved_comes_first_the_next_time():
    with joblog.capture() as log:
        logger.info("first")
        lines = log.take()
        logger.info("second")

        log.give_back(lines)

        assert messages(log.take()) == ["first", "second"]


def test_debug_is_not_for_people(caplog):
    caplog.set_level(logging.DEBUG)

    with joblog.capture() as log:
        logger.debug("SELECT 1")

    assert log.take() == []


def test_other_threads_have_logs_of_their_own():
    def work():
        with joblog.capture() as other:
            logger.info("theirs")
            seen.extend(messages(other.take()))

    seen = []
    with joblog.capture() as log:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        logger.info("mine")

    assert messages(log.take()) == ["mine"]
    assert seen == ["theirs"]


def test_nothing_is_collected_afterwards_also_after_an_error():
    def fail():
        with joblog.capture() as log:
            logs.append(log)
            raise LookupError

    logs = []
    with pytest.raises(LookupError):
        fail()

    logger.info("later")

    assert logs[0].take() == []


def test_a_traceback_is_part_of_its_line():
    with joblog.capture() as log:
        fail_with("no such plane")

    (line,) = log.take()
    assert line["level"] == "ERROR"
    assert line["message"].startswith("It failed.\nTraceback")
    assert line["message"].endswith("LookupError: no such plane")


def test_a_long_message_is_cut_and_says_so():
    with joblog.capture() as log:
        logger.info("%s%s%s", "x" * 1_000, "y" * 1_000, "z" * 3_000)

    (message,) = messages(log.take())
    assert message == "x" * 1_000 + " … (5000 characters) … " + "z" * 3_000


def test_the_end_of_a_long_traceback_is_kept_since_the_error_is_there():
    with joblog.capture() as log:
        fail_with("a long story " * 1_000 + "no such plane")

    (message,) = messages(log.take())
    assert message.startswith("It failed.\nTraceback")
    assert message.endswith("no such plane")
    assert len(message) < 5_000


@pytest.mark.parametrize(
    "bad", [("%d planes", ("two",)), ("%(planes)s", ({},)), ("%s", ()), ("%s %s", ("one",))]
)
def test_a_message_that_cannot_be_made_does_not_stop_the_export(bad, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    message, arguments = bad

    with joblog.capture() as log:
        logger.info(message, *arguments or ((),))
        logger.info("afterwards")

    assert messages(log.take())[-1] == "afterwards"


def test_an_object_that_cannot_be_shown_does_not_stop_the_export(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Unshown:
        def __str__(self):
            raise RuntimeError("not loaded")

    with joblog.capture() as log:
        logger.info("%s", Unshown())
        logger.info("afterwards")

    assert messages(log.take()) == ["afterwards"]


def test_characters_that_no_database_stores_are_replaced():
    with joblog.capture() as log:
        logger.info("a file named \udcff")

    (message,) = messages(log.take())
    assert message.encode() == b"a file named ?"
