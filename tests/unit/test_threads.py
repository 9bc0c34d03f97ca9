"""Every thread of ours closes its connections to the database, or asks it nothing.

Read from the source: where a thread is started, its function is `closes_connections(…)`, or
the file is listed here with a reason. tests/faults/streams/test_connections.py sees the effect.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
STARTERS = {
    "Thread",
    "Timer",
    "ThreadPoolExecutor",
    "start_new_thread",
    "sync_to_async",
    "to_thread",
    "run_in_executor",
    "submit",
}
CLEANER = "closes_connections"

# How often a file uses threads otherwise, and why that leaves no connection behind.
KNOWN = {
    # Daphne's requests and asyncio's executor: this is what cleans them.
    "config/threads.py": {"ThreadPoolExecutor": 1, "sync_to_async": 1},
    # The process that starts the others in development: it asks the database nothing.
    "config/run/serving.py": {"Thread": 1},
    "config/run/stopping.py": {"Thread": 1},
    # Reads a file, in asyncio's executor.
    "exports/files/download.py": {"sync_to_async": 1},
    # Wrapped one line before.
    "exports/readers/read_ahead.py": {"Thread": 1},
    # Close their connections themselves, at the end and after an error.
    "exports/worker/heartbeat.py": {"Thread": 1},
    "exports/management/terminal/watch.py": {"Thread": 1},
    "notifications/periodic.py": {"Thread": 1},
    # Its event loop sends to the channel layer, and asks the database nothing.
    "notifications/streams/push_loop.py": {"Thread": 1},
    # Looks at stacks, and asks the database nothing.
    "notifications/delivery/watchdog.py": {"Thread": 1},
    # Ends a query over psycopg's own connection for that.
    "exports/readers/connection.py": {"Timer": 1},
    # Its threads keep a connection for a minute each, and check it before each use.
    "notifications/delivery/db_threads.py": {"ThreadPoolExecutor": 1, "run_in_executor": 1},
}


def uncleaned(source: str) -> Iterator[str]:
    """The names by which `source` starts threads whose connections nobody closes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            yield from (name for base in node.bases if (name := _name(base)) in STARTERS)
        if isinstance(node, ast.Call) and (name := _name(node.func)) in STARTERS:
            inside = {_name(each) for each in ast.walk(node)}
            if CLEANER not in inside:
                yield name
        # As a decorator, or handed on: it is called where nobody sees it.
        if isinstance(node, ast.FunctionDef):
            yield from (name for each in node.decorator_list if (name := _name(each)) in STARTERS)


def _name(node: ast.AST) -> str:
    return getattr(node, "id", "") or getattr(node, "attr", "")


@pytest.mark.proves("responses-keep-no-connection")
def test_threads_all_close_their_connections_or_are_known() -> None:
    found = {
        str(path.relative_to(ROOT)): dict(names)
        for app in ("config", "demo", "exports", "notifications")
        for path in sorted((ROOT / app).rglob("*.py"))
        if (names := Counter(uncleaned(path.read_text())))
    }

    assert found == KNOWN


def test_thread_that_keeps_its_connection_is_found() -> None:
    for source in (
        "threading.Thread(target=ask).start()",
        "Timer(1, ask)",
        "await asyncio.to_thread(ask)",
        "await loop.run_in_executor(None, ask)",
        "await sync_to_async(ask, thread_sensitive=False)()",
        "@sync_to_async\ndef ask(): ...",
        "class Pool(ThreadPoolExecutor): ...",
    ):
        assert len(list(uncleaned(source))) == 1, source
    assert list(uncleaned("Thread(target=closes_connections(ask)).start()")) == []
