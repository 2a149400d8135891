"""What stands beside the desk: the ledger, what the world says later, the samples.

None of it is needed for a revert: a ledger that is down costs log rows and feedback, never
traffic, and never a tick.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from proxy.errors import PointsmanError
from proxy.net import Tasks
from proxy.routing.plan import Plan
from proxy.settings import RETENTION, Settings, comparisons, examinations, feedback_policies
from proxy.steering.comparing import Comparisons
from proxy.steering.feedback import Feedback
from proxy.steering.loop import ReleaseDesk
from proxy.steering.samples import Samples
from proxy.steering.status import LedgerStatus
from proxy.store.comparisons import ComparisonFiles
from proxy.store.ledger import Ledger

log = logging.getLogger(__name__)

#: Seconds between two rounds of removing what is too old.
SWEEP_EVERY: Final = 600.0
#: Seconds that the comparisons may take to write what they know.
STOPPING: Final = 5.0
#: The folder of their files.
COMPARISON: Final = "comparison"


class Beside:
    """Opened with the desk, closed before it.  Raises StateError for an impossible database."""

    def __init__(self, desk: ReleaseDesk, settings: Settings, hash_key: str) -> None:
        self._desk = desk
        self._settings = settings
        self._tasks = Tasks()
        self.ledger = Ledger(
            settings.database_url(), lambda joined, kpis: self.feedback.deliver(joined, kpis)
        )
        self.feedback = Feedback(
            desk, self.ledger, hash_key, feedback_policies(settings), desk.plan, time.time()
        )
        self.samples = Samples(desk, self.ledger.offer, examinations(settings))
        self.comparisons = Comparisons(
            comparisons(settings),
            desk.plan,
            ComparisonFiles(settings.state_dir / COMPARISON),
            self.ledger.offer,
            self.ledger.delivered,
        )
        self.feedback.comparing = self.comparisons
        for model, course in desk.trials():
            if course.recovered:
                self.feedback.restore(model, course.version, course.began, course.steps)
        desk.sampled = self.samples.offer
        desk.reported = self.comparisons.offer
        desk.compared = self.comparisons.of
        self._comparing: asyncio.Task[None] | None = None
        desk.ledger = self._ledger_status

    def start(self) -> None:
        """Begin, on the running loop."""
        self.ledger.start()
        self._tasks.start(self.samples.run(), "samples")
        self._comparing = self._tasks.start(self.comparisons.run(), "comparisons")
        self._tasks.start(self._sweep_for_ever(), "sweep")

    def follow(self, plan: Plan) -> None:
        """Another plan is in force."""
        self.feedback.follow(plan, time.time())
        self.comparisons.follow(plan)

    def use(self, settings: Settings) -> None:
        """The file was read again, and is in force."""
        self._settings = settings
        self.feedback.use(feedback_policies(settings), self._desk.plan, time.time())
        self.samples.use(examinations(settings))
        self.comparisons.use(comparisons(settings))

    def _ledger_status(self) -> LedgerStatus:
        now = self.ledger.status()
        return LedgerStatus(now.database, now.error, now.logged, now.lost, now.pending)

    async def close(self) -> None:
        self.comparisons.stop()
        if self._comparing is not None:
            await asyncio.wait({self._comparing}, timeout=STOPPING)
        await self._tasks.cancel()
        await self.ledger.close()

    async def sweep(self, now: float) -> None:
        """Remove what is too old.

        A model that the config does not name (any more) may be another host's in the same
        database, or a slip of the pen: what it logged stays for the usual time.
        """
        found = examinations(self._settings)
        kept = {name: it.retention for name, it in found.items() if it.retention > 0}
        least = self._settings.database.feedback_retention
        try:
            await self.ledger.sweep(now, kept, RETENTION, least)
        except PointsmanError as error:
            log.warning("ledger: what is too old could not be removed: %s", error)
        except Exception:  # a fault of this program's: without rounds it would grow for ever
            log.exception("ledger: what is too old could not be removed")

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            await self.sweep(time.time())
