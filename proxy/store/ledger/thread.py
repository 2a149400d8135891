"""The one thread that writes the ledger: jobs that someone waits for, predictions that no one does.

Predictions of the hot flow wait in memory, bounded; what a locked, full or dead database cannot
take in time is lost and counted.  Jobs are done one by one, each in a transaction of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from sqlalchemy import Connection

from proxy.errors import OperationRefused, StateError
from proxy.feedback import Kpi, Prediction
from proxy.store.ledger import rows, writing
from proxy.store.ledger.database import Database, Unavailable
from proxy.store.ledger.nouns import Joined, LedgerLimits

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]


class _Job(NamedTuple):
    work: Work[Any]
    future: Future[Any]
    durable: bool


@runtime_checkable
class HandsOut(Protocol):
    """A job's result with something in it for the judge."""

    @property
    def joined(self) -> Sequence[Joined]: ...

    @property
    def kpis(self) -> Sequence[Kpi]: ...


class Writer:
    """``deliver`` is called in this thread, with joins and KPI events that nobody waits for."""

    def __init__(
        self,
        database: Database,
        limits: LedgerLimits,
        deliver: Callable[[Sequence[Joined], Sequence[Kpi]], None],
    ) -> None:
        self._database = database
        self._limits = limits
        self._deliver = deliver
        self._news = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting: deque[Prediction] = deque()
        self._batch: list[rows.Row] = []  # taken out of ``_waiting``, not yet committed
        self._since: float | None = None  # when the oldest began to wait
        self._settled: tuple[list[int], list[str]] = [], []
        self._settle_at: float | None = None
        self._handed: tuple[set[int], set[str]] = set(), set()  # given out, not confirmed
        self._doubt = True  # something may be undelivered that was never handed out
        self._retry_at = 0.0
        self._closing = False
        self.error = ""
        self.logged = 0
        self.lost = 0
        self.joined = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @property
    def pending(self) -> int:
        return len(self._waiting) + len(self._batch)

    def start(self) -> None:
        self._thread.start()

    def offer(self, predictions: Sequence[Prediction]) -> None:
        """Never waits; what there is no room for is lost and counted."""
        with self._news:
            room = max(0, self._limits.waiting - self.pending)
            if len(predictions) > room:
                self.lost += len(predictions) - room
                predictions = predictions[:room]
            if predictions:
                self._waiting.extend(predictions)
                if self._since is None:
                    self._since = time.monotonic()
                    self._news.notify()

    def submit(self, work: Work[T], *, durable: bool) -> Future[T]:
        """Do it in a transaction of its own.  Raises OperationRefused when too many wait."""
        future: Future[T] = Future()
        with self._news:
            if self._closing or len(self._jobs) >= self._limits.jobs:
                why = "is closing" if self._closing else f"has {len(self._jobs)} calls waiting"
                raise OperationRefused(f"{self._database.where}: the ledger {why}; try again later")
            self._jobs.append(_Job(work, future, durable))
            self._news.notify()
        return future

    def settle(self, joins: Sequence[int], events: Sequence[str]) -> None:
        """Mark these as delivered, a little later: the judge's evidence goes to the disk first."""
        if not joins and not events:
            return
        with self._news:
            self._settled[0].extend(joins)
            self._settled[1].extend(events)
            if self._settle_at is None:
                self._settle_at = time.monotonic() + self._limits.settle
                self._news.notify()

    def close(self, timeout: float) -> None:
        """Write what waits, for at most ``timeout`` seconds."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._news:
                while (patience := self._patience(time.monotonic())) != 0.0:
                    self._news.wait(patience)
                closing = self._closing
                job = self._jobs.popleft() if self._jobs else None
            if job is not None:
                self._do(job)
            try:
                self._chores(time.monotonic(), closing)
            except Exception as error:  # a fault of this program's must not end the thread
                log.exception("ledger: %d predictions are lost", len(self._batch))
                self.lost += len(self._batch)
                self._batch = []
                self._failed(StateError(f"{self._database.where}: {error!r}"))
            if closing and not self._jobs:
                break
        self.lost += self.pending
        self._database.close()

    def _chores(self, now: float, closing: bool) -> None:
        """What nobody waits for, when it is due."""
        if closing or now >= self._retry_at:
            self._flush(now, closing)
            self._confirm(now, closing)
            self._catch_up()

    def _patience(self, now: float) -> float | None:
        """Seconds until something is due: 0.0 at once, None when nothing is."""
        if self._jobs or self._closing:
            return 0.0
        due: list[float] = []
        if self._batch or len(self._waiting) >= self._limits.batch:
            due.append(now)
        elif self._since is not None:
            due.append(self._since + self._limits.linger)
        if self._settle_at is not None:
            due.append(self._settle_at)
        if self._doubt:
            due.append(now)
        return max(0.0, min(due) - now, self._retry_at - now) if due else None

    def _do(self, job: _Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            with self._database.write(durable=job.durable) as connection:
                result = job.work(connection)
        except StateError as error:
            self._failed(error)
            job.future.set_exception(error)
        except Exception as error:  # the work's own: whoever waits for it gets it
            job.future.set_exception(error)
        else:
            self._well()
            if isinstance(result, HandsOut):
                self.hand_out(result.joined, result.kpis)
            job.future.set_result(result)

    def _flush(self, now: float, closing: bool) -> None:
        """Write the batches that are due; between two of them, whoever waits comes first."""
        while self._next_batch(now, closing):
            joined = self._log(self._batch)
            if joined is None:
                return
            self._batch = []
            if joined:
                self.hand_out(joined, [])
                self._deliver(joined, [])
            if self._jobs and not closing:
                return

    def _next_batch(self, now: float, closing: bool) -> bool:
        with self._news:
            due = self._since is not None and now >= self._since + self._limits.linger
            if not self._batch and (closing or due or len(self._waiting) >= self._limits.batch):
                many = min(self._limits.batch, len(self._waiting))
                taken = [self._waiting.popleft() for _ in range(many)]
                self._batch = [row for each in taken if (row := self._row(each)) is not None]
                self._since = now if self._waiting else None
        return bool(self._batch)

    def _row(self, prediction: Prediction) -> rows.Row | None:
        try:
            return rows.of_prediction(prediction)
        except (TypeError, ValueError) as error:  # not JSON: whoever made it has a fault
            self.lost += 1
            log.warning("ledger: a prediction cannot be written and is lost: %r", error)
            return None

    def _log(self, batch: list[rows.Row]) -> list[Joined] | None:
        """One transaction; None when it has to be tried again.  A row that no database takes is
        found by halves, and lost alone."""
        try:
            with self._database.write(durable=False) as connection:
                joined = writing.log(connection, batch)
        except Unavailable as error:
            if not error.lasting:
                self._failed(error)
                return None
            if len(batch) == 1:
                self.lost += 1
                log.warning("ledger: a prediction was refused and is lost: %s", error)
                return []
            middle = len(batch) // 2
            first, second = self._log(batch[:middle]), self._log(batch[middle:])
            return None if first is None or second is None else first + second
        except StateError as error:
            self._failed(error)
            return None
        self.logged += len(batch)
        self._well()
        return joined

    def hand_out(self, joined: Sequence[Joined], kpis: Sequence[Kpi]) -> None:
        """These go to the judge: not again by ``_catch_up``."""
        self.joined += len(joined)
        self._handed[0].update(each.id for each in joined)
        self._handed[1].update(each.event_id for each in kpis)

    def _confirm(self, now: float, closing: bool) -> None:
        with self._news:
            if self._settle_at is None or (now < self._settle_at and not closing):
                return
            joins, events = self._settled
            self._settled = [], []
            self._settle_at = None
        try:
            with self._database.write(durable=False) as connection:
                writing.settle(connection, joins, events)
        except StateError as error:
            self._failed(error)
            self.settle(joins, events)
        else:
            self._handed[0].difference_update(joins)
            self._handed[1].difference_update(events)
            self._well()

    def _catch_up(self) -> None:
        """Deliver what is committed but was never handed out: at the start, and after a commit
        of which nobody knows whether it was done."""
        join = event = -1
        limit = self._limits.batch
        while self._doubt and not self._closing:
            try:
                with self._database.write(durable=False) as connection:
                    joined, events = writing.undelivered(connection, join, event, limit)
            except StateError as error:
                self._failed(error)
                return
            self._well(certain=len(joined) < limit and len(events) < limit)
            join = joined[-1].id if joined else join
            event = events[-1][0] if events else event
            met = [each for each in joined if each.id not in self._handed[0]]
            kpis = [kpi for _, kpi in events if kpi.event_id not in self._handed[1]]
            if met or kpis:
                self.hand_out(met, kpis)
                self._deliver(met, kpis)

    def _failed(self, error: StateError) -> None:
        if not self.error:
            log.warning("ledger: %s", error)
        self.error = str(error)
        self._doubt = True
        self._retry_at = time.monotonic() + self._limits.retry

    def _well(self, *, certain: bool = False) -> None:
        if self.error:
            log.warning("ledger: %s is written again", self._database.where)
        self.error = ""
        self._retry_at = 0.0
        if certain:
            self._doubt = False
