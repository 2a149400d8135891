"""Bytes to HTTP heads and bodies and back.

Law: pure.  Whatever two servers could read differently is refused, in both directions.
An own scanner serves; llhttp (httptools) is its oracle in the tests.
"""

from proxy.wire.answer import CHUNKED, UNTIL_CLOSE, AnswerBook, AnswerHead, framed
from proxy.wire.chunks import LAST_CHUNK, BadChunk, ChunkDecoder, encode, last
from proxy.wire.memory import HeadMemory
from proxy.wire.problem import problem
from proxy.wire.request import RequestBook, RequestHead

__all__ = [
    "CHUNKED",
    "LAST_CHUNK",
    "UNTIL_CLOSE",
    "AnswerBook",
    "AnswerHead",
    "BadChunk",
    "ChunkDecoder",
    "HeadMemory",
    "RequestBook",
    "RequestHead",
    "encode",
    "framed",
    "last",
    "problem",
]
