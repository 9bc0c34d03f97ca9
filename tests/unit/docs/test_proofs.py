"""Each promise of docs/guarantees.md has a test, and docs/proofs.md lists it."""

from __future__ import annotations

import re

import pytest

from tests.support.proofs import (
    GUARANTEES,
    PAGE,
    Promise,
    Proof,
    in_javascript,
    in_python,
    page,
    promises,
    proofs,
)

TEXT = GUARANTEES.read_text()
PROMISES = promises(TEXT)
PROOFS = proofs()


def test_table_rows_are_all_promises_with_an_id():
    rows = re.findall(r"^\| (?!Promise)", TEXT, re.MULTILINE)
    ids = [promise.id for promise in PROMISES]

    assert len(PROMISES) == len(rows) > 0
    assert [promise.text for promise in PROMISES if not promise.id] == []
    assert sorted(ids) == sorted(set(ids))


def test_promises_all_have_a_test():
    proved = {proof.promise for proof in PROOFS}

    assert [promise.id for promise in PROMISES if promise.id not in proved] == []


def test_markers_all_name_a_promise():
    ids = {promise.id for promise in PROMISES}

    assert [proof for proof in PROOFS if proof.promise not in ids] == []


def test_page_of_proofs_is_up_to_date():
    assert PAGE.read_text() == page(PROMISES, PROOFS), "run python -m tests.support.proofs"


def test_rows_are_read_with_and_without_an_id():
    text = """## Streams

| Promise | Holds when | Stops holding when | Proved by |
|---|---|---|---|
| One. | Always. | | [`first-one`](proofs.md#first-one) |
| Two. | | | [`two`](proofs.md#another) |
"""

    assert promises(text) == [
        Promise("Streams", "One.", "first-one"),
        Promise("Streams", "Two.", ""),
    ]


def test_markers_of_functions_classes_and_files_are_read():
    source = """
pytestmark = [pytest.mark.django_db, pytest.mark.proves("a")]

@pytest.mark.proves("b", "c")
async def test_one(): ...

@pytest.mark.proves("d")
class TestTwo: ...
"""

    assert [*in_python(source)] == [
        ("a", ""),
        ("b", "test_one"),
        ("c", "test_one"),
        ("d", "TestTwo"),
    ]


def test_marker_of_a_parameter_is_refused():
    source = """
@pytest.mark.parametrize("n", [pytest.param(1, marks=[pytest.mark.skip])])
def test_one(n):
    pytest.mark.proves("a")
"""

    with pytest.raises(ValueError, match="pytestmark"):
        [*in_python(source)]


def test_comment_of_a_javascript_test_is_read():
    source = """
// proves: a, b
test("events arrive once", () => {});
"""

    assert [*in_javascript(source)] == [("a", "events arrive once"), ("b", "events arrive once")]


def test_comment_without_a_javascript_test_is_refused():
    with pytest.raises(ValueError, match="above a test"):
        [*in_javascript("// proves: a\n\nconst two = 2;\n")]


def test_page_lists_tests_by_promise_and_file():
    listed = page(
        [Promise("Streams", "Events arrive once.", "once")],
        [
            Proof("once", "tests/js/a.test.mjs", "an event arrives once"),
            Proof("once", "tests/unit/test_b.py", ""),
            Proof("other", "tests/unit/test_b.py", "test_c"),
        ],
    )

    assert listed.endswith(
        """
## Streams

### once

Events arrive once.

- [tests/js/a.test.mjs](../tests/js/a.test.mjs)
  - "an event arrives once"
- [tests/unit/test_b.py](../tests/unit/test_b.py)
  - all its tests
"""
    )
