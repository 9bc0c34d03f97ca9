"""Cycles are searched for rarely while rows are read, and as before when they are not."""

from __future__ import annotations

import gc
import threading

import pytest

from exports.worker.gc_threshold import THRESHOLD, raised_gc_threshold


def searches():
    """How many there were, of whatever depth."""
    return sum(generation["collections"] for generation in gc.get_stats())


@pytest.fixture(autouse=True)
def _threshold():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_page_of_rows_triggers_no_collection():
    with raised_gc_threshold():
        before = searches()
        rows = [[number] for number in range(THRESHOLD // 2)]
        seen = searches() - before

    assert len(rows) == THRESHOLD // 2
    assert seen == 0


def test_garbage_is_still_collected():
    with raised_gc_threshold():
        before = searches()
        rows = [[number] for number in range(2 * THRESHOLD)]
        seen = searches() - before

    assert len(rows) == 2 * THRESHOLD
    assert seen > 0


def test_threshold_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), raised_gc_threshold():
        1 / 0  # noqa: B018

    assert gc.get_threshold() == (700, 10, 10)


def test_overlapping_threads_restore_the_threshold_at_the_end():
    first_in, second_in = threading.Event(), threading.Event()

    def first():
        with raised_gc_threshold():
            first_in.set()
            second_in.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    first_in.wait(10)
    with raised_gc_threshold():
        second_in.set()
        thread.join(10)
        meanwhile = gc.get_threshold()[0]

    assert meanwhile == THRESHOLD
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [0, 2 * THRESHOLD])
def test_higher_or_disabled_threshold_is_left_alone(chosen):
    gc.set_threshold(chosen, 10, 10)

    with raised_gc_threshold():
        assert gc.get_threshold()[0] == chosen
