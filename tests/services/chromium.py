"""Find or install a Chromium for the browser tests.

    python -m tests.services.chromium

prints the path of the Chromium for the tests. If there is none, it first installs Debian's package
as root, or else Playwright's build in the user's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import debian
from tests.services.processes import ServiceError

NAMES = ("chromium", "chromium-browser", "google-chrome")
HELP = (
    "The browser tests need a Chromium and found none. Install one (on Debian: "
    "`apt-get install chromium`; anywhere: `python -m playwright install chromium`), "
    "or set CHROMIUM to the path of yours."
)
# Chromium sends no requests of its own, and uses no graphics card.
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> Path:
    """Return the path of a Chromium. Raise ServiceError with the remedy if there is none."""
    if chosen := os.environ.get("CHROMIUM"):
        if (found := shutil.which(chosen)) and _works(found):
            return Path(found)
        raise ServiceError(f"CHROMIUM is {chosen!r}, and that does not run.")
    for name in NAMES:
        if (found := shutil.which(name)) and _works(found):
            return Path(found)
    if (downloaded := _playwrights_own()) is not None:
        return downloaded
    raise ServiceError(HELP)


def _works(path: str) -> bool:
    # Ubuntu's package is a script that needs a snap, which containers cannot install.
    done = subprocess.run([path, "--version"], check=False, capture_output=True, timeout=60)
    return done.returncode == 0


def _from_packages() -> None:
    debian.install("chromium")


def _from_playwright() -> None:
    """Install Playwright's build into the user's cache, as root with its libraries."""
    libraries = ["--with-deps"] if os.geteuid() == 0 and shutil.which("apt-get") else []
    debian.succeeds([sys.executable, "-m", "playwright", "install", *libraries, "chromium"])


def _playwrights_own() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


def main() -> int:
    error: ServiceError | None = None
    for get in (None, _from_packages, _from_playwright):
        if get is not None:
            get()
        try:
            sys.stdout.write(f"Chromium: {find()}\n")
        except ServiceError as found_none:
            error = found_none
            if "CHROMIUM" in os.environ:
                break  # The user has chosen this one.
        else:
            return 0
    sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
