"""What Waybill makes of an example: by the door that requests come through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exports.exceptions import DefinitionError, ExportError, RequestError
from exports.exporters import checks, registry
from exports.models import Export
from exports.spec import preview, queryset
from exports.spec.spec import build_spec
from tests.integration.exports.differential import models, rendering
from tests.integration.exports.differential.making import NAME
from tests.integration.exports.differential.steps import ANNOTATIONS
from tests.support.exporting import run, start
from tests.support.reading import extracted

if TYPE_CHECKING:
    from tests.integration.exports.differential.making import Made
    from tests.integration.exports.differential.strategies import Example

PARTS = (2, 100_000)
READERS = ("rows", "copy") if models.IS_POSTGRES else ("rows",)
# A remedy says what to do: a word by which the developer or the user is told.
REMEDY = re.compile(
    r"\b(add|annotate|annotates?|choose|compute|filter|give|make|mend|name|override|remove|rename|"
    r"return|select|take|use|write|put|leave|sort|pk__in|subquery|unique|there are|it has)\b",
    re.IGNORECASE,
)


@dataclass
class Refused:
    """In words, at the request or by the system check."""

    error: str

    @property
    def has_remedy(self) -> bool:
        return REMEDY.search(self.error) is not None


class Failed(Refused):
    """In words, once rows were planned or read."""


@dataclass
class Files:
    """By what they were made with: all of them should be the same."""

    csv: dict[str, str]
    jsonl: dict[str, list[dict[str, Any]]]
    parquet: dict[str, list[list[Any]]]
    count: int | None
    first: int


def result(example: Example, made: Made) -> Refused | Failed | Files:
    """What comes of it. Any other error is a fault, and is raised."""
    if problem := _checked(example):
        return Refused(problem)
    try:
        asked = build_spec(
            made.user, exporter=NAME, filters=made.filters, changelist=made.changelist
        )
        rows, columns = queryset.rows_and_columns(Export(**asked.fields))
    except (RequestError, DefinitionError) as error:
        return Refused(str(error))
    try:
        return _files(asked, rows, columns)
    except ExportError as error:
        return Failed(str(error))


def _checked(example: Example) -> str:
    """What the system check says against it."""
    exporter = registry.get(NAME)
    where = f"{type(exporter).__module__}.{type(exporter).__qualname__}"
    problems = [
        f"{each.msg} {each.hint}"
        for each in checks.check()
        if each.id == "exports.E001" and each.obj == where
    ]
    declared = {name for step in example.declared for name in ANNOTATIONS if name in step}
    # The check cannot know what get_queryset annotates; a request can.
    unknown = [f'"{name}"' for name in ANNOTATIONS - declared]
    return " ".join(each for each in problems if not any(name in each for name in unknown))


def _files(asked: Any, rows: Any, columns: Any) -> Files:
    made = Files({}, {}, {}, preview.count_rows(asked), len(preview.first_rows(asked).cells))
    readers = READERS if all(column.python is None for column in columns) else READERS[:1]
    for by in readers:
        for part_rows in PARTS:
            name = f"{by}, parts of {part_rows}"
            file = extracted(rows, columns, by=by, part_rows=part_rows, page_rows=2).file
            made.csv[name] = file.decode()
    # JSON with the reader of rows in parts that have all, by COPY in small ones.
    for by, part_rows in zip(readers, reversed(PARTS), strict=False):
        file = extracted(rows, columns, "jsonl", by=by, part_rows=part_rows).file
        made.jsonl[f"{by}, parts of {part_rows}"] = rendering.read_jsonl(file)
    file = extracted(rows, columns, "parquet", part_rows=2).file
    made.parquet["parts of 2"] = rendering.read_parquet(file)
    return made


def by_worker(example: Example, made: Made, file_format: str) -> Export:
    """The export that a worker has made of it. Raises RequestError."""
    export = start(
        made.user,
        exporter=NAME,
        columns=list(example.columns),
        format=file_format,
        filters=made.filters,
        changelist=made.changelist,
    )
    return run(export)
