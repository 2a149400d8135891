"""Histograms: bounded, exact where they say so, and the same for any order and partition."""

import math
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.scores import ScoreHistogram, ScoreSnapshot

SCALES = ["probability", "number"]
values = {
    "probability": st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.1, 0.3, 1.0, -0.0])),
    "number": st.one_of(st.floats(-1e99, 1e99), st.integers(-1000, 1000).map(float)),
}


def of(scale, numbers, bins=1_000):
    histogram = ScoreHistogram(scale, bins)
    for x in numbers:
        histogram.add(x)
    return histogram


def packed(histogram):
    return msgspec.msgpack.encode(histogram.snapshot())


@pytest.mark.parametrize("scale", SCALES)
@given(st.data())
def test_any_order_and_any_partition_is_the_same_bytes(scale, data):
    numbers = data.draw(st.lists(values[scale], max_size=300))
    shuffled = data.draw(st.permutations(numbers))
    cuts = sorted(data.draw(st.tuples(*[st.integers(0, len(numbers))] * 2)))
    pieces = [of(scale, it) for it in (shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]])]
    merged = of(scale, shuffled[cuts[1] :])
    for piece in pieces:
        before = packed(piece)
        merged.merge(piece)
        assert packed(piece) == before
    assert packed(merged) == packed(of(scale, numbers))


@pytest.mark.parametrize("scale", SCALES)
def test_what_had_to_share_bins_merges_to_the_same_bytes(scale):
    many = [math.sin(k) * 1.1 ** (k % 97) for k in range(4_000)]
    if scale == "probability":
        many = [1.0 / (1.0 + math.exp(-x / 100)) for x in many]
    whole = of(scale, many, 760)
    merged = of(scale, many[:3_000][::-1], 760)
    merged.merge(of(scale, many[3_000:], 760))
    assert whole.level > 0
    assert packed(merged) == packed(whole)
    assert len(whole.counts()) <= 760


@pytest.mark.parametrize("scale", SCALES)
@given(st.data())
def test_what_is_exact(scale, data):
    numbers = data.draw(st.lists(values[scale], min_size=2, max_size=300))
    histogram = of(scale, numbers)
    exact = [Fraction(x) for x in numbers]
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / (len(exact) - 1)
    assert histogram.n == len(numbers)
    assert histogram.total == math.fsum(numbers)
    assert histogram.least == min(numbers)
    assert histogram.most == max(numbers)
    largest = max(abs(x) for x in numbers)
    assert histogram.variance == pytest.approx(
        float(variance), rel=1e-9, abs=1e-15 * largest * largest
    )


@pytest.mark.parametrize("scale", SCALES)
def test_a_restored_histogram_goes_on_as_the_same(scale):
    numbers = [(k * 37 % 101) / 101 for k in range(500)]
    whole, half = of(scale, numbers), of(scale, numbers[:300])
    kept = msgspec.msgpack.decode(packed(half), type=ScoreSnapshot)
    again = ScoreHistogram.restore(kept)
    assert packed(again) == packed(half)
    for x in numbers[300:]:
        again.add(x)
    assert packed(again) == packed(whole)


def test_what_is_no_score_is_counted_apart():
    strange = [math.nan, math.inf, -math.inf, 1e100, 10**400, -0.1, 1.1]
    histogram = of("probability", [0.5, *strange])
    assert (histogram.n, histogram.not_finite, histogram.outside) == (1, 5, 2)
    assert histogram.mean == 0.5
    assert of("number", strange).n == 2


def test_nothing_is_no_number():
    empty = ScoreHistogram()
    assert math.isnan(empty.mean)
    assert math.isnan(empty.variance)
    assert math.isnan(empty.quantile(0.5))
    assert empty.least is empty.most is None
    assert packed(ScoreHistogram.restore(empty.snapshot())) == packed(empty)


def test_numbers_close_to_each_other_keep_their_own_bins():
    """1,000 +- 1, 0.5 +- 0.001: bins of a percent would hold all of them together."""
    histogram = of("number", [1000 + k / 400 for k in range(-400, 401)])
    assert len(histogram.counts()) == 801
    assert histogram.quantile(0.5) == pytest.approx(1000, abs=0.01)
    assert len(of("probability", [0.5 + k / 400_000 for k in range(-400, 401)]).counts()) == 801


@pytest.mark.parametrize("scale", SCALES)
@given(st.data())
def test_a_quantile_is_right_but_for_its_bin(scale, data):
    numbers = sorted(data.draw(st.lists(values[scale], min_size=1, max_size=200)))
    q = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
    histogram = of(scale, numbers)
    below = numbers[max(0, math.floor(q * len(numbers)) - 1)]
    above = numbers[min(len(numbers) - 1, math.ceil(q * len(numbers)))]
    found = histogram.quantile(q)
    assert below - 1e-3 * max(1, abs(below)) <= found <= above + 1e-3 * max(1, abs(above))


def test_what_cannot_be():
    with pytest.raises(ValueError, match="99 bins of a probability: must be at least 100"):
        ScoreHistogram("probability", 99)
    with pytest.raises(ValueError, match="100 bins of a number: must be at least 760"):
        ScoreHistogram("number", 100)
    with pytest.raises(ValueError, match="to be merged"):
        ScoreHistogram("probability").merge(ScoreHistogram("number"))
    with pytest.raises(ValueError, match="quantile 2"):
        ScoreHistogram().quantile(2.0)
    with pytest.raises(ValueError, match="level 0: must be at least"):
        of("number", [k**3 + 0.1 for k in range(3_000)]).counts(0)
