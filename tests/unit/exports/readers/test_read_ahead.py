"""A thread reads ahead of who iterates: in order, up to a bound, and gone when it is closed."""

from __future__ import annotations

import threading
from contextlib import closing
from contextvars import ContextVar

import pytest

from exports.readers.read_ahead import ReadAhead
from tests.support.waiting import wait_until


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert readers() == []


def never():
    pytest.fail("There was nothing to interrupt.")


def ahead_of(items, most=10, interrupt=lambda: None):
    return ReadAhead(items, max_bytes=most, size_of=lambda item: 1, interrupt=interrupt)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_items_come_once_and_in_order(count):
    ahead = ahead_of((number for number in range(count)), interrupt=never)

    assert list(ahead) == list(range(count))
    assert list(ahead) == []
    ahead.close()


def test_thread_reads_a_limited_number_of_items_ahead():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    ahead = ahead_of(items(), most=3)

    # One more than that waits, and another is in its hand.
    wait_until(lambda: len(taken) == 5, what="five are taken")
    assert next(ahead) == 0
    wait_until(lambda: len(taken) == 6, what="one more is taken")
    ahead.close()
    assert len(taken) == 6


def test_items_without_weight_are_all_read_ahead():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with closing(ReadAhead(items(), max_bytes=0, size_of=lambda item: 0, interrupt=never)) as ahead:
        wait_until(lambda: len(taken) == 100, what="all are taken")

        assert list(ahead) == taken


def test_thread_reads_in_the_context_of_its_caller():
    asked = ContextVar("asked", default="nobody")

    def items():
        yield asked.get()

    token = asked.set("somebody")
    ahead = ahead_of(items())
    asked.reset(token)

    assert list(ahead) == ["somebody"]


def test_exception_comes_in_its_place():
    def items():
        yield 1
        yield 2
        raise OSError("no more")

    ahead = ahead_of(items(), interrupt=never)

    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(OSError, match="no more"):
        next(ahead)
    assert list(ahead) == []


def test_closing_interrupts_a_waiting_read():
    waits, is_interrupted, is_left = threading.Event(), threading.Event(), threading.Event()

    def items():
        try:
            yield 1
            waits.set()
            assert is_interrupted.wait(30)
            raise OSError("interrupted")
        finally:
            is_left.set()

    ahead = ahead_of(items(), interrupt=is_interrupted.set)
    assert waits.wait(30)

    ahead.close()

    assert is_left.is_set()


def test_closing_ends_a_full_reader():
    def items():
        while True:
            yield 1

    ahead = ahead_of(items(), most=2)
    assert next(ahead) == 1

    ahead.close()

    assert list(ahead) == []


def test_iterator_is_closed_in_its_thread():
    closed_by = []

    def items():
        try:
            yield from range(1_000)
        finally:
            closed_by.append(threading.current_thread().name)

    ahead_of(items(), most=2).close()

    assert closed_by == ["read-ahead"]
