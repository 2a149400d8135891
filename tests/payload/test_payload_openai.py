"""OpenAI answers: chat, completions, embeddings, and streams put together again."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.payload import Reading, Unreadable, read_answer, read_request

OPENAI = Reading("openai")
SSE = "text/event-stream; charset=utf-8"


def chat(*texts, reason="stop"):
    return {
        "object": "chat.completion",
        "choices": [
            {
                "index": k,
                "message": {"role": "assistant", "content": text},
                "finish_reason": reason,
            }
            for k, text in enumerate(texts)
        ],
    }


def stream(*pieces, reason="stop", done=True, index=0, end="\n\n"):
    deltas = [{"role": "assistant"}, *({"content": it} for it in pieces)]
    lines = [
        f"data: {json.dumps({'choices': [{'index': index, 'delta': it, 'finish_reason': None}]})}"
        for it in deltas
    ]
    last = {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}
    if reason:
        lines.append(f"data: {json.dumps(last)}")
    if done:
        lines.append("data: [DONE]")
    return "".join(line + end for line in lines).encode()


def read(document, content_type="application/json", encoding=""):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_answer(OPENAI, body, content_type, encoding)


def test_each_choice_is_a_row_in_the_order_of_its_index():
    found = chat("first", "second")
    found["choices"].reverse()
    columns = read(found).columns
    assert columns["text"] == ["first", "second"]
    assert columns["finish_reason"] == ["stop", "stop"]


def test_a_completion_and_a_refusal_and_parts_are_texts():
    assert read({"choices": [{"text": "x", "index": 0}]}).columns["text"] == ["x"]
    refused = {"choices": [{"message": {"content": None, "refusal": "no"}}]}
    assert read(refused).columns["text"] == ["no"]
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read({"choices": [{"message": {"content": parts}}]}).columns["text"] == ["ab"]


def test_tool_calls_are_read():
    calls = [{"function": {"name": "f", "arguments": '{"x":1}'}}]
    found = read({"choices": [{"message": {"content": None, "tool_calls": calls}}]})
    assert found.columns["tool_calls"] == [['f{"x":1}']]


def test_embeddings_are_vectors_by_index():
    data = [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]
    assert read({"object": "list", "data": data}).columns["embedding"] == [[1, 2], [3, 4]]


@given(st.lists(st.text(max_size=8), max_size=6), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_a_stream_says_what_the_whole_answer_would(pieces, end):
    whole = read(chat("".join(pieces))).columns
    assert read(stream(*pieces, end=end), SSE).columns == whole


def test_a_stream_is_known_without_its_type_and_may_be_compressed():
    assert read(stream("a", "b"), "").columns["text"] == ["ab"]
    assert read(gzip.compress(stream("a", "b")), SSE, "gzip").columns["text"] == ["ab"]


@pytest.mark.parametrize(
    "body",
    [
        stream("a", "b", reason=None, done=False),
        stream("a", "b")[:120],
        b"",
        stream("a", "b", reason=None, done=False)[:-7],
    ],
)
def test_a_stream_without_its_end_is_truncated(body):
    with pytest.raises(Unreadable) as raised:
        read(body, SSE)
    assert raised.value.reason == "truncated"


def test_a_stream_that_says_why_it_ended_needs_no_done():
    assert read(stream("a", done=False), SSE).columns["text"] == ["a"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"message": "secret"}}, "schema"),
        ([], "schema"),
        ({"choices": [{}]}, "schema"),
        ({"data": [{"embedding": "AAAA"}]}, "unsupported"),
        (b"data: {broken\n\n", "syntax"),
        (b'data: {"error": {}}\n\n', "schema"),
    ],
)
def test_what_is_no_answer_is_said(body, reason):
    with pytest.raises(Unreadable) as raised:
        read(body)
    assert raised.value.reason == reason
    assert "secret" not in str(raised.value)


def test_a_request_is_its_text_and_settings():
    body = json.dumps(
        {"model": "m", "temperature": 0.2, "messages": [{"content": "a"}, {"content": "b"}]}
    )
    columns = read_request(OPENAI, body.encode()).columns
    assert columns == {"input": ["a\nb"], "model": ["m"], "temperature": [0.2]}


def test_other_protocols_read_no_stream():
    with pytest.raises(Unreadable, match="stream of events"):
        read_answer(Reading("mlflow"), stream("a"), SSE)
