"""The settings refuse what they cannot use, and say what they could."""

from __future__ import annotations

import re
import runpy

import pytest
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

import exports.conf
import notifications.conf
from config import app_settings
from notifications.inbox import email
from tests.services.environment import SETTINGS, SETTINGS_SOURCES, settings_in_environment

APPS = {"EXPORTS": exports.conf.Conf, "NOTIFICATIONS": notifications.conf.Conf}
COUNTS = (
    "EXPORTS_PAGE_ROWS",
    "EXPORTS_PART_ROWS",
    "EXPORTS_LEASE_SECONDS",
    "EXPORTS_MAX_ATTEMPTS",
    "EXPORTS_LOG_LINES",
    "EXPORTS_PREVIEWS",
    "EXPORTS_EXPIRE_DAYS",
    "EXPORTS_RETENTION_DAYS",
    "SIGNIN_HASHES",
    "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "NOTIFICATIONS_WINDOW",
    "NOTIFICATIONS_RETENTION_DAYS",
    "NOTIFICATIONS_DATABASE_THREADS",
)
# 0 is no limit.
LIMITS = (
    "EXPORTS_MAX_ACTIVE",
    "EXPORTS_MAX_REQUESTS_PER_MINUTE",
    "EXPORTS_MAX_REQUESTS_PER_DAY",
    "EXPORTS_MAX_ROWS",
    "NOTIFICATIONS_MAX_CONNECTIONS",
    "REQUESTS_PER_SECOND",
)
# The same, in bytes.
SIZES = (
    "EXPORTS_LOG_BYTES",
    "EXPORTS_MAX_BYTES",
    "EXPORTS_MAX_STORED_BYTES",
    "EXPORTS_MAX_STORED_BYTES_PER_USER",
    "EXPORTS_MIN_FREE_BYTES",
)
TIMES = (
    "NOTIFICATIONS_SWEEP_SECONDS",
    "NOTIFICATIONS_HEARTBEAT_SECONDS",
    "NOTIFICATIONS_STALLED_SECONDS",
)
# Zero of these means none.
FROM_ZERO = {
    **dict.fromkeys(LIMITS, "-1"),
    "DATABASE_POOL_SIZE": "-1",
    "HSTS_SECONDS": "-1",
    "EXPORTS_PARALLEL": "-1",
    "EXPORTS_TURN_SECONDS": "-0.5",
}
OTHERS = (*FROM_ZERO, "EXPORTS_LINK_SECONDS", "NOTIFICATIONS_AUDIT_DAYS")
LEVELS = "Must be one of: DEBUG, INFO, WARNING, ERROR, CRITICAL."
REFUSED = [
    *(
        (name, value, "Must be greater than or equal to 1.")
        for name in COUNTS
        for value in ["0", "-5"]
    ),
    *((name, value, "Must be greater than 0.") for name in TIMES for value in ["0", "0.0", "-0.5"]),
    *((name, "many", "Not a valid") for name in (*COUNTS, *LIMITS, *SIZES, *TIMES)),
    *((name, "-1GB", "Not a valid size") for name in SIZES),
    *(
        ("EXPORTS_MAX_BYTES", value, "a number of bytes, or a number with KB")
        for value in ("", "1.5", "-1", "GB", "1e9", "nan", "1GBs")
    ),
    *((name, "nan", "Special numeric values") for name in TIMES),
    *((name, value, "Must be greater than or equal to 0.") for name, value in FROM_ZERO.items()),
    *(
        ("EXPORTS_LINK_SECONDS", value, "Must be greater than or equal to 1 and less than")
        for value in ("0", "604801")
    ),
    *(
        ("NOTIFICATIONS_AUDIT_DAYS", value, "Must be greater than or equal to 1 and less than")
        for value in ("0", "36501")
    ),
    *(
        ("EXPORTS_DOWNLOAD", value, "Must be one of: stream, accel, redirect.")
        for value in ("", "nginx", "Stream")
    ),
    *(
        ("EXPORTS_ACCEL_PREFIX", value, "Must be like /protected-files/.")
        for value in ("", "/", "protected/", "/protected", "/a/../b/", "//x/", "/a b/", "/x/\n")
    ),
    *(("LOG_LEVEL", value, LEVELS) for value in ("LOUD", "", "INFORMATION", "INFO\n")),
]
ACCEPTED = [
    *((name, "1", 1) for name in COUNTS),
    *((name, "0", 0) for name in (*LIMITS, *SIZES)),
    *(
        ("EXPORTS_MAX_BYTES", value, meant)
        for value, meant in {
            "1000": 1_000,
            "10KB": 10_000,
            "10KiB": 10_240,
            "1.5 gb": 1_500_000_000,
            "2MiB": 2 * 1024**2,
            "3 TB": 3 * 10**12,
        }.items()
    ),
    *((name, "0.5", 0.5) for name in TIMES),
    ("EXPORTS_PARALLEL", "0", 0),
    ("EXPORTS_TURN_SECONDS", "0", 0.0),
    ("EXPORTS_LINK_SECONDS", "604800", 604_800),
    ("NOTIFICATIONS_AUDIT_DAYS", "36500", 36_500),
    ("EXPORTS_DOWNLOAD", "accel", "accel"),
    ("EXPORTS_ACCEL_PREFIX", "/a/b-c/", "/a/b-c/"),
    ("LOG_LEVEL", "warning", "WARNING"),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing is set but what a test sets."""
    for name in settings_in_environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    # The size of the pool is read for PostgreSQL only. Nothing connects.
    monkeypatch.setenv("DATABASE_URL", "postgres://waybill@localhost/waybill")


@pytest.mark.parametrize(("name", "value", "remedy"), REFUSED)
def test_invalid_value_is_refused_with_its_name_and_the_remedy(monkeypatch, name, value, remedy):
    monkeypatch.setenv(name, value)

    with pytest.raises(EnvError, match=rf'"{name}".*{re.escape(remedy)}'):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(("name", "value", "meant"), ACCEPTED)
def test_smallest_valid_value_is_accepted(monkeypatch, name, value, meant):
    monkeypatch.setenv(name, value)

    assert runpy.run_path(str(SETTINGS))[name] == meant


def test_pool_size_zero_disables_the_pool(monkeypatch):
    monkeypatch.setenv("DATABASE_POOL_SIZE", "0")

    assert "pool" not in runpy.run_path(str(SETTINGS))["DATABASES"]["default"]["OPTIONS"]


def test_numeric_settings_are_all_tested():
    source = "".join(path.read_text() for path in SETTINGS_SOURCES)
    read_directly = re.findall(r"env\.(?:int|float)\(\s*\"([A-Z_]+)\"", source)
    of_the_apps = {
        f"{prefix}_{name}"
        for prefix, conf in APPS.items()
        for name, kind in conf.__annotations__.items()
        if kind in {"int", "float"}
    }

    assert {*read_directly, *of_the_apps} == {*COUNTS, *TIMES, *SIZES, *OTHERS}


def test_environment_can_set_every_setting_of_the_apps():
    known = {f"{prefix}_{name}" for prefix, conf in APPS.items() for name in conf.__annotations__}
    # The work directory has a default of this site. The site has one channel layer only.
    elsewhere = {"EXPORTS_WORK_DIR", "NOTIFICATIONS_CHANNEL_LAYER"}

    assert set(app_settings.parsers(Env())) == known - elsewhere


def test_unset_variable_leaves_the_default_to_the_app():
    read = runpy.run_path(str(SETTINGS))

    assert not set(app_settings.parsers(Env())) & set(read)


@pytest.fixture
def in_production(monkeypatch):
    monkeypatch.setenv("DEBUG", "0")
    monkeypatch.setenv("SECRET_KEY", "secret" * 10)
    monkeypatch.setenv("ALLOWED_HOSTS", "exports.example.com,localhost")


@pytest.mark.parametrize(
    ("https", "url"), [("1", "https://exports.example.com"), ("0", "http://exports.example.com")]
)
def test_emails_link_to_the_first_host_by_default(monkeypatch, in_production, https, url):
    monkeypatch.setenv("HTTPS", https)

    assert runpy.run_path(str(SETTINGS))["SITE_URL"] == url


@pytest.mark.parametrize("url", ["exports.example.com", "ftp://example.com", "https://x.example/y"])
def test_invalid_site_url_is_refused(monkeypatch, url):
    monkeypatch.setenv("SITE_URL", url)

    with pytest.raises(ImproperlyConfigured, match="Set SITE_URL to"):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize("hosts", ["*", ".example.com", "*,exports.example.com"])
def test_wildcard_hosts_give_no_site_url(monkeypatch, in_production, hosts):
    monkeypatch.setenv("ALLOWED_HOSTS", hosts)

    assert runpy.run_path(str(SETTINGS))["SITE_URL"] == ""


def test_site_url_is_used_with_any_hosts(monkeypatch, in_production):
    monkeypatch.setenv("ALLOWED_HOSTS", "*")
    monkeypatch.setenv("SITE_URL", "https://exports.example.com:8443/")

    assert runpy.run_path(str(SETTINGS))["SITE_URL"] == "https://exports.example.com:8443/"


def test_development_emails_are_files(monkeypatch, tmp_path):
    monkeypatch.setenv("VAR_DIR", str(tmp_path))

    settings = runpy.run_path(str(SETTINGS))

    assert settings["EMAIL_BACKEND"] == "config.mailbox.Mailbox"
    assert settings["EMAIL_FILE_PATH"] == tmp_path / "mail"


def test_production_sends_no_emails_without_a_server(monkeypatch, in_production):
    assert runpy.run_path(str(SETTINGS))["EMAIL_BACKEND"] == email.DUMMY_BACKEND

    monkeypatch.setenv("EMAIL_URL", "smtp://mail.example.com")

    assert runpy.run_path(str(SETTINGS))["EMAIL_BACKEND"].endswith(".smtp.EmailBackend")


def test_mail_server_has_a_timeout(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "submission://me%40x:p%2Fw@mail.example.com")

    settings = runpy.run_path(str(SETTINGS))

    assert settings["EMAIL_TIMEOUT"] == 10
    assert (settings["EMAIL_HOST_USER"], settings["EMAIL_HOST_PASSWORD"]) == ("me@x", "p/w")
    assert (settings["EMAIL_PORT"], settings["EMAIL_USE_TLS"]) == (587, True)


@pytest.mark.parametrize("url", ["imap://mail.example.com", "file:///var/mail", ""])
def test_unknown_kind_of_mail_server_is_refused(monkeypatch, url):
    monkeypatch.setenv("EMAIL_URL", url)

    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must begin with smtp:"):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(
    ("way", "url", "remedy"),
    [
        ("accel", "s3://bucket", "With s3:// set EXPORTS_DOWNLOAD to redirect or stream"),
        ("redirect", "file:///srv/files", "With file:// set EXPORTS_DOWNLOAD to accel or stream"),
    ],
)
def test_download_method_that_the_storage_lacks_is_refused(monkeypatch, way, url, remedy):
    monkeypatch.setenv("EXPORTS_DOWNLOAD", way)
    monkeypatch.setenv("STORAGE_URL", url)

    with pytest.raises(ImproperlyConfigured, match=remedy):
        runpy.run_path(str(SETTINGS))


def test_unknown_storage_url_prevents_the_start(monkeypatch):
    monkeypatch.setenv("STORAGE_URL", "ftp://files")

    with pytest.raises(ImproperlyConfigured, match="STORAGE_URL must be file:///"):
        runpy.run_path(str(SETTINGS))


def test_files_are_stored_in_var_dir_by_default(monkeypatch, tmp_path):
    odd = tmp_path / "50% of #1?"
    monkeypatch.setenv("VAR_DIR", str(odd))

    storages = runpy.run_path(str(SETTINGS))["STORAGES"]

    assert storages["default"]["OPTIONS"]["location"] == str(odd / "files")


@pytest.mark.parametrize(
    ("given", "seconds", "subdomains"),
    [
        ({}, 3600, False),
        ({"HSTS_SECONDS": "31536000"}, 31_536_000, False),
        ({"HSTS_SECONDS": "31536000", "HSTS_SUBDOMAINS": "1"}, 31_536_000, True),
        ({"HSTS_SECONDS": "0"}, 0, False),
        ({"HSTS_SECONDS": "31536000", "HTTPS": "0"}, 0, False),
    ],
)
def test_hsts_has_the_configured_duration(monkeypatch, in_production, given, seconds, subdomains):
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    settings = runpy.run_path(str(SETTINGS))

    assert settings["SECURE_HSTS_SECONDS"] == seconds
    assert settings["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is subdomains
