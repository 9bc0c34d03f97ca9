"""The tables on the page of an export: its parts, its Celery tasks and its downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_celery_results.models import TaskResult

from exports.models import Download, Part, TaskRun

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

# An export may have thousands of parts and downloads.
PARTS_SHOWN = 200
DOWNLOADS_SHOWN = 100


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # Not generic when it runs.
    """Rows of an export. Users who may view all exports may view them; nobody may change them."""

    max_num = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, _: Any = None) -> bool:
        return request.user.has_perm("exports.view_export")

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        return False

    @admin.display(description=_("size"))
    def size(self, row: Part | Download) -> str:
        return filesizeformat(row.bytes)


class PartInline(ReadOnlyInline):
    model = Part
    verbose_name_plural = format_lazy(_("parts (first {count})"), count=PARTS_SHOWN)
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


class TaskRunInline(ReadOnlyInline):
    """The Celery tasks of an export. Their results need a permission of their own."""

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
        """The id of the task, with a link if Celery has stored a result."""
        if run.result_id is None:
            return str(run.task_id)
        url = reverse("admin:django_celery_results_taskresult_change", args=[run.result_id])
        return format_html('<a href="{}">{}</a>', url, run.task_id)

    @admin.display(description=_("result"))
    def result(self, run: Any) -> str:
        return run.result_status or ""


class DownloadInline(ReadOnlyInline):
    """The downloads of the file. Their addresses are personal data: see docs/operations.md."""

    model = Download
    verbose_name_plural = format_lazy(_("downloads (last {count})"), count=DOWNLOADS_SHOWN)
    fields = ["at", "last_at", "user", "address", "requests", "size", "range"]
    readonly_fields = ["at", "size"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Download]:
        page = request.resolver_match
        # By the id from the URL, because OuterRef would run the inner query once for each row.
        export_id = page.kwargs.get("object_id") if page else None
        last = Download.objects.filter(export=export_id).order_by("-at", "-pk")[:DOWNLOADS_SHOWN]
        downloads: QuerySet[Download] = super().get_queryset(request)
        return downloads.filter(pk__in=last.values("pk")).select_related("user")
