"""`manage.py replay_events`, run in the process of the test."""

from __future__ import annotations

from io import StringIO

from django.core.management import CommandError, call_command


def replay_events(*arguments):
    """The lines that the command prints, and the error that makes its exit status 1."""
    out = StringIO()
    try:
        call_command("replay_events", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return [*out.getvalue().splitlines(), f"! {error}"]
    return out.getvalue().splitlines()


def replayed(pushed):
    return [(each["stream"], item["offset"]) for _, each in pushed for item in each["items"]]
