"""What browsers pass over in silence, found in the stylesheets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHEETS = sorted(ROOT.glob("*/static/**/*.css"))


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_precede_rules_and_exist(path: Path) -> None:
    source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    head, _, rules = source.partition("{")

    assert "@import" not in rules, "An import after a rule is not followed."
    for imported in re.findall(r'@import "(.*?)"', head):
        assert (path.parent / imported).is_file(), imported
