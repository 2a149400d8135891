"""Rounds: everybody is visited once in each, in an order that moves on by one.

``Results`` keeps every raw value: row, contender, figure, round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtests.bench.peers import Peer
from loadtests.bench.visits import Figures, Place, Visit, visit
from loadtests.bench.works import DIRECT, Contender, Group, Kind, Measure, Work

Values = Mapping[int, float]
#: More of a core than this taken by others, and a figure is not worth keeping.
LOUD: Final = 0.1
TRIES: Final = 3
RETAKEN_IN_A_ROUND: Final = 4


@dataclass(slots=True)
class Results:
    """Figures by (row, contender), then figure, then round; notes on what was left out."""

    figures: dict[tuple[str, str], dict[str, dict[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    retaken: int = 0  # measures that were taken again because others disturbed them

    def add(self, row: str, contender: str, number: int, figures: Figures) -> None:
        kept = self.figures.setdefault((row, contender), {})
        for name, value in figures.items():
            kept.setdefault(name, {})[number] = value

    def values(self, row: str, contender: str, figure: str) -> Values:
        """Round to value; empty when it was not measured."""
        return self.figures.get((row, contender), {}).get(figure, {})

    def all(self, figure: str) -> list[float]:
        """A figure of every row, contender and round."""
        return [value for kept in self.figures.values() for value in kept.get(figure, {}).values()]

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def raw(self) -> list[dict[str, object]]:
        """For the record: a list of rows with every repeat."""
        return [
            {"row": row, "contender": contender, "figures": figures}
            for (row, contender), figures in self.figures.items()
        ]


def turns(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """The order of round ``number``: each has every place as often as the others."""
    start = number % len(contenders) if contenders else 0
    return [*contenders[start:], *contenders[:start]]


def visited(group: Group, peers: Mapping[str, Peer], results: Results) -> list[Contender]:
    """Who of a group can be visited; what is left out is noted with the reason."""
    found = []
    if group.direct:
        found.append(Contender(DIRECT, DIRECT, Work(behind=group.behind)))
    for contender in group.contenders:
        if contender.peer not in peers:
            continue
        reason = peers[contender.peer].unable(contender.work)
        if reason is None:
            found.append(contender)
        else:
            results.note(f"{group.title}: without {contender.label}: {reason}")
    return found


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the benchmark; ``step`` is told what is done next."""

    peers: Mapping[str, Peer]
    place: Place
    results: Results
    rounds: int
    seconds: float
    step: Callable[[str], None]


def run(groups: Iterable[Group], session: Session) -> None:
    """All rounds of all groups."""
    asked = [(group, visited(group, session.peers, session.results)) for group in groups]
    for number in range(session.rounds):
        for group, contenders in asked:
            for contender in turns(contenders, number):
                said = f"round {number + 1} of {session.rounds}: {group.name}, {contender.label}"
                session.step(said)
                _visit(group, contender, session, number)


def _visit(group: Group, contender: Contender, session: Session, number: int) -> None:
    results, peer = session.results, session.peers.get(contender.peer)
    with visit(contender, peer, session.place) as one:
        for measure in group.measures:
            if measure.models > contender.work.models:
                continue
            if peer is None and measure.kind is Kind.CLOSED:
                continue  # without a proxy there is no CPU time to take
            figures = quietest(one, measure, session)
            results.add(measure.row, contender.label, number, figures)
            if figures["failed"]:
                failed = f"{figures['failed']:.0f} of {figures['count']:.0f}"
                results.note(f"{measure.title}, {contender.label}: {failed} requests failed")


def quietest(one: Visit, measure: Measure, session: Session) -> Figures:
    """Once, and again where other programs took part of the machine meanwhile.

    What is kept is chosen by how quiet the machine was, never by the figures.  There are only so
    many second tries in a run: on a machine that is never quiet it must come to an end.
    """
    taken = [one.take(measure, session.seconds)]
    limit = session.rounds * RETAKEN_IN_A_ROUND
    while taken[-1]["others_cores"] > LOUD and len(taken) < TRIES:
        if session.results.retaken >= limit:
            break
        session.results.retaken += 1
        taken.append(one.take(measure, session.seconds))
    return min(taken, key=lambda figures: figures["others_cores"])


def visits(groups: Iterable[Group], peers: Mapping[str, Peer], rounds: int) -> int:
    """How many steps ``run`` will tell."""
    return rounds * sum(len(visited(group, peers, Results())) for group in groups)
