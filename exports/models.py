"""The tables of exports, parts, presets, task runs and downloads.

Only `lifecycle` writes exports and parts. `status` says which moves of an export are legal.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from exports.i18n.labels import MAX_LENGTH, localized_label
from exports.status import FINAL, Stage, Status, Wait
from notifications.streams.access import stream_of_user, team_stream
from notifications.writing import WrittenManager

if TYPE_CHECKING:
    from datetime import datetime


class Format(models.TextChoices):
    CSV = "csv", "CSV"
    JSONL = "jsonl", "JSON Lines"
    XLSX = "xlsx", "Excel"
    PARQUET = "parquet", "Parquet"


# Text formats. The others are compressed already.
COMPRESSIBLE = frozenset({Format.CSV, Format.JSONL})


class Consistency(models.TextChoices):
    """Which state of the rows a file has if they change while they are read."""

    ROW = "row", _("Each row as of when it was read")
    SNAPSHOT = "snapshot", _("All rows as of one moment")


class Export(models.Model):
    """One requested run of an exporter, and in the end a file."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="exports",
        verbose_name=_("owner"),
    )
    # Members of the team see the export as well. Without a team only its owner does.
    team = models.ForeignKey(
        "auth.Group",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="exports",
        verbose_name=_("team"),
    )
    exporter = models.CharField(_("exporter"), max_length=100)
    # The name that the user gave, or the default one; `labels` has the default in each language.
    label = models.CharField(_("label"), max_length=MAX_LENGTH)
    labels = models.JSONField(null=True)
    format = models.CharField(_("format"), max_length=10, choices=Format, default=Format.CSV)
    # What to export: {"columns": [...], "filters": {...}} or {"changelist": {...}, ...}. It has
    # primary keys only for rows that a user has ticked. `spec.queryset` reads it.
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    # The request context: time zone, language, and what the project needs (`spec.context`).
    context = models.JSONField(default=dict, blank=True)
    # {"delimiter": ";", "gzip": true, ...}: only options that differ from the default.
    options = models.JSONField(_("options"), default=dict)
    consistency = models.CharField(
        max_length=8, choices=Consistency, default=Consistency.ROW, blank=True
    )
    # The hash of the spec. An identical request of the owner returns this export while it is active.
    fingerprint = models.CharField(max_length=64, blank=True)
    # The export that this one repeats.
    origin = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="repetitions",
        verbose_name=pgettext_lazy("of an export", "origin"),
    )

    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.NONE, blank=True)
    # Set while no worker may claim it, because there is no disk space.
    waits_for = models.CharField(
        max_length=10, choices=Wait, default=Wait.NOTHING, db_default="", blank=True
    )
    # In English, for programs and logs. `reason` has the message and its parameters, which readers
    # see translated; it is null for errors that are not our own messages.
    error = models.TextField(_("error"), blank=True)
    reason = models.JSONField(null=True)

    # The planned number. It is never changed to match the written rows.
    rows_total = models.BigIntegerField(null=True, help_text=_("Unknown until counted."))
    rows_done = models.BigIntegerField(default=0)
    # How many more and how many fewer rows the parts have than planned, because rows changed before
    # they were read. `readers.recount` verifies these numbers.
    rows_added = models.BigIntegerField(default=0, db_default=0)
    rows_removed = models.BigIntegerField(default=0, db_default=0)
    # The highest value that `rows_done` has had. `rows_done` falls when a part starts again.
    rows_most = models.BigIntegerField(default=0, db_default=0)
    # The share of the file that is assembled, from 0 to 1.
    assembled = models.FloatField(default=0, db_default=0)
    bytes = models.BigIntegerField(default=0)
    protected_cells = models.BigIntegerField(
        default=0, help_text=_("Cells that a spreadsheet would have run as a formula.")
    )
    rate = models.FloatField(null=True, help_text=_("Rows a second, smoothed."))

    # Each claim takes the next number, and every write of a worker names the number of its claim.
    # So a worker that was considered lost and comes back changes nothing.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    # Attempts that ended in an orderly way. They do not count as lost workers.
    handovers = models.PositiveIntegerField(_("handovers"), default=0)
    lease_expires_at = models.DateTimeField(_("lease expires at"), null=True)
    worker = models.CharField(_("worker"), max_length=200, blank=True)
    log_lines = models.PositiveIntegerField(_("log lines"), default=0)
    log_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    # The number of resumes is limited, because each leaves events and an entry in the audit trail.
    resumes = models.PositiveIntegerField(default=0, db_default=0)
    # Each published change takes the next number, and the highest is the newest. The export is on
    # several streams, whose revisions cannot be compared.
    version = models.PositiveBigIntegerField(default=1)

    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    # When it entered the queue last. The queue has this order.
    queued_at = models.DateTimeField(default=timezone.now)
    # When a message was last sent to the broker.
    enqueued_at = models.DateTimeField(_("enqueued at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    # All rows were read between these two times.
    read_from = models.DateTimeField(null=True)
    read_until = models.DateTimeField(null=True)
    # PostgreSQL's name of the snapshot that all workers of this attempt read. It ends with the
    # connection that exported it.
    snapshot_id = models.CharField(max_length=100, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True)

    file = models.CharField(
        _("file"), max_length=255, blank=True, help_text=_("Name of the file in storage.")
    )
    sha256 = models.CharField(max_length=64, blank=True)

    objects = WrittenManager["Export"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-created_at", "-id"]
        indexes = [
            # For the history on the dashboard.
            models.Index(fields=["owner", "-created_at"], name="export_history"),
            # For past runs, from which `spec.preview` estimates size and duration.
            models.Index(
                fields=["exporter", "format", "-finished_at"],
                name="export_past_runs",
                condition=models.Q(status="succeeded"),
            ),
            # For rescues, and for positions in the queue.
            models.Index(
                fields=["status", "queued_at"],
                name="export_waiting",
                condition=~models.Q(status__in=["succeeded", "failed", "cancelled"]),
            ),
            # For the sum of an owner's files, and the one that expires first.
            models.Index(
                fields=["owner", "expires_at", "bytes"],
                name="export_stored",
                condition=~models.Q(file=""),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="export_status_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(format__in=Format.values), name="export_format_is_known"
            ),
            # Of two identical requests that race, one is saved. The other returns that one.
            models.UniqueConstraint(
                fields=["owner", "fingerprint"],
                name="one_active_export_a_question",
                condition=~models.Q(status__in=["succeeded", "failed", "cancelled"])
                & ~models.Q(fingerprint=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.pk})"

    def get_absolute_url(self) -> str:
        return reverse("exports:detail", args=[self.pk])

    @property
    def title(self) -> str:
        """The label in the active language."""
        return localized_label(self.label, self.labels)

    @property
    def stream(self) -> str:
        """The name of the stream that has the progress and the log of this export."""
        return f"export-{self.pk}"

    @property
    def owner_stream(self) -> str:
        return stream_of_user(self.owner_id)

    @property
    def streams(self) -> list[str]:
        """The streams on which this export is published, in the order of locking: by name."""
        team = [] if self.team_id is None else [team_stream(self.team_id)]
        return [self.stream, *team, self.owner_stream]

    @property
    def key(self) -> str:
        """The key of the retained value that has the JSON of this export."""
        return f"export-{self.pk}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def rows_again(self) -> int:
        """Rows that must be read again, because their worker was lost or stopped."""
        is_extracted = self.is_final or self.stage == Stage.ASSEMBLING
        return 0 if is_extracted else max(self.rows_most - self.rows_done, 0)

    @property
    def rows_reached(self) -> int:
        """The most rows that were done so far, including those of lost workers."""
        return max(self.rows_most, self.rows_done)

    @property
    def extension(self) -> str:
        """The extension of the file's name, without the first dot."""
        is_gzip = self.format in COMPRESSIBLE and self.options.get("gzip")
        return f"{self.format}.gz" if is_gzip else self.format

    def has_file(self, now: datetime) -> bool:
        """Return whether the file can be downloaded at `now`."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.status == Status.SUCCEEDED and bool(self.file) and not expired


class Preset(models.Model):
    """Settings for an exporter that a user saved under a name, or used last."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="export_presets"
    )
    # The team that exports from this preset are shared with.
    team = models.ForeignKey(
        "auth.Group",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="export_presets",
        verbose_name=_("team"),
    )
    exporter = models.CharField(max_length=100)
    name = models.CharField(
        max_length=100, blank=True, help_text=_("Empty for the last used settings.")
    )
    format = models.CharField(max_length=10, choices=Format)
    # Like the fields of Export. They are validated again when the preset is used.
    options = models.JSONField(default=dict)
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WrittenManager["Preset"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("preset")
        verbose_name_plural = _("presets")
        ordering = ["exporter", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "exporter", "name"], name="one_preset_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return self.name or gettext("last settings for %(name)s") % {"name": self.exporter}


class PartStatus(models.TextChoices):
    OPEN = "open", _("Open")  # No worker has claimed it.
    CLAIMED = "claimed", _("Claimed")  # A worker is extracting it.
    DONE = "done", _("Done")  # Its file is in storage.


class Part(models.Model):
    """A range of primary keys of one export: `after_key` < key <= `upto_key`."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField(_("number"))
    # As text, which the field of the primary key parses. Null: from the first key.
    after_key = models.TextField(null=True)  # noqa: DJ001 - "" may be a key
    upto_key = models.TextField()
    rows = models.PositiveBigIntegerField(
        _("rows"), help_text=_("As planned when the export started.")
    )

    status = models.CharField(
        _("status"), max_length=8, choices=PartStatus, default=PartStatus.OPEN
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lease_expires_at = models.DateTimeField(_("lease expires at"), null=True)
    worker = models.CharField(_("worker"), max_length=200, blank=True)
    rows_done = models.PositiveBigIntegerField(_("rows done"), default=0)
    # Keys that the recount found. Null: the part has as many rows as planned.
    rows_found = models.PositiveBigIntegerField(null=True)
    bytes = models.PositiveBigIntegerField(default=0)
    protected_cells = models.PositiveBigIntegerField(default=0)
    # Whether a helper has claimed it, and not the worker that holds the export.
    by_helper = models.BooleanField(default=False)
    file = models.CharField(max_length=255, blank=True, help_text=_("Name of the file in storage."))
    # The checksum of the file, which is verified at assembly. CRC-32 is fifty times as fast as
    # SHA-256.
    crc32 = models.PositiveBigIntegerField(null=True)

    objects = WrittenManager["Part"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("part")
        verbose_name_plural = _("parts")
        ordering = ["export", "number"]
        indexes = [
            # For the sum of stored parts. Most parts are already deleted.
            models.Index(
                fields=["export", "bytes"], name="part_stored", condition=~models.Q(file="")
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["export", "number"], name="one_part_a_number")
        ]

    def __str__(self) -> str:
        return gettext("part %(number)d") % {"number": self.number}


class TaskRun(models.Model):
    """A Celery task that worked on an export: the link to its row in django-celery-results."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="task_runs")
    task_id = models.CharField(max_length=255)
    attempt = models.PositiveIntegerField(_("attempt"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = WrittenManager["TaskRun"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("task run")
        verbose_name_plural = _("task runs")
        constraints = [
            models.UniqueConstraint(fields=["export", "attempt"], name="one_task_run_an_attempt")
        ]
        ordering = ["export", "attempt"]

    def __str__(self) -> str:
        return self.task_id


class Download(models.Model):
    """Downloads of a file, or of a link to it, by one user from one network within an hour.

    They share a row, because a program may fetch a file in thousands of ranges.
    """

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="downloads")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("user"),
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    last_at = models.DateTimeField(_("last at"), default=timezone.now)
    address = models.GenericIPAddressField(_("address"), null=True)
    # The range of the first request; empty once the whole file was requested.
    range = models.CharField(_("range"), max_length=100, blank=True)
    requests = models.PositiveBigIntegerField(_("requests"), default=1, db_default=1)
    # The requested bytes. How many of them arrived is unknown.
    bytes = models.BigIntegerField(_("bytes"), default=0, db_default=0)
    # Hour, network and user. The constraint lets only one of several processes create the row.
    slot = models.CharField(max_length=200, blank=True, editable=False)

    objects = WrittenManager["Download"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        constraints = [
            models.UniqueConstraint(
                fields=["export", "slot"], name="one_download_a_slot", condition=~models.Q(slot="")
            )
        ]
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.user}, {self.at:%Y-%m-%d %H:%M} UTC"


# Relations of Export that its JSON needs, for select_related(*RELATED).
RELATED = ("owner", "team")
