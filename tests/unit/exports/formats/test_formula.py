"""Text that a spreadsheet would run is made text; nothing else is touched, and nothing lost."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.formats.formula import has_protected, is_risky, protect, was_protected

SKIPPED = "'\"\x01-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
SIGN = "=+@\uff1d\uff0b\uff0d\uff20-"


def unprotected(cell):
    """The inverse, as docs/formats.md says it."""
    cell = re.sub(f"(?<=[,;|\t\r\n])'(?=[{SKIPPED}]*[{SIGN}])", "", cell)
    return re.sub(f"^'(?=[{SKIPPED}]*[\t\r\n{SIGN}])", "", cell)


# OWASP's list, and what a reader may drop before one of them.
SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
DROPPED = ["\ufeff", " ", "\xa0", "\u200b", "\u3000", "\u2060", "\x0b", '"']
INSIDE = [",", ";", "|", "\t", "\n", "\r", "\r\n"]


@pytest.mark.proves("csv-runs-no-formula")
@pytest.mark.parametrize("start", [*SIGNS, *(f"{before}=" for before in DROPPED)])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    assert protect(f"{start}1+1") == f"'{start}1+1"
    assert protect(start) == f"'{start}"


@pytest.mark.proves("csv-runs-no-formula")
@pytest.mark.parametrize("before", ["", *DROPPED])
@pytest.mark.parametrize("sign", [each for each in SIGNS if each not in "\t\r\n"])
@pytest.mark.parametrize("split", [",", ";", "|", "\t", "\n", "\r"])
def test_formula_after_another_delimiter_gets_an_apostrophe(split, sign, before):
    assert protect(f"x{split}{before}{sign}1{split}") == f"x{split}'{before}{sign}1{split}"


@pytest.mark.proves("csv-runs-no-formula")
@pytest.mark.parametrize("reader", [",", ";", "|", "\t"])
@pytest.mark.parametrize("writer", [",", ";", "|", "\t"])
def test_no_cell_is_a_formula_at_any_splitting_delimiter(writer, reader):
    """The file is opened by one who splits at `reader`, honouring quotes or not."""
    texts = [f"x{split}{quote}=1+1{split}" for split in [*INSIDE, writer] for quote in ("", '"')]
    file = io.StringIO()
    csv.writer(file, delimiter=writer).writerows([["a", protect(text), 1] for text in texts])

    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        lines = re.split("[\r\n]+", file.getvalue())
        whole = io.StringIO(file.getvalue(), newline="")
        for source in (lines, whole):
            for row in csv.reader(source, delimiter=reader, quoting=quoting):
                assert not [cell for cell in row if cell.lstrip('" ').startswith("=")]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "1=1",
            "a-b",
            "\uff1e1",
            "\ufeffa",
            "\ufeff",
            "mail@example.org",
            "é",
            "'",
            "'a",
            "''",
        ),
        "a, b",
        "a;b",
        "x\ny",
        "a,\tb",
        "well-known; not-so",
        "a |b",
    ],
)
def test_harmless_text_is_unchanged(text):
    assert protect(text) == text


@pytest.mark.parametrize("text", ["'=1", "'-", "''@", "'\t", "' =1"])
def test_text_that_looks_protected_gets_another_apostrophe(text):
    assert protect(text) == f"'{text}"


@given(st.text("'=+-@\t\r\n a\uff1d\uff0b\uff0d\uff20\ufeff;,|\"\xa0\u200b"))
def test_removing_the_apostrophes_restores_the_text(text):
    made = protect(text)

    assert unprotected(made) == text
    assert was_protected(made) == is_risky(text) == (made != text)
    assert bool(has_protected(made.encode())) >= (made != text)


# What readers drop before a sign: controls, quotes, white space, and what nobody sees.
DROPPED = (
    "\x01\x1f \x7f\x85\xa0\xad\u1680\u180e\u2000\u200b\u200f\u2028\u2029\u202e\u202f\u205f\u2060\u206f"
    "\u3000\ufeff\"'"
)


@pytest.mark.parametrize("sign", "=+-@\uff1d\uff0b\uff0d\uff20")
@pytest.mark.parametrize("dropped", DROPPED, ids=ascii)
def test_sign_behind_ignored_characters_is_protected(dropped, sign):
    for text in (f"{dropped}{sign}1", f"a;{dropped}{sign}1"):
        protected = protect(text)

        assert protected != text
        assert was_protected(protected)
        assert has_protected(protected.encode())
