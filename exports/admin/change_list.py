"""The list of exports: its columns, and the streams that its script follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from exports.access import listed
from exports.admin import new_exports
from exports.admin.new_exports import News
from exports.formatting import date_time, duration
from exports.i18n.numbers import number
from exports.spec.rights import may_run, may_see_list
from exports.status import Status
from notifications.http import user_of
from notifications.streams import backlog

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from exports.models import Export


class LiveChangeList(ChangeList):
    """A list with the streams that its script follows.

    The cursors are read before the rows, so that the script misses no change.
    """

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Export]:
        return listed(super().get_queryset(*args, **kwargs))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.news = new_exports.polling(self, request)
        shown = self.result_list.values_list("pk", flat=True)
        self._heads = backlog.heads(f"export-{pk}" for pk in shown)
        self._offer_files(request)

    def _offer_files(self, request: HttpRequest) -> None:
        """Set `is_offered` on each export that the user may download once it has a file."""
        user = user_of(request)
        names = {export.exporter for export in self.result_list}
        permitted = {name for name in names if may_run(user, name)}
        for export in self.result_list:
            export.is_offered = export.exporter in permitted and may_see_list(user, export)

    @property
    def streams(self) -> dict[str, str | None]:
        """The stream of each active export, and its cursor."""
        heads = {name: str(head) for name, head in self._heads.items()}
        active = [export.stream for export in self.result_list if not export.is_final]
        return {stream: heads.get(stream) for stream in active}

    @property
    def status_labels(self) -> dict[str, str]:
        """The label of each status, for the script."""
        return {value: str(label) for value, label in Status.choices}


class Listing(News):
    """The columns. The script `static/exports/admin/change_list.js` keeps them up to date."""

    def get_changelist(self, *_: Any, **__: Any) -> type[ChangeList]:
        return LiveChangeList

    @admin.display(description=_("label"), ordering="called")
    def name(self, export: Export) -> SafeString:
        """The name, cut to three lines by CSS, with the full name as a tooltip."""
        return format_html('<span class="waybill-name" title="{0}">{0}</span>', export.title)

    @admin.display(description=_("status"), ordering="status")
    def state(self, export: Export) -> SafeString:
        """The status, the bar and the rows, in one line if they fit."""
        return format_html(
            '<div class="waybill-stack"><span class="waybill-status" data-status="{}" '
            'data-export="{}" data-cell="status">{}</span>{}{}</div>',
            export.status,
            export.pk,
            export.get_status_display(),
            _bar(export),
            self.rows(export),
        )

    @admin.display(description=_("rows"))
    def rows(self, export: Export) -> SafeString:
        """The rows, in the list and on the page of the export."""
        return format_html(
            '<span data-export="{}" data-cell="rows" data-reached="{}">{}</span>',
            export.pk,
            export.rows_reached,
            _rows(export),
        )

    @admin.display(description=_("requested"), ordering="created_at")
    def requested(self, export: Export) -> SafeString:
        """The time of the request, and the owner."""
        return format_html(
            '<div class="waybill-stack"><time datetime="{}">{}</time><bdi>{}</bdi></div>',
            export.created_at.isoformat(timespec="seconds"),
            date_time(timezone.localtime(export.created_at)),
            export.owner,
        )

    @admin.display(description=_("duration"))
    def took(self, export: Export) -> SafeString:
        end = export.finished_at or timezone.now()
        text = duration((end - export.started_at).total_seconds()) if export.started_at else ""
        return format_html('<span data-export="{}" data-cell="took">{}</span>', export.pk, text)

    @admin.display(description=_("file"))
    def download(self, export: Export) -> SafeString | str:
        """A link for users who may download the file. The script shows it once there is a file."""
        if not getattr(export, "is_offered", False):
            return ""
        return format_html(
            '<a href="{}" download aria-label="{}" data-export="{}" data-cell="file"{}>{}</a>',
            reverse("exports:file", args=[export.pk]),
            _("Download %(label)s") % {"label": export.title},
            export.pk,
            "" if export.has_file(timezone.now()) else " hidden",
            _("Download"),
        )


def _bar(export: Export) -> SafeString:
    # While rows are counted the bar has no value, so browsers animate it.
    is_counting = export.status == Status.RUNNING and export.rows_total is None
    return format_html(
        '<progress data-export="{}" data-cell="progress" aria-label="{}" max="{}" {} {}></progress>',
        export.pk,
        _("Progress of %(label)s") % {"label": export.title},
        export.rows_total or 1,
        "" if is_counting else format_html('value="{}"', export.rows_done),
        "hidden" if export.is_final else "",
    )


def _rows(export: Export) -> str:
    """Return the done and the total rows. After a failure, return the rows that were reached."""
    has_failed = export.is_final and export.status != Status.SUCCEEDED
    done = export.rows_reached if has_failed else export.rows_done
    if has_failed and not done:
        return ""
    if export.status == Status.SUCCEEDED or export.rows_total is None:
        return number(done)
    return f"{number(done)} / {number(export.rows_total)}"
