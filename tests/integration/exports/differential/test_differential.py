"""A file has what the ORM gives, or the request is refused with the remedy: for made-up querysets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, reject, settings
from hypothesis.errors import UnsatisfiedAssumption

from exports.exceptions import DefinitionError
from exports.status import Status
from tests.integration.exports.differential import models, oracle, product, rendering
from tests.integration.exports.differential.columns import COLUMNS
from tests.integration.exports.differential.found import FOUND
from tests.integration.exports.differential.making import made
from tests.integration.exports.differential.steps import STEPS
from tests.integration.exports.differential.strategies import Example, Stored, examples, store
from tests.support.exporting import content, use_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy
    from pytest_django.fixtures import SettingsWrapper

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.proves("file-matches-queryset")]

# The same examples each time: a change is judged by what it changed.
SUITE = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FEW = settings(SUITE, max_examples=25)
LONG = settings(SUITE, max_examples=500, derandomize=False)


@pytest.fixture
def user(transactional_db: None, settings: SettingsWrapper) -> Iterator[User]:
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 0  # Many examples are refused.
    with models.installed():
        yield User.objects.create_superuser("person")


@pytest.fixture
def minutes(pytestconfig: pytest.Config) -> float:
    """How long each property of this module looks for counter-examples; 0 in the suite."""
    total: float = pytestconfig.getoption("--differential-minutes")
    return total / 2


def search(
    strategy: SearchStrategy[Example], check: Callable[[Example], None], minutes: float
) -> None:
    """Check the examples of the suite or, for so many minutes, others than ever before."""
    if not minutes:
        SUITE(given(strategy)(check))()
        return
    ends = time.monotonic() + minutes * 60
    has_failed = False

    def check_in_time(example: Example) -> None:
        nonlocal has_failed
        # What was found is made as small as can be, however long that takes.
        if has_failed or time.monotonic() < ends:
            try:
                check(example)
            except UnsatisfiedAssumption:
                raise
            except Exception:
                has_failed = True
                raise

    while time.monotonic() < ends:
        LONG(given(strategy)(check_in_time))()


# -- Any exporter, any list --------------------------------------------------------------


@pytest.mark.timeout(0)
def test_file_of_an_exporter_matches_the_orm(user, minutes):
    search(examples(), lambda example: compare(example, user), minutes)


@pytest.mark.timeout(0)
def test_file_of_an_admin_list_matches_the_orm(user, minutes):
    search(examples(listings=True), lambda example: compare(example, user), minutes)


def compare(example: Example, user: User) -> None:
    """Raise AssertionError if the product gives another file than the ORM's rows make."""
    store(example)
    try:
        with made(example, user) as real:
            judge(example, wanted(example, real), product.result(example, real))
    except DefinitionError as error:
        judge(example, oracle.Expected([], None), product.Refused(str(error)))


def wanted(example: Example, real: Any) -> oracle.Expected:
    try:
        return oracle.expected(example, real)
    except oracle.NoList:
        reject()
    except oracle.Unanswerable:
        if not oracle.must_be_refused(example):
            reject()
    return oracle.Expected([], None)


def judge(example: Example, wanted: oracle.Expected, found: object) -> None:
    match found:
        case product.Failed(error):
            assert wanted.may_fail, error
            assert found.has_remedy, error
        case product.Refused(error):
            assert oracle.may_be_refused(example) or wanted.rows is None or wanted.may_fail, error
            assert found.has_remedy, error
        case product.Files():
            assert not oracle.must_be_refused(example), "It has to be refused."
            assert wanted.rows is not None, "A column or a key is not of one row alone."
            assert_same(example, wanted.rows, found)


def assert_same(example: Example, rows: list[list[Any]], found: product.Files) -> None:
    headers = list(example.columns)
    csv, lines = rendering.csv(headers, rows), rendering.jsonl(headers, rows)
    for by, file in found.csv.items():
        assert file == csv, f"CSV by {by}"
    for by, objects in found.jsonl.items():
        assert objects == lines, f"JSON Lines by {by}"
    for by, cells in found.parquet.items():
        assert cells == [list(map(rendering.text, row)) for row in rows], f"Parquet in {by}"
    assert found.count == len(rows), "count of the preview"
    assert found.first == min(len(rows), 20), "first rows of the preview"


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_found_examples_stay_fixed(user, number):
    compare(FOUND[number], user)


# -- With a worker ---------------------------------------------------------------------


@pytest.mark.parametrize("listings", [False, True], ids=["exporter", "list"])
def test_worker_writes_the_expected_file(user, listings, settings, tmp_path):
    use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 2
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = settings.EXPORTS_MAX_ACTIVE = 0

    def check(example: Example) -> None:
        store(example)
        if oracle.may_be_refused(example) or example.root == "Seen":
            reject()
        with made(example, user) as real:
            expected = wanted(example, real)
            export = product.by_worker(example, real, "csv")
            assert export.status == Status.SUCCEEDED, export.error
            assert content(export).decode() == rendering.csv([*example.columns], expected.rows)
            assert export.rows_total == export.rows_done == len(expected.keys)

    FEW(given(examples(listings=listings))(check))()


# -- What has to be accepted, and what refused --------------------------------------------

ROWS = (
    Stored(1, number=3, items=(1, 2), marks=(1, 2, 3), extra=(1,), place="nowhere", parent=-1),
    Stored(2, number=2, items=(0, 0), perhaps="a", parent=0, group=2),
    Stored(3, number=None, marks=(1,), place="b", hidden=True),
    Stored(-4, number=1, items=(1,), extra=(0,), parent=1, group=None),
)
PLAIN = ("number", "place__name", "items", "sum marks")


def outcome(example: Example, user: User) -> object:
    store(example)
    with made(example, user) as real:
        found = product.result(example, real)
        judge(example, wanted(example, real), found)
    return found


@pytest.mark.parametrize("way", ["scope", "chosen"])
def test_queryset_step_alone_is_accepted(user, way):
    for name, step in STEPS.items():
        if step.postgres and not models.IS_POSTGRES:
            continue
        steps: Any = name if way == "chosen" else (name,)
        found = outcome(Example("Number", PLAIN, ROWS, **{way: steps}), user)

        accepted = not step.wrong and name != "union slice"
        assert isinstance(found, product.Files) is accepted, (name, found)


def test_column_alone_is_accepted(user):
    for name, column in COLUMNS.items():
        if column.only not in {"", "Number"}:
            continue
        found = outcome(Example("Number", (name,), ROWS), user)

        assert isinstance(found, product.Files) is (column.value is not None), (name, found)
