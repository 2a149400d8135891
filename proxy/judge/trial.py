"""The judge's running state for one canary: evidence in, findings out.

Every guardrail, and every protected segment of it, is a hypothesis of its own.  With m of them
(those that are only reported left out) each gets alpha / m: so the chance that a healthy canary
is ever reverted or held by any is at most alpha, however often anyone looks.  A PASS takes no such
division: the canary goes on only when *all* guardrails certify it, so the chance that a harmful
one does is at most that of the one guardrail which should have stopped it.

The state depends on the evidence and its order alone, never on when somebody looked: so what was
recorded gives the same findings when it is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from proxy.judge.arrivals import Arrivals
from proxy.judge.census import MOST_CUSTOMERS, Census, Member
from proxy.judge.counting import MOST_COUNTED, Counted, draw, pack, unpack
from proxy.judge.evidence import Evidence, Observation, Source
from proxy.judge.guardrails import Guardrail, Guardrails
from proxy.judge.kept import FORMAT, Kept, KeptMembers, KeptRate, decode, encode
from proxy.judge.means import MeanSeries
from proxy.judge.rates import LARGEST_LOG, Bar, RateSeries, Sizes
from proxy.measure.multiplicity import e_bh
from proxy.terms import Arm, Finding

#: Of an observation's value.  Beyond it is no quantity of this world, and squares would overflow.
_LARGEST: Final = 1e100

_CANARY: Final = Arm.CANARY
_SHADOW: Final = Arm.SHADOW


def hypotheses(guardrails: Guardrails) -> int:
    """Among how many ``alpha`` is divided: each guardrail and each protected segment of it,
    but for those that are only reported.  At least 1."""
    judged = (rule for rule in guardrails.rules if not rule.dry_run)
    return max(1, sum(1 + len(segments(rule)) for rule in judged))


def segments(rule: Guardrail) -> tuple[str, ...]:
    """The segments that are judged by themselves.

    None of a mean: nobody tells how many customers of a segment had no value at all.
    """
    return rule.segments if rule.measure == "rate" else ()


class _Watched(NamedTuple):
    """A guardrail with all that is judged by it."""

    rule: Guardrail
    rates: dict[str, RateSeries]  # by segment, "" for everyone
    mean: MeanSeries | None

    def series(self, it: Observation) -> Iterator[RateSeries]:
        """Who counts an event of the rule's."""
        yield self.rates[""]
        for segment in it.segments:
            if (part := self.rates.get(segment)) is not None:
                yield part

    def takes(self, it: Observation) -> bool:
        """Whether this is an event of the rule's.  The value 0 says that there was none."""
        rule = self.rule
        if it.source is not rule.source and not _instead(rule, it):
            return False
        if rule.of and it.name != rule.of and it.source is rule.source:
            return False
        value = it.value
        return (
            value != 0.0
            and abs(value) <= _LARGEST  # not so of what is not a number
            and (rule.over is None or value > rule.over)
            and (rule.under is None or value < rule.under)
        )


def _instead(rule: Guardrail, it: Observation) -> bool:
    """Only a canary has somebody to fall back to: beside its fallbacks stand stable's errors,
    which are what it would have needed one for."""
    return rule.source is Source.FALLBACK and it.source is Source.ERROR and it.arm is Arm.STABLE


class Trial:
    """Judges canary ``version`` of ``model`` beside ``stable``, since ``began`` (epoch seconds).

    Memory is bounded: ``most_counted`` customers in all guardrails together, and a sample of
    ``most_customers``; with more, customers are sampled (counting.py, census.py).
    """

    def __init__(
        self,
        guardrails: Guardrails,
        model: str,
        version: str,
        stable: str,
        began: float,
        *,
        most_counted: int = MOST_COUNTED,
        most_customers: int = MOST_CUSTOMERS,
    ) -> None:
        self.guardrails = guardrails
        self.model, self.version, self.stable = model, version, stable
        self.began = began
        self.share = 0.0
        self.dropped = 0  # incidents that no report had room for
        self.ignored = 0  # observations that are no evidence: from before, or at share 0 or 1
        self._requests: dict[str, tuple[int, int]] = {}
        self._since: dict[float, tuple[float, float]] = {}
        self._counted = Counted(most_counted)
        self._census = Census(most_customers)
        self._bar = Bar(
            math.log(hypotheses(guardrails) / guardrails.alpha), -math.log(guardrails.alpha)
        )
        self._watched = tuple(map(self._watch, guardrails.rules))
        self._by_source = _by_source(self._watched)
        alarm = guardrails.sample_ratio
        self._arrivals = None if alarm is None else Arrivals(alarm, self._who)
        self._findings: tuple[Finding, ...] | None = None
        self._known: dict[str, Sizes] = {}

    @property
    def _who(self) -> str:
        return f"canary {self.version}"

    def _watch(self, rule: Guardrail) -> _Watched:
        if rule.measure == "mean":
            return _Watched(rule, {}, MeanSeries(rule, self._who, self._bar))
        rates = {it: RateSeries(rule, it, self._who, self._bar) for it in ("", *segments(rule))}
        for series in rates.values():
            self._counted.begin(series.check)
        return _Watched(rule, rates, None)

    # ---- evidence in

    def add(self, evidence: Evidence) -> None:
        """Takes evidence in; late and in any order is fine.  ValueError for another canary's."""
        whose = (evidence.model, evidence.version)
        if whose != (self.model, self.version):
            raise ValueError(
                f"evidence of {whose[0]} {whose[1]} in the trial of {self.model} {self.version}"
            )
        self._findings = None
        self._known.clear()
        self.share = evidence.share
        self.dropped += evidence.dropped
        for segment, (canary, stable) in evidence.requests.items():
            had = self._requests.get(segment, (0, 0))
            self._requests[segment] = (had[0] + canary, had[1] + stable)
        came = self._arrive(evidence)
        touched = self._observe_all(evidence.observations)
        for series in touched:
            series.look(self._sizes(series.segment))
        self._look_at_means(came)

    def _arrive(self, evidence: Evidence) -> bool:
        """Customers who came; and where the share has been since others did."""
        for newcomers in evidence.newcomers:
            for customer in self._census.add(newcomers):
                for it in self._watched:
                    if it.mean is not None:
                        it.mean.totals.forget(customer)
        for share in self._census.came:
            low, high = self._since.get(share, (share, share))
            self._since[share] = (min(low, evidence.share), max(high, evidence.share))
        if evidence.newcomers and self._arrivals is not None:
            self._arrivals.look(self._census)
        return bool(evidence.newcomers)

    def _observe_all(self, observations: Iterable[Observation]) -> list[RateSeries]:
        """Counts what is new; returns the series that have news.

        By time, not as they stand: whoever lists the arms one after the other would else decide
        in which arm a customer who changed it is counted.
        """
        touched: dict[int, RateSeries] = {}
        for it in sorted(observations, key=_time):
            if it.at < self.began or it.arm is _SHADOW:
                self.ignored += 1
                continue
            drawn = draw(it.customer) if it.customer else None
            for watched in self._by_source.get(it.source, ()):
                if not watched.takes(it):
                    continue
                if watched.mean is not None:
                    self._add_to_mean(watched.mean, it)
                elif 0.0 < it.share < 1.0:
                    self._count(watched, it, drawn, touched)
                else:
                    self.ignored += 1
        return list(touched.values())

    def _count(
        self,
        watched: _Watched,
        it: Observation,
        drawn: int | None,
        touched: dict[int, RateSeries],
    ) -> None:
        for series in watched.series(it):
            if drawn is None or self._counted.first(series.check, drawn):
                series.count(it.share, it.arm is _CANARY, drawn is not None)
                touched[id(series)] = series

    def _add_to_mean(self, mean: MeanSeries, it: Observation) -> None:
        member = self._census.members.get(it.customer)
        if member is None:
            self.ignored += 1
        else:
            mean.totals.add(it.customer, member, it.value)
            mean.news = True

    def _look_at_means(self, came: bool) -> None:
        for watched in self._watched:
            if watched.mean is not None and (came or watched.mean.news):
                watched.mean.look(self._census, self._since)

    # ---- findings out

    def findings(self, now: float) -> tuple[Finding, ...]:
        """One for each guardrail and each protected segment of it, in their order, then that of
        the sample ratio.  The same tuple until there is new evidence: what ``now`` is (seconds
        since the epoch) takes nothing away from what was seen."""
        if self._findings is None:
            self._findings = tuple(self._all_findings())
        return self._findings

    def failing(self, now: float) -> tuple[Finding, ...]:
        """Those of ``findings`` that are a FAIL: all that a tick has to know, at a fraction of
        the cost, for nothing is put into words that nobody reads."""
        return tuple(self._all_findings(lambda judge: judge.failed))

    def _all_findings(
        self, wanted: Callable[[RateSeries | MeanSeries | Arrivals], bool] = lambda _: True
    ) -> Iterator[Finding]:
        for watched in self._watched:
            for series in watched.rates.values():
                if wanted(series):
                    yield series.finding(self._sizes(series.segment), self.share)
            if watched.mean is not None and wanted(watched.mean):
                yield watched.mean.finding(self._census, self.share)
        if self._arrivals is not None and wanted(self._arrivals):
            yield self._arrivals.finding(self._census, self.share)

    def standing_out(self, false: float = 0.1) -> tuple[str, ...]:
        """The checks of segments in which the canary does harm, for a report; by e-BH, so that
        the expected part of ``false`` ones among them is bounded.  Nothing is reverted by it."""
        parts = [
            series
            for watched in self._watched
            for segment, series in watched.rates.items()
            if segment
        ]
        e_values = [math.exp(min(series.harm.log_e, LARGEST_LOG)) for series in parts]
        return tuple(parts[index].check for index in e_bh(e_values, false))

    def _sizes(self, segment: str) -> Sizes:
        """How many there are; the customers of a segment in proportion to its requests."""
        known = self._known.get(segment)
        if known is None:
            known = self._known[segment] = self._count_sizes(segment)
        return known

    def _count_sizes(self, segment: str) -> Sizes:
        customers, requests = self._census.customers(), self._requests.get(segment, (0, 0))
        if not segment:
            return Sizes(*customers, *requests)
        every = self._requests.get("", (0, 0))
        canary, stable = (
            min(n, round(n * part / whole)) if whole else 0
            for n, part, whole in zip(customers, requests, every, strict=True)
        )
        return Sizes(canary, stable, *requests)

    # ---- between two lives

    def snapshot(self) -> bytes:
        """All there is, for ``restore``."""
        rates = [series for it in self._watched for series in it.rates.values()]
        means = [it.mean for it in self._watched if it.mean is not None]
        census = self._census
        return encode(
            Kept(
                format=FORMAT,
                guardrails=self.guardrails,
                model=self.model,
                version=self.version,
                stable=self.stable,
                began=self.began,
                share=self.share,
                dropped=self.dropped,
                ignored=self.ignored,
                requests=self._requests,
                sampled=self._counted.least,
                rates=[it.keep(pack(self._counted.series[it.check])) for it in rates],
                means=[mean.keep() for mean in means],
                census_least=census.least,
                came=[(share, *census.came[share]) for share in sorted(census.came)],
                since=[(share, *self._since[share]) for share in sorted(self._since)],
                members=[KeptMembers(*member, who) for member, who in census.groups()],
                arrivals_peak=0.0 if self._arrivals is None else self._arrivals.peak,
            )
        )

    @classmethod
    def restore(
        cls,
        guardrails: Guardrails,
        stored: bytes,
        *,
        most_counted: int = MOST_COUNTED,
        most_customers: int = MOST_CUSTOMERS,
    ) -> Trial:
        """The trial as it was; its findings are the same to the last bit.

        A guardrail that is no longer the same begins afresh, and its findings say so: whoever
        could keep the counts and change the rule could choose the rule by the counts.  What a
        FAIL leads to, and which segments are protected, is not part of the rule; nor is alpha.
        ValueError when ``stored`` is no snapshot.
        """
        kept = decode(stored)
        made = cls(
            guardrails,
            kept.model,
            kept.version,
            kept.stable,
            kept.began,
            most_counted=most_counted,
            most_customers=most_customers,
        )
        made._take_back(kept)
        return made

    def _take_back(self, kept: Kept) -> None:
        self.share, self.dropped, self.ignored = kept.share, kept.dropped, kept.ignored
        self._requests = dict(kept.requests)
        self._counted = Counted(self._counted.most, kept.sampled)
        self._since = {share: (low, high) for share, low, high in kept.since}
        self._census.restore(
            kept.census_least, {share: (canary, stable) for share, canary, stable in kept.came}
        )
        for it in kept.members:
            self._census.rejoin(Member(it.share, it.canary, it.level), it.customers)
        if self._arrivals is not None:
            self._arrivals.peak = kept.arrivals_peak
            self._arrivals.look(self._census)
        before = {rule.name: _the_rule(rule) for rule in kept.guardrails.rules}
        rates = {it.check: it for it in kept.rates}
        means = {it.check: it for it in kept.means}
        for watched in self._watched:
            same = before.get(watched.rule.name) == _the_rule(watched.rule)
            for series in watched.rates.values():
                self._take_back_rate(series, rates.get(series.check) if same else None)
            if watched.mean is not None:
                watched.mean.take_back(means.get(watched.mean.check) if same else None)

    def _take_back_rate(self, series: RateSeries, kept: KeptRate | None) -> None:
        series.take_back(kept)
        self._counted.begin(series.check, unpack(kept.counted) if kept else ())


def _time(it: Observation) -> float:
    return it.at


def _by_source(watched: Iterable[_Watched]) -> dict[Source, list[_Watched]]:
    """Who is to be asked about an observation of each source."""
    found: dict[Source, list[_Watched]] = {}
    for it in watched:
        source = it.rule.source
        found.setdefault(source, []).append(it)
        if source is Source.FALLBACK:
            found.setdefault(Source.ERROR, []).append(it)
    return found


def _the_rule(rule: Guardrail) -> Guardrail:
    """What of a guardrail must stay the same for its counts to go on."""
    return replace(rule, critical=True, segments=())
