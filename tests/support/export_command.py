"""Run `manage.py export` in the process of the test."""

from __future__ import annotations

import io

from django.core.management import CommandError, call_command

from demo.models import Flight
from exports.exporters import Column, Exporter
from tests.support.exporting import COLUMNS

KEYS = range(1, 21)


class CommandResult:
    """The output and the exit status of a command."""

    def __init__(self, *arguments):
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        self.status, self.error = 0, ""
        try:
            call_command("export", *arguments, stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            self.status, self.error = error.returncode, str(error)
        self.raw = out.buffer.getvalue()
        self.out, self.err = self.raw.decode(), err.getvalue()


def flights(*arguments):
    return CommandResult("flights", "--columns", ",".join(COLUMNS), *arguments)


def exporter_calling(function):
    """Return an exporter that calls `function()` at its tenth row."""

    class Acting(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            "id",
            Column("done", needs=["id"], python=lambda key: function() if key == 10 else ""),
        ]

    return Acting
