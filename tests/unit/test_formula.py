"""Text that a spreadsheet would run is made text; nothing else is touched, and nothing lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.engine.formula import protect


def unprotected(cell):
    """The inverse, as docs/exports.md says it."""
    return re.sub(r"^'(?=['\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])", "", cell)


# OWASP's list, and a byte order mark before one of them.
SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufeff="]


@pytest.mark.parametrize("start", SIGNS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    assert protect(f"{start}1+1") == f"'{start}1+1"
    assert protect(start) == f"'{start}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1=1",
        "a-b",
        " =1",
        "\uff1e1",
        "\ufeffa",
        "\ufeff",
        "mail@example.org",
        "é",
        "'",
        "'a",
        "''",
        "' =1",
    ],
)
def test_other_text_is_as_it_was(text):
    assert protect(text) == text


@pytest.mark.parametrize("text", ["'=1", "'-", "''@", "'\t"])
def test_text_that_looks_protected_gets_one_more(text):
    assert protect(text) == f"'{text}"


@given(st.text("'=+-@\t\r\n a\uff1d\uff0b\uff0d\uff20\ufeff"))
def test_whoever_takes_the_apostrophe_off_has_the_very_text(text):
    assert unprotected(protect(text)) == text
