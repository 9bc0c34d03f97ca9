"""The API against its own document, by property tests of schemathesis.

Requests are made up from the OpenAPI document, valid and nearly valid. Whatever is sent, the
answer is one that the document describes, and no error of ours.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
import schemathesis
from django.conf import settings as of_the_site
from django.core.asgi import get_asgi_application
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks

from config.api import api
from config.threads import CleanThreads
from notifications.streams.access import user_stream
from tests.integration.config.access_matrix.people import EXPORTS, make_world
from tests.integration.config.access_matrix.requests import SECRET
from tests.support.exporting import use_folders

pytestmark = pytest.mark.django_db(transaction=True)

load_all_checks()
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(api.get_openapi_schema())
SCHEMA.app = CleanThreads(get_asgi_application())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
PATIENCE = 0.01  # seconds that a poll may wait, and a stream of events lasts


@pytest.fixture
def world(settings, tmp_path, monkeypatch):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    monkeypatch.setattr("notifications.delivery.http_streams.SSE_SECONDS", PATIENCE)
    use_folders(settings, tmp_path)
    with transaction.atomic():
        return make_world()


@pytest.mark.parametrize("person", ["owner", "anonymous"])
def test_api_conforms_to_its_openapi_document(world, person):
    exports = [str(world.export("owner", state).pk) for state in EXPORTS]
    names = [user_stream(world.users["owner"]), f"export-{exports[0]}"]

    seen = set()
    for operation in OPERATIONS:
        seen |= statuses_of(operation, world, person, exports, names)

    assert seen >= ({200, 202, 404, 409, 422} if person == "owner" else {401})


def statuses_of(operation, world, person, exports, names):
    """Send it what hypothesis makes up of its description, as this person."""
    seen = set()

    @settings(
        max_examples=20 if person == "owner" else 8,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(*(operation.as_strategy(generation_mode=each) for each in GenerationMode)),
        export=st.sampled_from([*exports, None]),
        name=st.sampled_from([*names, None]),
    )
    def answers(case, export, name):
        if export and "export_id" in case.path_parameters:
            case.path_parameters["export_id"] = export
        if name and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        with suppress(KeyError, TypeError, ValueError):
            if 0 <= float(case.query["wait"]) <= 25:
                case.query["wait"] = PATIENCE
        cookies = {of_the_site.CSRF_COOKIE_NAME: SECRET}
        if person in world.sessions:
            case.headers.pop("Authorization", None)  # A made-up token comes before the session.
            cookies[of_the_site.SESSION_COOKIE_NAME] = world.sessions[person]
        headers = {"X-CSRFToken": SECRET, **dict(case.headers)}
        response = case.call_and_validate(headers=headers, cookies=cookies, checks=CHECKS)
        seen.add(response.status_code)

    answers()
    return seen
