"""All settings, read from environment variables. `docs/settings.md` explains each.

Without any variable, a checkout uses SQLite in `var/` and its own Valkey server. With DEBUG=0,
insecure defaults are refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate

from config import app_settings, database, embedded, private, storage
from config.signin import limits

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()

# -- Basics ------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", True)
VAR_DIR = env.path("VAR_DIR", BASE_DIR / "var").resolve()
private.set_umask()
private.tighten(VAR_DIR)

DEVELOPMENT_SECRET = "development-only-insecure-secret-key-of-waybill"  # noqa: S105 - refused below
SECRET_KEY = env.str("SECRET_KEY", DEVELOPMENT_SECRET)
if not DEBUG and (
    SECRET_KEY == DEVELOPMENT_SECRET
    or len(SECRET_KEY) < 50  # noqa: PLR2004 - as in Django's own check
    or len(set(SECRET_KEY)) < 5  # noqa: PLR2004
):
    raise ImproperlyConfigured(
        "DEBUG=0 needs a SECRET_KEY of your own: at least 50 random characters. To make one: "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "DEBUG=0 needs ALLOWED_HOSTS: the host names people use, comma-separated."
    )
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "servestatic",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "csp",
    "django_celery_results",
    "django_filters",
    "ninja",
    "notifications",
    "exports",
    "demo",
    "config.signin",
]

MIDDLEWARE = [
    "config.threads.ReleaseBeforeStreaming",
    "config.middleware.never_cache_api",
    "notifications.http.WithoutNul",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "config.middleware.CompressPages",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.request_limits.remember_user",
    "django.middleware.locale.LocaleMiddleware",
    "config.signin.slots.SignInSlots",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "notifications.audit.middleware.audited",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "exports.admin.list_errors.ReadableLists",
    "axes.middleware.AxesMiddleware",
    "config.middleware.api_method_problem",
]

ROOT_URLCONF = "config.urls"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# -- Users -------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "exports:dashboard"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# config/signin/throttle.py explains the limits of failed sign-ins.
AUTHENTICATION_BACKENDS = [
    "config.signin.throttle.Backend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "config.signin.throttle.Handler"
AXES_LOCKOUT_PARAMETERS = limits.COUNTED
AXES_FAILURE_LIMIT = limits.PAIR_FAILURES
AXES_COOLOFF_TIME = limits.COOL_OFF
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "config.signin.throttle.client_network"
AXES_LOCKOUT_CALLABLE = "config.signin.throttle.locked_out"
AXES_USERNAME_FORM_FIELD = "username"  # The form's field has this name for every user model.
AXES_ENABLE_ADMIN = False  # Its rows are pruned after 30 days at most. `axes_reset` unlocks users.
AXES_VERBOSE = False
# How many passwords one web process hashes at once. Each hash takes a core for half a second.
SIGNIN_HASHES = env.int("SIGNIN_HASHES", 1, validate=app_settings.AT_LEAST_1)
PASSWORD_HASHERS = [
    "config.signin.hashing.BoundedPBKDF2PasswordHasher",
    *global_settings.PASSWORD_HASHERS[1:],  # The first one is the base class of ours.
]

# Only languages into which our pages are translated. Otherwise only Django's texts would be.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = env.str(
    "LANGUAGE_CODE", "en", validate=validate.OneOf([code for code, _ in LANGUAGES])
)
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True

# -- Database ----------------------------------------------------------------------

DATABASES = {"default": database.read(env, VAR_DIR / "waybill.sqlite3")}

# -- Redis: the channel layer and Celery's broker ------------------------------------

REDIS_URL = env.str("REDIS_URL", embedded.redis_url(VAR_DIR))
_redis = urlsplit(REDIS_URL)
if _redis.scheme not in {"redis", "rediss", "unix"}:
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")

CHANNEL_LAYERS = {
    "default": {
        # After a FLUSHALL, the other layer of channels-redis delivers nothing any more.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 3}],
            # The prefix separates deployments and test runs that share a Redis.
            "prefix": env.str("REDIS_PREFIX", "waybill"),
        },
    },
}

CELERY_BROKER_URL = f"redis+socket://{_redis.path}" if _redis.scheme == "unix" else REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than the time limit of tasks, because Redis delivers a task of this age a second time
    # if it has not finished.
    "visibility_timeout": 12 * 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "global_keyprefix": f"{env.str('REDIS_PREFIX', 'waybill')}-",
    # Workers take tasks in the order of the queues in -Q: exports without a worker before helpers.
    "queue_order_strategy": "priority",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "exports"
# Every program that reaches Redis can send messages. Reading JSON cannot run code.
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # With True, a task that kills its worker runs for ever.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_TIME_LIMIT = 11 * 3600
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 7 * 24 * 3600
CELERY_TIMEZONE = "UTC"
# There is no CELERY_BEAT_SCHEDULE: exports/schedule.py lists all periodic work.
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# -- Files -------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
SERVESTATIC_USE_FINDERS = DEBUG
SERVESTATIC_AUTOREFRESH = DEBUG

STORAGES = {
    "default": storage.from_url(env.str("STORAGE_URL", (VAR_DIR / "files").as_uri())),
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "config.assets.BundledStaticFilesStorage"
        ),
    },
}

if STORAGES["default"]["BACKEND"] == storage.LOCAL:
    private.tighten(Path(STORAGES["default"]["OPTIONS"]["location"]))

# -- Exports and notifications -------------------------------------------------------

# Settings without a variable have their defaults in exports/conf.py and notifications/conf.py.
_app_settings = app_settings.read(env)
globals().update(_app_settings)
storage.check_download(_app_settings.get("EXPORTS_DOWNLOAD"), STORAGES["default"])
EXPORTS_WORK_DIR = env.path("EXPORTS_WORK_DIR", VAR_DIR / "work").resolve()
private.tighten(EXPORTS_WORK_DIR)

# -- Security ----------------------------------------------------------------------

# The limit of one user in one web process. config/request_limits.py has the costs of requests.
REQUESTS_PER_SECOND = env.int("REQUESTS_PER_SECOND", 10, validate=app_settings.AT_LEAST_0)

# There are no uploads. The largest body is a form with headers for hundreds of columns.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int(
    "DATA_UPLOAD_MAX_MEMORY_SIZE", 256 * 1024, validate=app_settings.AT_LEAST_1
)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
_hsts_seconds = env.int("HSTS_SECONDS", 3600, validate=app_settings.AT_LEAST_0)
_hsts_subdomains = env.bool("HSTS_SUBDOMAINS", False)
SECURE_REFERRER_POLICY = "same-origin"
_site_url = "http://127.0.0.1:8000"
if not DEBUG:
    # The proxy terminates TLS. HTTPS=0 allows production settings without TLS.
    _https = env.bool("HTTPS", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = False
    SESSION_COOKIE_SECURE = _https
    CSRF_COOKIE_SECURE = _https
    SECURE_HSTS_SECONDS = _hsts_seconds if _https else 0
    SECURE_HSTS_INCLUDE_SUBDOMAINS = _hsts_subdomains
    _site_url = f"{'https' if _https else 'http'}://{ALLOWED_HOSTS[0]}"

# -- E-mail ------------------------------------------------------------------------

# E-mails are sent without a request, so their links need the site's address. Without SITE_URL, it
# is the first host of ALLOWED_HOSTS. If that is a pattern ("*", ".example.com"), no e-mail is sent,
# and beat logs the reason.
_one_site = re.compile(r"https?://[\w\[][\w.:\[\]-]*/?")
SITE_URL = env.str("SITE_URL", "")
if not SITE_URL:
    SITE_URL = _site_url if _one_site.fullmatch(_site_url) else ""
elif not _one_site.fullmatch(SITE_URL):
    raise ImproperlyConfigured(
        "Set SITE_URL to the address of this site: https://exports.example.com"
    )

# In development, e-mails become files. In production, they wait until a mail server is set.
_email_url = env.str("EMAIL_URL", "file:" if DEBUG else "dummy:")
_email = env.dj_email_url("EMAIL_URL", _email_url)
_is_mailbox = _email_url == "file:"
if "EMAIL_BACKEND" not in _email or (_email_url.startswith("file:") and not _is_mailbox):
    raise ImproperlyConfigured(
        "EMAIL_URL must begin with smtp:, submission:, console: or dummy:, or be file:"
    )
EMAIL_BACKEND = "config.mailbox.Mailbox" if _is_mailbox else _email["EMAIL_BACKEND"]
EMAIL_FILE_PATH = VAR_DIR / "mail"
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _email["EMAIL_USE_TLS"], _email["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = _email["EMAIL_TIMEOUT"] or 10  # Django's default has no timeout.
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "waybill@localhost")

# -- Logging -----------------------------------------------------------------------

_levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_LEVEL = env.str(
    "LOG_LEVEL",
    "INFO",
    validate=validate.Regexp(
        rf"({'|'.join(_levels)})\Z", re.IGNORECASE, error=f"Must be one of: {', '.join(_levels)}."
    ),
).upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "config.logs.ShortRefusals",
            "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would print each line a second time.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.channels.server": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        # Below WARNING, beat logs only its start and Celery's nightly cleanup.
        "celery.beat": {"level": "WARNING"},
        # config.signin logs the same events, with the names and addresses that Axes masks.
        "axes": {"level": "ERROR"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
