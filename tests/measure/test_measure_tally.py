"""Tallies merge the same in whatever order they are put together."""

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.measure import ModelTally, Tally, error_rate, errors, merge, merge_model, requests
from proxy.measure.tally import ANSWERED, FAILURES, JUDGED
from proxy.terms import OWNER, Outcome, Owner

counts = st.integers(min_value=0, max_value=10**6)
some = st.integers(min_value=1, max_value=1000)
histograms = st.dictionaries(st.integers(min_value=160, max_value=1279), some, max_size=5)

tallies = st.builds(
    Tally,
    model=st.just("m"),
    version=st.just("1"),
    arm=st.just("stable"),
    outcomes=st.dictionaries(st.sampled_from([o.value for o in Outcome]), some, max_size=4),
    first_byte=histograms,
    total=histograms,
    bytes_in=counts,
    bytes_out=counts,
    streak=counts,
    longest_streak=counts,
)

models = st.builds(
    ModelTally,
    model=st.just("m"),
    customers=st.dictionaries(st.sampled_from(["stable", "canary"]), some),
    missing_keys=counts,
    overrides=counts,
    held_too_large=counts,
    copies=st.dictionaries(
        st.sampled_from(["2", "3"]), st.dictionaries(st.sampled_from(["sent", "queue"]), some)
    ),
    fallbacks=st.dictionaries(st.sampled_from(["status", "connect"]), some),
    fallback_failures=counts,
    replays=counts,
)


def merged(function, first, *others):
    result = copy.deepcopy(first)
    for other in others:
        function(result, other)
    return result


def without_running_streak(tally):
    result = copy.deepcopy(tally)
    result.streak = 0
    return result


@given(tallies, tallies, tallies)
def test_merging_is_associative(a, b, c):
    assert merged(merge, merged(merge, a, b), c) == merged(merge, a, merged(merge, b, c))


@given(tallies, tallies)
def test_merging_commutes_but_for_the_running_streak(a, b):
    one, other = merged(merge, a, b), merged(merge, b, a)
    assert without_running_streak(one) == without_running_streak(other)


@given(tallies)
def test_an_empty_tally_changes_nothing(a):
    assert merged(merge, a, Tally("m", "1", "stable")) == a
    assert without_running_streak(merged(merge, Tally("m", "1", "stable"), a)) == (
        without_running_streak(a)
    )


@given(tallies, tallies)
def test_merging_leaves_the_other_alone_and_shares_nothing_with_it(a, b):
    before = copy.deepcopy(b)
    result = merged(merge, a, b)
    merge(result, b)
    assert b == before


@given(models, models, models)
def test_merging_models_is_associative_and_commutative(a, b, c):
    left = merged(merge_model, merged(merge_model, a, b), c)
    assert left == merged(merge_model, a, merged(merge_model, b, c))
    assert left == merged(merge_model, c, b, a)


@given(models, models)
def test_merging_models_shares_nothing_with_the_other(a, b):
    before = copy.deepcopy(b)
    result = merged(merge_model, a, b)
    merge_model(result, b)
    assert b == before


def worker_reports(ok_by_report):
    """What a worker says about a run of exchanges, carrying its streak from report to report."""
    streak, reports = 0, []
    for oks in ok_by_report:
        report = Tally("m", "2", "canary", streak=streak)
        for ok in oks:
            streak = 0 if ok else streak + 1
            name = Outcome.OK if ok else Outcome.UPSTREAM_5XX
            report.outcomes[name] = report.outcomes.get(name, 0) + 1
            report.longest_streak = max(report.longest_streak, streak)
        report.streak = streak
        reports.append(report)
    return reports


@given(st.lists(st.lists(st.booleans(), max_size=8), min_size=1, max_size=8))
def test_failures_in_a_row_are_seen_across_reports(ok_by_report):
    total = merged(merge, *worker_reports(ok_by_report))
    runs = "".join("." if ok else "x" for oks in ok_by_report for ok in oks).split(".")
    assert total.longest_streak == max(map(len, runs))
    assert total.streak == len(runs[-1])


def test_only_the_upstreams_own_failures_are_errors():
    tally = Tally("m", "2", "canary", outcomes={outcome.value: 1 for outcome in Outcome})
    assert errors(tally) == 5
    assert requests(tally) == 7  # ok and upstream_4xx beside them
    assert error_rate(tally) == 5 / 7


def test_what_caller_or_proxy_broke_is_in_neither():
    others = {o.value: 9 for o in Outcome if OWNER[o] in (Owner.CALLER, Owner.PROXY)}
    del others[Outcome.UPSTREAM_4XX]
    tally = Tally("m", "2", "canary", outcomes=others)
    assert (errors(tally), requests(tally)) == (0, 0)
    assert math.isnan(error_rate(tally))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_judged_by_its_owner(outcome):
    assert (outcome in FAILURES) == (OWNER[outcome] is Owner.UPSTREAM)
    assert (outcome in JUDGED) == (outcome in FAILURES or outcome in ANSWERED)
