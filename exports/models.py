"""The tables of exports. No I/O.

Only `lifecycle` writes exports and parts: `transitions` their statuses, `parts` their progress,
and `queue` when the broker was told. `status` says which moves are legal.
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


# Text. The others are compressed inside.
COMPRESSIBLE = frozenset({Format.CSV, Format.JSONL})


class Consistency(models.TextChoices):
    """What "the rows" are, when rows change while they are read."""

    ROW = "row", _("Each row as of when it was read")
    SNAPSHOT = "snapshot", _("All rows as of one moment")


class Export(models.Model):
    """One requested run of an exporter."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="exports",
        verbose_name=_("owner"),
    )
    # Its members see the export, too. Without it, and when it is deleted, it is its owner's alone.
    team = models.ForeignKey(
        "auth.Group",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="exports",
        verbose_name=_("team"),
    )
    exporter = models.CharField(_("exporter"), max_length=100)
    # What it was called by who asked. `labels` has it by language if nobody has named it, so
    # that each reads it in theirs: `title`.
    label = models.CharField(_("label"), max_length=MAX_LENGTH)
    labels = models.JSONField(null=True)
    format = models.CharField(_("format"), max_length=10, choices=Format, default=Format.CSV)
    # What to export: {"columns": [...], "filters": {...}} or {"changelist": {...}, ...};
    # `spec.queryset` reads it. Never a list of keys, save for rows ticked by hand.
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    # What is kept of the request that asked: its time zone, its language, and what the project
    # needs (`spec.context`). Without it those of the site hold.
    context = models.JSONField(default=dict, blank=True)
    # How its file is written: {"delimiter": ";", "gzip": true, ...}; what is not there has the
    # default of `formats.base.Options`.
    options = models.JSONField(_("options"), default=dict)
    consistency = models.CharField(
        max_length=8, choices=Consistency, default=Consistency.ROW, blank=True
    )
    # The hash of the spec. While an export is active, an equal spec of its owner returns it.
    fingerprint = models.CharField(max_length=64, blank=True)
    # Of which export this one is the repetition.
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
    # Set if no worker may claim it yet: there was no room when one tried, or gave it back.
    waits_for = models.CharField(
        max_length=10, choices=Wait, default=Wait.NOTHING, db_default="", blank=True
    )
    # In English, for programs and logs. `reason` is what it was made of, if that was foreseen:
    # `i18n.message.localize` shows it in the language of the reader.
    error = models.TextField(_("error"), blank=True)
    reason = models.JSONField(null=True)

    # As planned, and never changed to agree with what was written.
    rows_total = models.BigIntegerField(null=True, help_text=_("Unknown until counted."))
    rows_done = models.BigIntegerField(default=0)
    # By how many rows its parts have more and fewer than planned, once it has succeeded: rows
    # were added, deleted or changed between the plan and the reading. `readers.recount` proves it.
    rows_added = models.BigIntegerField(default=0, db_default=0)
    rows_removed = models.BigIntegerField(default=0, db_default=0)
    # The highest that `rows_done` has been: it falls when a part begins anew, and people ask why.
    rows_most = models.BigIntegerField(default=0, db_default=0)
    # How much of the file is put together, from 0 to 1.
    assembled = models.FloatField(default=0, db_default=0)
    bytes = models.BigIntegerField(default=0)
    protected_cells = models.BigIntegerField(
        default=0, help_text=_("Cells that a spreadsheet would have run as a formula.")
    )
    rate = models.FloatField(null=True, help_text=_("Rows a second, smoothed."))

    # Each claim takes the next attempt. A worker's every write names the one it was given,
    # so a worker that was thought dead and comes back changes nothing.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    # Attempts that ended in an orderly hand-over. They do not count against the export.
    handovers = models.PositiveIntegerField(_("handovers"), default=0)
    lease_expires_at = models.DateTimeField(_("lease expires at"), null=True)
    worker = models.CharField(_("worker"), max_length=200, blank=True)
    log_lines = models.PositiveIntegerField(_("log lines"), default=0)
    log_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    # How often it was resumed. Each time leaves events and a row, so the number is limited.
    resumes = models.PositiveIntegerField(default=0, db_default=0)
    # Each change that is told takes the next. An export is told of on several streams, whose
    # revisions cannot be compared; of two snapshots, the one with the higher version is newer.
    version = models.PositiveBigIntegerField(default=1)

    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    # Since when it waits, this time. Those that wait are taken in this order.
    queued_at = models.DateTimeField(default=timezone.now)
    # When the broker was last told. Nothing decides by what the broker says.
    enqueued_at = models.DateTimeField(_("enqueued at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    # When the first and the last of its rows were read: each is as it was in between.
    read_from = models.DateTimeField(null=True)
    read_until = models.DateTimeField(null=True)
    # What PostgreSQL calls the moment that all workers of this attempt read. It is gone with
    # the connection that holds it.
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
            # The dashboard's history.
            models.Index(fields=["owner", "-created_at"], name="export_history"),
            # Past runs, from which size and time of the next are reckoned.
            models.Index(
                fields=["exporter", "format", "-finished_at"],
                name="export_past_runs",
                condition=models.Q(status="succeeded"),
            ),
            # Rescue, and the position in the queue.
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
            # Of two identical requests that race, one is saved.
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
        """What its reader calls it."""
        return localized_label(self.label, self.labels)

    @property
    def stream(self) -> str:
        """The name of this export's own stream: its progress and its log."""
        return f"export-{self.pk}"

    @property
    def owner_stream(self) -> str:
        return stream_of_user(self.owner_id)

    @property
    def streams(self) -> list[str]:
        """All that tell of it, in the order in which they are taken: by name."""
        team = [] if self.team_id is None else [team_stream(self.team_id)]
        return [self.stream, *team, self.owner_stream]

    @property
    def key(self) -> str:
        """The key of its snapshot among a stream's retained values."""
        return f"export-{self.pk}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def rows_again(self) -> int:
        """Rows that were done once, and are to be read again: who had them was lost, or stopped."""
        is_extracted = self.is_final or self.stage == Stage.ASSEMBLING
        return 0 if is_extracted else max(self.rows_most - self.rows_done, 0)

    @property
    def rows_reached(self) -> int:
        """How many rows it once had: a worker that is lost may have taken some along."""
        return max(self.rows_most, self.rows_done)

    @property
    def extension(self) -> str:
        """How the file's name ends, without the first dot."""
        is_gzip = self.format in COMPRESSIBLE and self.options.get("gzip")
        return f"{self.format}.gz" if is_gzip else self.format

    def has_file(self, now: datetime) -> bool:
        """Whether the file can be downloaded at `now`."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.status == Status.SUCCEEDED and bool(self.file) and not expired


class Preset(models.Model):
    """What somebody has chosen for an exporter: under a name, or the last time."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="export_presets"
    )
    # With whom the export is shared. Without it, and when it is deleted, with nobody.
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
    # As those of an Export. What cannot be had any more is found out when it is run.
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
            ),
        ]

    def __str__(self) -> str:
        return self.name or gettext("last settings for %(name)s") % {"name": self.exporter}


class PartStatus(models.TextChoices):
    OPEN = "open", _("Open")  # Nobody has it.
    CLAIMED = "claimed", _("Claimed")  # A worker is extracting it.
    DONE = "done", _("Done")  # Its file is in storage.


class Part(models.Model):
    """A range of primary keys of one export: `after_key` < key <= `upto_key`."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField(_("number"))
    # As text, read back by the primary key's own field. Null: from the first key.
    after_key = models.TextField(null=True)  # noqa: DJ001 - "" is a key, too
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
    # Its keys, counted where its rows were read. Null: as many rows as planned.
    rows_found = models.PositiveBigIntegerField(null=True)
    bytes = models.PositiveBigIntegerField(default=0)
    protected_cells = models.PositiveBigIntegerField(default=0)
    # Whether who has it is a helper, and not the worker that holds the export.
    by_helper = models.BooleanField(default=False)
    file = models.CharField(max_length=255, blank=True, help_text=_("Name of the file in storage."))
    # Of its bytes, to know them again. It is fifty times as fast as the SHA-256 of the file.
    crc32 = models.PositiveBigIntegerField(null=True)

    objects = WrittenManager["Part"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("part")
        verbose_name_plural = _("parts")
        ordering = ["export", "number"]
        indexes = [
            # For the sum of stored parts. Most exports have none any more.
            models.Index(
                fields=["export", "bytes"], name="part_stored", condition=~models.Q(file="")
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["export", "number"], name="one_part_a_number"),
        ]

    def __str__(self) -> str:
        return gettext("part %(number)d") % {"number": self.number}


class TaskRun(models.Model):
    """That Celery ran a task for an export: the link to its row in django-celery-results."""

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
            models.UniqueConstraint(fields=["export", "attempt"], name="one_task_run_an_attempt"),
        ]
        ordering = ["export", "attempt"]

    def __str__(self) -> str:
        return self.task_id


class Download(models.Model):
    """That somebody got the file of an export, or a link to it.

    A program may fetch it in thousands of ranges. So all requests of one user from one address
    within an hour are counted in one row.
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
    # The sum of all requests. How many bytes arrived is unknown.
    bytes = models.BigIntegerField(_("bytes"), default=0, db_default=0)
    # Hour, address and user. The constraint lets one of several processes create the row.
    slot = models.CharField(max_length=200, blank=True, editable=False)

    objects = WrittenManager["Download"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        constraints = [
            models.UniqueConstraint(
                fields=["export", "slot"], name="one_download_a_slot", condition=~models.Q(slot="")
            ),
        ]
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.user}, {self.at:%Y-%m-%d %H:%M} UTC"


# What it names of other tables: select_related(*RELATED) spares a query for each.
RELATED = ("owner", "team")
