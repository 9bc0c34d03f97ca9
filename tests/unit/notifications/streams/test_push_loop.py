"""The thread in which a process pushes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from notifications.streams import push_loop

FORK = """
import os
import sys

import django

django.setup()

from notifications.streams import push_loop


async def nothing():
    pass


push_loop.run(nothing())
if (child := os.fork()) == 0:
    push_loop.run(nothing())
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_all_pushes_share_one_loop_and_thread():
    seen = set()

    async def look():
        seen.add((asyncio.get_running_loop(), threading.current_thread()))

    threads = [threading.Thread(target=push_loop.run, args=[look()]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    push_loop.run(look())

    assert len(seen) == 1
    assert threading.current_thread() not in {thread for _, thread in seen}


def test_exception_of_a_push_reaches_its_caller():
    async def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        push_loop.run(fail())


def test_forked_process_has_a_loop_of_its_own():
    done = subprocess.run([sys.executable, "-c", FORK], check=False, timeout=60)

    assert done.returncode == 7


def test_fork_with_a_held_lock_does_not_block_the_child():
    held = FORK.replace("if (child", "push_loop._lock.acquire()\nif (child")

    assert subprocess.run([sys.executable, "-c", held], check=False, timeout=60).returncode == 7
