"""Quantities are read exactly, and what is shown reads back the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import units
from proxy.settings.kinds import duration, percent, real, size
from proxy.settings.units import Unfit


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("400us", "0.0004"),
        ("250ms", "0.25"),
        ("3s", "3"),
        ("1.5s", "1.5"),
        ("5m", "300"),
        ("1h", "3600"),
        (2, "2"),
    ],
)
def test_durations(written: object, seconds: str) -> None:
    assert units.duration(written) == Decimal(seconds)


@pytest.mark.parametrize(
    ("written", "count"),
    [("64KiB", 65536), ("1.5MiB", 1572864), ("2GiB", 2 << 30), ("7B", 7), (1000, 1000)],
)
def test_sizes(written: object, count: int) -> None:
    assert units.size(written) == count


@pytest.mark.parametrize(
    "written",
    ["", "3", "3 s", "s", "-3s", "1h30m", "3S", "٣s", "1e3s", True, None, [], float("nan")],
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(Unfit):
        units.duration(written)


@pytest.mark.parametrize("written", ["", "5MB", "5 MiB", "0.3B", 0.5, True, None, "1KiB1", -0.5])
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(Unfit):
        units.size(written)


@given(st.integers(0, 10_000))
def test_every_hundredth_of_a_percent_is_one(hundredths: int) -> None:
    assert round(units.percent(hundredths / 100) * 100) == hundredths


@given(st.integers(1, 9), st.integers(0, 9_999))
def test_a_thousandth_of_a_percent_is_none(thousandths: int, hundredths: int) -> None:
    written = float(Decimal(hundredths) / 100 + Decimal(thousandths) / 1000)
    with pytest.raises(Unfit):
        units.percent(written)


@given(st.floats() | st.integers())
def test_a_percent_is_from_0_to_100_or_unfit(written: float) -> None:
    try:
        read = units.percent(written)
    except Unfit:
        return
    assert 0 <= read <= 100
    assert percent().read(percent().show(read)) == read


@given(st.integers(1, 86_400_000), st.sampled_from([1_000, 1_000_000]))
def test_a_shown_duration_reads_back(count: int, of_a_second: int) -> None:
    seconds = count / of_a_second
    assert duration("1us", "24h").read(units.show_duration(seconds)) == seconds


@given(st.integers(0, 1 << 40))
def test_a_shown_size_reads_back(count: int) -> None:
    assert size("0B", "1024GiB").read(units.show_size(count)) == count


def test_bounds_are_in_or_out_as_said() -> None:
    open_below = real("0", "1", above=True)
    assert open_below.read(1) == 1.0
    with pytest.raises(Unfit):
        open_below.read(0)
    assert open_below.allowed == "a number above 0 and up to 1"
