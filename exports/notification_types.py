"""The notifications that a finished export sends to its owner, in the bell and by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from exports.i18n.labels import localized_label
from exports.i18n.message import localize
from exports.i18n.numbers import number
from notifications.inbox import types
from notifications.inbox.types import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping


def register() -> None:
    """Notify of success and failure. A cancelled export sends nothing: the user cancelled it."""
    types.register("export.succeeded", _succeeded)
    types.register("export.failed", _failed)


def _succeeded(snapshot: Mapping[str, Any]) -> Notice:
    count = snapshot["rows_done"]
    rows = ngettext("{rows} row", "{rows} rows", count).format(rows=number(count))
    return Notice(
        _("“{label}” is ready.").format(label=_label(snapshot)),
        body=_("{rows}, {size}.").format(rows=rows, size=filesizeformat(snapshot["bytes"])),
        url=snapshot["links"]["self"],
        level="success",
    )


def _failed(snapshot: Mapping[str, Any]) -> Notice:
    reason, _language = localize(snapshot["error"], snapshot.get("reason"))
    return Notice(
        _("“{label}” has failed.").format(label=_label(snapshot)),
        body=reason,
        url=snapshot["links"]["self"],
        level="error",
    )


def _label(snapshot: Mapping[str, Any]) -> str:
    """Return the label as one printable line, because a title is also the subject of an e-mail."""
    label = localized_label(snapshot["label"], snapshot.get("labels"))
    label = "".join(each if each.isprintable() else " " for each in label)
    return " ".join(label.split()) or snapshot["exporter"]
