"""`python -m tests` starts the runs of pytest that have some of the chosen tests, and no others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.__main__ import lanes
from tests.services.processes import ROOT

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


def test_runs_do_not_inherit_a_settings_module() -> None:
    """Otherwise pytest-django reads the settings before the run has named its database."""
    code = "import tests.__main__, os; print('DJANGO_SETTINGS_MODULE' in os.environ)"
    environment = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }

    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True
    )

    assert said == "False\n"
