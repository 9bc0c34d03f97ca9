"""Exports in the admin: everybody's, live, to look at and to stop.

An export is written by `lifecycle` and workers alone, so nothing here is a form. Seeing them
needs `exports.view_export`; stopping, pausing, resuming and repeating them
`exports.change_export`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Subquery
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _
from django_celery_results.models import TaskResult

from exports import lifecycle
from exports.access import visible_to
from exports.exceptions import IllegalMove, LostRace, NotPermitted, OverLimit, RequestError
from exports.models import Download, Export, Part, Status, TaskRun
from exports.snapshot import NAMED
from exports.templatetags.waybill import duration, number
from notifications import backlog
from notifications.admin import MachineOwnedAdmin, as_json
from notifications.protocol import MAX_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

# Above this the page of an export would be mostly parts.
PARTS_SHOWN = 200
# A program that fetches ranges leaves a row for each.
DOWNLOADS_SHOWN = 100


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


class OfAnExport(admin.TabularInline):  # type: ignore[type-arg]  # Not generic when it runs.
    """Rows that belong to an export: who may see it may see them, and nobody writes them."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, _: Any = None) -> bool:
        return request.user.has_perm("exports.view_export")

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        return False


class PartInline(OfAnExport):
    model = Part
    verbose_name_plural = _("parts (the first %d)") % PARTS_SHOWN
    fields = [
        "number",
        "status",
        "rows_done",
        "rows",
        "size",
        "attempt",
        "worker",
        "lease_expires_at",
    ]
    readonly_fields = ["size"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Part]:
        return super().get_queryset(request).filter(number__lte=PARTS_SHOWN)

    @admin.display(description=_("size"))
    def size(self, part: Part) -> str:
        return filesizeformat(part.bytes)


class TaskRunInline(OfAnExport):
    """Which Celery tasks ran it. What Celery says of them is for operators alone."""

    model = TaskRun
    fields = ["attempt", "task", "result", "created_at"]
    readonly_fields = ["task", "result", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskRun]:
        found = TaskResult.objects.filter(task_id=OuterRef("task_id"))
        if not request.user.has_perm("django_celery_results.view_taskresult"):
            found = found.none()
        runs: QuerySet[TaskRun] = super().get_queryset(request)
        return runs.annotate(
            result_id=Subquery(found.values("pk")[:1]),
            result_status=Subquery(found.values("status")[:1]),
        )

    @admin.display(description=_("task"))
    def task(self, run: Any) -> SafeString | str:
        """Its id; a link once Celery has stored a result."""
        if run.result_id is None:
            return str(run.task_id)
        url = reverse("admin:django_celery_results_taskresult_change", args=[run.result_id])
        return format_html('<a href="{}">{}</a>', url, run.task_id)

    @admin.display(description=_("result"))
    def result(self, run: Any) -> str:
        return run.result_status or ""


class DownloadInline(OfAnExport):
    """Who got the file, or a link to it. An address is personal data: see docs/operations.md."""

    model = Download
    verbose_name_plural = _("downloads (the last %d)") % DOWNLOADS_SHOWN
    fields = ["at", "user", "address", "range"]
    readonly_fields = ["at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Download]:
        page = request.resolver_match
        # Of this export alone: for each row of thousands, the last ones would be looked for anew.
        export_id = page.kwargs.get("object_id") if page else None
        last = Download.objects.filter(export=export_id).order_by("-at", "-pk")[:DOWNLOADS_SHOWN]
        downloads: QuerySet[Download] = super().get_queryset(request)
        return downloads.filter(pk__in=last.values("pk")).select_related("user")


@admin.register(Export)
class ExportAdmin(MachineOwnedAdmin):
    list_display = [
        *("label", "live_status", "progress", "rows", "took"),
        *("owner", "team", "exporter", "format", "created_at"),
    ]
    list_select_related = NAMED
    list_filter = [
        *("status", "exporter", "format"),
        ("owner", admin.RelatedOnlyFieldListFilter),
        ("team", admin.RelatedOnlyFieldListFilter),
    ]
    search_fields = ["id", "label", f"owner__{get_user_model().USERNAME_FIELD}"]
    search_help_text = _("An id, a label or an owner.")
    list_per_page = 50
    list_max_show_all = MAX_STREAMS  # The list follows one for each export that is under way.
    actions = ["cancel", "pause", "resume", "run_again"]
    inlines = [PartInline, TaskRunInline, DownloadInline]
    readonly_fields = ["page", "file_link", "asked", "doing", "rows", "speed", "size", "took"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("label", "page", "file_link", "owner", "team"),
                    *("exporter", "format", "options", "asked", "origin"),
                ]
            },
        ),
        (_("Progress"), {"fields": ["status", "doing", "error", "rows", "speed", "size", "took"]}),
        (
            _("Times"),
            {"fields": ["created_at", "enqueued_at", "started_at", "finished_at", "expires_at"]},
        ),
        (
            _("Worker"),
            {"fields": ["worker", "attempt", "handovers", "lease_expires_at", "log_lines"]},
        ),
        (_("File"), {"fields": ["id", "file", "sha256"]}),
    ]

    class Media:
        css = {"all": ["exports/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        return super().get_queryset(request) & visible_to(request.user)  # type: ignore[arg-type]

    def get_changelist(self, *_: Any, **__: Any) -> type[ChangeList]:
        return LiveChangeList

    def view_on_site(self, export: Export) -> str:
        return export.get_absolute_url()

    # -- Columns that the list's script keeps up to date: static/exports/admin_list.js ---

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

    # -- Fields of the page of one export -------------------------------------------------

    @admin.display(description=_("its own page"))
    def page(self, export: Export) -> SafeString:
        return format_html('<a href="{0}">{0}</a>', export.get_absolute_url())

    @admin.display(description=_("file"))
    def file_link(self, export: Export) -> SafeString | str:
        if not export.has_file(timezone.now()):
            return gettext("There is none.")
        url = reverse("exports:file", args=[export.pk])
        return format_html('<a href="{}">{}</a>', url, export.filename)

    @admin.display(description=_("asked for"))
    def asked(self, export: Export) -> SafeString | str:
        return as_json(export.params) if export.params else gettext("Everything.")

    @admin.display(description=_("stage"))
    def doing(self, export: Export) -> str:
        return export.get_stage_display() or self.get_empty_value_display()

    @admin.display(description=_("rate"))
    def speed(self, export: Export) -> str:
        if export.rate is None:
            return self.get_empty_value_display()
        return gettext("%(rows)s rows/s") % {"rows": number(export.rate)}

    @admin.display(description=_("size"))
    def size(self, export: Export) -> str:
        return filesizeformat(export.bytes)

    # -- Actions ----------------------------------------------------------------------------

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether this user may stop and resume the exports of others."""
        return request.user.has_perm("exports.change_export")

    @admin.action(
        description=_("Cancel (waiting, running and paused only)"), permissions=["control"]
    )
    def cancel(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        self._each(
            request,
            queryset,
            lifecycle.cancel,
            ngettext_lazy(
                "%d export is cancelled, or will be when its worker notices.",
                "%d exports are cancelled, or will be when their workers notice.",
            ),
        )

    @admin.action(description=_("Pause (waiting and running only)"), permissions=["control"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        self._each(
            request,
            queryset,
            lifecycle.pause,
            ngettext_lazy(
                "%d export is paused, or will be when its worker notices.",
                "%d exports are paused, or will be when their workers notice.",
            ),
        )

    @admin.action(description=_("Resume (paused only)"), permissions=["control"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        self._each(
            request,
            queryset,
            lifecycle.resume,
            ngettext_lazy("%d export is back in the queue.", "%d exports are back in the queue."),
        )

    @admin.action(
        description=_("Run again (failed, cancelled and finished)"), permissions=["control"]
    )
    def run_again(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        self._each(
            request,
            queryset,
            _run_again,
            ngettext_lazy(
                "%d export runs again, as a new one.", "%d exports run again, as new ones."
            ),
        )

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Export],
        do: Callable[..., Any],
        done: _StrPromise,
    ) -> None:
        """Do it to each, and say of how many it was done, and why not of the others."""
        moved, refused = 0, Counter[str]()
        for export in queryset:
            try:
                do(export, by=request.user)
            except (IllegalMove, LostRace, NotPermitted, OverLimit, RequestError) as error:
                refused[str(error)] += 1
            else:
                moved += 1
        if moved:
            self.message_user(request, done % moved, messages.SUCCESS)
        for reason, count in refused.items():
            was_not = ngettext(
                "%d export was left as it is", "%d exports were left as they are", count
            )
            self.message_user(request, f"{was_not % count}: {reason}", messages.WARNING)


def _run_again(export: Export, *, by: User) -> None:
    succeeded = export.status == Status.SUCCEEDED
    (lifecycle.run_again if succeeded else lifecycle.retry)(export, by=by)


def _cell(export: Export, name: str, text: str) -> SafeString:
    return format_html('<span data-export="{}" data-cell="{}">{}</span>', export.pk, name, text)
