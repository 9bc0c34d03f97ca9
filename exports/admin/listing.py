"""The list of exports: its columns, and what its script follows to keep them up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from exports.models import Export, Status
from exports.templatetags.waybill import duration, number
from notifications import backlog

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    Base = admin.ModelAdmin[Export]
else:
    Base = object


class LiveChangeList(ChangeList):
    """A list that knows where its exports' streams stood before their rows were read."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = self.result_list.values_list("pk", flat=True)
        self._heads = backlog.heads(f"export-{pk}" for pk in shown)

    @property
    def streams(self) -> dict[str, str | None]:
        """The stream of each export that is under way, and the cursor to follow it from."""
        heads = {name: str(head) for name, head in self._heads.items()}
        active = [export.stream for export in self.result_list if not export.is_final]
        return {stream: heads.get(stream) for stream in active}

    @property
    def words(self) -> dict[str, str]:
        """What each status is called, for the script that keeps the list up to date."""
        return {value: str(label) for value, label in Status.choices}


class Listing(Base):
    """The columns. The script keeps them up to date: static/exports/admin_list.js."""

    def get_changelist(self, *_: Any, **__: Any) -> type[ChangeList]:
        return LiveChangeList

    @admin.display(description=_("status"), ordering="status")
    def live_status(self, export: Export) -> SafeString:
        return _cell(export, "status", export.get_status_display())

    @admin.display(description=_("progress"))
    def progress(self, export: Export) -> SafeString:
        counted = export.rows_total is not None
        return format_html(
            '<progress data-export="{}" data-cell="progress" aria-label="{}" max="{}" {} {}>'
            "</progress>",
            export.pk,
            _("Progress of %(label)s") % {"label": export.label},
            export.rows_total or 1,
            # A bar without a value moves to and fro: the rows are not counted yet.
            format_html('value="{}"', export.rows_done) if counted else "",
            "hidden" if export.is_final else "",
        )

    @admin.display(description=_("rows"), ordering="rows_done")
    def rows(self, export: Export) -> SafeString:
        text = number(export.rows_done)
        if not export.is_final and export.rows_total is not None:
            text = f"{text} / {number(export.rows_total)}"
        return _cell(export, "rows", text)

    @admin.display(description=_("duration"))
    def took(self, export: Export) -> SafeString:
        end = export.finished_at or timezone.now()
        text = duration((end - export.started_at).total_seconds()) if export.started_at else ""
        return _cell(export, "took", text)


def _cell(export: Export, name: str, text: str) -> SafeString:
    return format_html('<span data-export="{}" data-cell="{}">{}</span>', export.pk, name, text)
