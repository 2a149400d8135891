"""Answers that cannot just be passed on: framed anew, the last on a connection, or stable's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.wire import AnswerHead, encode, framed, last

if TYPE_CHECKING:
    from proxy.traffic.board import ModelRoute
    from proxy.traffic.exchange import Exchange


def reframed(
    exchange: Exchange,
    route: ModelRoute,
    head: AnswerHead,
    pieces: list[bytes],
    complete: bool,
    trailers: list[bytes],
) -> list[bytes]:
    """What goes out of an answer's head, and of the ``pieces`` that came with it."""
    arm, minor = exchange.arm, exchange.head.minor
    assert arm is not None
    if head.length < 0:
        exchange.framed = minor == 1
        exchange.ends = minor == 0
    if exchange.ends or not exchange.complete or exchange.plane.draining:
        exchange.close = True
    text = framed(head, exchange.framed, exchange.close, minor)
    if exchange.fallback:
        arm = route.stable
        text += b"\r\nx-fallback: " + exchange.fallback.encode()
    if exchange.framed:
        pieces = [encode(pieces), last(trailers) if complete else b""]
    return [text, arm.answer_lines, exchange.request_id, b"\r\n\r\n", *pieces]
