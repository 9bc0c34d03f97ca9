"""No answer of the API is kept by anybody, whatever it says. Downloads: test_download.py."""

from __future__ import annotations

import pytest

from config.api import api

pytestmark = pytest.mark.django_db
PRIVATE = "private, no-store"
OPERATIONS = [
    (method.upper(), path)
    for path, item in api.get_openapi_schema()["paths"].items()
    for method in item
]


@pytest.fixture
def ada(django_user_model, client):
    user = django_user_model.objects.create_superuser("ada")
    client.force_login(user)
    return user


@pytest.mark.proves("api-is-never-cached")
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_api_operations_forbid_caching(client, ada, method, path, is_signed_in):
    if not is_signed_in:
        client.logout()
    path = path.format(export_id="00000000-0000-4000-8000-000000000000", name="user-1")

    answer = client.generic(method, path, headers={"Accept": "application/json"})

    assert answer.headers["Cache-Control"] == PRIVATE


@pytest.mark.proves("api-is-never-cached")
@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/api/", 404, {}),
        ("/api/nothing", 404, {}),
        ("/api/docs", 200, {}),
        ("/api/openapi.json", 200, {}),
        ("/api/asyncapi.json", 200, {}),
        ("/api/v1/exports", 401, {"Authorization": "Bearer nonsense"}),
        ("/api/v1/exports", 400, {"Host": "evil.example"}),
    ],
)
def test_other_api_responses_forbid_caching(client, path, status, headers):
    answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, PRIVATE)
