"""The parts of `make run` that can be had without running anything."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from config import embedded
from config.run import CannotRunError
from config.run.claim import claim
from config.run.preparation import port_from, private_directory
from config.run.processes import Process, config_text, processes
from config.run.stopping import blocked_signals

SOCKET = Path("/tmp/waybill-0-0123456789/valkey.sock")

# -- The directory of the socket ---------------------------------------------------------


def test_missing_directory_is_created_private(tmp_path: Path) -> None:
    embedded.make_private(tmp_path / "new")

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_private_directory_can_be_used_again(tmp_path: Path) -> None:
    embedded.make_private(tmp_path / "ours")
    embedded.make_private(tmp_path / "ours")


def test_readable_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)

    with pytest.raises(PermissionError, match="with mode 700"):
        embedded.make_private(tmp_path / "open")


def test_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign").mkdir(mode=0o700)
    monkeypatch.setattr(embedded.os, "getuid", lambda: os.geteuid() + 1)

    with pytest.raises(PermissionError, match="directory of yours"):
        embedded.make_private(tmp_path / "foreign")


def test_link_to_a_private_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(PermissionError):
        embedded.make_private(tmp_path / "link")


def test_socket_path_is_short_for_any_data_directory() -> None:
    deep = Path("/home/somebody") / ("a long name/" * 20) / "var"

    url = embedded.redis_url(deep)

    assert url.startswith("unix:///")
    assert len(url.removeprefix("unix://").encode()) < 104


def test_data_directories_do_not_share_a_socket() -> None:
    assert embedded.redis_url(Path("/a/var")) != embedded.redis_url(Path("/b/var"))


def test_socket_directory_is_removed_even_after_a_failure(tmp_path: Path) -> None:
    directory = tmp_path / "private"

    def fail() -> None:
        with private_directory(directory):
            (directory / "valkey.sock").touch()  # A killed Valkey leaves its socket.
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert list(tmp_path.iterdir()) == []


# -- What supervisord is told ------------------------------------------------------------


def as_supervisord_reads(listed: list[Process], var_dir: Path) -> dict[str, tuple[Any, Any]]:
    """The configuration of each program and of its group, read by supervisord itself."""
    (var_dir / "log").mkdir(parents=True)
    config = var_dir / "supervisord.conf"
    config.write_text(config_text(listed, var_dir, var_dir / "log", SOCKET))
    options = ServerOptions()
    options.realize(["--configuration", str(config)])
    return {
        program.name: (program, group)
        for group in options.process_group_configs
        for program in group.process_configs
    }


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "%(here)s", 'it\'s "quoted"'])
def test_supervisord_reads_the_configured_processes(tmp_path: Path, name: str) -> None:
    var_dir = tmp_path / name
    listed = processes(8000, "INFO", var_dir / "valkey.sock")

    read = as_supervisord_reads(listed, var_dir)

    for process in listed:
        program, _ = read[process.name]
        # As supervisord splits it when it starts the program.
        assert shlex.split(program.command) == shlex.split(process.command)
        assert program.stdout_logfile == str(var_dir / "log" / f"{process.name}.log")
        assert program.redirect_stderr


@pytest.mark.parametrize("name", ["a ;b", "a #b", "a\nb"])
def test_path_that_supervisord_would_cut_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotRunError, match="Rename the directory"):
        config_text(processes(8000, "INFO", None), tmp_path / name, tmp_path / "log", SOCKET)


def test_every_process_is_restarted_without_limit(tmp_path: Path) -> None:
    read = as_supervisord_reads(processes(8000, "INFO", SOCKET), tmp_path / "var")

    assert sorted(read) == ["beat", "valkey", "web", "worker"]
    for program, _ in read.values():
        assert program.autostart
        assert program.autorestart.__name__ == "RestartUnconditionally"
        assert program.startretries > 100_000


def test_process_logs_are_limited(tmp_path: Path) -> None:
    read = as_supervisord_reads(processes(8000, "INFO", SOCKET), tmp_path / "var")

    for program, _ in read.values():
        assert program.stdout_logfile_maxbytes == 10 * 1024 * 1024
        assert program.stdout_logfile_backups == 1


def test_valkey_starts_before_and_stops_after_its_clients(tmp_path: Path) -> None:
    read = as_supervisord_reads(processes(8000, "INFO", SOCKET), tmp_path / "var")

    groups = {name: group for name, (_, group) in read.items()}
    assert groups["valkey"] < groups["web"]
    assert groups["web"] is groups["worker"] is groups["beat"]


def test_missing_socket_starts_no_valkey() -> None:
    assert [process.name for process in processes(8000, "INFO", None)] == ["web", "worker", "beat"]


def test_valkey_listens_on_no_port() -> None:
    valkey = shlex.split(processes(8000, "INFO", SOCKET)[0].command)

    assert valkey[valkey.index("--port") + 1] == "0"
    assert valkey[valkey.index("--unixsocket") + 1] == str(SOCKET)
    assert valkey[valkey.index("--unixsocketperm") + 1] == "700"


# -- The port, and who has the data ------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80x", " 80", "8e3", "٣"])
def test_invalid_port_is_refused(text: str) -> None:
    with pytest.raises(CannotRunError, match="PORT must be a number from 1 to 65535"):
        port_from(text)


def test_port_is_parsed() -> None:
    assert port_from("8001") == 8001


def test_second_claim_names_the_first(tmp_path: Path) -> None:
    with (
        claim(tmp_path, "http://127.0.0.1:8000/"),
        pytest.raises(CannotRunError, match=rf"8000/ \(process {os.getpid()}\)"),
        claim(tmp_path, "http://127.0.0.1:8001/"),
    ):
        pytest.fail("claimed twice")

    with claim(tmp_path, "http://127.0.0.1:8001/"):
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()} http://127.0.0.1:8001/"


# -- What make does not tell us ------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it")
def test_blocked_signal_is_seen() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        held = blocked_signals(os.getpid())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert signal.SIGHUP in held
    assert signal.SIGINT not in held
    assert signal.SIGHUP not in blocked_signals(os.getpid())


def test_ended_process_blocks_no_signal() -> None:
    assert blocked_signals(2**22 + 1) == set()
