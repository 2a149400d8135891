"""wrk: the script it is given and the line it gives back."""

from __future__ import annotations

import pytest

from loadtests.bench import wrk
from loadtests.bench.errors import BenchError

SAID = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
Requests/sec:  48211.30
bench requests=97012 microseconds=2012345 failed=3
"""


def test_its_own_line_is_read() -> None:
    assert wrk.parse(SAID) == wrk.Counted(97012, 2.012345, 3)


def test_one_that_did_not_come_to_its_end_is_an_error() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:8080\n")


def test_the_script_asks_all_models_for_all_customers() -> None:
    script = wrk.script(models=2, first=5, customers=10)
    assert "local number, customers, models = 5, 10, 2" in script
    assert '"POST /v2/models/model-1/infer HTTP/1.1\\r\\nHost: ' in script
    assert 'X-Customer-Id: "' in script
    assert '"\\r\\nContent-Length: 500\\r\\n\\r\\nxxx' in script
    assert "\r" not in script
