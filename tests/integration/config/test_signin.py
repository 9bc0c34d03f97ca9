"""Sign-in: what locks whom out and for how long, what is logged, and what the user hears."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password
from django.test import AsyncClient, Client
from django.utils import timezone, translation

from config.api import api
from config.signin import notice, slots, throttle
from config.signin.limits import COOL_OFF, LIMITS
from notifications.inbox import inbox

pytestmark = pytest.mark.django_db(transaction=True)
OF_PAIR, OF_ADDRESS, OF_NAME = (limit for _, limit in LIMITS)
PASSWORD = "correct horse battery staple"
FORMS = ("/login/", "/admin/login/")
HOME, ELSEWHERE = "93.184.216.7", "93.184.217.9"


@pytest.fixture(autouse=True)
def user(django_user_model):
    return django_user_model.objects.create_superuser("ada", password=PASSWORD)


@pytest.fixture
def hashes(monkeypatch):
    """The passwords that were hashed."""
    made, encode = [], PBKDF2PasswordHasher.encode

    def counted(self, password, *rest):
        made.append(password)
        return encode(self, password, *rest)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", counted)
    return made


def sign_in(address, name="ada", password="wrong", form="/login/", **headers):
    """As the proxy passes it on, which has its own address and says the client's."""
    return Client(REMOTE_ADDR="10.0.0.2").post(
        form,
        {"username": name, "password": password},
        headers={"X-Forwarded-For": address, **headers},
    )


def fail(times, address, name="ada", **more):
    return [sign_in(address, name, **more).status_code for _ in range(times)]


def addresses(number):
    return [f"198.18.{each // 250}.{each % 250 + 1}" for each in range(number)]


def later(seconds):
    """Let all failures be that much older."""
    for row in AccessAttempt.objects.all():
        older = row.attempt_time - timedelta(seconds=seconds)
        AccessAttempt.objects.filter(pk=row.pk).update(attempt_time=older)


# -- Locks -------------------------------------------------------------------------------------


@pytest.mark.proves("passwords-cannot-be-guessed")
@pytest.mark.parametrize("form", FORMS)
def test_name_is_locked_for_the_failing_address_only(form, hashes):
    assert fail(OF_PAIR, HOME, form=form) == [200] * (OF_PAIR - 1) + [429]
    hashes.clear()

    refused = sign_in(HOME, password=PASSWORD, form=form)

    assert refused.status_code == 429
    assert hashes == []
    assert sign_in(HOME, password=PASSWORD, form=FORMS[form == FORMS[0]]).status_code == 429
    assert sign_in(ELSEWHERE, password=PASSWORD, form=form).status_code == 302


def test_refusal_gives_the_retry_time_in_the_readers_language():
    fail(OF_PAIR, HOME)

    english = sign_in(HOME)
    german = sign_in(HOME, **{"Accept-Language": "de"})

    assert 14 * 60 <= int(english.headers["Retry-After"]) <= 15 * 60
    assert "Try again in 15 minutes." in english.text
    assert '<html lang="de"' in german.text
    assert "<html" in english.text


async def test_locked_sign_in_over_asgi_has_a_retry_time(user):
    client = AsyncClient()
    for _ in range(OF_PAIR):
        # The form reads it as "ada", and so does what counts.
        answer = await client.post("/login/", {"username": " ada ", "password": "wrong"})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 800


@pytest.mark.proves("passwords-cannot-be-guessed")
def test_lock_ends_and_is_not_prolonged_by_attempts():
    fail(OF_PAIR, HOME)
    later(COOL_OFF.total_seconds() - 30)
    assert fail(3, HOME) == [429] * 3

    later(31)

    assert sign_in(HOME, password=PASSWORD).status_code == 302


@pytest.mark.proves("passwords-cannot-be-guessed")
def test_address_is_locked_for_all_names():
    for number in range(OF_ADDRESS):
        sign_in(HOME, f"somebody-{number}")

    assert sign_in(HOME, password=PASSWORD).status_code == 429
    assert sign_in(ELSEWHERE, password=PASSWORD).status_code == 302


@pytest.mark.proves("passwords-cannot-be-guessed")
def test_own_account_does_not_reset_the_address_counter(django_user_model):
    django_user_model.objects.create_user("mallory", password=PASSWORD)
    for number in range(OF_ADDRESS - 1):
        sign_in(HOME, f"somebody-{number}")
    assert sign_in(HOME, "mallory", PASSWORD).status_code == 302

    sign_in(HOME, "another")

    assert sign_in(HOME, "mallory", PASSWORD).status_code == 429


@pytest.mark.proves("passwords-cannot-be-guessed")
def test_distributed_guessing_spares_known_addresses():
    assert sign_in(HOME, password=PASSWORD).status_code == 302

    answers = [sign_in(address).status_code for address in addresses(OF_NAME)]

    assert answers == [200] * (OF_NAME - 1) + [429]
    assert sign_in(ELSEWHERE, password=PASSWORD).status_code == 429
    assert sign_in(HOME, password=PASSWORD).status_code == 302
    AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=31))
    assert sign_in(HOME, password=PASSWORD).status_code == 429


def test_attackers_own_account_makes_no_address_known(django_user_model):
    django_user_model.objects.create_user("mallory", password=PASSWORD)
    assert sign_in(ELSEWHERE, "mallory", PASSWORD).status_code == 302
    for address in addresses(OF_NAME):
        sign_in(address)

    assert sign_in(ELSEWHERE, password=PASSWORD).status_code == 429


def test_ipv6_network_counts_as_one_client():
    for number in range(OF_PAIR):
        sign_in(f"2001:db8:1:2::{number + 1:x}")

    assert sign_in("2001:db8:1:2:ffff::1", password=PASSWORD).status_code == 429
    assert sign_in("2001:db8:1:3::1", password=PASSWORD).status_code == 302


@pytest.mark.proves("passwords-cannot-be-guessed")
def test_forged_forwarded_header_changes_no_address():
    for number in range(OF_PAIR):
        Client(REMOTE_ADDR=HOME).post(
            "/login/",
            {"username": "ada", "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
        # Behind the proxy only the last entry counts.
        sign_in(f"198.51.100.{number}, {ELSEWHERE}")

    assert sign_in(HOME, password=PASSWORD).status_code == 429
    assert sign_in(ELSEWHERE, password=PASSWORD).status_code == 429
    assert sign_in("198.51.100.1", password=PASSWORD).status_code == 302


def test_successful_sign_in_forgets_mistyped_passwords():
    for _ in range(3):
        assert fail(OF_PAIR - 1, HOME) == [200] * (OF_PAIR - 1)
        assert sign_in(HOME, password=PASSWORD).status_code == 302


def test_browser_headers_make_no_separate_record():
    for number in range(3):
        sign_in(HOME, **{"User-Agent": f"browser {number}", "Accept": f"text/{number}"})

    assert AccessAttempt.objects.count() == 1


def test_api_accepts_no_password():
    schema = api.get_openapi_schema()
    taken = json.dumps([schema["paths"], schema["components"]["schemas"]])

    assert "password" not in taken.lower()


# -- What a password may cost --------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_long_password_is_refused_without_hashing(form, hashes):
    answer = sign_in(HOME, password="x" * 5000, form=form)

    assert answer.status_code == 200
    assert "4096" in answer.text
    assert hashes == []


@pytest.mark.parametrize("form", FORMS)
def test_large_sign_in_form_is_refused_unread(form, hashes):
    answer = sign_in(HOME, password="x" * 2_000_000, form=form)

    assert answer.status_code == 413
    assert "64 KiB" in answer.text
    assert hashes == []


def test_password_hash_is_compatible_with_django(user):
    assert user.password.startswith("pbkdf2_sha256$")
    assert check_password(PASSWORD, PBKDF2PasswordHasher().encode(PASSWORD, "salt" * 6))


@pytest.mark.proves("signin-crowd-slows-nobody")
async def test_waiting_sign_ins_are_few_for_each_client(user):
    places = slots.Slots(at_once=1)
    inside = most = 0
    goes_on = asyncio.Event()

    async def enter(client):
        nonlocal inside, most
        try:
            async with places.enter(client):
                inside += 1
                most = max(most, inside)
                await goes_on.wait()
                inside -= 1
                return 200
        except slots.Busy as busy:
            return busy.code

    first = [asyncio.create_task(enter("one")) for _ in range(slots.MAX_OF_CLIENT + 3)]
    others = [asyncio.create_task(enter(n)) for n in range(slots.MAX_WAITING)]
    await asyncio.sleep(0)
    goes_on.set()

    assert await asyncio.gather(*first) == [200] * slots.MAX_OF_CLIENT + [429] * 3
    answers = await asyncio.gather(*others)
    assert answers.count(200) == slots.MAX_WAITING - slots.MAX_OF_CLIENT
    assert answers.count(503) == slots.MAX_OF_CLIENT
    assert most == 1
    assert await enter("one") == 200


async def test_many_simultaneous_sign_ins_are_refused_politely(user):
    client = AsyncClient()  # Its middleware is made once, as that of a server.

    async def attempt(number):
        return await client.post("/login/", {"username": f"n{number}", "password": "wrong"})

    answers = await asyncio.gather(*(attempt(number) for number in range(12)))

    refused = [each for each in answers if each.status_code == 429]
    assert len(refused) == 12 - slots.MAX_OF_CLIENT
    assert refused[0].headers["Retry-After"] == "5"
    assert "Too many people are signing in" in refused[0].text


# -- What is kept, logged and told ---------------------------------------------------------------


def test_failure_is_logged_with_name_and_address_and_no_password(caplog):
    sign_in(HOME, "ada\u202e\x1b[2Jroot", password="secret of mine")

    lines = [each.getMessage() for each in caplog.records if each.name.startswith("config.signin")]
    assert lines == [f"Sign-in failed: name 'ada\\u202e\\x1b[2Jroot', address {HOME}."]
    assert "secret of mine" not in caplog.text
    assert not any("secret of mine" in str(vars(row)) for row in AccessAttempt.objects.all())


def test_lock_is_logged_once(caplog):
    caplog.set_level(logging.WARNING)
    fail(OF_PAIR + 3, HOME)

    lines = [each.getMessage() for each in caplog.records if each.name.startswith("config.signin")]
    assert len(lines) == OF_PAIR + 1
    assert lines[-1] == f"Sign-in is locked for 15 minutes: name 'ada', address {HOME}."


def notices(user):
    return [each.notice for each in inbox.page(user).entries if each.type == notice.TYPE]


@pytest.mark.proves("user-hears-of-failed-signins")
def test_user_is_notified_of_failures_once_a_day(user, monkeypatch):
    fail(notice.MIN_FAILURES - 1, HOME)
    assert notices(user) == []

    for address in addresses(10):
        sign_in(address)

    assert [each.title for each in notices(user)] == [
        "5 failed attempts to sign in to your account."
    ]
    assert addresses(1)[0] in notices(user)[0].body
    assert notices(user)[0].level == "warning"
    sign_in(ELSEWHERE, password=PASSWORD)
    assert len(notices(user)) == 1

    monkeypatch.setattr(notice, "PAUSE", timedelta(0))
    sign_in(ELSEWHERE, password=PASSWORD)

    assert notices(user)[0].title == ("9 failed attempts to sign in to your account.")
    sign_in(ELSEWHERE, password=PASSWORD)
    assert len(notices(user)) == 2


def test_notice_is_in_the_readers_language(user):
    fail(OF_PAIR, HOME)

    with translation.override("de"):
        (german,) = notices(user)

    assert german.title
    assert HOME in german.body


def test_unknown_user_names_are_not_stored():
    for number in range(3):
        sign_in(HOME, f"nobody-{number}")

    assert not AccessFailureLog.objects.exists()


def test_outdated_sign_in_records_are_pruned():
    fail(2, HOME)
    sign_in(HOME, password=PASSWORD)
    fail(1, ELSEWHERE)
    throttle.prune()
    assert [m.objects.count() for m in (AccessAttempt, AccessFailureLog, AccessLog)] == [1, 3, 1]

    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        model.objects.update(attempt_time=timezone.now() - timedelta(days=31))
    throttle.prune()

    assert [m.objects.count() for m in (AccessAttempt, AccessFailureLog, AccessLog)] == [0, 0, 0]
