from __future__ import annotations

import pytest

from tests.support.waiting import wait_until


def test_it_returns_what_the_condition_came_to() -> None:
    answers = iter([0, "", None, "here"])

    assert wait_until(lambda: next(answers)) == "here"


def test_a_condition_that_never_holds_says_what_was_awaited_and_seen() -> None:
    with pytest.raises(TimeoutError, match=r"Not within 0\.02 s: tea is ready\. Last seen: 0"):
        wait_until(lambda: 0, timeout=0.02, what="tea is ready")
