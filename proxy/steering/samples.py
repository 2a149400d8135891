"""Whole exchanges, as the workers kept them, to logged predictions and to broken rules.

Reading a body takes longer than the loop may be deaf, so it is done in a thread, a few at a time.
What comes faster than it can be read is dropped and counted, whatever its arm: so the rest is
fair evidence all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from proxy.feedback import Prediction
from proxy.judge import Observation, Source
from proxy.quality import (
    Casebook,
    Examination,
    Examined,
    VersionQuality,
    examine,
    fair,
    takes,
)
from proxy.terms import Arm, Sample

log = logging.getLogger(__name__)

#: Exchanges that a thread reads before the loop is asked again.
AT_ONCE: Final = 50
#: That may wait; and the bytes of their bodies together.
MOST_WAITING: Final = 2_000
MOST_BYTES: Final = 64 * 1024 * 1024

_ARMS: Final = frozenset({Arm.CANARY.value, Arm.STABLE.value})
#: One exchange, what it showed, and which uses look at it.
_Read = tuple[Sample, Examined, bool, bool]


class Observing(Protocol):
    """The desk, as far as it is needed here."""

    def observe(self, model: str, seen: Sequence[Observation]) -> None: ...


class Samples:
    """The pump: ``offer`` takes exchanges in and never waits, ``run`` reads them for ever.

    ``log`` takes predictions for the ledger, and never waits either.
    """

    def __init__(
        self,
        desk: Observing,
        log: Callable[[Sequence[Prediction]], None],
        examinations: Mapping[str, Examination],
    ) -> None:
        self._desk = desk
        self._log = log
        self._examinations = examinations
        self._waiting: deque[Sample] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._books: dict[str, Casebook] = {}
        self.dropped = 0
        self.read = 0

    def use(self, examinations: Mapping[str, Examination]) -> None:
        """The file was read again.  What was found by other rules is forgotten."""
        for name in list(self._books):
            if examinations.get(name) != self._examinations.get(name):
                del self._books[name]
        self._examinations = examinations

    def offer(self, samples: Iterable[Sample]) -> None:
        """Exchanges of one report."""
        for sample in samples:
            if sample.model not in self._examinations:
                continue
            size = _size(sample)
            if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
                self.dropped += 1
                continue
            self._waiting.append(sample)
            self._bytes += size
            self._news.set()

    async def run(self) -> None:
        """Read what is offered, until cancelled."""
        while True:
            await self._news.wait()
            try:
                await self.read_some()
            except Exception:  # a fault of this program's must not blind the judge for good
                log.exception("samples: some were lost")

    async def read_some(self) -> None:
        """Read what waits now, at most ``AT_ONCE``, and tell what it showed."""
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        self._bytes -= sum(map(_size, batch))
        if not self._waiting:
            self._news.clear()
        examinations = self._examinations
        self._tell(await asyncio.to_thread(_read, batch, examinations), examinations)

    def quality(self, model: str) -> tuple[VersionQuality, ...]:
        """What was found wrong since the desk's start, by version."""
        book, how = self._books.get(model), self._examinations.get(model)
        if book is None or how is None:
            return ()
        return book.status(how.rules.inputs if how.rules is not None else None)

    def _tell(self, read: Sequence[_Read], examinations: Mapping[str, Examination]) -> None:
        self.read += len(read)
        predictions = [examined.prediction for _, examined, logged, _ in read if logged]
        if predictions:
            self._log(predictions)
        seen: dict[str, list[Observation]] = {}
        for sample, examined, _, checked in read:
            if not checked:
                continue
            self._books.setdefault(sample.model, Casebook()).add(sample, examined)
            found = observations(sample, examined, examinations[sample.model])
            if found:
                seen.setdefault(sample.model, []).extend(found)
        for model, found in seen.items():
            self._desk.observe(model, found)


def observations(sample: Sample, examined: Examined, examination: Examination) -> list[Observation]:
    """Each rule that an exchange broke, once; nothing where that is no fair evidence.

    Where stable answered for a failing canary, its answer says nothing of the canary: what stable
    fails itself, nobody answers for it.
    """
    if sample.arm not in _ARMS or not fair(examination.percents, sample):
        return []
    broken = (
        *((Source.BAD_INPUT, it.rule) for it in examined.bad_input),
        *((Source.BAD_OUTPUT, it.rule) for it in examined.bad_output if not sample.fallback),
    )
    return [
        Observation(
            source=source,
            arm=Arm(sample.arm),
            share=sample.share,
            customer=sample.customer,
            at=sample.at,
            name=rule,
            segments=sample.segments,
        )
        for source, rule in dict.fromkeys(broken)
    ]


def _read(batch: Sequence[Sample], examinations: Mapping[str, Examination]) -> list[_Read]:
    read: list[_Read] = []
    for sample in batch:
        how = examinations.get(sample.model)
        if how is None:
            continue
        logged = how.retention > 0 and takes(how.percents, "predictions", sample)
        checked = how.rules is not None and takes(how.percents, "quality", sample)
        if logged or checked:
            rules = how.rules if checked else None
            read.append((sample, examine(sample, rules, how.options), logged, checked))
    return read


def _size(sample: Sample) -> int:
    return len(sample.request) + len(sample.answer.body)
