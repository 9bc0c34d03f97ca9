"""No process lets a caller write an entry of its log, or steer the terminal of its reader."""

from __future__ import annotations

import http.client
import io
import logging
import re
import subprocess
import sys

import pytest
from django.contrib.auth.models import User

from config.api import internal_error
from config.celery import app
from config.logs import ShortRefusals
from notifications.api import tokens
from notifications.printable import CONTROL
from tests.services.processes import ROOT
from tests.services.waybill import HOST
from tests.support.waiting import wait_until

FORGED = "forged\n2026-01-01 00:00:00,000 INFO root: all is well\x1b[2J\x9b2J\u202egpj\u2066\r"
QUOTED = (
    "forged%0A2026-01-01%2000:00:00,000%20INFO%20root:%20all%20is%20well%1B%5B2J%C2%9B2J"
    "%E2%80%AEgpj%E2%81%A6%0D"
)
# Logs and raises as code does that knows nothing of this, after a process has set up its logging.
SAY = f"""
import logging
logging.getLogger("celery.redirected").warning({FORGED!r})
logging.getLogger("ninja").error("%s", {FORGED!r})
try:
    raise LookupError({FORGED!r})
except LookupError:
    logging.getLogger("some.exporter").exception("Broken by %s", {FORGED!r})
"""
SET_UP = {
    "web": """
from daphne.cli import CommandLineInterface
class Nothing:
    abort_start = False
    def __init__(self, **_): pass
    def run(self): pass
CommandLineInterface.server_class = Nothing
CommandLineInterface().run(["config.asgi:application"])
""",
    "worker": """
from config.celery import app
app.loader.init_worker()
app.log.setup(loglevel="INFO", redirect_stdouts=True)
""",
    "child of a worker": """
from config.celery import app
from celery.concurrency.prefork import process_initializer
app.loader.init_worker()
process_initializer(app, "worker@tests")
""",
    "beat": """
from config.celery import app
from celery.apps.beat import Beat
beat = Beat(app=app, loglevel="INFO", redirect_stdouts=True)
beat.init_loader()
beat.setup_logging()
""",
    "command": """
import django
django.setup()
""",
}


def assert_no_entry_is_forged(text):
    assert "forged" in text
    assert not CONTROL.search(text)
    assert not re.search(r"^2026-01-01", text, re.MULTILINE)


@pytest.mark.proves("logs-cannot-be-forged")
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("kind", SET_UP)
def test_no_process_logs_control_characters_unescaped(kind):
    done = subprocess.run(
        [sys.executable, "-c", SET_UP[kind] + SAY],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert_no_entry_is_forged(done.stderr + done.stdout)
    assert done.stderr.count("forged") >= 4


@pytest.mark.only_on("sqlite")
def test_path_of_a_broken_api_request_forges_no_log_entry(rf):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(ShortRefusals("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    request = rf.get(f"/api/v1/{QUOTED}")
    assert "\n" in request.path

    try:
        internal_error(request, LookupError(FORGED))
    finally:
        logger.removeHandler(handler)

    assert_no_entry_is_forged(written.getvalue())


@pytest.mark.proves("logs-cannot-be-forged")
@pytest.mark.django_db(transaction=True)
def test_path_of_a_failing_request_forges_no_log_entry(server):
    ada = User.objects.create_user("ada")
    headers = {"Authorization": f"Bearer {tokens.create(ada)}"}
    for path in (f"/api/v1/{QUOTED}", f"/api/v1/streams/{QUOTED}", f"/{QUOTED}"):
        connection = http.client.HTTPConnection(HOST, server.port, timeout=15)
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status == 404
        connection.close()

    wait_until(lambda: server.log_text().count("Not Found:") >= 3)
    assert_no_entry_is_forged(server.log_text())


@pytest.mark.django_db(transaction=True)
def test_name_of_an_unknown_task_forges_no_log_entry(worker):
    app.send_task(FORGED, args=[FORGED], queue="exports")

    wait_until(lambda: "forged" in worker.process.log_text())
    assert_no_entry_is_forged(worker.process.log_text())
