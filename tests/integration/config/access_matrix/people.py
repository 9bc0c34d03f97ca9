"""The people of the matrix, their exports, and one row of each kind that the admin shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from django_celery_results.models import GroupResult, TaskResult

from demo.models import Airline, Airport, Flight, Plane, Weather
from exports.spec import presets
from exports.spec.spec import build_spec
from exports.status import Status
from notifications.api import tokens
from notifications.models import AuditEntry, Event, Inbox, Retained, Stream, Token
from notifications.streams import append, current_cursor
from notifications.streams.access import streams_of
from tests.support.exporting import force_status, make_flights, request

if TYPE_CHECKING:
    from exports.models import Export, Preset

# The columns of the tables in `expected`, from left to right.
PEOPLE = {
    "anonymous": "has not signed in",
    "stranger": "has signed in, and has no rights",
    "exporter": "may export flights",
    "owner": "owns the exports, and may export flights",
    "demoted": "owns exports, and may not export flights any more",
    "inactive": "owns exports, and was deactivated",
    "teammate": "is in the team that one export is shared with, and may export flights",
    "reader": "is in that team, and may not export",
    "rival": "is in another team, and may export flights",
    "clerk": "is staff without permissions",
    "viewer": "is staff, and may view every model",
    "manager": "is staff with all permissions of exports",
    "superuser": "may do everything",
    "token": "sends a bearer token of the owner",
    "revoked": "sends a bearer token of the owner that was revoked",
}
OWNERS = ("owner", "demoted", "inactive")
# In which state the exports are that each owner has. Only "shared" is shared, with the team.
EXPORTS = ("queued", "running", "private", "shared", "expired")


@dataclass
class World:
    """Everything that there is, and how each person introduces themselves."""

    sessions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    exports: dict[str, dict[str, Export]] = field(default_factory=dict)
    preset: Preset | None = None
    # A row of each model of the admin, by its label.
    rows: dict[str, Any] = field(default_factory=dict)

    def export(self, person: str, state: str) -> Export:
        """The export that `person` is tried with: their own, if they have exports."""
        return self.exports[person if person in OWNERS else "owner"][state]


def make_world() -> World:
    """Make the people, their exports and their sessions, in the current transaction."""
    world = World()
    airline = make_flights(range(1, 4))[0].carrier
    team, others = (Group.objects.create(name=name) for name in ("analysts", "rivals"))
    for name in PEOPLE:
        if name in {"anonymous", "token", "revoked"}:
            continue
        world.users[name] = _make_user(name)
    for name in ("owner", "demoted", "inactive", "teammate", "reader"):
        world.users[name].groups.add(team)
    world.users["rival"].groups.add(others)
    for name in OWNERS:
        world.exports[name] = _make_exports(world.users[name], team)
    world.preset = _make_preset(world.users["owner"])
    _introduce(world)
    _take_rights(world)
    for user in world.users.values():
        # The pages of a user make streams where there are none. Here no GET is to write.
        for stream in streams_of(user):
            current_cursor(stream)
    world.rows = _rows(world, team, airline)
    return world


def _make_user(name: str) -> User:
    user = User.objects.create_user(
        name,
        password="correct horse",
        is_staff=name in {"clerk", "viewer", "manager", "superuser"},
        is_superuser=name == "superuser",
    )
    permissions = Permission.objects.none()
    if name in {*OWNERS, "exporter", "teammate", "rival"}:
        permissions = Permission.objects.filter(codename="export_flight")
    elif name == "viewer":
        permissions = Permission.objects.filter(codename__startswith="view_")
    elif name == "manager":
        permissions = Permission.objects.filter(content_type__app_label="exports")
    user.user_permissions.set(permissions)
    return user


def _make_exports(owner: User, team: Group) -> dict[str, Export]:
    asked: dict[str, dict[str, Any]] = {"shared": {"team": team.pk}}
    made = {state: request(owner, **asked.get(state, {})) for state in EXPORTS}
    now = timezone.now()
    force_status(
        made["running"], Status.RUNNING, started_at=now, attempt=1, rows_total=3, worker="w@tests"
    )
    for state in ("private", "shared", "expired"):
        export = made[state]
        name = default_storage.save(f"exports/{export.pk}/1.csv", ContentFile(b"id\n1\n2\n3\n"))
        force_status(
            export,
            Status.SUCCEEDED,
            file=name,
            bytes=9,
            sha256="a" * 64,
            rows_total=3,
            rows_done=3,
            started_at=now,
            finished_at=now,
            expires_at=now + timedelta(days=-1 if state == "expired" else 1),
        )
    for export in made.values():
        append(export.stream, "log", {"message": "a secret line", "level": "INFO", "logger": "x"})
    return made


def _make_preset(owner: User) -> Preset:
    checked = build_spec(owner, exporter="flights", columns=["id"])
    return presets.save(checked, "Mine")


def _introduce(world: World) -> None:
    """Sign everybody in, also those who may not sign in any more later on."""
    for name, user in world.users.items():
        client = Client()
        client.force_login(user)
        world.sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    for name in ("token", "revoked"):
        world.tokens[name] = tokens.create(world.users["owner"], name)
    # Used a moment ago: then no request of this hour writes that again.
    Token.objects.update(last_used_at=timezone.now())


def _take_rights(world: World) -> None:
    world.users["demoted"].user_permissions.clear()
    User.objects.filter(username="inactive").update(is_active=False)
    Token.objects.filter(note="revoked").delete()


def _rows(world: World, team: Group, airline: Airline) -> dict[str, Any]:
    owner = world.users["owner"]
    return {
        "auth.group": team,
        "auth.user": owner,
        "django_celery_results.taskresult": TaskResult.objects.create(task_id="task"),
        "django_celery_results.groupresult": GroupResult.objects.create(group_id="group"),
        "notifications.stream": Stream.objects.get(name=f"user-{owner.pk}"),
        "notifications.event": Event.objects.order_by("pk").first(),
        "notifications.retained": Retained.objects.order_by("pk").first(),
        "notifications.inbox": Inbox.objects.get_or_create(user=owner)[0],
        "notifications.auditentry": AuditEntry.objects.order_by("pk").first(),
        "notifications.token": Token.objects.get(note="token"),
        "demo.airline": airline,
        "demo.airport": Airport.objects.first(),
        "demo.flight": Flight.objects.first(),
        "demo.plane": Plane.objects.create(tailnum="N1", type="jet", engines=2, seats=100),
        "demo.weather": Weather.objects.create(
            origin_id="EWR", time_hour=timezone.now(), precip=0, visib=10
        ),
    }
