"""Cycles are searched for rarely while rows are read, and as before when they are not."""

from __future__ import annotations

import gc
import threading

import pytest

from exports.worker.gc_threshold import MORE, raised_gc_threshold


def searches():
    """How many there were, of whatever depth."""
    return sum(generation["collections"] for generation in gc.get_stats())


@pytest.fixture(autouse=True)
def _threshold():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_a_page_of_rows_does_not_start_a_search():
    with raised_gc_threshold():
        before = searches()
        rows = [[number] for number in range(MORE // 2)]
        seen = searches() - before

    assert len(rows) == MORE // 2
    assert seen == 0


def test_leftovers_are_still_found():
    with raised_gc_threshold():
        before = searches()
        rows = [[number] for number in range(2 * MORE)]
        seen = searches() - before

    assert len(rows) == 2 * MORE
    assert seen > 0


def test_the_threshold_comes_back_whatever_happens():
    with pytest.raises(ZeroDivisionError), raised_gc_threshold():
        1 / 0  # noqa: B018

    assert gc.get_threshold() == (700, 10, 10)


def test_two_threads_that_overlap_give_it_back_once_the_last_is_done():
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

    assert meanwhile == MORE
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [0, 2 * MORE])
def test_who_wants_it_more_rarely_or_never_is_left_alone(chosen):
    gc.set_threshold(chosen, 10, 10)

    with raised_gc_threshold():
        assert gc.get_threshold()[0] == chosen
