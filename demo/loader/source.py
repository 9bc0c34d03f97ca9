"""The compressed CSV files of the data set. Their numbers of rows and digests are known."""

from __future__ import annotations

import csv
import hashlib
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).resolve().parent.parent / "data"
NA = "NA"  # The files' text for an unknown value.

Row = dict[str, str]


class DamagedFileError(Exception):
    """A file of the data set is missing or has changed."""


@dataclass(frozen=True)
class Source:
    name: str
    rows: int
    sha256: str

    @property
    def path(self) -> Path:
        return DATA / f"{self.name}.csv.xz"

    def verify(self) -> None:
        """Raise DamagedFileError unless the file has the known digest."""
        remedy = "Restore it: git checkout -- demo/data"
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DamagedFileError(f"{self.path} cannot be read ({error}). {remedy}") from error
        if found != self.sha256:
            raise DamagedFileError(
                f"{self.path} is damaged: its SHA-256 is {found}, not {self.sha256}. {remedy}"
            )

    def read(self) -> Iterator[Row]:
        """Yield the rows in order, as dicts of text. Only one row is in memory at a time."""
        with lzma.open(self.path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
