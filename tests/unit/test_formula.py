"""Text that a spreadsheet would run is made text; nothing else is touched."""

from __future__ import annotations

import pytest

from exports.engine.formula import protect


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    assert protect(f"{start}1+1") == f"'{start}1+1"
    assert protect(start) == f"'{start}"


@pytest.mark.parametrize("text", ["", "1=1", "a-b", " =1", "'=1", "\n=1", "mail@example.org", "é"])
def test_other_text_is_as_it_was(text):
    assert protect(text) == text
