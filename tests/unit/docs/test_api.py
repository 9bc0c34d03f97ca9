"""docs/api.md agrees with the schemas of the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exports.api.schemas import ExportIn
from exports.serialize import ExportOut

if TYPE_CHECKING:
    from pydantic import BaseModel

API = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()


@pytest.mark.parametrize(
    ("heading", "schema"), [("Starting an export", ExportIn), ("The snapshot", ExportOut)]
)
def test_table_has_the_fields_of_the_schema(heading: str, schema: type[BaseModel]) -> None:
    _, _, section = API.partition(f"## {heading}\n")
    section, _, _ = section.partition("\n## ")

    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)

    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(schema.model_fields)
