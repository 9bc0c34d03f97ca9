"""Bearer tokens: made once, kept as a digest, revoked, and seen when they are used."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications import tokens
from notifications.models import Token

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("ada")


def test_a_token_is_its_user(user):
    other = User.objects.create_user("grace")

    assert tokens.user_of(tokens.create(user)) == user
    assert tokens.user_of(tokens.create(other)) == other


def test_no_two_tokens_are_alike(user):
    assert len({tokens.create(user) for _ in range(10)}) == 10


def test_a_token_can_be_told_by_its_beginning(user):
    assert tokens.create(user).startswith("waybill_")


def test_the_table_does_not_hold_what_opens_the_door(user):
    token = tokens.create(user, "the nightly job")

    (row,) = Token.objects.values()
    assert not any(token.removeprefix("waybill_") in str(value) for value in row.values())
    assert tokens.user_of(row["digest"]) is None
    assert row["note"] == "the nightly job"


@pytest.mark.parametrize("guess", ["", "waybill_", "waybill_guess", "\xff", "x" * 10_000])
def test_any_other_text_is_nobody(user, guess):
    tokens.create(user)

    assert tokens.user_of(guess) is None


def test_a_token_must_be_whole(user):
    token = tokens.create(user)

    assert tokens.user_of(token[:-1]) is None
    assert tokens.user_of(f"{token} ") is None
    assert tokens.user_of(token.upper()) is None


def test_a_revoked_token_is_nobody_and_the_users_others_still_work(user):
    token, other = tokens.create(user), tokens.create(user)

    Token.objects.order_by("pk").first().delete()

    assert tokens.user_of(token) is None
    assert tokens.user_of(other) == user


def test_a_deactivated_user_has_no_token(user):
    token = tokens.create(user)
    User.objects.update(is_active=False)

    assert tokens.user_of(token) is None


def test_the_first_use_is_noted(user):
    token = tokens.create(user)
    assert Token.objects.get().last_used_at is None

    tokens.user_of(token)

    assert timezone.now() - Token.objects.get().last_used_at < timedelta(seconds=10)


def test_further_uses_within_the_hour_write_nothing(user):
    token = tokens.create(user)
    half_an_hour_ago = timezone.now() - timedelta(minutes=30)
    Token.objects.update(last_used_at=half_an_hour_ago)

    tokens.user_of(token)

    assert Token.objects.get().last_used_at == half_an_hour_ago


def test_a_use_after_the_hour_is_noted(user):
    token = tokens.create(user)
    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=61))

    tokens.user_of(token)

    assert timezone.now() - Token.objects.get().last_used_at < timedelta(seconds=10)


def test_a_use_that_is_refused_is_not_noted(user):
    token = tokens.create(user)
    User.objects.update(is_active=False)

    tokens.user_of(token)

    assert Token.objects.get().last_used_at is None


def test_the_command_prints_a_token_that_works_and_nothing_else(user):
    out = StringIO()

    call_command("create_token", "ada", note="the nightly job", stdout=out)

    (token,) = out.getvalue().split()
    assert tokens.user_of(token) == user
    assert Token.objects.get().note == "the nightly job"


def test_the_command_refuses_a_user_who_is_not_there():
    with pytest.raises(CommandError, match='There is no user "nobody"'):
        call_command("create_token", "nobody")
