"""A Range header is understood, refused as the standard says, or taken for none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.files.byte_range import Range, Unsatisfiable, parse


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=10-19", 10, 19),
        ("bytes=10-", 10, 99),
        ("bytes=99-", 99, 99),
        ("bytes=90-1000", 90, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-100", 0, 99),
        ("bytes=-1000", 0, 99),
        ("Bytes= 3-5 ", 3, 5),
        ("bytes=0-9999999999999999999", 0, 99),
    ],
)
def test_range_is_parsed(header, first, last):
    found = parse(header, 100)

    assert found == Range(first, last, 100)
    assert found.length == last - first + 1
    assert found.content_range == f"bytes {first}-{last}/100"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=--1",
        "bytes=5-4",
        "lines=0-9",
        "bytes 0-9",
        "bytes=0-9;",
        "bytes=+1-2",
        "bytes=0x1-2",
        # Several: the whole file is a right answer, too.
        "bytes=0-0,-1",
        "bytes=0-9, 20-29",
        "bytes=0-,0-,0-",
        # Digits, but not of the standard.
        "bytes=\u0660-\u0669",
        f"bytes={'9' * 20}-",
    ],
)
def test_header_without_a_single_range_gets_the_whole_file(header):
    assert parse(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=999999-", "bytes=-0"])
def test_range_beyond_the_end_is_unsatisfiable(header):
    with pytest.raises(Unsatisfiable):
        parse(header, 100)


def test_empty_file_has_no_satisfiable_first_byte():
    with pytest.raises(Unsatisfiable):
        parse("bytes=0-", 0)
    assert parse("bytes=-5", 0) is None


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_range_matches_slicing(content, first, last):
    size = len(content)
    for header, meant in {
        f"bytes={first}-{last}": content[first : last + 1],
        f"bytes={first}-": content[first:],
        f"bytes=-{last}": content[-last:] if last else b"",
    }.items():
        try:
            found = parse(header, size)
        except Unsatisfiable:
            assert meant == b""
        else:
            got = content[found.first : found.last + 1] if found else content
            assert got == meant or found is None
