"""``POST /v1/feedback`` and ``/v1/signals``: what the world said later.

Bodies are larger here than anywhere else, and are split and read in slices beside the loop, on
which the desk judges.  One broken item costs only itself; a ledger that cannot commit costs all of
a request, and nothing of it is taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from proxy.admin import packed
from proxy.admin.api import answer, asked
from proxy.admin.packed import ENCODINGS, Unpacker
from proxy.admin.problems import Problem
from proxy.errors import StateError
from proxy.feedback import Broken, Document, Fault, Forms, Item, Lines, Splitter, alertmanager
from proxy.feedback.bodies import Raw, TooMany
from proxy.feedback.values import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.steering.feedback import Feedback

LARGEST_BODY: Final = 10 * 1024 * 1024  # bytes, of what was compressed as well
MOST_EVENTS: Final = 250_000
MOST_SIGNALS: Final = 1_000
#: Rejected items that an answer tells of, unless it was asked for more.
TOLD: Final = 100
MOST_TOLD: Final = 10_000
#: Items that a thread reads before the loop is asked again.
SLICE: Final = 2_000
#: Bodies that are read at the same time; each may take a tenth of a gigabyte of memory.
AT_ONCE: Final = 2
BODY_SECONDS: Final = 60.0
TURN_SECONDS: Final = 20.0
RETRY_AFTER: Final = {"Retry-After": "5"}

LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
DOCUMENTS: Final = frozenset(
    {
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }
)
#: Paths with their content types; none is one that a plain form can send (guard.py).
CONTENT_TYPES: Final = {
    "/v1/feedback": DOCUMENTS | LINES,
    "/v1/signals": DOCUMENTS | LINES,
}

FEEDBACK: Final = web.AppKey["Feedback"]("feedback")
_TURN: Final = web.AppKey("feedback_turn", asyncio.Semaphore)

routes = web.RouteTableDef()


class Rejected(msgspec.Struct):
    index: int
    problem: str


class Read:
    """What was read of one request: events, the first faults, and how many there were in all."""

    def __init__(self, forms: Forms, most: int, told: int) -> None:
        self.items: list[Item] = []
        self.rejected: list[Rejected] = []
        self.faults = 0
        self._forms = forms
        self._most = most
        self._told = told

    def add(self, raw: Sequence[tuple[int, Raw]]) -> None:
        """Raises Problem 413 for too many."""
        if len(self.items) + self.faults + len(raw) > self._most:
            raise _too_many(self._most)
        read = self._forms.read
        for index, each in raw:
            self.keep(read(index, each))

    def keep(self, one: Item | Fault) -> None:
        if isinstance(one, Item):
            self.items.append(one)
            return
        self.faults += 1
        if len(self.rejected) < self._told:
            self.rejected.append(Rejected(one.index, one.problem))

    def told(self) -> dict[str, Any]:
        return {"rejected": self.rejected, "rejected_total": self.faults}


def add(app: web.Application, feedback: Feedback | None) -> None:
    """Put the routes and what they need into the application."""
    if feedback is not None:
        app[FEEDBACK] = feedback
    app[_TURN] = asyncio.Semaphore(AT_ONCE)
    app.add_routes(routes)


@routes.post("/v1/feedback")
async def post_feedback(request: web.Request) -> web.Response:
    """Labels and KPI events; the answer says what became of each."""
    told, feedback = _told(request, frozenset({"rejected"})), _feedback(request)
    async with _turn(request):
        read = Read(Forms(_now(), feedback.models, feedback.hashed), MOST_EVENTS, told)
        splitter = _splitter(request, "events", MOST_EVENTS)
        async for piece in _pieces(request):
            await asyncio.to_thread(_each, read, splitter.feed, piece)
        await _finish(read, splitter)
        try:
            receipt = await feedback.take(read.items, read.faults)
        except StateError as error:
            detail = f"Nothing was taken, send it again: {error}"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=RETRY_AFTER) from error
    return _answered(msgspec.to_builtins(receipt), read, "events")


@routes.post("/v1/signals")
async def post_signals(request: web.Request) -> web.Response:
    """Alarms of downstream systems: Alertmanager's webhook, or the plain form."""
    told, feedback = _told(request, frozenset({"rejected", "source"})), _feedback(request)
    source = request.query.get("source", alertmanager.SOURCE)
    if not (0 < len(source) <= LONGEST_NAME and source.isprintable()):
        detail = f"source: a text of 1 to {LONGEST_NAME} printable characters is needed"
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    async with _turn(request):
        now = _now()
        forms = Forms(now, feedback.models, feedback.hashed, ("signal",), "signal")
        read = Read(forms, MOST_SIGNALS, told)
        body = b"".join([piece async for piece in _pieces(request)])
        if request.content_type in DOCUMENTS and alertmanager.is_webhook(body):
            alerts = alertmanager.read(body, now, source)
            await asyncio.to_thread(_alerts, read, alerts)
        else:
            splitter = _splitter(request, "signals", MOST_SIGNALS)
            await asyncio.to_thread(_each, read, splitter.feed, body)
            await _finish(read, splitter)
        noted = await feedback.signals.take(read.items)
    return _answered(msgspec.to_builtins(noted), read, "signals")


@routes.get("/v1/signals")
async def get_signals(request: web.Request) -> web.Response:
    """The last signals, the latest first, with what each brought about."""
    asked(request, frozenset())
    return answer({"signals": list(reversed(_feedback(request).signals.recent))})


def _now() -> float:
    """Events are of the world, whatever clock the desk is given."""
    return time.time()


def _feedback(request: web.Request) -> Feedback:
    found = request.app.get(FEEDBACK)
    if found is None:
        detail = "This desk has no ledger to keep feedback in; its log says why"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=RETRY_AFTER)
    return found


def _told(request: web.Request, allowed: frozenset[str]) -> int:
    text = asked(request, allowed).get("rejected", str(TOLD))
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > MOST_TOLD:
        detail = f"rejected: a number from 0 to {MOST_TOLD} is needed, found {text[:100]!r}"
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    return int(text)


@asynccontextmanager
async def _turn(request: web.Request) -> AsyncIterator[None]:
    """Few large bodies at once.  Raises Problem 503 when it is nobody's turn for long."""
    turn = request.app[_TURN]
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError:
        detail = f"{AT_ONCE} others are being read; send it again"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=RETRY_AFTER) from None
    try:
        yield
    finally:
        turn.release()


def _splitter(request: web.Request, wrapper: str, most: int) -> Splitter:
    return Lines(most) if request.content_type in LINES else Document(wrapper, most)


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes, unpacked.  Raises Problem 400, 408, 413, 415."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ENCODINGS:
        detail = f"Content-Encoding: found {encoding[:50]!r}; allowed are {', '.join(ENCODINGS)}"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large(f"{request.content_length} bytes")
    unpacker = Unpacker(encoding, LARGEST_BODY)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                yield await _unpacked(unpacker, piece, encoding)
        unpacker.finish()
    except TimeoutError:
        detail = f"The body did not come within {BODY_SECONDS:g} s"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail) from None
    except packed.TooLarge:
        raise _too_large(f"more than {LARGEST_BODY} bytes, unpacked") from None
    except packed.Broken as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body is no {encoding}: {error}") from error


async def _unpacked(unpacker: Unpacker, piece: bytes, encoding: str) -> bytes:
    """Little may become much: that is done beside the loop."""
    if encoding == ENCODINGS[0]:
        return unpacker.feed(piece)
    return await asyncio.to_thread(unpacker.feed, piece)


def _too_large(found: str) -> Problem:
    detail = f"The body is too large: found {found}; allowed are {LARGEST_BODY}. Send it in parts"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _too_many(most: int) -> Problem:
    detail = f"The body holds more than {most} items; send them in several"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _each(read: Read, feed: Any, piece: bytes) -> None:
    try:
        read.add(feed(piece))
    except TooMany as many:
        raise _too_many(many.args[0]) from None


def _alerts(read: Read, alerts: Iterator[Item | Fault]) -> None:
    try:
        for done, one in enumerate(alerts, 1):
            if done > MOST_SIGNALS:
                detail = f"The webhook holds more than {MOST_SIGNALS} alerts"
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            read.keep(one)
    except Broken as broken:
        raise Problem(HTTPStatus.BAD_REQUEST, str(broken)) from broken


async def _finish(read: Read, splitter: Splitter) -> None:
    """Read what is left.  Raises Problem 400 when the body as a whole is broken."""
    try:
        left = await asyncio.to_thread(splitter.finish)
    except TooMany as many:
        raise _too_many(many.args[0]) from None
    except Broken as broken:
        raise Problem(HTTPStatus.BAD_REQUEST, str(broken)) from broken
    for start in range(0, len(left), SLICE):
        await asyncio.to_thread(read.add, left[start : start + SLICE])


def _answered(done: dict[str, Any], read: Read, things: str) -> web.Response:
    """200 when something was good; else 422 with the same numbers."""
    if read.items:
        return answer({**done, **read.told()})
    what = f"None of the {read.faults} {things} can be taken" if read.faults else "It is empty"
    raise Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        what,
        problems=[f"{it.index}: {it.problem}" for it in read.rejected],
        more={**done, **msgspec.to_builtins(read.told())},
    )
