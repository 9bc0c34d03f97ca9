"""`python -m tests` starts the runs of pytest that have some of the chosen tests, and no others."""

from __future__ import annotations

import pytest

from tests.__main__ import lanes

ALL = [
    ("sqlite", ["unit", "js", "integration"]),
    ("sqlite", ["acceptance", "faults"]),
    ("sqlite", ["browser"]),
    ("postgres", ["integration"]),
    ("postgres", ["acceptance", "faults"]),
    ("postgres", ["browser"]),
]


@pytest.mark.parametrize("arguments", [[], ["tests"], ["-k", "demo"], ["tests", "tests/unit"]])
def test_all_runs_start_unless_folders_are_named(arguments: list[str]) -> None:
    assert lanes(arguments) == ALL


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tests/unit", "tests/js"], [("sqlite", ["unit", "js"])]),
        (["tests/browser", "-k", "bell"], [("sqlite", ["browser"]), ("postgres", ["browser"])]),
        (
            ["tests/integration/config/test_errors.py::test_page[a::b]"],
            [("sqlite", ["integration"]), ("postgres", ["integration"])],
        ),
    ],
)
def test_run_starts_only_for_a_named_folder(
    arguments: list[str], expected: list[tuple[str, list[str]]]
) -> None:
    assert lanes(arguments) == expected
