"""All settings, read from the environment. `docs/settings.md` explains each.

The defaults run: a checkout with nothing configured works on SQLite in `var/` and a
Valkey server of its own. With DEBUG=0 what is insecure by default is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate

from config import app_settings, embedded, private, storage
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
    or len(SECRET_KEY) < 50  # noqa: PLR2004 - as Django's own check has it
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
    "config.caching.never_cache_api",
    "notifications.http.WithoutNul",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "config.pages.CompressPages",
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

# -- People ------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "exports:dashboard"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# config/signin says how often sign-in may fail, and why.
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
AXES_USERNAME_FORM_FIELD = "username"  # The name of the form's field, whatever the user model.
AXES_ENABLE_ADMIN = False  # Its rows are deleted after 30 days or less; `axes_reset` unlocks.
AXES_VERBOSE = False
# Password hashes that one web process makes at once; each takes a core for half a second.
SIGNIN_HASHES = env.int("SIGNIN_HASHES", 1, validate=app_settings.AT_LEAST_1)
PASSWORD_HASHERS = [
    "config.signin.hashing.BoundedPBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]

# Those that the pages are in. Django's own texts know more, and would mix theirs in.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = env.str(
    "LANGUAGE_CODE", "en", validate=validate.OneOf([code for code, _ in LANGUAGES])
)
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True

# -- Database ----------------------------------------------------------------------

DATABASES = {"default": env.dj_db_url("DATABASE_URL", f"sqlite:///{VAR_DIR / 'waybill.sqlite3'}")}
_database = DATABASES["default"]
if "sqlite3" in _database["ENGINE"]:
    # SQLite makes a file, and no directory for it.
    Path(str(_database["NAME"])).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.tighten_database(Path(str(_database["NAME"])))
    _database["OPTIONS"] = {
        # Several processes write. With Django's defaults one in seven transactions
        # fails with "database is locked"; like this none did (docs/design.md).
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif "postgresql" in _database["ENGINE"]:
    _database["ENGINE"] = "config.postgresql"
    _database["CONN_MAX_AGE"] = 0
    # Otherwise each pooled connection fails one request after PostgreSQL was restarted.
    _database["CONN_HEALTH_CHECKS"] = True
    # A pool belongs in web processes. Workers fork, and a child keeps few connections: for what
    # it writes, for the rows that it reads, and for its leases.
    _pool_size = env.int("DATABASE_POOL_SIZE", 0, validate=app_settings.AT_LEAST_0)
    _pool = {
        "min_size": 1,
        "max_size": _pool_size,
        "timeout": 10,
        # While PostgreSQL is away, the pool's pauses between attempts double for so long. After
        # five minutes, the default, the next attempt may be minutes off; requests begin new ones.
        "reconnect_timeout": 5,
    }
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "connect_timeout": 5,
        "options": " ".join(
            f"-c {name}={value}"
            for name, value in {
                "statement_timeout": env.str("DATABASE_STATEMENT_TIMEOUT", "10min"),
                "lock_timeout": env.str("DATABASE_LOCK_TIMEOUT", "10s"),
                "idle_in_transaction_session_timeout": env.str(
                    "DATABASE_IDLE_IN_TRANSACTION_SESSION_TIMEOUT", "60s"
                ),
            }.items()
        ),
        **({"pool": _pool} if _pool_size else {}),
    }
else:
    raise ImproperlyConfigured("DATABASE_URL must begin with sqlite: or postgres:.")

# -- Redis: the channel layer and Celery's broker ------------------------------------

REDIS_URL = env.str("REDIS_URL", embedded.redis_url(VAR_DIR))
_redis = urlsplit(REDIS_URL)
if _redis.scheme not in {"redis", "rediss", "unix"}:
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")

CHANNEL_LAYERS = {
    "default": {
        # The other layer of channels-redis falls silent for good after a FLUSHALL.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 3}],
            # Two deployments, or two test runs, may share a Redis.
            "prefix": env.str("REDIS_PREFIX", "waybill"),
        },
    },
}

CELERY_BROKER_URL = f"redis+socket://{_redis.path}" if _redis.scheme == "unix" else REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than any task may run: a task that is still running at this age is
    # delivered a second time.
    "visibility_timeout": 12 * 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "global_keyprefix": f"{env.str('REDIS_PREFIX', 'waybill')}-",
    # Who waits for a worker comes before who could use another one: the order of -Q.
    "queue_order_strategy": "priority",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "exports"
# Every program that reaches Redis can write messages. JSON runs no code when it is read.
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # On, a task that kills its worker runs for ever.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
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
# Not CELERY_BEAT_SCHEDULE: exports/schedule.py has all periodic work, and says why.
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

if "location" in STORAGES["default"]["OPTIONS"] and STORAGES["default"]["BACKEND"] == storage.LOCAL:
    private.tighten(Path(STORAGES["default"]["OPTIONS"]["location"]))

# -- Exports and notifications -------------------------------------------------------

_app_settings = app_settings.read(env)
globals().update(_app_settings)
storage.check_download(_app_settings.get("EXPORTS_DOWNLOAD"), STORAGES["default"])
EXPORTS_WORK_DIR = env.path("EXPORTS_WORK_DIR", VAR_DIR / "work").resolve()
private.tighten(EXPORTS_WORK_DIR)

# -- Security ----------------------------------------------------------------------

# Of each user, to each web process; config/request_limits.py says what counts for how much.
REQUESTS_PER_SECOND = env.int("REQUESTS_PER_SECOND", 10, validate=app_settings.AT_LEAST_0)

# Nobody uploads files. The largest body is a form with a header for each of hundreds of columns.
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
    # The proxy ends TLS and says so. Set HTTPS=0 to try production settings without it.
    _https = env.bool("HTTPS", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = False
    SESSION_COOKIE_SECURE = _https
    CSRF_COOKIE_SECURE = _https
    SECURE_HSTS_SECONDS = _hsts_seconds if _https else 0
    SECURE_HSTS_INCLUDE_SUBDOMAINS = _hsts_subdomains
    _site_url = f"{'https' if _https else 'http'}://{ALLOWED_HOSTS[0]}"

# -- E-mail ------------------------------------------------------------------------

# Who sends e-mails has no request that says what the site is called. The first host does,
# unless it is a pattern ("*", ".example.com"): then SITE_URL stays empty, nobody is mailed,
# and beat says why. That is no reason not to start.
_one_site = re.compile(r"https?://[\w\[][\w.:\[\]-]*/?")
SITE_URL = env.str("SITE_URL", "")
if not SITE_URL:
    SITE_URL = _site_url if _one_site.fullmatch(_site_url) else ""
elif not _one_site.fullmatch(SITE_URL):
    raise ImproperlyConfigured("Set SITE_URL to what people type: https://exports.example.com")

# A developer finds letters in a directory. In production, until there is a server, they wait.
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
EMAIL_TIMEOUT = _email["EMAIL_TIMEOUT"] or 10  # Django's own default is to wait for ever.
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
            "class": "config.logs.Calm",
            "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handler would say each of its lines a second time.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.channels.server": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        # Its start, and each task that it sends, which is only Celery's own nightly cleanup.
        "celery.beat": {"level": "WARNING"},
        # config.signin logs the same events with name and address, which Axes masks.
        "axes": {"level": "ERROR"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
