"""manage.py export: run an export in this process, or follow one that the workers run."""

from __future__ import annotations

import json
import os
import socket
import sys
import uuid
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from exports import formatting, lifecycle
from exports.exceptions import ExportError, LostRace, WaitsForSpace
from exports.exporters import registry
from exports.lifecycle import attempts
from exports.management.terminal import arguments, output
from exports.management.terminal.arguments import Refused
from exports.management.terminal.follow import Gone
from exports.management.terminal.progress import Bar, Lines
from exports.management.terminal.watch import Watch, Worker
from exports.models import RELATED, Export, Format
from exports.serialize import snapshot
from exports.spec.spec import build_spec
from exports.status import Status
from exports.worker import runner
from notifications.printable import escaped, in_json
from notifications.writing import atomic

if TYPE_CHECKING:
    import signal
    from argparse import ArgumentParser
    from contextlib import AbstractContextManager

    from exports.spec.spec import ExportSpec
    from notifications.streams.items import Item

# Exit statuses. Other errors exit with 1, and a signal with 128 + its number.
REFUSED, STOPPED = 2, 3


class Command(BaseCommand):
    help = (
        "Run an export in this process, or on the workers with --follow. Progress goes to "
        "standard error and the result to standard output. Exit status 0: succeeded; 1: failed; "
        "2: refused; 3: cancelled or paused by another user; 130: Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "exporter",
            metavar="EXPORTER",
            help="Name of the exporter, for example flights. With --follow, or the ID of an export.",
        )
        parser.add_argument(
            "--user", metavar="NAME", help="Owner of the export. Default: the only superuser."
        )
        parser.add_argument("--format", choices=Format.values, help="File format. Default: csv.")
        parser.add_argument(
            "--filter",
            action="append",
            type=arguments.pair,
            metavar="NAME=VALUE",
            help="Export only rows that match this filter; repeatable.",
        )
        parser.add_argument(
            "--columns",
            type=arguments.names,
            metavar="A,B,C",
            help="Columns to export, in this order.",
        )
        parser.add_argument(
            "--header",
            action="append",
            type=arguments.pair,
            metavar="COLUMN=TEXT",
            help="Custom header of a column; repeatable.",
        )
        parser.add_argument(
            "--option",
            action="append",
            type=arguments.pair,
            metavar="NAME=VALUE",
            help="Option of the format, for example delimiter=; or gzip=true; repeatable.",
        )
        parser.add_argument("--label", metavar="TEXT", help="Display name of the export.")
        parser.add_argument(
            "--output", metavar="FILE", help="Copy the finished file to FILE; - is standard output."
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="Let the workers run the export, and follow its progress.",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="Print the export as JSON; with --follow, print each event as well.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        self._options = options
        try:
            self._export()
        except CommandError as error:
            # The message may quote rows, or an error of the storage.
            raise CommandError(escaped(str(error)), returncode=error.returncode) from error

    def _export(self) -> None:
        try:
            self._check_output()
            export, worker = self._begin()
        except ExportError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        try:
            signum = self._watch(export, worker)
            if worker is not None and worker.error is not None:
                raise CommandError(
                    f"Database error: {worker.error} A worker will retry when the lease of this "
                    f"attempt has expired. {_hint(export)}"
                )
            self._finish(export, signum)
        except Gone as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            # Python flushes standard output once more at exit, and would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Standard output was closed.") from None

    def _check_output(self) -> None:
        options = self._options
        if (target := options["output"]) == "-":
            if options["json"]:
                raise Refused(
                    "--output - and --json cannot be combined: both write to standard output."
                )
        elif target is not None:
            output.check(target)

    def _begin(self) -> tuple[Export, Worker | None]:
        """Return the export, and its worker if it runs in this process."""
        if (found := self._existing()) is not None:
            return found, None
        spec = self._spec()
        if self._options["follow"]:
            return lifecycle.start(spec)[0], None
        # In one transaction, so that no other worker sees the export queued and claims it.
        with atomic():
            export, _ = lifecycle.start(spec, enqueue=False)
            try:
                name = f"terminal-{os.getpid()}@{socket.gethostname()}"
                claimed = attempts.claim(export.pk, worker=name)
            except WaitsForSpace as error:
                raise Refused(
                    "There is not enough disk space for the file. Run manage.py healthcheck for "
                    "details. With --follow the export waits until there is room."
                ) from error
            except LostRace:
                raise Refused(
                    f"An identical export is already active: {export.pk}. {_hint(export)}"
                ) from None
        return claimed, Worker(claimed, runner.run)

    def _existing(self) -> Export | None:
        """Return the export whose id is the argument, if it is an id."""
        try:
            export_id = uuid.UUID(self._options["exporter"])
        except ValueError:
            return None
        new = ("user", "format", "filter", "columns", "header", "option", "label")
        if not self._options["follow"] or any(self._options[name] is not None for name in new):
            raise Refused(
                f"An existing export can only be followed: manage.py export {export_id} --follow"
            )
        if (export := Export.objects.filter(pk=export_id).first()) is None:
            raise Refused(f"There is no export {export_id}.")
        return export

    def _spec(self) -> ExportSpec:
        options = self._options
        request = {
            "exporter": options["exporter"],
            "format": options["format"],
            "columns": options["columns"],
            "headers": options["header"] and dict(options["header"]),
            "label": options["label"],
            "filters": options["filter"] and arguments.filters(options["filter"]),
            "options": options["option"] and arguments.options(options["option"]),
        }
        user = arguments.user(options["user"])
        # `build_spec` would hide exporters that the user may not run, but an operator may know of
        # them. These calls raise NotPermitted instead.
        registry.get(options["exporter"])
        registry.permitted(user, options["exporter"])
        given = {name: value for name, value in request.items() if value is not None}
        return build_spec(user, **given)

    def _watch(self, export: Export, worker: Worker | None) -> signal.Signals | None:
        """Watch the export. Return the signal that made the user leave, if any."""
        prints_items = self._options["follow"] and self._options["json"]
        with self._display() as display:
            watch = Watch(export, worker, display, self._print_item if prints_items else None)
            watch.to_the_end()
        return watch.signal

    def _display(self) -> AbstractContextManager[Lines]:
        if not self._options["verbosity"]:
            return nullcontext(Lines(lambda _: None))
        if self.stderr.isatty():
            return Bar().drawn()
        return nullcontext(Lines(self.stderr.write))

    def _print_item(self, item: Item) -> None:
        self.stdout.write(in_json(item.frame(item.position)))
        self.stdout.flush()

    def _finish(self, export: Export, signum: signal.Signals | None) -> None:
        """Deliver the file of the export, or exit with the status of its end."""
        export = Export.objects.select_related(*RELATED).get(pk=export.pk)
        if self._options["json"]:
            self.stdout.write(in_json(json.dumps(snapshot(export))))
        if export.status == Status.SUCCEEDED:
            self._explain_difference(export)
            self._deliver(export)
            return
        if export.status == Status.FAILED:
            raise CommandError(export.error)
        status = Status(export.status).label.lower()
        message = f"The export is {status}. {_hint(export)}"
        if signum is None:
            raise CommandError(message, returncode=STOPPED)
        self.stderr.write(message)
        raise SystemExit(128 + signum)

    def _explain_difference(self, export: Export) -> None:
        """Say why the file has more or fewer rows than were counted, if it does."""
        with translation.override("en"):
            text = formatting.difference(snapshot(export))
        if text and self._options["verbosity"]:
            self.stderr.write(text)

    def _deliver(self, export: Export) -> None:
        target = self._options["output"]
        if target is None and self._options["json"]:
            return
        if not export.has_file(timezone.now()):
            raise CommandError(f"The file of export {export.pk} has expired. Run the export again.")
        if target is None:
            self.stdout.write(f"{export.pk} {export.file}")
            return
        try:
            self._copy(export, target)
        except BrokenPipeError:
            raise
        # A storage may raise any error, also in the middle of a file.
        except Exception as error:
            raise CommandError(
                f"Export {export.pk} succeeded, but its file could not be copied: {error}"
            ) from error

    def _copy(self, export: Export, target: str) -> None:
        if target == "-":
            stream: IO[bytes] = cast("Any", self.stdout).buffer
            output.to_stream(export, stream)
            stream.flush()
            return
        output.to_file(export, target)
        if self._options["verbosity"]:
            self.stderr.write(f"{target}: {export.rows_done:,} rows, {export.bytes:,} bytes")


def _hint(export: Export) -> str:
    return f"To follow it: manage.py export {export.pk} --follow"
