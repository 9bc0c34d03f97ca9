"""What each person gets, as literal tables. Nothing here asks the code that decides.

A cell is a status, or `login` for a redirect to the page that signs people in. A star says that
rows of the database change; without it none may.
"""

from __future__ import annotations

import re

from tests.integration.config.access_matrix.people import PEOPLE

# What exists and is none of theirs must look to these people like what does not exist.
BLIND = (
    "anonymous",
    "stranger",
    "exporter",
    "inactive",
    "teammate",
    "reader",
    "rival",
    "clerk",
    "revoked",
)
# People in the order of the columns:
#   anonymous stranger exporter owner demoted inactive teammate reader rival
#   clerk viewer manager superuser token revoked
_PAGES = """
redirect         302   302   302   302   302   302   302   302   302   302  302  302  302   302   302
for everybody    200   200   200   200   200   200   200   200   200   200  200  200  200   200   200
not there        404   404   404   404   404   404   404   404   404   404  404  404  404   404   404
other method     405   405   405   405   405   405   405   405   405   405  405  405  405   405   405
own method       login 405   405   405   405   login 405   405   405   405  405  405  405   login login
own page         login 200   200   200   200   login 200   200   200   200  200  200  200   login login
only by post     login 303   303   303   303   login 303   303   303   303  303  303  303   login login
sign in          200   302   302   302   302   200   302   302   302   302  302  302  302   200   200
signed in        302*  302   302   302   302   302*  302   302   302   302  302  302  302   302*  302*
admin sign in    200   200   200   200   200   200   200   200   200   302  302  302  302   200   200
admin signed in  302*  302*  302*  302*  302*  302*  302*  302*  302*  302* 302* 302* 302*  302*  302*
admin sign out by get 302 302 302 302 302 302 302   302   302   405  405  405  405   302   302
admin sign out   302   302   302   302   302   302   302   302   302   login* login* login* login* 302 302
sign out         login login* login* login* login* login* login* login* login* login* login* login* login* login login
language         302   302*  302*  302*  302*  302   302*  302*  302*  302* 302* 302* 302*  302   302
own choice       login 303*  303*  303*  303*  login 303*  303*  303*  303* 303* 303* 303*  login login
exporter         login 404   200   200   404   login 200   404   200   404  404  404  200   login login
choose           login 404   303*  303*  404   login 303*  404   303*  404  404  404  303*  login login
start            login 422   303*  303*  422   login 303*  422   303*  422  422  422  303*  login login
preset           login 404   404   303*  404   login 404   404   404   404  404  404  404   login login
export           login 404   404   200   200   login 404   404   404   404  200  200  200   login login
export:shared    login 404   404   200   200   login 200   200   404   404  200  200  200   login login
file:queued      login 404   404   404   403   login 404   404   404   404  403  403  404   login login
file:running     login 404   404   404   403   login 404   404   404   404  403  403  404   login login
file:private     login 404   404   200*  403   login 404   404   404   404  403  403  200*  login login
file:shared      login 404   404   200*  403   login 200*  403   404   404  403  403  200*  login login
file:expired     login 404   404   410   403   login 404   404   404   404  403  403  410   login login
button           login 404   404   303   303   login 404   404   404   404  303  303  303   login login
button:shared    login 404   404   303   303   login 303   303   404   404  303  303  303   login login
stop             login 404   404   303   303   login 404   404   404   404  403  303  303   login login
stop:queued      login 404   404   303*  303*  login 404   404   404   404  403  303* 303*  login login
stop:running     login 404   404   303*  303*  login 404   404   404   404  403  303* 303*  login login
stop:shared      login 404   404   303   303   login 403   403   404   404  403  303  303   login login
go on            login 404   404   303   303   login 404   404   404   404  403  303  303   login login
go on:shared     login 404   404   303   303   login 403   403   404   404  403  303  303   login login
again            login 404   404   303   303   login 404   404   404   404  403  303  303   login login
again:private    login 404   404   303*  403   login 404   404   404   404  403  303* 303*  login login
again:shared     login 404   404   303*  403   login 403   403   404   404  403  303* 303*  login login
again:expired    login 404   404   303*  403   login 404   404   404   404  403  303* 303*  login login
"""
_API = """
api own          401   200   200   200   200   401   200   200   200   200  200  200  200   200   401
api choice       401   200*  200*  200*  200*  401   200*  200*  200*  200* 200* 200* 200*  200*  401
api start        401   422   202*  202*  422   401   202*  422   202*  422  422  422  202*  202*  401
api export       401   404   404   200   200   401   404   404   404   404  200  200  200   200   401
api export:shared 401  404   404   200   200   401   200   200   404   404  200  200  200   200   401
api file:queued  401   404   404   404   403   401   404   404   404   404  403  403  404   404   401
api file:running 401   404   404   404   403   401   404   404   404   404  403  403  404   404   401
api file:private 401   404   404   200*  403   401   404   404   404   404  403  403  200*  200*  401
api file:shared  401   404   404   200*  403   401   200*  403   404   404  403  403  200*  200*  401
api file:expired 401   404   404   410   403   401   404   404   404   404  403  403  410   410   401
api stop         401   404   404   409   409   401   404   404   404   404  403  409  409   409   401
api stop:queued  401   404   404   202*  202*  401   404   404   404   404  403  202* 202*  202*  401
api stop:running 401   404   404   202*  202*  401   404   404   404   404  403  202* 202*  202*  401
api stop:shared  401   404   404   409   409   401   403   403   404   404  403  409  409   409   401
api go on        401   404   404   409   409   401   404   404   404   404  403  409  409   409   401
api go on:shared 401   404   404   409   409   401   403   403   404   404  403  409  409   409   401
api again        401   404   404   409   409   401   404   404   404   404  403  409  409   409   401
api again:private 401  404   404   202*  403   401   404   404   404   404  403  202* 202*  202*  401
api again:shared 401   404   404   202*  403   401   403   403   404   404  403  202* 202*  202*  401
api again:expired 401  404   404   202*  403   401   404   404   404   404  403  202* 202*  202*  401
"""
# Of the admin, people who are no staff see its page for signing in, and nothing else.
_ADMIN = """
staff            200   200   200  200
staff redirect   302   302   302  302
staff method     405   405   405  405
staff nowhere    404   404   404  404
nobody           403   403   403  403
look             403   200   403  200
look, exports    403   200   200  200
app              404   200   200  200
write            403   403   403  200
written          403   403   403  302*
history          302   200   200  200
admin button     404   302   302  302
admin stop       404   403   302  302
admin stop:queued  404 403   302* 302*
admin stop:running 404 403   302* 302*
admin go on      404   403   302  302
admin again      404   403   302  302
admin again:private 404 403  302* 302*
admin again:shared  404 403  302* 302*
admin again:expired 404 403  302* 302*
action           403   200   302* 302*
select           403   403   403  200
selected         403   403   403  302*
"""
STAFF = ("clerk", "viewer", "manager", "superuser")

# Each route of the URLconf: what a GET is, and what a POST is.
ROUTES: dict[str, tuple[str, str]] = {
    r"": ("redirect", "redirect"),
    r"favicon\.ico": ("redirect", "redirect"),
    r"style/": ("not there", "other method"),
    r"health/(live|ready)": ("for everybody", "for everybody"),
    r"metrics": ("for everybody", "for everybody"),
    r"login/": ("sign in", "signed in"),
    r"logout/": ("other method", "sign out"),
    r"language/": ("redirect", "language"),
    r"exports/": ("own page", "start"),
    r"exports/new/<str:name>/": ("exporter", "choose"),
    r"exports/new/<str:name>/preview": ("own method", "exporter"),
    r"exports/presets/<int:pk>/(run|delete)": ("only by post", "preset"),
    r"exports/<uuid:pk>/(card|log\.txt|)": ("export", "own method"),
    r"exports/<uuid:pk>/file": ("file", "own method"),
    r"exports/<uuid:pk>/(cancel|pause)": ("button", "stop"),
    r"exports/<uuid:pk>/(resume|retry)": ("button", "go on"),
    r"exports/<uuid:pk>/again": ("button", "again"),
    r"inbox/(latest|)": ("own page", "own method"),
    r"inbox/(read|preferences)": ("only by post", "own choice"),
    # -- the API
    r"api/(docs|openapi\.json)": ("for everybody", "for everybody"),
    r"api/(asyncapi|frames\.schema)\.json": ("for everybody", "other method"),
    r"api/(<path:_path>|)": ("not there", "not there"),
    r"api/v1/exporters": ("api own", "other method"),
    r"api/v1/exports": ("api own", "api start"),
    r"api/v1/exports/<uuidstr:export_id>(/log|)": ("api export", "other method"),
    r"api/v1/exports/<uuidstr:export_id>/file": ("api file", "other method"),
    r"api/v1/exports/<uuidstr:export_id>/(cancel|pause)": ("other method", "api stop"),
    r"api/v1/exports/<uuidstr:export_id>/(resume|retry)": ("other method", "api go on"),
    r"api/v1/exports/<uuidstr:export_id>/again": ("other method", "api again"),
    r"api/v1/inbox": ("api own", "other method"),
    r"api/v1/inbox/read": ("other method", "api choice"),
    r"api/v1/inbox/preferences": ("api own", "other method"),  # And PATCH: see below.
    # -- the admin
    r"admin/": ("staff", "staff"),
    r"admin/login/": ("admin sign in", "admin signed in"),
    r"admin/logout/": ("admin sign out by get", "admin sign out"),
    r"admin/password_change/": ("staff", "staff"),
    r"admin/(password_change/done|jsi18n)/": ("staff", "staff method"),
    r"admin/autocomplete/": ("nobody", "staff method"),
    r"admin/r/.*": ("not there", "not there"),
    r"admin/\^\(\?P<app_label>[\w|]+\)/\$": ("app", "app"),
    r"admin/\(\?P<url>\.\*\)\$": ("staff nowhere", "staff nowhere"),
    r"admin/\w+/\w+/<path:object_id>/": ("staff redirect", "staff redirect"),
    r"admin/exports/export/": ("look, exports", "action"),
    r"admin/exports/export/news/<int:since>/": ("look, exports", "look, exports"),
    r"admin/exports/export/health/": ("write", "write"),
    r"admin/exports/export/add/": ("nobody", "nobody"),
    r"admin/exports/export/<path:object_id>/delete/": ("nobody", "nobody"),
    r"admin/exports/export/<path:object_id>/change/": ("look, exports", "nobody"),
    r"admin/exports/export/<path:object_id>/history/": ("history", "history"),
    r"admin/exports/export/<uuid:pk>/(pause|cancel)/": ("admin button", "admin stop"),
    r"admin/exports/export/<uuid:pk>/(resume|retry)/": ("admin button", "admin go on"),
    r"admin/exports/export/<uuid:pk>/again/": ("admin button", "admin again"),
    r"admin/(demo|notifications)/(?!token)\w+/(<path:object_id>/history/|)": ("look", "look"),
    r"admin/(demo|notifications)/(?!token)\w+/<path:object_id>/change/": ("look", "nobody"),
    r"admin/(demo|notifications)/(?!token)\w+/(add|<path:object_id>/delete)/": (
        "nobody",
        "nobody",
    ),
    r"admin/demo/(flight|weather|plane|airport)/export/": ("select", "selected"),
    r"admin/demo/(flight|weather|plane|airport)/export/preview/": ("staff method", "select"),
    r"admin/notifications/token/(<path:object_id>/history/|)": ("look", "look"),
    r"admin/notifications/token/add/": ("nobody", "nobody"),
    r"admin/notifications/token/<path:object_id>/change/": ("look", "nobody"),
    r"admin/notifications/token/<path:object_id>/delete/": ("write", "written"),
    r"admin/(auth|django_celery_results)/\w+/(<path:object_id>/history/|)": ("look", "look"),
    r"admin/(auth/\w+|django_celery_results/groupresult)/add/": ("write", "write"),
    r"admin/(auth/\w+|django_celery_results/groupresult)/<path:object_id>/change/": (
        "look",
        "write",
    ),
    # No field of theirs is required, so an empty form is one that can be saved.
    r"admin/django_celery_results/taskresult/add/": ("write", "written"),
    r"admin/django_celery_results/taskresult/<path:object_id>/change/": ("look", "written"),
    r"admin/(auth|django_celery_results)/\w+/<path:object_id>/delete/": ("write", "written"),
    r"admin/auth/user/<id>/password/": ("write", "write"),
}
# Streams are read by other threads, and have a test of their own.
STREAMS = (r"api/v1/streams/<name>", r"api/v1/streams/<name>/sse")

# What is sent, so that only rights stand in the way.
FORMS: dict[str, dict[str, str]] = {
    "login/": {"username": "stranger", "password": "correct horse"},
    "admin/login/": {"username": "superuser", "password": "correct horse"},
    "language/": {"language": "de"},
    "exports/": {"exporter": "flights", "format": "csv", "team": ""},
    "exports/new/<str:name>/": {"format": "csv", "column": "id"},
    "exports/new/<str:name>/preview": {"format": "csv", "column": "id"},
    "inbox/preferences": {"email": "none"},
    "admin/exports/export/": {"action": "cancel", "_selected_action": "{queued}"},
}
DELETES = {"post": "yes"}
BODIES: dict[str, str] = {
    "api/v1/exports": '{"exporter": "flights"}',
    "api/v1/inbox/read": '{"up_to": null}',
    "api/v1/inbox/preferences": '{"email": "none"}',
}
# The one operation that is neither GET nor POST.
PATCHES = {"api/v1/inbox/preferences": "api choice"}


def kinds_of(pattern: str) -> tuple[str, str] | None:
    """What a GET and a POST of this route are; None for a route that nobody has classified."""
    found = [kinds for each, kinds in ROUTES.items() if re.fullmatch(each, pattern)]
    return found[0] if len(found) == 1 else None


def cells(kind: str, state: str) -> dict[str, str]:
    """What each person gets, of an export in this state."""
    return TABLES.get(f"{kind}:{state}") or TABLES[kind]


def _read(table: str, people: tuple[str, ...]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for line in table.strip().splitlines():
        words = line.split()
        kind = " ".join(words[: -len(people)])
        rows[kind] = dict(zip(people, words[-len(people) :], strict=True))
    return rows


def _for_staff(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {kind: {**dict.fromkeys(PEOPLE, "login"), **row} for kind, row in rows.items()}


TABLES = {
    **_read(_PAGES + _API.lstrip(), tuple(PEOPLE)),
    **_for_staff(_read(_ADMIN, STAFF)),
}
