"""The programs that tests need. The tests start them.

A `Run` is the private directory of one test run, with the processes that were started in it. Each
other module knows one program: how to start it, when it is ready, and how to stop, kill and freeze
it. Other users and other runs cannot reach these programs, and all of them end with the run.
"""

from __future__ import annotations
