from __future__ import annotations

import pytest

from tests.support.waiting import wait_until


def test_wait_returns_the_value_of_the_condition() -> None:
    answers = iter([0, "", None, "here"])

    assert wait_until(lambda: next(answers)) == "here"


def test_timeout_names_the_condition_and_its_last_value() -> None:
    with pytest.raises(TimeoutError, match=r"Not within 0\.02 s: tea is ready\. Last seen: 0"):
        wait_until(lambda: 0, timeout=0.02, what="tea is ready")
