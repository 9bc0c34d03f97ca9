"""The actions that the audit trail records, and the interfaces that they come through. No I/O."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Action(models.TextChoices):
    """Every action that is recorded. docs/operations.md lists what each entry contains."""

    SIGNED_IN = "signed_in", _("Signed in")
    SIGNED_OUT = "signed_out", _("Signed out")
    SIGN_IN_FAILED = "sign_in_failed", _("Sign-in failed")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    USER_CREATED = "user_created", _("User created")
    USER_DELETED = "user_deleted", _("User deleted")
    RIGHTS_GRANTED = "rights_granted", _("Permissions granted")
    RIGHTS_WITHDRAWN = "rights_withdrawn", _("Permissions withdrawn")
    TOKEN_CREATED = "token_created", _("Token created")
    TOKEN_REVOKED = "token_revoked", _("Token revoked")
    TOKEN_REFUSED = "token_refused", _("Token refused")
    EXPORT_STARTED = "export_started", _("Export started")
    EXPORT_REPEATED = "export_repeated", _("Export repeated")
    EXPORT_SHARED = "export_shared", _("Export shared")
    EXPORT_UNSHARED = "export_unshared", _("Export no longer shared")
    EXPORT_PAUSED = "export_paused", _("Export paused")
    EXPORT_RESUMED = "export_resumed", _("Export resumed")
    EXPORT_CANCELLED = "export_cancelled", _("Export cancelled")
    EXPORT_STOPPED = "export_stopped", _("Export stopped")
    EXPORT_DOWNLOADED = "export_downloaded", _("Export downloaded")
    EXPORT_EXPIRED = "export_expired", _("Export expired")
    EXPORT_DELETED = "export_deleted", _("Export deleted")
    PRESET_SAVED = "preset_saved", _("Preset saved")
    PRESET_CHANGED = "preset_changed", _("Preset changed")
    PRESET_SHARED = "preset_shared", _("Preset shared")
    PRESET_UNSHARED = "preset_unshared", _("Preset no longer shared")
    PRESET_DELETED = "preset_deleted", _("Preset deleted")
    STREAMS_REPLAYED = "streams_replayed", _("Streams replayed")
    TRAIL_PRUNED = "trail_pruned", _("Audit trail pruned")


class Interface(models.TextChoices):
    """The interface through which an action came to the server."""

    PAGE = "page", _("Page")
    ADMIN = "admin", _("Admin")
    API = "api", _("API, with a session")
    TOKEN = "token", _("API, with a token")
    SOCKET = "socket", _("WebSocket")
    COMMAND = "command", _("Command line")
    SYSTEM = "system", _("Worker or beat")  # No person acts at that moment.
