"""Run each `*.test.mjs` with the Node of Playwright, so that nobody has to install one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import playwright
import pytest

HERE = Path(__file__).parent
NODE = Path(playwright.__file__).parent / "driver" / "node"


@pytest.mark.parametrize("path", sorted(HERE.rglob("*.test.mjs")), ids=lambda path: path.name)
def test_javascript_tests_pass(path: Path) -> None:
    done = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", path],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"
    # Node also succeeds for a file without tests, and for skipped tests.
    assert "node:test" in path.read_text(), f"{path.name} has no tests"
    assert "skipped 0\n" in done.stdout
    assert "todo 0\n" in done.stdout
