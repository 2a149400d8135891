"""What callers and model servers say, put together and taken apart: a strict reader of answers."""

from __future__ import annotations

from typing import NamedTuple


def post(body: bytes = b"hello", *lines: str, target: str = "/m", minor: int = 1) -> bytes:
    return request("POST", target, f"Content-Length: {len(body)}", *lines, minor=minor) + body


def get(*lines: str, target: str = "/m", minor: int = 1) -> bytes:
    return request("GET", target, *lines, minor=minor)


def request(method: str, target: str, *lines: str, minor: int = 1) -> bytes:
    head = [f"{method} {target} HTTP/1.{minor}", "Host: m.example", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return coded + b"0\r\n" + trailers + b"\r\n"


def ok(body: bytes = b"fine", *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


class Answer(NamedTuple):
    """One answer as a caller reads it; ``whole`` False when it was cut."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bool = True
    trailers: bytes = b""


def answers(data: bytes, *methods: bytes, ended: bool) -> list[Answer]:
    """Takes a stream of answers apart, strictly; the methods they answer, GET when not said."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"no whole head: {head!r}"
        start, *lines = head.decode("latin-1").split("\r\n")
        version, status, *_ = start.split(" ")
        assert version == "HTTP/1.1", f"no status line: {start!r}"
        fields = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon or line.endswith(":"), f"no header line: {line!r}"
            fields[name.lower()] = (
                f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
            )
        if int(status) < 200:
            found.append(Answer(int(status), fields, b""))
            continue
        method = methods[len(found)] if len(found) < len(methods) else b"GET"
        bodiless = method == b"HEAD" or status in ("204", "304")
        answer, data = _body(int(status), fields, data, bodiless, ended)
        found.append(answer)
    return found


def _body(
    status: int, fields: dict[str, str], data: bytes, bodiless: bool, ended: bool
) -> tuple[Answer, bytes]:
    if bodiless:
        return Answer(status, fields, b""), data
    if "transfer-encoding" in fields:
        assert fields["transfer-encoding"] == "chunked"
        assert "content-length" not in fields
        return _chunks(status, fields, data)
    if "content-length" in fields:
        size = int(fields["content-length"])
        return Answer(status, fields, data[:size], len(data) >= size), data[size:]
    return Answer(status, fields, data, ended), b""


def _chunks(status: int, fields: dict[str, str], data: bytes) -> tuple[Answer, bytes]:
    body = b""
    while True:
        line, end, rest = data.partition(b"\r\n")
        if not end:
            return Answer(status, fields, body, whole=False), b""
        size = int(line, 16)
        if not size:
            trailers, end, rest = (b"\r\n" + rest).partition(b"\r\n\r\n")
            return Answer(status, fields, body, bool(end), trailers[2:]), rest
        body += rest[:size]
        if len(rest) < size + 2:
            return Answer(status, fields, body, whole=False), b""
        assert rest[size : size + 2] == b"\r\n", f"no end of a chunk: {rest[size:][:20]!r}"
        data = rest[size + 2 :]
