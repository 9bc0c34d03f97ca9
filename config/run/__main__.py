"""Run everything in the foreground: `python -m config.run`, which is what `make run` does."""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError

from config import embedded
from config.run import CannotRunError
from config.run.claim import claim
from config.run.preparation import ensure_free, port_from, prepare_database, private_directory
from config.run.processes import HOST
from config.run.serving import serve
from config.run.stopping import Stop, Stopped
from config.run.terminal import say

DEFAULT_PORT = "8000"


def main() -> int:
    stop = Stop()
    try:
        return run(stop)
    except Stopped:
        say("Stopped.")
        return 0
    except CannotRunError as error:
        say(f"Cannot run: {error}")
        return 1


def run(stop: Stop) -> int:
    """Prepare the database, then serve until `stop`. Return the exit status."""
    port = port_from(os.environ.get("PORT") or DEFAULT_PORT)
    url = f"http://{HOST}:{port}"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SITE_URL", url)  # For links in e-mails.
    try:
        django.setup()
    except (ImproperlyConfigured, EnvError) as error:
        raise CannotRunError(str(error)) from error
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with claim(settings.VAR_DIR, f"{url}/") as claimed:
        ensure_free(port)
        prepare_database()
        with private_directory(embedded.runtime_dir(settings.VAR_DIR)):
            return serve(port, claimed, stop)


if __name__ == "__main__":
    sys.exit(main())
