"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A loaded machine is slow; that says nothing about the code.
settings.register_profile("house", parent=settings(), deadline=None)
settings.load_profile("house")

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def _fail_skips(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI everything that a test needs is installed, so a skip hides a test that never ran."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        where_and_why = report.longrepr
        reason = where_and_why[2] if isinstance(where_and_why, tuple) else str(where_and_why)
        report.longrepr = f"In CI a skipped test is a failed one: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_skips(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_skips(report)
    return report
