"""The limit of open files: raised as far as it goes, and told of when that is not enough."""

from __future__ import annotations

import resource
import subprocess
import sys

from proxy.fleet import descriptors

RAISE = (
    "import resource; from proxy.fleet.descriptors import raise_limit; "
    "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256)); print(raise_limit({}))"
)


def raised(enough: str) -> int:
    said = subprocess.run(
        [sys.executable, "-c", RAISE.format(enough)], capture_output=True, text=True, check=True
    )
    return int(said.stdout)


def test_the_limit_is_raised_as_far_as_it_may_go() -> None:
    assert raised("") == 256
    assert raised("128") == 128
    assert raised("32") == 64  # never lowered


def test_too_few_for_the_callers_is_said() -> None:
    assert descriptors.shortage(20_000, 10_000) == ""
    assert descriptors.shortage(resource.RLIM_INFINITY, 10_000) == ""
    assert "have 4096 files" in (said := descriptors.shortage(4096, 10_000))
    assert "(`ulimit -n`) to 20000" in said
