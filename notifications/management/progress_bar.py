"""A part of the progress bars that the commands of all apps show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import ProgressColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task


class RateColumn(ProgressColumn):
    """Shows rows per second: the task's field `rate`, or else the measured speed."""

    def render(self, task: Task) -> Text:
        rate = task.fields.get("rate", task.finished_speed or task.speed)
        return Text(f"{rate:,.0f} rows/s" if rate else "", style="progress.data.speed")
