"""Pages: where those of exports are, and what a response says."""

from __future__ import annotations

import re
from html import unescape

from django.urls import reverse

DASHBOARD = reverse("exports:dashboard")


def page(name, export):
    return reverse(f"exports:{name}", args=[export.pk])


def text(response):
    """The page with its tags, and with characters instead of their entities."""
    return unescape(response.content.decode())


def text_of(response):
    """What a person reads on a page, spaces made plain."""
    without_tags = re.sub(r"<[^>]+>", "", response.content.decode())
    return " ".join(unescape(without_tags).split())
