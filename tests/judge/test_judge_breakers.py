"""The breakers trip on what was seen, say it in one sentence, and never judge from nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.judge import (
    DEFAULT,
    OFF,
    ErrorRate,
    Latency,
    Thresholds,
    changes_at,
    check,
    tripped,
    worst,
)
from proxy.measure import Spans, Tally, Window, histogram
from proxy.terms import Finding, Outcome, Verdict

NOW = 1000.0
MS = 1_000_000


def window(version, arm, *, ok=0, errors=0, milliseconds=(), at=NOW - 1, **others):
    outcomes = {"ok": ok, "upstream_5xx": errors, **others}
    total = {}
    for value in milliseconds:
        bucket = histogram.bucket(int(value * MS))
        total[bucket] = total.get(bucket, 0) + 1
    result = Window()
    result.add(Tally("m", version, arm, outcomes=outcomes, total=total), at)
    return result


def canary(**seen):
    return window("3", "canary", **seen)


def stable(**seen):
    return window("1", "stable", **seen)


def one(thresholds, mine, other=None, streak=0):
    (finding,) = check(thresholds, mine, other or Window(), streak, NOW)
    return finding


def rate(**bound):
    return Thresholds(error_rate=ErrorRate(**bound))


def slow(**bound):
    return Thresholds(latency=(Latency(**bound),))


class TestErrorRate:
    def test_over_the_bound_it_fails_and_says_so(self):
        finding = one(rate(absolute=0.1), canary(ok=48, errors=12))
        assert finding == Finding(
            "error_rate",
            Verdict.FAIL,
            "canary 3 failed 12 of 60 requests (20.0 %) in the last 60 s; allowed is 10.0 %",
            {
                "rate": 0.2,
                "bound": 0.1,
                "errors": 12.0,
                "requests": 60.0,
                "min_requests": 50.0,
                "window_seconds": 60.0,
            },
        )

    @pytest.mark.parametrize(("errors", "verdict"), [(6, Verdict.PASS), (7, Verdict.FAIL)])
    def test_the_bound_itself_is_allowed(self, errors, verdict):
        assert one(rate(absolute=0.1), canary(ok=60 - errors, errors=errors)).verdict is verdict

    def test_two_numbers_that_differ_are_never_said_the_same(self):
        finding = one(rate(absolute=0.1), canary(ok=8999, errors=1001))
        assert "(10.01 %)" in finding.message
        assert finding.message.endswith("allowed is 10.00 %")

    @pytest.mark.parametrize("errors", [0, 49])
    def test_too_few_requests_are_no_verdict_however_bad(self, errors):
        finding = one(rate(absolute=0.1), canary(ok=49 - errors, errors=errors))
        assert finding.verdict is Verdict.NOT_YET
        assert finding.message == (
            "canary 3 has 49 of the 50 requests needed in the last 60 s to judge its error rate"
        )
        assert "rate" not in finding.numbers

    def test_what_caller_and_proxy_broke_counts_in_neither(self):
        finding = one(
            rate(absolute=0.1),
            canary(ok=45, upstream_4xx=5, caller_left=500, proxy_overload=500, caller_error=9),
        )
        assert finding.verdict is Verdict.PASS
        assert (finding.numbers["errors"], finding.numbers["requests"]) == (0, 50)

    @pytest.mark.parametrize(
        "outcome", ["upstream_connect", "upstream_protocol", "upstream_reset", "upstream_timeout"]
    )
    def test_every_failure_of_the_upstream_counts(self, outcome):
        assert one(rate(absolute=0.1), canary(ok=50, **{outcome: 10})).verdict is Verdict.FAIL

    def test_old_failures_are_forgotten(self):
        assert one(rate(absolute=0.1), canary(errors=60, at=NOW - 62)).verdict is Verdict.NOT_YET

    def test_relative_to_stable(self):
        finding = one(rate(relative=3.0), canary(ok=48, errors=12), stable(ok=1137, errors=3))
        assert finding.verdict is Verdict.FAIL
        assert finding.message == (
            "canary 3 failed 12 of 60 requests (20.0 %) in the last 60 s; "
            "stable 1 failed 3 of 1140 (0.3 %), so allowed is 1.1 %"
        )
        assert finding.numbers["bound"] == 3.0 * 4 / 1140
        assert finding.numbers["stable_rate"] == 3 / 1140
        assert finding.numbers["stable_requests"] == 1140
        assert finding.numbers["stable_errors"] == 3
        assert finding.numbers["relative"] == 3.0

    def test_a_stable_arm_without_errors_does_not_forbid_the_first_one(self):
        finding = one(rate(relative=3.0), canary(ok=59, errors=1), stable(ok=100))
        assert finding.verdict is Verdict.PASS

    def test_a_ratio_needs_three_failures(self):
        quiet = stable(ok=2524)
        assert one(rate(relative=3.0), canary(ok=74, errors=2), quiet).verdict is Verdict.PASS
        assert one(rate(relative=3.0), canary(ok=73, errors=3), quiet).verdict is Verdict.FAIL

    def test_too_few_stable_requests_are_inconclusive(self):
        finding = one(rate(relative=3.0), canary(errors=60), stable(ok=49))
        assert finding.verdict is Verdict.INCONCLUSIVE
        assert finding.message == (
            "stable 1 has 49 of the 50 requests needed in the last 60 s "
            "to compare the canary's error rate with"
        )
        assert "bound" not in finding.numbers

    def test_both_bounds_are_checked_each_by_itself(self):
        findings = check(
            rate(absolute=0.5, relative=2.0), canary(ok=48, errors=12), stable(ok=500), 0, NOW
        )
        assert [f.verdict for f in findings] == [Verdict.PASS, Verdict.FAIL]
        assert tripped(findings) is findings[1]


class TestLatency:
    def test_over_the_bound_it_fails_and_says_so(self):
        finding = one(slow(absolute=0.5), canary(milliseconds=[100] * 94 + [612] * 6))
        assert finding.verdict is Verdict.FAIL
        assert finding.check == "latency"
        assert finding.message == (
            "canary 3 answered 95 % of 100 requests within 612 ms in the last 60 s; "
            "allowed is 500 ms"
        )
        assert finding.numbers["seconds"] == pytest.approx(0.612, rel=1 / 64)
        assert finding.numbers["quantile"] == 0.95
        assert finding.numbers["bound"] == 0.5

    def test_under_the_bound_it_passes(self):
        finding = one(slow(absolute=0.5), canary(milliseconds=[100] * 95 + [612] * 5))
        assert finding.verdict is Verdict.PASS

    def test_requests_without_an_answer_are_no_latency(self):
        finding = one(slow(absolute=0.5), canary(milliseconds=[900] * 49, upstream_timeout=70))
        assert finding.verdict is Verdict.NOT_YET
        assert finding.message == (
            "canary 3 has 49 of the 50 answers needed in the last 60 s to judge its latency"
        )

    def test_relative_to_stable(self):
        finding = one(
            slow(quantile=0.5, relative=2.0),
            canary(milliseconds=[300] * 60),
            stable(milliseconds=[100] * 60),
        )
        assert finding.verdict is Verdict.FAIL
        assert finding.message == (
            "canary 3 answered 50 % of 60 requests within 298 ms in the last 60 s; "
            "stable 1 took 99.6 ms, so allowed is 199 ms"
        )
        assert finding.numbers["stable_seconds"] == pytest.approx(0.1, rel=1 / 64)
        assert finding.numbers["bound"] == 2.0 * finding.numbers["stable_seconds"]

    def test_the_same_speed_passes_a_relative_bound(self):
        same = [1, 5, 20, 80, 2000] * 20
        finding = one(slow(relative=1.0), canary(milliseconds=same), stable(milliseconds=same))
        assert finding.verdict is Verdict.PASS

    def test_too_few_stable_answers_are_inconclusive(self):
        finding = one(
            slow(relative=2.0), canary(milliseconds=[9000] * 60), stable(milliseconds=[1] * 49)
        )
        assert finding.verdict is Verdict.INCONCLUSIVE
        assert finding.message.startswith("stable 1 has 49 of the 50 answers needed")

    def test_several_bounds_are_several_findings(self):
        several = Thresholds(
            latency=(Latency(quantile=0.5, absolute=0.1), Latency(quantile=0.99, absolute=1.0))
        )
        findings = check(several, canary(milliseconds=[200] * 60), stable(), 0, NOW)
        assert [f.verdict for f in findings] == [Verdict.FAIL, Verdict.PASS]


class TestConsecutiveFailures:
    @pytest.mark.parametrize(
        ("streak", "verdict", "said"),
        [(19, Verdict.PASS, "at most 19"), (20, Verdict.FAIL, "20"), (21, Verdict.FAIL, "21")],
    )
    def test_it_trips_at_the_limit(self, streak, verdict, said):
        finding = one(Thresholds(consecutive_failures=20), canary(errors=streak), streak=streak)
        assert finding.verdict is verdict
        assert finding.message == f"canary 3 failed {said} requests in a row; the limit is 20"
        assert finding.numbers == {"streak": float(streak), "bound": 20.0}

    def test_it_needs_no_minimum_of_requests(self):
        finding = one(Thresholds(consecutive_failures=3), canary(errors=3), streak=3)
        assert finding.verdict is Verdict.FAIL

    def test_without_a_request_it_is_not_yet(self):
        finding = one(Thresholds(consecutive_failures=20), Window())
        assert finding.verdict is Verdict.NOT_YET
        assert finding.message == "canary has no requests yet; the limit is 20 failures in a row"


class TestAll:
    def test_the_defaults_check_rate_and_streak(self):
        findings = check(DEFAULT, canary(ok=60), stable(ok=60), 0, NOW)
        assert [f.check for f in findings] == ["consecutive_failures", "error_rate"]
        assert worst(findings) is Verdict.PASS
        assert (DEFAULT.counts_window, DEFAULT.totals_window) == (60.0, 0.0)

    def test_off_checks_nothing_and_nothing_is_no_pass(self):
        assert check(OFF, canary(errors=1000), stable(), 1000, NOW) == ()
        assert worst(()) is Verdict.INCONCLUSIVE
        assert tripped(()) is None
        assert (OFF.counts_window, OFF.totals_window) == (0.0, 0.0)

    def test_no_data_never_passes_and_never_fails(self):
        everything = Thresholds(
            error_rate=ErrorRate(absolute=0.0, relative=0.1),
            latency=(Latency(absolute=0.001, relative=0.1),),
            consecutive_failures=1,
        )
        verdicts = {f.verdict for f in check(everything, Window(), Window(), 0, NOW)}
        assert verdicts == {Verdict.NOT_YET}

    def test_a_window_that_is_too_short_is_refused(self):
        with pytest.raises(ValueError, match="at most 30 s"):
            check(rate(absolute=0.1), Window(Spans(counts=30)), Window(), 0, NOW)

    @given(
        st.lists(st.sampled_from(Verdict), min_size=1),
    )
    def test_the_worst_speaks(self, verdicts):
        findings = [Finding("c", verdict, "", {}) for verdict in verdicts]
        assert worst(findings) is max(verdicts)
        assert worst(reversed(findings)) is worst(findings)
        assert (tripped(findings) is not None) == (Verdict.FAIL in verdicts)

    counts = st.dictionaries(
        st.sampled_from([o.value for o in Outcome]), st.integers(1, 200), max_size=5
    )
    times = st.dictionaries(
        st.integers(histogram.FIRST, histogram.LAST), st.integers(1, 99), max_size=4
    )

    @given(counts, times, counts, times, st.integers(0, 40))
    def test_every_finding_is_one_sentence_with_finite_numbers(self, co, ct, so, stt, streak):
        mine, other = Window(), Window()
        mine.add(Tally("m", "3", "canary", outcomes=co, total=ct), NOW)
        other.add(Tally("m", "1", "stable", outcomes=so, total=stt), NOW)
        every = Thresholds(
            error_rate=ErrorRate(absolute=0.1, relative=2.0),
            latency=(Latency(absolute=0.5, relative=2.0), Latency(quantile=0.5, absolute=0.01)),
            consecutive_failures=20,
        )
        for finding in check(every, mine, other, streak, NOW):
            assert all(math.isfinite(number) for number in finding.numbers.values())
            assert "nan" not in finding.message
            assert "\n" not in finding.message
            assert len(finding.message) < 200
            assert finding.verdict not in (Verdict.PASS, Verdict.FAIL) or "bound" in finding.numbers


class TestPolicy:
    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: ErrorRate(), "error_rate: needs absolute, relative or both"),
            (lambda: ErrorRate(absolute=5), r"absolute 5: must be from 0 to 1"),
            (lambda: ErrorRate(relative=0.0), r"error_rate.relative 0.0: must be over 0"),
            (lambda: ErrorRate(absolute=0.1, window=0.5), "window 0.5 s: must be at least 1 s"),
            (lambda: ErrorRate(absolute=0.1, min_requests=0), "min_requests 0: must be at least 1"),
            (lambda: Latency(), "latency: needs absolute, relative or both"),
            (lambda: Latency(quantile=95, absolute=1.0), "quantile 95: must be between 0 and 1"),
            (lambda: Latency(absolute=0.0), "absolute 0.0 s: must be over 0 s"),
            (lambda: Thresholds(consecutive_failures=0), "failures 0: must be at least 1"),
        ],
    )
    def test_what_cannot_be_checked_is_refused(self, make, said):
        with pytest.raises(ValueError, match=said):
            make()

    def test_the_longest_windows_are_what_must_be_remembered(self):
        several = Thresholds(
            error_rate=ErrorRate(absolute=0.1, window=30),
            latency=(Latency(absolute=1.0, window=300), Latency(absolute=2.0, window=60)),
        )
        assert (several.counts_window, several.totals_window) == (30, 300)
        assert Thresholds(consecutive_failures=3).counts_window == 60


class TestTimeAlone:
    """What ages out of a window makes any verdict into any other."""

    def verdicts(self, thresholds, mine, other, moments):
        found = []
        for now in moments:
            (finding,) = check(thresholds, mine, other, 0, now)
            found.append(finding.verdict)
        return found

    def test_a_pass_may_become_a_failure_and_then_nothing(self):
        mine = canary(ok=100, at=NOW - 30)
        mine.add(Tally("m", "3", "canary", outcomes={"ok": 40, "upstream_5xx": 10}), NOW)
        bound = rate(absolute=0.15)
        assert changes_at(bound, mine, Window(), NOW) == NOW + 31
        assert self.verdicts(bound, mine, Window(), (NOW, NOW + 30.9, NOW + 31, NOW + 61)) == [
            Verdict.PASS,
            Verdict.PASS,
            Verdict.FAIL,
            Verdict.NOT_YET,
        ]
        assert changes_at(bound, mine, Window(), NOW + 61) == math.inf

    def test_stable_ages_too(self):
        mine = canary(milliseconds=[300] * 60, at=NOW)
        other = stable(milliseconds=[900] * 90, at=NOW - 30)
        other.add(Tally("m", "1", "stable", total={histogram.bucket(100 * MS): 60}), NOW)
        bound = slow(relative=2.0, quantile=0.5)
        assert self.verdicts(bound, mine, other, (NOW, NOW + 31)) == [Verdict.PASS, Verdict.FAIL]

    def test_nothing_that_was_ever_seen_never_changes(self):
        assert changes_at(DEFAULT, Window(), Window(), NOW) == math.inf
        assert changes_at(OFF, canary(ok=5), stable(ok=5), NOW) == math.inf
