"""class Ledger: what everyone else calls.  Nothing here waits on the loop for a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from proxy.errors import OperationRefused
from proxy.feedback import Kpi, Label, Prediction
from proxy.store.ledger import reading, rows, writing
from proxy.store.ledger.database import Database
from proxy.store.ledger.nouns import (
    Counts,
    Deliver,
    Joined,
    Labelled,
    LedgerLimits,
    LedgerStatus,
    Logged,
    Taken,
)
from proxy.store.ledger.reading import START, Position, Range
from proxy.store.ledger.thread import HandsOut, Writer

T = TypeVar("T")

#: Rows that one step of ``sweep`` removes: a few milliseconds of the database's time.
_STEP: Final = 1_000


class Ledger:
    """Predictions and feedback in one database, at ``url`` (``sqlite:///FILE`` or
    ``postgresql://user:password@host/name``).

    A database that is down, locked or full is met when it is used, again and again until it is
    back; only a URL that can never work is refused here, with StateError.

    **Delivery.**  Joins and new KPI events reach the judge through ``take``'s answer or through
    ``deliver``, and stay marked undelivered until ``delivered`` is called.  What a desk was
    given and did not confirm before it died is delivered again by the next one: at least once.
    """

    def __init__(
        self,
        url: str,
        deliver: Deliver | None = None,
        limits: LedgerLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits or LedgerLimits()
        self._clock = clock
        self._hand = deliver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database = Database(url, self._limits.lock)
        self._writer = Writer(self._database, self._limits, self._deliver)
        self._reader = ThreadPoolExecutor(1, "ledger-reader")
        self._accepted = 0
        self._duplicates = 0

    def start(self) -> None:
        """Begin, on the running loop: ``deliver`` is called there, first with what an earlier
        desk left unconfirmed."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    def offer(self, predictions: Sequence[Prediction]) -> None:
        """Predictions of the hot flow.  Never waits; what there is no room for is lost and
        counted."""
        self._writer.offer(predictions)

    async def log(self, predictions: Sequence[Prediction]) -> list[Joined]:
        """Predictions that are written when this returns; those known already are passed over.

        Returns the joins with labels that waited for them.  Raises StateError: none is written.
        """

        def work(connection: Connection) -> Logged:
            batch = [rows.of_prediction(each) for each in predictions]
            return Logged(writing.log(connection, batch))

        done = await self._write(work, durable=False)
        self._writer.logged += len(predictions)
        return done.joined

    async def take(self, events: Sequence[Label | Kpi]) -> Taken:
        """Events that are committed, to last, when this returns; duplicates by id are counted.

        Raises StateError (the database does not take them) and OperationRefused (they are too
        many, or not such as can be kept): then nothing is taken, and the same events may be
        sent again.
        """
        received = self._clock()

        def work(connection: Connection) -> Taken:
            for number, each in enumerate(events):
                if why := rows.unfit(each):
                    raise OperationRefused(f"event {number}: {why}")
            return writing.take(connection, events, received, self._limits.joins)

        try:
            taken = await self._write(work, durable=True)
        except writing.TooMany as error:
            raise OperationRefused(
                f"{error}: send fewer labels at once, or a shorter time of each customer"
            ) from None
        self._accepted += taken.accepted
        self._duplicates += taken.duplicates
        return taken

    def delivered(self, joined: Sequence[Joined] = (), kpis: Sequence[Kpi] = ()) -> None:
        """The judge has these in his evidence.  Never waits.  Call it for everything that was
        handed out, also when there is no trial to which it belongs."""
        self._writer.settle([each.id for each in joined], [each.event_id for each in kpis])

    async def sweep(
        self, now: float, predictions: Mapping[str, float], otherwise: float, feedback: float
    ) -> int:
        """Remove what is older than it may be, in small steps; returns how many rows.

        Seconds to keep: ``predictions`` by model, ``otherwise`` for models not named in it;
        ``feedback`` from when an event was received.  Raises StateError.
        """
        removed = 0
        for model in await self._write(writing.models, durable=False):
            before = now - predictions.get(model, otherwise)

            def forget(connection: Connection, model: str = model, before: float = before) -> int:
                return writing.forget_predictions(connection, model, before, _STEP)

            removed += await self._until_done(forget)

        def forget_events(connection: Connection) -> int:
            return writing.forget_feedback(connection, now - feedback, _STEP)

        return removed + await self._until_done(forget_events)

    async def predictions(
        self, model: str, version: str | None, since: float, until: float, chunk: int = 1_000
    ) -> AsyncIterator[list[Labelled]]:
        """Predictions with their labels, oldest first, from ``since`` up to ``until``."""
        where, position = Range(model, version, since, until), START
        while True:
            found, position = await self._read(
                _chunk_of(reading.predictions, where, position, chunk)
            )
            if not found:
                return
            yield found

    async def affected(
        self, model: str, version: str, since: float, until: float, chunk: int = 10_000
    ) -> AsyncIterator[list[str]]:
        """Request ids that one version answered, oldest first, from ``since`` up to ``until``."""
        where, position = Range(model, version, since, until), START
        while True:
            found, position = await self._read(
                _chunk_of(reading.request_ids, where, position, chunk)
            )
            if not found:
                return
            yield found

    async def counts(self) -> Counts:
        """Rows in the database; see ``status`` for what costs nothing."""
        return await self._read(reading.counts)

    def status(self) -> LedgerStatus:
        """From memory."""
        writer = self._writer
        return LedgerStatus(
            database=self._database.where,
            error=writer.error,
            logged=writer.logged,
            lost=writer.lost,
            pending=writer.pending,
            accepted=self._accepted,
            duplicates=self._duplicates,
            joined=writer.joined,
        )

    async def close(self, patience: float = 5.0) -> None:
        """Write what waits, for at most ``patience`` seconds."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.close, patience)
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _write(self, work: Callable[[Connection], T], *, durable: bool) -> T:
        future = self._writer.submit(work, durable=durable)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._stray)  # it may be done all the same
            raise

    def _stray(self, future: Future[Any]) -> None:
        """Whoever asked is gone; the judge gets what it was for him."""
        if future.cancelled() or future.exception() is not None:
            return
        result = future.result()
        if isinstance(result, HandsOut) and (result.joined or result.kpis):
            self._deliver(result.joined, result.kpis)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def query() -> T:
            with self._database.read() as connection:
                return work(connection)

        if not self._database.ready:
            await self._write(lambda connection: None, durable=False)
        return await asyncio.get_running_loop().run_in_executor(self._reader, query)

    async def _until_done(self, step: Callable[[Connection], int]) -> int:
        removed = 0
        while count := await self._write(step, durable=False):
            removed += count
            if count < _STEP:
                break
        return removed

    def _deliver(self, joined: Sequence[Joined], kpis: Sequence[Kpi]) -> None:
        """In the writer's thread: over to the loop."""
        assert self._loop is not None
        if self._hand is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand, joined, kpis)


def _chunk_of(
    query: Callable[[Connection, Range, Position, int], T],
    where: Range,
    after: Position,
    limit: int,
) -> Callable[[Connection], T]:
    return lambda connection: query(connection, where, after, limit)
