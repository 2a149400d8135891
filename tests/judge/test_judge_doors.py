"""What loads numpy is loaded by nobody who does not ask for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["proxy.judge", "proxy.judge.replay", "proxy.cli.root"])
def test_numpy_stays_out(module: str) -> None:
    code = f"import sys, {module}; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
