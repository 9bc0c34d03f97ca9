"""Nobody else on the machine reads what Waybill writes, whatever umask it was started with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import private
from tests.services.processes import ROOT

# All that processes leave behind: a database, a letter, a log, work, a file, a schedule.
WRITE_EVERYTHING = """
import django, os, tempfile
django.setup()
from pathlib import Path
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import send_mail
from django.core.management import call_command
from exports import health
from exports.files import storage
from config.run import serving
import dbm.dumb, shelve
call_command("migrate", verbosity=0)
send_mail("a", "b", "c@localhost", ["d@localhost"])
default_storage.save("exports/deep/er/file.csv", ContentFile(b"a,b"))
health.work_directory()
with storage.NewFile() as file:
    print(sorted(os.listdir(settings.EXPORTS_WORK_DIR)))
shelve.open(settings.CELERY_BEAT_SCHEDULE_FILENAME)["a"] = 1
(settings.VAR_DIR / "log").mkdir()
(settings.VAR_DIR / "log" / "web.log").write_text("a line")
"""


def run(var, umask, **env):
    return subprocess.run(
        [sys.executable, "-c", WRITE_EVERYTHING],
        cwd=ROOT,
        umask=umask,
        env={
            **os.environ,
            "VAR_DIR": str(var),
            "DATABASE_URL": f"sqlite:///{var}/waybill.sqlite3",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def open_to_others(directory):
    return sorted(
        f"{path} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in (directory, *directory.rglob("*"))
        if path.lstat().st_mode & private.OTHERS
    )


@pytest.mark.proves("files-are-private")
def test_files_are_private_without_a_umask(tmp_path):
    var = tmp_path / "var"

    done = run(var, umask=0)

    assert done.returncode == 0, done.stderr
    assert {"waybill.sqlite3", "mail", "files", "work", "log"} <= {p.name for p in var.iterdir()}
    assert open_to_others(var) == []


@pytest.mark.proves("files-are-private")
def test_existing_files_are_made_private(tmp_path):
    elsewhere, database = tmp_path / "elsewhere", tmp_path / "mine.sqlite3"
    var = tmp_path / "var"
    for directory in (var, elsewhere, elsewhere / "files", elsewhere / "work"):
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)
    database.touch()
    database.chmod(0o666)

    done = run(
        var,
        umask=0,
        DATABASE_URL=f"sqlite:///{database}",
        STORAGE_URL=f"file://{elsewhere}/files",
        EXPORTS_WORK_DIR=f"{elsewhere}/work",
    )

    assert done.returncode == 0, done.stderr
    assert [open_to_others(each) for each in (var, elsewhere / "files", elsewhere / "work")] == [
        [],
        [],
        [],
    ]
    assert [path for path in tmp_path.glob("mine*") if path.stat().st_mode & private.OTHERS] == []


@pytest.mark.proves("files-are-private")
def test_directory_that_cannot_be_made_private_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)

    def chmod(_path, _mode):
        # Of somebody else's directory; root, who may run this, could change any.
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.chmod", chmod)

    with pytest.raises(ImproperlyConfigured, match=f"chmod go= {tmp_path}"):
        private.tighten(tmp_path)


def test_shared_directory_with_sticky_bit_stays_shared(tmp_path):
    tmp_path.chmod(0o1777)

    private.tighten(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
