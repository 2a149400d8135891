"""What every test of the data plane may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dialogue_stage import Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as make:
        yield make
