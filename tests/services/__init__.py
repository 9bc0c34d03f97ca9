"""The programs that the tests run against, started by the tests themselves.

A `Run` is one test run's private directory and the processes started in it. Each of
the other modules knows one program: how to start it there, when it is ready, how to
stop, kill and freeze it. Nothing listens where another user or another run could
meet it, and nothing is left when the run is over, however it ends.
"""

from __future__ import annotations
