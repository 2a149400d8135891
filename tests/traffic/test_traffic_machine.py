"""Anything in any order: what holds for every interleaving of callers, servers and time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from dialogue import Caller, Scene, Wire
from dialogue_bytes import answers, chunked, request
from dialogue_plans import PORTS, model, plan, shadow, versions
from dialogue_stage import staged
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.routing.plan import (
    Endpoint,
    Fallback,
    JsonRewrite,
    ModelLimits,
    ModelPlan,
    SamplePlan,
    VersionPlan,
    WatchPlan,
)
from proxy.traffic.forward import UpstreamConnection

ROOM: Final = ModelLimits(in_flight=2, queue=2, queue_wait=3.0, hold=3000, body=200_000)
SHADOWS: Final = (
    shadow("3", in_flight=1, queue=2, bytes=5000, deadline=5.0),
    shadow("4", in_flight=2, queue=1, deadline=5.0, json=JsonRewrite("/a", "b")),
)


def the_model(canary: float | None = 50) -> ModelPlan:
    both = (Endpoint("127.0.0.1", PORTS["1"]), Endpoint("127.0.0.1", PORTS["1b"]))
    return model(
        canary=canary,
        versions=(VersionPlan("1", both), *versions("2", "3", "4")),
        shadows=SHADOWS,
        limits=ROOM,
        safe_to_repeat=True,
        fallback=Fallback(first_byte=2.0),
        watch=WatchPlan(2.0, SamplePlan(30, "samples", canary=True, bytes=30_000)),
    )


class Link:
    """A model server's end of one connection: it answers what it was asked, in its own time."""

    def __init__(self) -> None:
        self.seen = 0  # where the request begins that is being answered
        self.answered = False  # its answer has begun
        self.saying = b""

    def asked(self, wire: Wire) -> bytes | None:
        """The id of the next request whose head has come."""
        if self.answered:
            length = _length(wire.everything[self.seen :])
            if self.seen + length > len(wire.everything):
                return None
            self.seen += length
            self.answered = False
        head, end, _ = wire.everything[self.seen :].partition(b"\r\n\r\n")
        if not end:
            return None
        assert head.count(b"HTTP/1.1\r\n") == 1, f"two requests in one: {head!r}"
        return head.rpartition(b"x-request-id: ")[2]

    def answer_whole(self, wire: Wire) -> None:
        """Answers in full what came whole."""
        if self.saying or self.asked(wire) is not None:
            data = wire.everything[self.seen :]
            if self.saying or _length(data) <= len(data):
                self.start(wire, 0)
                said, self.saying = self.saying, b""
                wire.send(said)

    def start(self, wire: Wire, n: int) -> None:
        if self.saying:
            return
        asked = self.asked(wire)
        if asked is None:
            return
        self.answered = True
        body = b"<%b>" % asked + b"." * (n % 3 * 40_000)
        status = (b"200 OK", b"200 OK", b"404 No", b"503 Oops")[n % 4]
        if n % 5 == 0:
            self.saying = b"HTTP/1.1 103 Hints\r\n\r\n"
        if n % 2:
            self.saying += b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n" % status
            self.saying += chunked(body[:9], body[9:], trailers=b"X-Sum: 1\r\n" * (n % 7 == 0))
        else:
            self.saying += b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            self.saying += body


def _length(data: bytes) -> int:
    """Bytes of the whole request that ``data`` begins with."""
    head, _, body = data.partition(b"\r\n\r\n")
    size = len(head) + 4
    if b"transfer-encoding" in head:
        end = body.find(b"0\r\n\r\n") + 5
        return size + (end if end > 4 else 1 << 30)
    if b"ontent-" in head:
        return size + int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return size


class Play:
    """One scene, and whatever happens in it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.links: dict[Wire, Link] = {}
        self.asked = 0
        self.caller = self.new_caller()
        self.callers: list[Speaker] = [self.caller]

    def new_caller(self) -> Speaker:
        return Speaker(self.scene.caller(), self)

    def servers(self) -> list[Wire]:
        wires = [w for w in self.scene.wires if isinstance(w.protocol, UpstreamConnection)]
        return [wire for wire in wires if not wire.closed]

    # --- events ---

    def ask(self, n: int) -> None:
        speaker = self.callers[n % len(self.callers)]
        if not speaker.caller.closed:
            speaker.ask(n)

    def go_on(self, n: int) -> None:
        speaker = self.callers[n % len(self.callers)]
        if not speaker.caller.closed:
            speaker.go_on(n)

    def serve(self, n: int) -> None:
        wires = self.servers()
        if wires:
            wire = wires[n % len(wires)]
            link = self.links.setdefault(wire, Link())
            link.start(wire, n >> 3)
            size = (1, 30, 1000, 1 << 20)[n % 4]
            part, link.saying = link.saying[:size], link.saying[size:]
            if part:
                wire.send(part)

    def serve_all(self, n: int) -> None:
        for at in range(len(self.servers())):
            self.serve(n // 4 * 4 + 3 + 0 * at if at == 0 else (n // 4 * 4 + 3) + 4 * at)

    def server_leaves(self, n: int) -> None:
        wires = self.servers()
        if wires:
            wires[n % len(wires)].leave(ConnectionResetError() if n & 64 else None)

    def server_babbles(self, n: int) -> None:
        wires = [wire for wire in self.servers() if not wire.protocol.busy]
        if wires:
            wires[n % len(wires)].send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<evil>")

    def fate(self, n: int) -> None:
        server = self.scene[("1", "1b", "2", "3", "4")[n % 5]]
        server.fate = ("accept", "accept", "hang", OSError("gone"))[n // 5 % 4]
        self.scene.settle()

    def stall(self, n: int) -> None:
        wires = self.scene.wires
        if wires:
            wires[n % len(wires)].stall()

    def drink(self, n: int) -> None:
        wires = self.scene.wires
        if wires:
            wires[n % len(wires)].drink()

    def leave(self, n: int) -> None:
        speaker = self.callers[n % len(self.callers)]
        speaker.caller.leave(ConnectionResetError() if n & 64 else None)

    def arrive(self, n: int) -> None:
        self.callers.append(self.new_caller())

    def wait(self, n: int) -> None:
        self.scene.wait((0.5, 2.5, 6, 31)[n % 4])

    def swap(self, n: int) -> None:
        canary = (None, 50, 100)[n % 3]
        self.scene.plane.apply(plan(the_model(canary), number=n, desk_silence=3600.0))
        if n & 8:
            self.scene.plane.board = self.scene.plane._safe

    def look(self) -> None:
        """What holds after every event."""
        plane = self.scene.plane
        for room in plane._stock.rooms.values():
            assert 0 <= room.in_flight <= ROOM.in_flight
            assert len(room.waiting) <= ROOM.queue
        for mirror in (m for each in plane._mirrors.values() for m in each.values()):
            assert mirror.held >= 0
            assert 0 <= mirror.in_flight <= 2
        for speaker in self.callers:
            speaker.check()

    def all_go_well(self) -> None:
        """Whoever is still there says what it has to say: every request gets its answer."""
        for version in PORTS:
            self.scene[version].fate = "accept"
        self.scene.settle()
        for _ in range(3 * self.asked + 3):
            for wire in list(self.scene.wires):
                wire.drink()
            for speaker in self.callers:
                if not speaker.caller.closed:
                    speaker.go_on(3)
            for wire in self.servers():
                self.links.setdefault(wire, Link()).answer_whole(wire)
        for speaker in self.callers:
            answered = speaker.check()
            assert speaker.caller.closed or answered == len(speaker.ids), "one was forgotten"

    def end(self) -> None:
        """Everybody goes; nothing may be left."""
        self.all_go_well()
        self.scene.wait(40)
        for speaker in self.callers:
            speaker.caller.leave()
        for _ in range(4):
            self.scene.wait(6)
        self.look()
        self.scene.at_rest()
        counted = self.scene.model()
        taken = sum(counted.customers.values())
        for results in counted.copies.values():
            assert sum(results.values()) == taken, "each copy that was offered has one result"


class Speaker:
    """A caller who asks, and checks what it hears."""

    def __init__(self, caller: Caller, play: Play) -> None:
        self.caller = caller
        self.play = play
        self.ids: list[bytes] = []
        self.unsaid = b""

    def ask(self, n: int) -> None:
        self.play.asked += 1
        mine = b"id-%d" % self.play.asked
        self.ids.append(mine)
        body = b'{"a": "%b"}' % (b"x" * (n % 5 * 1500))
        lines = [f"X-Request-Id: {mine.decode()}", f"X-Customer-Id: {n % 11}"]
        if n % 3 == 0:
            self.unsaid += request("GET", "/m", *lines)
        elif n % 3 == 1:
            self.unsaid += request("POST", "/m", f"Content-Length: {len(body)}", *lines) + body
        else:
            coded = chunked(body[:7], body[7:])
            self.unsaid += request("POST", "/m", "Transfer-Encoding: chunked", *lines) + coded
        self.go_on(n >> 4)

    def go_on(self, n: int) -> None:
        size = (1, 50, 2000, 1 << 20)[n % 4]
        part, self.unsaid = self.unsaid[:size], self.unsaid[size:]
        if part:
            self.caller >> part

    def check(self) -> int:
        """Answers come in order, each to its own request, and no more than were asked.

        How many came, the last one perhaps in part.
        """
        heard = self.caller.wire.everything
        at = 0
        for answer in answers(heard, ended=self.caller.closed):
            if answer.status < 200:
                continue
            if answer.status == 408 and answer.fields["x-request-id"].encode() not in self.ids:
                continue  # to a head that did not come whole
            assert at < len(self.ids), "an answer to nothing"
            assert answer.fields["x-request-id"].encode() == self.ids[at]
            if answer.fields.get("content-type") != "application/problem+json":
                expected = b"<%b>" % self.ids[at]
                assert answer.body[: len(expected)] == expected[: len(answer.body)]
                assert not answer.body[len(expected) :].strip(b".")
            at += 1
        return at


EVENTS: Final[tuple[Callable[[Play, int], None], ...]] = (
    Play.ask, Play.ask, Play.ask, Play.go_on, Play.go_on, Play.serve, Play.serve, Play.serve,
    Play.serve_all, Play.server_leaves, Play.server_babbles, Play.fate, Play.stall, Play.drink,
    Play.leave, Play.arrive, Play.wait, Play.swap,
)  # fmt: skip


@settings(max_examples=int(os.environ.get("POINTSMAN_EXAMPLES", "150")))
@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 1 << 12)), min_size=15, max_size=80)
)
def test_whatever_happens(events: list[tuple[Callable[[Play, int], None], int]]) -> None:
    with staged() as stage:
        play = Play(stage(the_model()))
        for event, n in events:
            event(play, n)
            play.look()
        play.end()
