"""Run `manage.py replay_events` in the process of the test."""

from __future__ import annotations

from io import StringIO

from django.core.management import CommandError, call_command


def replay_events(*arguments):
    """Return the lines of the command, and the error that makes its exit status 1."""
    out = StringIO()
    try:
        call_command("replay_events", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return [*out.getvalue().splitlines(), f"! {error}"]
    return out.getvalue().splitlines()


def replayed(pushed):
    return [(each["stream"], item["offset"]) for _, each in pushed for item in each["items"]]
