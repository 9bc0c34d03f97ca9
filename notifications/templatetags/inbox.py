"""The bell, for the head of any page: `{% load inbox %}{% bell %}`."""

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
    """Where the socket is on this host, below the path that the site may have (SCRIPT_NAME)."""
    return f"{get_script_prefix()}ws/streams/"


@register.simple_tag
def streams_api_url() -> str:
    """Where the API has the streams, for a page whose socket does not get through.

    Empty if the project has no such API: then the page has only the socket.
    """
    name = "name-of-a-stream"
    try:
        return reverse("api:poll", args=[name]).removesuffix(name)
    except NoReverseMatch:
        return ""


@register.inclusion_tag("notifications/_bell.html", takes_context=True)
def bell(context: Context) -> dict[str, Any]:
    """How many notifications are unread, and the latest; alive where scripts run."""
    return latest(context["user"])
