"""Sums without rounding: the same for any order and any partition, to the bit."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from proxy.measure.exact import ExactSum, expansion, squared_deviations

numbers = st.lists(st.floats(-1e100, 1e100), max_size=60)


@given(numbers)
def test_nothing_is_rounded(values):
    assert sum(map(Fraction, expansion(values)), Fraction(0)) == sum(
        map(Fraction, values), Fraction(0)
    )


@given(numbers, st.randoms(use_true_random=False), st.integers(0, 60))
def test_any_order_and_any_partition_is_the_same_to_the_bit(values, chance, cut):
    whole = ExactSum()
    whole.add(values)
    shuffled = list(values)
    chance.shuffle(shuffled)
    one, two = ExactSum(), ExactSum()
    one.add(shuffled[:cut])
    two.add(shuffled[cut:])
    one.add(two.parts)
    assert one.parts == whole.parts
    assert whole.value == math.fsum(values)


def test_nothing_is_nought():
    assert ExactSum().value == 0.0
    assert expansion([1e100, 1.0, -1e100]) == (1.0,)
    assert ExactSum((1e16, 1.0)).parts == (1e16, 1.0)


@given(st.floats(-1e50, 1e50), st.integers(1, 50))
def test_numbers_that_are_all_the_same_do_not_deviate(x, n):
    total, squares = ExactSum(), ExactSum()
    total.add([x] * n)
    squares.add([x * x] * n)
    assert squared_deviations(n, total, squares) == 0.0


def test_deviations_of_large_numbers_keep_their_digits():
    numbers = [1e6 + k for k in range(100)]
    total, squares = ExactSum(), ExactSum()
    total.add(numbers)
    squares.add(x * x for x in numbers)
    assert squared_deviations(100, total, squares) == 83_325.0
