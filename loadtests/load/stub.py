"""A model server that does as it is told: ``python -m loadtests.load.stub --port P --version V``.

Answers any POST like the Open Inference Protocol's ``infer``, and one whose path ends in
``_stream`` with server-sent events.  ``POST /_stub`` with a JSON object changes how it behaves
from then on (``Behaviour``), ``GET /_stub`` says how many requests it has met; any other GET is
a health check and answered with 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, cast

import uvloop

_EVENTS: Final = "data: "


@dataclass(slots=True)
class Behaviour:
    """How requests are answered; times in seconds."""

    delay: float = 0.0
    error_share: float = 0.0  # of the requests, answered with 500
    hang: bool = False  # takes requests and never answers
    events: int = 40  # of a stream
    event_every: float = 0.05
    cut_after: int = 0  # a stream breaks off after so many events; 0: never

    def change(self, content: dict[str, Any]) -> None:
        """Raises ValueError when a field is unknown."""
        known = [field.name for field in fields(self)]
        for name, value in content.items():
            if name not in known:
                raise ValueError(f"found {name!r}; allowed: {', '.join(known)}")
            setattr(self, name, value)


class Server:
    """One version; its connections share what they are told and what they count."""

    def __init__(self, version: str, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.chance = random.Random(version)
        answer = {
            "model_name": "credit-risk",
            "model_version": version,
            "outputs": [
                {
                    "name": "predict_proba",
                    "shape": [1, 2],
                    "datatype": "FP64",
                    "data": [0.78, 0.22],
                }
            ],
        }
        self.good = _answer("200 OK", json.dumps(answer).encode())
        self.bad = _answer("500 Internal Server Error", b'{"error": "told to fail"}')
        event = json.dumps({"model_version": version, "outputs": ["a word or two"]})
        self.event = f"{_EVENTS}{event}\n\n".encode()
        self.tasks: set[asyncio.Task[None]] = set()

    def told(self, body: bytes) -> bytes:
        """Change the behaviour, or refuse to."""
        try:
            self.behaviour.change(json.loads(body))
        except (ValueError, AttributeError) as error:
            return _answer("400 Bad Request", str(error).encode())
        return self.counts()

    def counts(self) -> bytes:
        state = {"requests": self.requests, **asdict(self.behaviour)}
        return _answer("200 OK", json.dumps(state).encode())


class Connection(asyncio.Protocol):
    """Requests with a Content-Length or without a body, one after the other: no more is sent."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (request := self._next()) is not None:
            self._answer(*request)

    def _next(self) -> tuple[str, str, bytes] | None:
        """Method, path and body of the next whole request."""
        head, mark, _ = self._unread.partition(b"\r\n\r\n")
        if not mark:
            return None
        size = 0
        first, *lines = bytes(head).split(b"\r\n")
        for line in lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        whole = len(head) + 4 + size
        if len(self._unread) < whole:
            return None
        body = bytes(self._unread[whole - size : whole])
        del self._unread[:whole]
        method, path, _ = first.decode("latin-1").split(" ", 2)
        return method, path.partition("?")[0], body

    def _answer(self, method: str, path: str, body: bytes) -> None:
        server = self._server
        if path == "/_stub":
            self._send(server.told(body) if method == "POST" else server.counts())
        elif method == "GET":
            self._send(_answer("200 OK", b"{}"))
        else:
            server.requests += 1
            self._infer(path)

    def _infer(self, path: str) -> None:
        server, how = self._server, self._server.behaviour
        if how.hang:
            return
        if path.endswith("_stream"):
            task = asyncio.get_running_loop().create_task(self._stream(), name="stream")
            server.tasks.add(task)
            task.add_done_callback(server.tasks.discard)
            return
        good = not how.error_share or server.chance.random() >= how.error_share
        answer = server.good if good else server.bad
        if how.delay:
            asyncio.get_running_loop().call_later(how.delay, self._send, answer)
        else:
            self._send(answer)

    async def _stream(self) -> None:
        how = self._server.behaviour
        self._send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        due = loop.time() + how.delay
        for number in range(how.events):
            await asyncio.sleep(due - loop.time())
            if how.cut_after and number == how.cut_after:
                if self._transport is not None:
                    self._transport.abort()
                return
            self._send(_chunk(self._server.event))
            due += how.event_every
        self._send(_chunk(f"{_EVENTS}[DONE]\n\n".encode()) + b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def serve(server: Server, port: int) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port)
    await listening.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A model server that does as it is told.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", required=True, help="what its answers say they come from")
    parser.add_argument("--behave", default="{}", help="JSON: how it behaves from the start")
    given = parser.parse_args()
    behaviour = Behaviour()
    try:
        behaviour.change(json.loads(given.behave))
    except (ValueError, AttributeError) as error:
        parser.error(f"--behave: {error}")
    uvloop.run(serve(Server(given.version, behaviour), given.port))


if __name__ == "__main__":
    main()
