"""The OpenAI API: chat, completions and embeddings, whole or streamed.

A row is one choice of the answer, or one embedding, in the order of its index.  A stream (server-
sent events) is put together again to the text that a caller would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.payload.columns import Columns, Unreadable, Value, kind
from proxy.payload.decoding import json_of, media_type, must_be_few
from proxy.payload.tables import plain

STREAM: Final = "text/event-stream"
_MOST_CHOICES: Final = 128
#: What a request asks for besides its text; each is one column.
_SETTINGS: Final = ("model", "temperature", "top_p", "max_tokens", "n", "seed", "stream", "user")


def request(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    """One row: the text that is asked (``input``), and the settings that came with it."""
    document = _mapping(json_of(body), "messages, prompt or input")
    columns: dict[str, list[Value]] = {}
    if isinstance(messages := document.get("messages"), list):
        columns["input"] = ["\n".join(_content(it) for it in messages)]
    elif (given := document.get("prompt", document.get("input"))) is not None:
        columns["input"] = [plain(given)]
    else:
        raise Unreadable("schema", "found none of messages, prompt, input")
    for name in _SETTINGS:
        value = document.get(name)
        if value is not None and not isinstance(value, list | dict):
            columns[name] = [value]
    return Columns(1, columns)


def answer(body: bytes, names: Sequence[str], content_type: str) -> Columns:
    """``text``, ``finish_reason`` and ``tool_calls`` of each choice; or each ``embedding``."""
    # A proxy of the model's may have lost the type of its stream.
    if media_type(content_type)[0] == STREAM or body.startswith((b"data:", b"event:", b": ")):
        return _choices(_streamed(body))
    document = _mapping(json_of(body), "choices or data")
    if isinstance(document.get("choices"), list):
        return _choices([_whole(it) for it in document["choices"]])
    if isinstance(document.get("data"), list):
        return _embeddings(document["data"])
    said = "an error" if "error" in document else "none of them"
    raise Unreadable("schema", f"found {said}; allowed is choices or data")


class _Choice:
    """One choice, while it is put together."""

    __slots__ = ("calls", "index", "reason", "text")

    def __init__(self, index: int) -> None:
        self.index, self.reason = index, ""
        self.text: list[str] = []
        self.calls: dict[int, list[str]] = {}

    def add(self, message: object, text: object) -> None:
        """What a message, a piece of one or a completion's text says."""
        if isinstance(text, str):
            self.text.append(text)
        if not isinstance(message, dict):
            return
        self.text.append(_content(message))
        calls = message.get("tool_calls")
        for at, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict) and isinstance(made := call.get("function"), dict):
                place = call.get("index", at)
                parts = self.calls.setdefault(place if isinstance(place, int) else at, [])
                parts += [str(made[name]) for name in ("name", "arguments") if made.get(name)]


def _whole(item: object) -> _Choice:
    given = _mapping(item, "a choice")
    choice = _Choice(_index(given))
    message = given.get("message")
    if not isinstance(message, dict) and not isinstance(given.get("text"), str):
        raise Unreadable("schema", "found a choice without message and text")
    choice.add(message, given.get("text"))
    choice.reason = str(given.get("finish_reason") or "")
    return choice


def _streamed(body: bytes) -> list[_Choice]:
    """The choices of a stream.  One that neither says ``[DONE]`` nor why each choice ended was
    cut on its way: ``truncated``."""
    choices: dict[int, _Choice] = {}
    done = False
    must_be_few(body.count(b"data:"))
    for data in _events(body):
        if data == b"[DONE]":
            done = True
            break
        try:
            piece = _mapping(json_of(data), "choices")
        except Unreadable:
            if done or not body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
                raise Unreadable("truncated", "found a stream that ends within an event") from None
            raise
        if "error" in piece:
            raise Unreadable("schema", "found an error in the stream")
        given = piece.get("choices")
        for item in given if isinstance(given, list) else ():
            item = _mapping(item, "a choice")
            index = _index(item)
            choice = choices.setdefault(index, _Choice(index))
            choice.add(item.get("delta"), item.get("text"))
            choice.reason = str(item.get("finish_reason") or choice.reason)
            if len(choices) > _MOST_CHOICES:
                raise Unreadable("too_large", f"found more than {_MOST_CHOICES} choices")
    if not done and not (choices and all(it.reason for it in choices.values())):
        raise Unreadable("truncated", "found a stream without its end")
    return list(choices.values())


def _events(body: bytes) -> Iterator[bytes]:
    """The data of each event: the WHATWG's rules, as far as they concern ``data``."""
    parts: list[bytes] = []
    for line in body.splitlines():
        if not line:
            if parts:
                yield b"\n".join(parts)
            parts = []
        elif line.startswith(b"data:"):
            parts.append(line[6:] if line[5:6] == b" " else line[5:])
    if parts:
        yield b"\n".join(parts)


def _choices(choices: list[_Choice]) -> Columns:
    choices.sort(key=lambda it: it.index)
    columns: dict[str, list[Value]] = {
        "text": ["".join(it.text) for it in choices],
        "finish_reason": [it.reason for it in choices],
    }
    if any(it.calls for it in choices):
        columns["tool_calls"] = [
            ["".join(it.calls[at]) for at in sorted(it.calls)] for it in choices
        ]
    return Columns(len(choices), columns)


def _embeddings(data: list[Any]) -> Columns:
    rows = sorted((_mapping(it, "an embedding") for it in data), key=_index)
    vectors = [it.get("embedding") for it in rows]
    if any(isinstance(it, str) for it in vectors):
        raise Unreadable("unsupported", "found embeddings in base64; read are lists of numbers")
    if not all(isinstance(it, list) for it in vectors):
        raise Unreadable("schema", "found data without embeddings")
    return Columns(len(rows), {"embedding": [plain(it) for it in vectors]})


def _content(message: object) -> str:
    """The text of a message, plain or in parts; what it refuses with is its text as well."""
    if not isinstance(message, dict):
        return ""
    content = message.get("content")
    if isinstance(content, list):
        parts = [it.get("text") for it in content if isinstance(it, dict)]
        return "".join(it for it in parts if isinstance(it, str))
    refusal = message.get("refusal")
    return (content if isinstance(content, str) else "") + (
        refusal if isinstance(refusal, str) else ""
    )


def _index(item: dict[str, Any]) -> int:
    index = item.get("index", 0)
    return index if isinstance(index, int) else 0


def _mapping(value: object, allowed: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("schema", f"found {kind(value)}; allowed is a mapping with {allowed}")
    return value
