"""Parts of the progress bars of commands. The commands of all apps use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import ProgressColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Task


class RateColumn(ProgressColumn):
    """Rows per second: the task's field `rate`, or else the speed that the bar has measured."""

    def render(self, task: Task) -> Text:
        rate = task.fields.get("rate", task.finished_speed or task.speed)
        return Text(f"{rate:,.0f} rows/s" if rate else "", style="progress.data.speed")
