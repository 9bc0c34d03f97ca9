"""Programs outside of the lock file that read spreadsheets and compressed files.

    python -m tests.services.spreadsheets

installs missing ones: as root, programs from Debian's packages; and the npm libraries of
tests/spreadsheets/package-lock.json into `.venv`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import playwright

from tests.services import debian
from tests.services.processes import ROOT, ServiceError

SCRIPTS = ROOT / "tests" / "spreadsheets"
# Node itself comes with the lock file, but installing libraries needs npm.
NODE = Path(playwright.__file__).parent / "driver" / "node"
LIBRARIES = Path(sys.prefix) / "spreadsheets"

PACKAGES = {
    "ssconvert": "gnumeric",
    "soffice": "libreoffice-calc-nogui",
    "php": "php-cli",
}
HOW = "`python -m tests.services.spreadsheets` installs what is missing, the programs as root."


def program(name: str) -> str:
    """Return the path of a program. Raise ServiceError with the remedy if it is missing."""
    if (found := shutil.which(name)) is None:
        raise ServiceError(
            f"The tests of spreadsheets need {name}, which is missing. On Debian: "
            f"`apt-get install {PACKAGES[name]}`. {HOW}"
        )
    return found


def libraries() -> Path:
    """Return the directory with the npm libraries. Raise ServiceError if it is incomplete."""
    if not _are_installed():
        raise ServiceError(
            "The tests of spreadsheets need npm libraries (tests/spreadsheets/package.json), "
            f"which are missing or outdated in {LIBRARIES}. {HOW}"
        )
    return LIBRARIES / "node_modules"


def _are_installed() -> bool:
    lock = LIBRARIES / "package-lock.json"
    return lock.exists() and lock.read_bytes() == (SCRIPTS / lock.name).read_bytes()


def _install_libraries() -> None:
    """Install the npm libraries. An interrupted installation is repeated."""
    if shutil.which("npm") is None:
        debian.install("npm", recommended=False)
    npm = shutil.which("npm")
    if npm is None:
        raise ServiceError(
            "There is no npm, which installs libraries for the tests of spreadsheets. On Debian: "
            "`apt-get install npm`."
        )
    with tempfile.TemporaryDirectory(dir=LIBRARIES.parent) as directory:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCRIPTS / name, directory)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        if subprocess.run(command, check=False, cwd=directory).returncode:
            raise ServiceError(
                "npm could not install the libraries of tests/spreadsheets/package-lock.json. "
                "It needs access to a registry of npm."
            )
        shutil.rmtree(LIBRARIES, ignore_errors=True)
        LIBRARIES.mkdir()
        for each in Path(directory).iterdir():
            each.rename(LIBRARIES / each.name)


def main() -> int:
    missing = [package for name, package in PACKAGES.items() if shutil.which(name) is None]
    if missing:
        debian.install(*missing, recommended=False)
    try:
        for name in PACKAGES:
            program(name)
        if not _are_installed():
            _install_libraries()
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
