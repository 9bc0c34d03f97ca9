"""Bearer tokens: made once, kept as a digest, revoked, and seen when they are used."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from config.api import api
from notifications.api import tokens
from notifications.inbox import inbox, token_warnings
from notifications.models import Token

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("ada")


def test_token_identifies_its_user(user):
    other = User.objects.create_user("grace")

    assert tokens.user_of(tokens.create(user)) == user
    assert tokens.user_of(tokens.create(other)) == other


def test_tokens_are_unique(user):
    assert len({tokens.create(user) for _ in range(10)}) == 10


def test_token_has_a_recognizable_prefix(user):
    assert tokens.create(user).startswith("waybill_")


@pytest.mark.proves("token-table-has-hashes-only")
def test_table_of_tokens_does_not_contain_the_token(user):
    token = tokens.create(user, "the nightly job")

    (row,) = Token.objects.values()
    assert not any(token.removeprefix("waybill_") in str(value) for value in row.values())
    assert tokens.user_of(row["digest"]) is None
    assert row["note"] == "the nightly job"


@pytest.mark.parametrize("guess", ["", "waybill_", "waybill_guess", "\xff", "x" * 10_000])
def test_any_other_text_is_not_a_token(user, guess):
    tokens.create(user)

    assert tokens.user_of(guess) is None


def test_token_must_be_complete(user):
    token = tokens.create(user)

    assert tokens.user_of(token[:-1]) is None
    assert tokens.user_of(f"{token} ") is None
    assert tokens.user_of(token.upper()) is None


def test_revoked_token_is_invalid_and_others_still_work(user):
    token, other = tokens.create(user), tokens.create(user)

    Token.objects.order_by("pk").first().delete()

    assert tokens.user_of(token) is None
    assert tokens.user_of(other) == user


def test_token_of_a_deactivated_user_is_invalid(user):
    token = tokens.create(user)
    User.objects.update(is_active=False)

    assert tokens.user_of(token) is None


def test_first_use_is_stored(user):
    token = tokens.create(user)
    assert Token.objects.get().last_used_at is None

    tokens.user_of(token)

    assert timezone.now() - Token.objects.get().last_used_at < timedelta(seconds=10)


def test_use_within_the_hour_is_not_stored(user):
    token = tokens.create(user)
    half_an_hour_ago = timezone.now() - timedelta(minutes=30)
    Token.objects.update(last_used_at=half_an_hour_ago)

    tokens.user_of(token)

    assert Token.objects.get().last_used_at == half_an_hour_ago


def test_use_after_an_hour_is_stored(user):
    token = tokens.create(user)
    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=61))

    tokens.user_of(token)

    assert timezone.now() - Token.objects.get().last_used_at < timedelta(seconds=10)


def test_refused_use_is_not_stored(user):
    token = tokens.create(user)
    User.objects.update(is_active=False)

    tokens.user_of(token)

    assert Token.objects.get().last_used_at is None


def test_command_prints_only_a_valid_token(user):
    out = StringIO()

    call_command("create_token", "ada", note="the nightly job", stdout=out)

    (token,) = out.getvalue().split()
    assert tokens.user_of(token) == user
    assert Token.objects.get().note == "the nightly job"


def test_command_refuses_an_unknown_user():
    with pytest.raises(CommandError, match='There is no user "nobody"'):
        call_command("create_token", "nobody")


# -- How a token ends ------------------------------------------------------------------------


def expire(delta=timedelta(seconds=-1)):
    Token.objects.update(expires_at=timezone.now() + delta)


def test_token_lives_for_90_days_by_default(user):
    tokens.create(user)
    tokens.create(user, days=365)
    tokens.create(user, days=1)

    lifetimes = [each.expires_at - each.created_at for each in Token.objects.order_by("pk")]
    assert [round(each.total_seconds() / 86_400) for each in lifetimes] == [90, 365, 1]


@pytest.mark.proves("tokens-end")
@pytest.mark.parametrize("days", [0, -1, 366])
def test_no_token_lives_for_more_than_a_year(user, days):
    with pytest.raises(ValueError, match="valid for 1 to 365 days, not for"):
        tokens.create(user, days=days)
    with pytest.raises(CommandError, match="--days: A token is valid for 1 to 365 days"):
        call_command("create_token", "ada", days=days)

    assert not Token.objects.exists()


@pytest.mark.proves("tokens-end")
def test_expired_token_is_invalid_with_a_reason(user):
    token = tokens.create(user)
    expire()

    assert tokens.user_of(token) is None
    with pytest.raises(tokens.InvalidToken, match="has expired"):
        tokens.find(token)


def test_token_expires_at_its_stated_time(user, monkeypatch):
    token = tokens.create(user)
    end = Token.objects.get().expires_at

    monkeypatch.setattr(timezone, "now", lambda: end - timedelta(microseconds=1))
    assert tokens.user_of(token) == user
    monkeypatch.setattr(timezone, "now", lambda: end)
    assert tokens.user_of(token) is None


@pytest.mark.proves("tokens-end")
def test_new_password_ends_all_tokens(user):
    other = User.objects.create_user("grace")
    token, theirs = tokens.create(user), tokens.create(other)

    user.set_password("another")
    User.objects.filter(pk=user.pk).update(password=user.password)  # Also without a signal.

    assert tokens.user_of(token) is None
    assert tokens.user_of(theirs) == other
    assert tokens.user_of(tokens.create(User.objects.get(pk=user.pk))) == user


def test_token_survives_the_rotation_of_the_secret(user, settings):
    token = tokens.create(user)

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 10
    assert tokens.user_of(token) == user

    settings.SECRET_KEY_FALLBACKS = []
    assert tokens.user_of(token) is None


@pytest.mark.proves("tokens-end")
def test_token_stays_invalid_when_its_user_is_reactivated(user):
    token = tokens.create(user)

    for is_active in (False, True):
        user.is_active = is_active
        user.save()

    assert tokens.user_of(token) is None


def test_saving_a_user_ends_no_tokens(user):
    other = User.objects.create_user("grace")
    token, theirs = tokens.create(user), tokens.create(other)
    user.save()
    other.is_active = False
    other.save()

    assert tokens.user_of(token) == user
    assert tokens.user_of(theirs) is None


def test_command_makes_no_token_for_a_deactivated_user(user):
    User.objects.update(is_active=False)

    with pytest.raises(CommandError, match='The user "ada" is deactivated'):
        call_command("create_token", "ada")


# -- What a token may do ---------------------------------------------------------------------


def operations():
    """Every operation of the API that needs a sign-in: (method, path).

    Without the streams, which only read, in threads that do not see this transaction.
    """
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            if operation.get("security") and "/streams/" not in path:
                yield method.upper(), path


def ask(token, method, path):
    path = path.replace("{export_id}", str(uuid.uuid4()))
    headers = {"Authorization": f"Bearer {token}"}
    return Client(headers=headers).generic(method, path, "{}", "application/json")


@pytest.mark.proves("read-only-token-changes-nothing")
def test_read_only_token_changes_nothing(user):
    call_command("create_token", "ada", read_only=True, stdout=(out := StringIO()))
    token = out.getvalue().strip()
    changing = [each for each in operations() if each[0] != "GET"]

    answers = {each: ask(token, *each) for each in changing}

    assert len(changing) >= 8
    assert {each.status_code for each in answers.values()} == {403}
    assert all("is read-only" in each.json()["detail"] for each in answers.values())


@pytest.mark.proves("read-only-token-changes-nothing")
def test_read_only_token_reads(user):
    token = tokens.create(user, scope="read")

    for path in ("/api/v1/exports", "/api/v1/exporters", "/api/v1/inbox"):
        assert ask(token, "GET", path).status_code == 200
    assert ask(token, "HEAD", "/api/v1/exports/{export_id}/file").status_code == 404


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_token_with_another_scheme_is_refused(user, scheme):
    header = f"{scheme} {tokens.create(user)}"
    answer = Client(headers={"Authorization": header}).get("/api/v1/exports")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (expire, "The bearer token has expired. Ask an administrator for a new one."),
        (lambda: Token.objects.all().delete(), "The bearer token is not valid."),
        (lambda: User.objects.update(password="other"), "The bearer token is not valid."),
    ],
)
def test_api_explains_why_a_token_is_refused(user, end, said):
    token = tokens.create(user)
    end()

    answers = [ask(token, *each) for each in operations()]

    assert {each.status_code for each in answers} == {401}
    assert {each.json()["detail"] for each in answers} == {said}


# -- The warning -----------------------------------------------------------------------------


def warnings(user):
    return [each.notice for each in inbox.page(user).entries]


@pytest.mark.proves("tokens-end")
def test_bell_warns_once_a_week_before_a_token_expires(user):
    tokens.create(user, "the nightly job")
    assert token_warnings.warn() == 0
    expire(timedelta(days=7, minutes=1))
    assert token_warnings.warn() == 0
    expire(timedelta(days=7))

    assert [token_warnings.warn() for _ in range(2)] == [1, 0]

    (notice,) = warnings(user)
    assert notice.title == "The token “the nightly job” expires soon."
    assert notice.level == "warning"


def test_concurrent_processes_warn_of_a_token_once(user):
    tokens.create(user)
    found = Token.objects.get()

    assert [token_warnings._warn_about(found) for _ in range(2)] == [True, False]

    assert len(warnings(user)) == 1


def test_useless_or_short_lived_token_causes_no_warning(user):
    tokens.create(user)
    Token.objects.update(expires_at=timezone.now())
    for days in (3, 7):
        tokens.create(user, days=days)
    stale = tokens.create(user, "\n")
    Token.objects.filter(note="\n").update(
        expires_at=timezone.now() + timedelta(days=1), password_digest="another"
    )

    assert token_warnings.warn() == 0
    assert warnings(user) == []
    assert tokens.user_of(stale) is None


def test_multi_line_note_is_one_line_of_the_warning(user):
    tokens.create(user, "a\nb\x1b")
    tokens.create(user, "\n")
    expire(timedelta(days=1))

    token_warnings.warn()

    assert sorted(each.title for each in warnings(user)) == [
        "One of your tokens expires soon.",
        "The token “a\\nb\\x1b” expires soon.",
    ]


# -- Tokens of before ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_token_from_before_the_migration_lives_for_90_days(user):
    token = tokens.create(user)
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes("notifications")
    try:
        executor.migrate([("notifications", "0005_written")])
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(leaves)

    assert tokens.user_of(token) == user
    left = Token.objects.get().expires_at - timezone.now()
    assert timedelta(days=89) < left < timedelta(days=91)
    user.set_password("another")
    user.save()
    assert tokens.user_of(token) is None
