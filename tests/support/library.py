"""Exporters of a library, and the rows that they write."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import connection
from django.db.models import Avg, Count, Max, Q, Sum

from exports.exporters import Column, Exporter
from exports.spec import queryset
from exports.spec.columns import choose_columns
from tests.support.library_models import Author
from tests.support.reading import extracted

ONLY_POSTGRES = pytest.mark.only_on("postgres")
READERS = ["rows", *(["copy"] if connection.vendor == "postgresql" else [])]


def exporter(columns, queryset=None, get_queryset=None, filterset=None):
    own = {} if get_queryset is None else {"get_queryset": lambda self, user: get_queryset()}
    kind = type(
        "Library",
        (Exporter,),
        {
            "queryset": Author.everyone.all() if queryset is None else queryset,
            "columns": columns,
            "permission": "tests.any",
            "filterset": filterset,
            **own,
        },
    )
    return kind()


def rows_of(made, user, by="rows", part_rows=2, file_format="csv", **params):
    """Return the rows of the file, without its header."""
    chosen = choose_columns(made, params.get("columns"))
    found = queryset.rows(made, user, params)
    file = extracted(found, chosen, file_format, by=by, part_rows=part_rows, page_rows=2).file
    if file_format == "jsonl":
        return [list(json.loads(line).values()) for line in file.splitlines()]
    return list(csv.reader(io.StringIO(file.decode(), newline="")))[1:]


TOTALS = [
    "name",
    Column("books", Count("books")),
    Column("awards", Count("awards")),
    Column("points", Sum("awards__points", default=0)),
    Column("dear", Count("books", filter=Q(books__price__gt=1))),
    Column("mean", Sum("awards__points") / Count("awards")),
    Column("tags", Count("books__tags", distinct=True)),
    Column("latest", Max("books__year")),
    Column("at_home", Count("country__authors")),
    Column("own", Avg("born")),
]


def names(found):
    return [row[0] for row in found]
