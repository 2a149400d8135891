"""Pairs to comparisons: a pump on the desk's loop, in slices that nobody feels.

A pair is read on the loop, a few milliseconds at a time, with rests in between that keep to the
budget; larger bodies, figures and files are for a thread.  Only the pump touches a comparison, one
thing after the other, so nothing here is locked.  What comes faster than there is time for is
sampled down by customer and counted; what there is no room for is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from proxy.errors import StateError
from proxy.feedback import Prediction
from proxy.measure import ANSWERED, Report
from proxy.routing.plan import ModelPlan, Plan
from proxy.settings import Comparing
from proxy.steering.compared import Running, View, recovered, size_of, targets
from proxy.steering.pacing import Pacing
from proxy.store.comparisons import ComparisonFiles
from proxy.terms import Arm, Pair

if TYPE_CHECKING:
    from proxy.store.ledger import Joined

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds of the loop's time in one slice.
SLICE: Final = 0.002
#: Pairs that may wait, and the bytes of their bodies together.
MOST_WAITING: Final = 4_000
MOST_BYTES: Final = 64 * 1024 * 1024
#: Bytes of a pair's bodies from which on it is read in a thread.
LARGE: Final = 16 * 1024
#: Labels that may wait before those who bring more are made to.
MOST_LABELS: Final = 20_000
#: Seconds between two saves of one comparison, and two looks at its figures.
SAVE_EVERY: Final = 10.0
LOOK_EVERY: Final = 5.0
#: Figures that are younger answer a question at once.
FRESH: Final = 1.0
#: Of the budget, what figures may take, and what files.
_FOR_EITHER: Final = 0.1
#: Seconds that stopping may take for what still waits.
_PATIENCE: Final = 1.0


class Comparisons:
    """All comparisons of the config.

    ``offer`` and ``label`` never wait; ``run`` works until ``stop``.  ``log`` takes predictions
    for the ledger, ``settled`` the labels that are in a file; neither waits.  ``clock`` gives
    seconds since the epoch.
    """

    def __init__(
        self,
        rules: Mapping[str, Comparing],
        plan: Plan,
        files: ComparisonFiles,
        log: Callable[[Sequence[Prediction]], None],
        settled: Callable[[Sequence[Joined]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules, self._plan = rules, plan
        self._files, self._log, self._settled, self._clock = files, log, settled, clock
        self._models: dict[str, dict[str, Running]] = {}  # model -> shadow
        self._changed = True  # the rules or the plan have
        self._waiting: deque[tuple[Running, Pair]] = deque()
        self._bytes = 0
        self._labels: deque[Joined] = deque()
        self._asked: list[tuple[Running, asyncio.Future[View]]] = []
        self._news = asyncio.Event()
        self._stopping = self._more_due = False
        self._look_cost = self._save_cost = 0.0  # seconds
        self._faults = 0
        self.pacing = Pacing(_budget(rules))
        self.longest = 0.0  # seconds that the loop was held at once
        self.compared = 0  # pairs, since the start

    # ---- from the loop

    def use(self, rules: Mapping[str, Comparing]) -> None:
        """The file was read again."""
        self._rules, self._changed = rules, True
        self.pacing.budget = _budget(rules)
        self._news.set()

    def follow(self, plan: Plan) -> None:
        """Another plan is in force."""
        self._plan, self._changed = plan, True
        self._news.set()

    def offer(self, report: Report) -> None:
        """What a worker told: pairs, copies, and whom stable answered."""
        if not self._models:
            return
        for pair in report.pairs:
            for running in targets(pair, self._models.get(pair.model, {})):
                self._take(running, pair)
        for counts in report.models:
            for version, running in self._models.get(counts.model, {}).items():
                copies, dropped = counts.copies.get(version, {}), counts.pairs_dropped
                running.copied(copies, dropped.get(version, 0))
        for tally in report.tallies:
            if tally.arm == Arm.STABLE and tally.model in self._models:
                n = sum(tally.outcomes.get(it, 0) for it in ANSWERED)
                for running in self._models[tally.model].values():
                    if running.stable == tally.version:
                        running.answered(tally.segment, n)

    def label(self, joined: Sequence[Joined]) -> None:
        """Truths about predictions of shadows."""
        self._labels.extend(joined)
        self._news.set()

    async def room(self) -> None:
        """Wait until there is room for more labels."""
        while len(self._labels) > MOST_LABELS and not self._stopping:  # noqa: ASYNC110 - seldom
            await asyncio.sleep(0.05)

    def views(self) -> Iterator[View]:
        """What each comparison said last."""
        for running in self.all():
            if running.view is not None:
                yield running.view

    def of(self, model: str) -> dict[str, View | None]:
        """The same of one model, by shadow; None for one that has not been looked at yet."""
        return {version: it.view for version, it in self._models.get(model, {}).items()}

    async def look(self, model: str, version: str) -> View | None:
        """What it says now; None when there is no such comparison (any more)."""
        running = self._models.get(model, {}).get(version)
        if running is None or self._stopping:
            return None if running is None else running.view
        view = running.view
        if view is not None and self._clock() - view.summary.at < FRESH:
            return view
        wanted: asyncio.Future[View] = asyncio.get_running_loop().create_future()
        self._asked.append((running, wanted))
        self._news.set()
        return await wanted

    @property
    def waiting(self) -> int:
        """Pairs and labels that were not read yet."""
        return len(self._waiting) + len(self._labels)

    # ---- the pump

    async def run(self) -> None:
        """Compare what is offered, until ``stop``; then keep what was compared."""
        while not self._stopping:
            try:
                await self.turn()
            except Exception:  # a fault of ours in one turn does not end them all
                log.exception("comparisons: a turn failed")
                await asyncio.sleep(1.0)
            pause = self.pacing.pause()
            if pause > 0:
                await asyncio.sleep(pause)
            if not (self.waiting or self._asked or self._changed or self._more_due):
                await self._quiet()
        until = time.monotonic() + _PATIENCE
        while (self._waiting or self._labels) and time.monotonic() < until:
            await self._slice()
            await asyncio.sleep(0)
        for running, _ in self._waiting:
            running.lost()
        for running in self.all():
            running.tell()
            running.unsaved = True  # so that the file says until when it was compared
            await self._save(running)
        for running, wanted in self._asked:
            _resolve(wanted, running.view)

    def stop(self) -> None:
        """Ask ``run`` to end."""
        self._stopping = True
        self._news.set()

    async def turn(self) -> None:
        """One slice of pairs and labels, and what is due."""
        if self._changed:
            await self._follow()
        await self._slice()
        for running in self.all():
            running.tell()
        await self._due(self._clock())
        asked, self._asked = self._asked, []
        for running, wanted in asked:
            if running.view is None or self._clock() - running.view.summary.at >= FRESH:
                await self._look(running)
            _resolve(wanted, running.view)
        crowded = len(self._waiting) > MOST_WAITING / 2 or self._bytes > MOST_BYTES / 2
        if self.pacing.settle(time.monotonic(), crowded=crowded):
            for running in self.all():
                running.comparison.rate = self.pacing.rate
                running.unseen = True

    async def _quiet(self) -> None:
        """Nothing to do until there is news, or something is due."""
        try:
            async with asyncio.timeout(1.0):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    def _take(self, running: Running, pair: Pair) -> None:
        self.pacing.offered()
        if not running.comparison.takes(pair):
            running.passed_over()
            return
        size = size_of(pair)
        if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
            running.lost()
            return
        self._waiting.append((running, pair))
        self._bytes += size
        self._news.set()

    async def _slice(self) -> None:
        began, done, large = time.perf_counter(), 0, None
        while self._labels and time.perf_counter() - began < SLICE / 2:
            self._label(self._labels.popleft())
        cpu = time.thread_time()
        self.pacing.worked(time.perf_counter() - began)
        while self._waiting and time.perf_counter() - began < SLICE:
            running, pair = self._waiting.popleft()
            self._bytes -= (size := size_of(pair))
            if size >= LARGE:
                large = running, pair
                break
            self._compare(running, pair)
            done += 1
        self._hand_on()
        self.pacing.compared(done, time.thread_time() - cpu)
        self.longest = max(self.longest, time.perf_counter() - began)
        if large is not None:
            running, pair = large
            spent = await _apart(lambda: self._compare(running, pair))
            self.pacing.compared(1, spent[1])
            self._hand_on()

    def _compare(self, running: Running, pair: Pair) -> None:
        try:
            running.add(pair)
            self.compared += 1
        except Exception:  # one pair that finds a fault of ours ends no comparison
            running.lost()
            self._faults += 1
            if self._faults <= 3:
                log.exception("%s: a pair of %s was not compared", running.model, running.version)

    def _label(self, joined: Joined) -> None:
        made = joined.prediction
        running = self._models.get(made.model, {}).get(made.version)
        if running is None:
            self._settled([joined])  # its comparison is over
        else:
            running.label(joined)

    def _hand_on(self) -> None:
        for running in self.all():
            if running.predictions:
                found, running.predictions = running.predictions, []
                self._log(found)

    # ---- what is due

    async def _due(self, now: float) -> None:
        """One save and one look at most: pairs do not wait for those of all comparisons."""
        saves = self._every(SAVE_EVERY, self._save_cost)
        looks = self._every(LOOK_EVERY, self._look_cost)
        save = next((it for it in self.all() if it.unsaved and now - it.saved_at >= saves), None)
        if save is not None:
            await self._save(save)
        look = next((it for it in self.all() if it.unseen and now - it.viewed_at >= looks), None)
        if look is not None:
            await self._look(look)
        self._more_due = save is not None or look is not None

    async def _look(self, running: Running) -> None:
        now = self._clock()
        running.unseen, running.viewed_at = False, now
        try:
            view, spent = await _apart(lambda: running.look(now))
        except Exception:
            log.exception("%s: the comparison of %s has no figures", running.model, running.version)
            return
        running.view = view
        self._look_cost += 0.3 * (spent - self._look_cost)
        self.pacing.worked(spent)

    def _every(self, seconds: float, cost: float) -> float:
        """``seconds``; more where many comparisons would take too much of the budget."""
        together = cost * sum(map(len, self._models.values()))
        return max(seconds, together / (self.pacing.budget * _FOR_EITHER))

    async def _save(self, running: Running) -> None:
        """To its file; labels that are in it are settled."""
        if not running.unsaved and not running.unsettled:
            return
        now = self._clock()
        running.unsaved = False
        settled, running.unsettled = running.unsettled, []
        before = running.saved_at
        running.saved_at = now  # the next try, too
        try:
            _, spent = await _apart(lambda: self._files.write(running.kept(now)))
        except StateError as error:
            if not running.error:
                log.warning("comparison: %s", error)
            running.error, running.unsaved = str(error), True
            running.unsettled = settled + running.unsettled
            running.saved_at = before if self._stopping else now
            return
        running.error = ""
        self._save_cost += 0.3 * (spent - self._save_cost)
        self.pacing.worked(spent)
        if settled:
            self._settled(settled)

    async def _follow(self) -> None:
        """The comparisons that plan and rules ask for: the same go on, others begin or end."""
        self._changed = False
        wanted = {model.name: model for model in self._plan.models if model.name in self._rules}
        for name in [*self._models]:
            shadows = {it.version for it in wanted[name].shadows} if name in wanted else set()
            for version, running in list(self._models[name].items()):
                how = self._rules.get(name)
                goes_on = (
                    version in shadows
                    and running.stable == wanted[name].stable
                    and how is not None
                    and running.use(how)
                )
                if not goes_on:
                    await self._end(running)
        for model in wanted.values():
            await self._begin(model)

    async def _end(self, running: Running) -> None:
        running.tell()
        await self._save(running)
        del self._models[running.model][running.version]
        if not self._models[running.model]:
            del self._models[running.model]
        self._waiting = deque(it for it in self._waiting if it[0] is not running)
        self._bytes = sum(size_of(pair) for _, pair in self._waiting)

    async def _begin(self, model: ModelPlan) -> None:
        how = self._rules[model.name]
        for shadow in model.shadows:
            if shadow.version in self._models.get(model.name, {}):
                continue
            now = self._clock()
            files, name, version, stable = self._files, model.name, shadow.version, model.stable
            running, _ = await _apart(lambda: recovered(files, how, (name, version, stable), now))  # noqa: B023
            running.comparison.rate = self.pacing.rate
            self._models.setdefault(model.name, {})[shadow.version] = running

    def all(self) -> Iterator[Running]:
        """Every comparison that runs; to be looked at."""
        for several in self._models.values():
            yield from several.values()


async def _apart(work: Callable[[], T]) -> tuple[T, float]:
    """Done in a thread, and the CPU seconds that it took."""

    def timed() -> tuple[T, float]:
        began = time.thread_time()
        return work(), time.thread_time() - began

    return await asyncio.to_thread(timed)


def _resolve(wanted: asyncio.Future[View], view: View | None) -> None:
    if not wanted.done():
        if view is None:
            wanted.cancel()
        else:
            wanted.set_result(view)


def _budget(rules: Mapping[str, Comparing]) -> float:
    """Of all models together."""
    return max((it.cpu for it in rules.values()), default=0.3)
