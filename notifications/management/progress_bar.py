"""What the bars of commands are made of. Any app's may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import ProgressColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task


class RateColumn(ProgressColumn):
    """Rows a second: the task's field `rate` if it has one, else as the bar has seen them."""

    def render(self, task: Task) -> Text:
        rate = task.fields.get("rate", task.finished_speed or task.speed)
        return Text(f"{rate:,.0f} rows/s" if rate else "", style="progress.data.speed")
