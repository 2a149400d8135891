"""Dialogues: callers, a Plane and model servers in one thread, without a socket or a loop.

    scene = stage(model())              # a Plane with this model
    caller = scene.caller()
    caller >> post(b"hello")            # the caller sends
    scene["1"].hears(...)               # what version 1's server was sent
    scene["1"] << ok(b"hi")             # it answers
    assert caller.answers() == [...]    # what the caller was sent

Time stands still but for ``scene.wait(seconds)``.  Whatever a loop would do later (closing,
dialling, reading on) is done by ``settle``, which every step ends with.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from dialogue_bytes import Answer, answers, ok
from dialogue_plans import VERSIONS

from proxy.measure import ModelTally, Report, Tally, merge
from proxy.measure.tally import merge_model
from proxy.net import SECOND, ScriptedTransport
from proxy.routing.plan import Endpoint, Plan
from proxy.steering.workers import Workers
from proxy.traffic import Plane
from proxy.traffic.connection import CallerConnection
from proxy.traffic.forward import UpstreamConnection

END = object()  # the other side's FIN


class Clock:
    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


class Wire(ScriptedTransport):
    """The Plane's end of one connection, and the other side's hands on it."""

    def __init__(self, scene: Scene, peer: tuple[str, int]) -> None:
        super().__init__(peer)
        self.scene = scene
        self.protocol: Any = None
        self.inbox: deque[Any] = deque()
        self.lost = False
        self.stuck = False  # takes nothing more: writes stay in the buffer
        self.full = False
        self.pauses = 0
        self.everything = b""

    def connect(self, protocol: Any) -> None:
        self.protocol = protocol
        self.scene.wires.append(self)
        protocol.connection_made(self)

    # --- the Plane's side ---

    def write(self, data: Any) -> None:
        assert not self.ended_writing, f"written after the end: {bytes(data)!r}"
        if self.closed:
            return
        super().write(data)
        self.everything += bytes(data)
        if self.stuck:
            self.buffered += len(data)
            if not self.full and self.buffered > 65_536:
                self.full = True
                self.pauses += 1
                self.protocol.pause_writing()

    # --- the other side's ---

    def send(self, *data: Any) -> None:
        self.inbox.extend(data)
        self.scene.settle()

    def stall(self) -> None:
        """Takes nothing more for now."""
        self.stuck = True

    def drink(self) -> None:
        """Takes everything again."""
        self.stuck, self.buffered = False, 0
        if self.full:
            self.full = False
            if not self.lost:
                self.protocol.resume_writing()
        self.scene.settle()

    def leave(self, error: Exception | None = None) -> None:
        """Goes away: with a FIN, or a reset when ``error`` is one."""
        if error is None:
            self.send(END)
        else:
            self.lose(error)
            self.scene.settle()

    def lose(self, error: Exception | None = None) -> None:
        if not self.lost:
            self.lost = self.closed = True
            self.inbox.clear()
            self.protocol.connection_lost(error)

    def step(self) -> bool:
        """Does one thing that a loop would do; whether there was one."""
        if self.lost:
            return False
        if self.aborted or (self.closed and not self.buffered):
            self.lose()
            return True
        if self.inbox and self.reading and not self.closed:
            data = self.inbox.popleft()
            if data is not END:
                self.protocol.data_received(data)
            elif not self.protocol.eof_received():
                self.close()
            return True
        return False


class Dial:
    """A connection on its way: ``dial`` awaits it, the scene decides it."""

    def __init__(self, endpoint: Endpoint, make: Callable[[], Any]) -> None:
        self.endpoint = endpoint
        self.make = make
        self.work: Coroutine[Any, Any, None] | None = None

    def __await__(self) -> Generator[Dial, Any, Any]:
        return (yield self)


class Server:
    """The model server of one version: its connections, and what it was sent."""

    def __init__(self, scene: Scene, version: str) -> None:
        self.scene = scene
        self.version = version
        self.links: list[Wire] = []
        self.fate: str | Exception = "accept"  # or "hang", or the error of every dial

    @property
    def link(self) -> Wire:
        """The connection whose request is under way, else the newest."""
        busy = [w for w in self.links if not w.lost and w.protocol.busy]
        assert len(busy) < 2, f"version {self.version} has {len(busy)} requests under way"
        return busy[0] if busy else self.links[-1]

    @property
    def open(self) -> list[Wire]:
        return [wire for wire in self.links if not wire.closed]

    def __lshift__(self, data: bytes) -> Server:
        """It sends ``data`` to the Plane."""
        self.link.send(data)
        return self

    def got(self) -> bytes:
        """What it was sent since the last look, on all its connections."""
        return b"".join(wire.take() for wire in self.links)

    def leave(self, error: Exception | None = None) -> None:
        self.link.leave(error)


class Caller:
    """One caller's connection."""

    def __init__(self, scene: Scene, address: str) -> None:
        self.wire = Wire(scene, (address, 40_000))
        self.protocol = CallerConnection(scene.plane)
        self.wire.connect(self.protocol)
        self.methods: list[bytes] = []

    def __rshift__(self, data: bytes) -> Caller:
        """It sends ``data`` to the Plane."""
        self.wire.send(data)
        return self

    def got(self) -> bytes:
        return self.wire.take()

    def leave(self, error: Exception | None = None) -> None:
        self.wire.leave(error)

    def answers(self, *methods: bytes) -> list[Answer]:
        """What it was sent since the last look, taken apart."""
        return answers(self.got(), *methods, ended=self.wire.closed or self.wire.ended_writing)

    def answer(self, method: bytes = b"GET") -> Answer:
        """The one answer that it was sent since the last look."""
        found = self.answers(method)
        assert len(found) == 1, f"{len(found)} answers: {found}"
        return found[0]

    @property
    def closed(self) -> bool:
        return self.wire.closed or self.wire.ended_writing


class Scene:
    """A Plane, whoever calls it, and whom it calls."""

    def __init__(self, plan: Plan, clock: Clock, *, heard: bool = True) -> None:
        self.clock = clock
        self.wires: list[Wire] = []
        self.dials: list[Dial] = []
        self._servers: dict[str, Server] = {}
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._models: dict[str, ModelTally] = {}
        self.seen = Report(0)
        self.desk = Workers()
        self._chances = 0
        self.plane = Plane(0, self._chance)
        self.plane.apply(plan)
        if heard:
            self.plane.desk_heard()

    def _chance(self) -> bytes:
        self._chances += 1
        return b"chance-%d" % self._chances

    def caller(self, address: str = "192.0.2.1") -> Caller:
        return Caller(self, address)

    def __getitem__(self, version: str) -> Server:
        found = self._servers.get(version)
        if found is None:
            found = self._servers[version] = Server(self, version)
        return found

    # --- what a loop does ---

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        dial = work.send(None)
        dial.work = work
        self.dials.append(dial)

    def settle(self) -> None:
        while any(wire.step() for wire in self.wires) or self._dial():
            pass
        self.wires = [wire for wire in self.wires if not wire.lost]

    def _dial(self) -> bool:
        for dial in self.dials:
            server = self[VERSIONS[dial.endpoint.port]]
            if server.fate == "hang":
                continue
            self.dials.remove(dial)
            try:
                if isinstance(server.fate, Exception):
                    dial.work.throw(server.fate)
                else:
                    wire = Wire(self, ("127.0.0.1", dial.endpoint.port))
                    wire.connect(dial.make())
                    server.links.append(wire)
                    dial.work.send(wire.protocol)
            except StopIteration:
                return True
            raise AssertionError("a dial went on after its end")
        return False

    def wait(self, seconds: float) -> None:
        """Time passes, a sweep at its end."""
        self.clock.now += int(seconds * SECOND)
        self.plane.deadlines.sweep(self.clock.now)
        self.settle()

    # --- what was counted ---

    def look(self, *, whole: bool = False) -> Report:
        """Takes a report, and adds it to all that was seen."""
        report = self.plane.report(whole)
        self._compare(report)
        for tally in report.tallies:
            key = (tally.version, tally.arm, tally.segment)
            merge(self._tallies.setdefault(key, Tally("", *key)), tally)
        for model in report.models:
            merge_model(self._models.setdefault(model.model, ModelTally(model.model)), model)
        for reason, n in report.refused.items():
            self.seen.refused[reason] = self.seen.refused.get(reason, 0) + n
        self.seen.pairs += report.pairs
        self.seen.log += report.log
        return report

    def _compare(self, report: Report) -> None:
        """Reports tell what has changed; added up they are what a look at everything finds."""
        self.desk.report(0, report, 0.0)
        board, stock = self.plane._live, self.plane._stock
        assert board is not None
        truth = [upstream._state() for route in board.routes for upstream in route.upstreams]
        assert {str(state) for _, state in self.desk.endpoints()} == set(map(str, truth))
        goals = Counter(
            (str(wire.protocol.pool.goal.endpoint), wire.protocol.pool.goal.shadow)
            for wire in self.wires
            if not wire.lost and isinstance(wire.protocol, UpstreamConnection)
        )
        assert self.desk.connections() == goals
        mirrors = [m for each in self.plane._mirrors.values() for m in each.values()]
        assert report.in_flight == sum(room.in_flight for room in stock.rooms.values())
        assert report.copies_in_flight == sum(mirror.in_flight for mirror in mirrors)
        assert report.copies_bytes == sum(mirror.held for mirror in mirrors)

    def outcomes(self, segment: str = "") -> dict[str, dict[str, int]]:
        """``version/arm`` -> outcome -> count, since the beginning."""
        self.look()
        return {
            f"{v}/{arm}": t.outcomes for (v, arm, s), t in self._tallies.items() if s == segment
        }

    def tally(self, version: str, arm: str, segment: str = "") -> Tally:
        self.look()
        return self._tallies[version, arm, segment]

    def model(self, name: str = "m") -> ModelTally:
        self.look()
        return self._models.get(name, ModelTally(name))

    def refused(self) -> dict[str, int]:
        """Reason -> count: before any model, and by the model."""
        self.look()
        found = dict(self.seen.refused)
        for model in self._models.values():
            for reason, n in model.refused.items():
                found[reason] = found.get(reason, 0) + n
        return found

    def at_rest(self) -> None:
        """Nothing is under way and nothing leaked."""
        report = self.look()
        assert report.in_flight == 0
        assert report.copies_in_flight == 0
        assert report.copies_bytes == 0
        assert self.plane.recording.held == 0, "a pair's bytes were never given back"
        evidence = self.plane.evidence
        assert evidence.under_way == evidence.held == 0, "a sample never ended"
        assert [state for _, state in self.desk.endpoints() if state.in_flight] == []
        assert not any(room.waiting for room in self.plane._stock.rooms.values())
        live = [wire for wire in self.wires if not wire.lost]
        assert len(self.plane.deadlines) == len(live), "the Deadlines hold something that is over"
        for wire in live:
            idle = isinstance(wire.protocol, UpstreamConnection) and not wire.closed
            assert not idle or wire.reading, "a connection was kept that does not read"


def arm(scene: Scene, raw: bytes) -> str:
    """Who answers ``raw``, in the answer's own words."""
    caller = scene.caller()
    caller >> raw
    for version in ("1", "2"):
        if any(not w.lost and w.protocol.busy for w in scene[version].links):
            scene[version] << ok()
    answer = caller.answer()
    caller.leave()
    return f"{answer.fields['x-model-version']} {answer.fields['x-model-arm']}"
