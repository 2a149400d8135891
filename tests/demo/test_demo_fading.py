"""How version 3 goes bad."""

from __future__ import annotations

from demo.fading import Fading, Fate


def test_it_is_well_for_so_many_requests_and_then_mixes_errors_and_lateness() -> None:
    fading = Fading(good_requests=4, good_seconds=60)
    fates = [fading.next(now=100 + n) for n in range(10)]
    assert fates[:4] == [Fate.GOOD] * 4
    assert fates[4:] == [Fate.ERROR, Fate.SLOW, Fate.ERROR, Fate.ERROR, Fate.SLOW, Fate.ERROR]


def test_time_since_the_first_request_ends_it_as_well() -> None:
    fading = Fading(good_requests=1000, good_seconds=9)
    assert [fading.next(now) for now in (0.0, 8.9)] == [Fate.GOOD, Fate.GOOD]
    assert fading.next(9.0) is not Fate.GOOD
    assert fading.next(9.1) is not Fate.GOOD
