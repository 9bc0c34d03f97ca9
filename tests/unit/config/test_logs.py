"""The log of who runs it: a line for what was refused, a traceback for what broke."""

from __future__ import annotations

import io
import logging
import logging.config

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.log import log_response

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def log():
    """What the handler of the settings writes."""
    written = io.StringIO()
    console = {**settings.LOGGING["handlers"]["console"], "stream": written}
    tested = {"handlers": ["console"], "propagate": False}
    logging.config.dictConfig(
        {
            **settings.LOGGING,
            "handlers": {"console": console},
            "root": {},
            "loggers": {"tested": tested},
        }
    )
    yield written.getvalue
    logging.config.dictConfig(settings.LOGGING)


def answer(status, error):
    request = HttpRequest()
    request.path = "/exports/new/100%/"
    try:
        raise error
    except type(error) as raised:
        log_response(
            "%s: %s",
            "Refused" if status < 500 else "Broken",
            request.path,
            response=HttpResponse(status=status),
            request=request,
            logger=logging.getLogger("tested"),
            exception=raised,
        )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionDenied(), "Refused: /exports/new/100%/"),
        (
            PermissionDenied("You may not\nexport 100 % of it."),
            "Refused: /exports/new/100%/ (You may not export 100 % of it.)",
        ),
        # What the message says already is not said twice.
        (PermissionDenied("/exports/new"), "Refused: /exports/new/100%/"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 499])
def test_refused_request_is_one_log_line_with_its_reason(log, status, error, said):
    answer(status, error)

    [line] = log().splitlines()
    assert line.endswith(f"WARNING tested: {said}")


def test_server_error_is_logged_with_its_traceback(log):
    answer(500, ZeroDivisionError("division by zero"))

    first, second, *_, last = log().splitlines()
    assert first.endswith("ERROR   tested: Broken: /exports/new/100%/")
    # Indented, so that no text in it can pretend to be another entry.
    assert second.startswith("    Traceback")
    assert last == "    ZeroDivisionError: division by zero"


@pytest.mark.parametrize("status", ["404", None])
def test_foreign_status_code_attribute_is_harmless(log, status):
    logging.getLogger("tested").warning("Not there", extra={"status_code": status})

    [line] = log().splitlines()
    assert line.endswith("WARNING tested: Not there")


def test_other_handlers_keep_the_traceback_of_a_refusal(log, caplog):
    logging.getLogger("tested").addHandler(caplog.handler)

    answer(403, PermissionDenied("No."))

    assert len(log().splitlines()) == 1
    assert "PermissionDenied: No." in caplog.text
