"""The tables: streams with their events and retained values, inboxes, tokens, the audit trail.

Only the package `streams` writes streams. `inbox` writes inboxes, `api.tokens` writes tokens and
`audit` writes the audit trail.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Never

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.audit_actions import Action, Interface
from notifications.writing import WrittenManager

TOKEN_DAYS = 90  # The default lifetime of a token.


def new_epoch() -> str:
    """Return a random epoch: 12 URL-safe characters without a dot or a hyphen.

    A cursor begins with it, and a command line would read a leading hyphen as an option.
    """
    return secrets.token_urlsafe(9).replace("-", "_")


class Stream(models.Model):
    """A stream and its newest position. A lock on its row keeps commits in the order of offsets."""

    # Channels allows fewer than 100 ASCII letters, digits, hyphens, underscores and periods.
    name = models.CharField(_("name"), max_length=99, unique=True)
    # Each creation of the stream gets a new random epoch. Cursors of another epoch are not valid.
    epoch = models.CharField(_("epoch"), max_length=16, default=new_epoch)
    head = models.BigIntegerField(
        _("head"), default=0, help_text=_("The offset of the newest event.")
    )
    revision = models.BigIntegerField(
        _("revision"), default=0, help_text=_("The revision of the newest retained value.")
    )
    floor = models.BigIntegerField(
        _("floor"), default=0, help_text=_("The highest offset that pruning has removed.")
    )

    objects = WrittenManager["Stream"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("stream")
        verbose_name_plural = _("streams")

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """An event of a stream. It never changes. Offsets are 1, 2, 3 … in the order of commits."""

    # The field needs no index, because both indexes below begin with it.
    stream = models.ForeignKey(
        Stream,
        on_delete=models.CASCADE,
        related_name="events",
        db_index=False,
        verbose_name=_("stream"),
    )
    offset = models.BigIntegerField(_("offset"))
    type = models.CharField(_("type"), max_length=100)
    data = models.JSONField(_("data"), encoder=DjangoJSONEncoder)
    at = models.DateTimeField(_("at"))

    objects = WrittenManager["Event"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(fields=["stream", "offset"], name="one_event_an_offset"),
        ]
        indexes = [
            # For the inbox, which reads a few types among very many log lines.
            models.Index(fields=["stream", "type", "offset"], name="event_of_a_type"),
        ]
        ordering = ["stream", "offset"]

    def __str__(self) -> str:
        return f"{self.type} #{self.offset}"


class Retained(models.Model):
    """The current value of one key of a stream. A newer one replaces it."""

    stream = models.ForeignKey(
        Stream, on_delete=models.CASCADE, related_name="retained", verbose_name=_("stream")
    )
    key = models.CharField(_("key"), max_length=100)
    revision = models.BigIntegerField(_("revision"))
    data = models.JSONField(_("data"), encoder=DjangoJSONEncoder)
    at = models.DateTimeField(_("at"))

    objects = WrittenManager["Retained"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("retained value")
        verbose_name_plural = _("retained values")
        constraints = [
            models.UniqueConstraint(fields=["stream", "key"], name="one_value_a_key"),
            models.UniqueConstraint(fields=["stream", "revision"], name="one_value_a_revision"),
        ]
        ordering = ["stream", "revision"]

    def __str__(self) -> str:
        return f"{self.key} r{self.revision}"


class Mailing(models.TextChoices):
    """Which notifications a user wants by e-mail."""

    ALL = "all", _("Everything")
    FAILURES = "failures", _("Failures only")
    NONE = "none", _("Nothing")


class Inbox(models.Model):
    """How far a user has read their notifications, and how far those were mailed."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="inbox",
        verbose_name=_("user"),
    )
    # The user's stream that the two offsets belong to. If it is deleted and created again, the
    # offsets are reset (`inbox.ensure_row`).
    stream = models.OneToOneField(Stream, on_delete=models.SET_NULL, null=True, editable=False)
    read_offset = models.BigIntegerField(
        _("read offset"), default=0, help_text=_("Read up to this event.")
    )
    mailed_offset = models.BigIntegerField(
        _("mailed offset"), default=0, help_text=_("Mailed up to this event.")
    )

    email = models.CharField(_("email"), max_length=10, choices=Mailing, default=Mailing.ALL)
    language = models.CharField(
        _("language"),
        max_length=20,
        blank=True,
        help_text=_("Language of e-mails. Empty for the site's default."),
    )

    # Each process that claims the user's e-mails takes the next number. Its writes compare the
    # number, so they fail when another process has claimed them.
    mail_attempt = models.PositiveBigIntegerField(_("mail attempt"), default=0)
    mail_after = models.DateTimeField(
        _("mail after"),
        null=True,
        help_text=_("No e-mail is sent before this time."),
    )

    objects = WrittenManager["Inbox"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("inbox")
        verbose_name_plural = _("inboxes")

    def __str__(self) -> str:
        return gettext("inbox of %(user)s") % {"user": self.user}


class TokenScope(models.TextChoices):
    """What a program may do with a token."""

    FULL = "full", _("Everything the user can do")
    READ = "read", _("Follow and download only")


def default_expiry() -> datetime:
    return timezone.now() + timedelta(days=TOKEN_DAYS)


class Token(models.Model):
    """A bearer token of a program. The table has only its SHA-256, and not its text."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="waybill_tokens",
        verbose_name=_("user"),
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # An HMAC of the user's password hash. A new password makes the token invalid.
    password_digest = models.CharField(max_length=64, editable=False)
    scope = models.CharField(
        _("scope"), max_length=4, choices=TokenScope, default=TokenScope.FULL, db_default="full"
    )
    note = models.CharField(
        _("note"), max_length=100, blank=True, help_text=_("What uses the token.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), default=default_expiry)
    # When the user was warned that the token expires soon.
    warned_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)

    objects = WrittenManager["Token"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("token")
        verbose_name_plural = _("tokens")

    def __str__(self) -> str:
        return self.note or f"token {self.pk}"


class AppendOnlyError(TypeError):
    """Code tried to change or remove an entry of the audit trail."""


class AppendOnly(models.QuerySet["AuditEntry"]):
    """A queryset that refuses updates and deletions. Database triggers refuse them, too."""

    def update(self, **_: Any) -> Never:
        raise AppendOnlyError("Entries of the audit trail are never changed.")

    def delete(self) -> Never:
        raise AppendOnlyError("Entries of the audit trail are only removed by prune_events.")


class AuditEntry(models.Model):
    """An action in the audit trail: actor, object, time and origin. It never changes.

    Users and objects are stored by key and name, because an entry outlives them.
    """

    # The time by the clock of the database, so that the entries of several hosts are in order.
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    action = models.CharField(_("action"), max_length=30, choices=Action)
    # Empty if no user acts, but a command, a worker or a client that is not signed in.
    actor_key = models.CharField(_("actor key"), max_length=200, blank=True)
    actor_name = models.CharField(_("actor name"), max_length=200, blank=True)
    # The owner of the object, unless that is the actor.
    owner_key = models.CharField(_("owner key"), max_length=200, blank=True)
    owner_name = models.CharField(_("owner name"), max_length=200, blank=True)
    object_kind = models.CharField(_("object kind"), max_length=20, blank=True)
    object_key = models.CharField(_("object key"), max_length=200, blank=True)
    object_label = models.CharField(_("object label"), max_length=200, blank=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    interface = models.CharField(_("interface"), max_length=10, choices=Interface)
    details = models.JSONField(_("details"), default=dict, encoder=DjangoJSONEncoder)
    # A unique name among the entries whose number is limited (`audit.attempts`).
    slot = models.CharField(max_length=100, null=True, unique=True, editable=False)  # noqa: DJ001 - see above

    objects = WrittenManager.from_queryset(AppendOnly)()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ["view"]
        ordering = ["-pk"]
        # For the filters and searches of the admin, the newest entries first.
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["action", "-id"], name="audit_action"),
            models.Index(fields=["interface", "-id"], name="audit_interface"),
            models.Index(fields=["actor_name", "-id"], name="audit_actor"),
            models.Index(fields=["object_key", "-id"], name="audit_object"),
            models.Index(fields=["address", "-id"], name="audit_address"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} #{self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError("Entries of the audit trail are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> Never:
        raise AppendOnlyError("Entries of the audit trail are only removed by prune_events.")
