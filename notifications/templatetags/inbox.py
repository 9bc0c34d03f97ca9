"""The bell for the header of any page: `{% load inbox %}{% bell %}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.urls import NoReverseMatch, get_script_prefix, reverse

from notifications.inbox.panel import latest

if TYPE_CHECKING:
    from django.template import Context

register = template.Library()


@register.simple_tag
def socket_url() -> str:
    """Return the path of the socket on this host, with the site's prefix (SCRIPT_NAME)."""
    return f"{get_script_prefix()}ws/streams/"


@register.simple_tag
def streams_api_url() -> str:
    """Return the API's path for streams, which pages use if the WebSocket is blocked.

    Return an empty text if the project has no such API. Then pages use only the WebSocket.
    """
    name = "name-of-a-stream"
    try:
        return reverse("api:poll", args=[name]).removesuffix(name)
    except NoReverseMatch:
        return ""


@register.inclusion_tag("notifications/_bell.html", takes_context=True)
def bell(context: Context) -> dict[str, Any]:
    """Render the bell: the number of unread notifications, and the latest ones in a panel."""
    return latest(context["user"])
