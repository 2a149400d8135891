"""Which protocol a body is read by: one door for requests, one for answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from proxy.payload import documents, openai, pointers, tensors
from proxy.payload.columns import Columns, Unreadable
from proxy.payload.decoding import MOST, expanded, json_of, media_type
from proxy.payload.pointers import Pointers

Protocol = Literal["open-inference-v2", "kserve-v1", "mlflow", "sagemaker", "openai", "custom"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)
_Read: TypeAlias = Callable[[bytes, Sequence[str], str], Columns]
_REQUESTS: Final[dict[str, _Read]] = {
    "kserve-v1": documents.kserve_request,
    "mlflow": documents.mlflow_request,
    "sagemaker": documents.sagemaker_request,
    "openai": openai.request,
}
_ANSWERS: Final[dict[str, _Read]] = {
    "kserve-v1": documents.kserve_answer,
    "mlflow": documents.mlflow_answer,
    "sagemaker": documents.sagemaker_answer,
    "openai": openai.answer,
}


class Reading(msgspec.Struct, frozen=True):
    """How the bodies of one model are read.

    ``names`` are those of the columns of a table that brings none, in its order; a table of
    another width keeps its own name.  ``request`` and ``answer`` are for ``custom`` only.
    """

    protocol: Protocol = "open-inference-v2"
    names: tuple[str, ...] = ()
    request: Pointers | None = None
    answer: Pointers | None = None
    most: int = MOST  # bytes of an expanded body


def read_request(
    reading: Reading,
    body: bytes,
    content_type: str = "",
    encoding: str = "",
    *,
    header: int | None = None,
) -> Columns:
    """A request's inputs.  Raises ``Unreadable``, and nothing else.

    ``header`` is the value of Inference-Header-Content-Length, where it is known.
    """
    names = reading.names
    read = _REQUESTS.get(reading.protocol)
    with _Only():
        plain = _plain(reading, body, content_type, encoding)
        if read is not None:
            return read(plain, names, content_type)
        if reading.protocol == "custom":
            return pointers.read(plain, _given(reading.request))
        return tensors.read(plain, "inputs", names, header=header)


def read_answer(
    reading: Reading,
    body: bytes,
    content_type: str = "",
    encoding: str = "",
    *,
    header: int | None = None,
) -> Columns:
    """An answer's outputs.  Raises ``Unreadable``, and nothing else."""
    read = _ANSWERS.get(reading.protocol)
    with _Only():
        plain = _plain(reading, body, content_type, encoding)
        if read is not None:
            return read(plain, (), content_type)
        if reading.protocol == "custom":
            return pointers.read(plain, _given(reading.answer))
        return tensors.read(plain, "outputs", header=header)


def read_document(reading: Reading, body: bytes, content_type: str = "", encoding: str = "") -> Any:
    """The whole JSON value of a body.  Raises ``Unreadable``, and nothing else."""
    with _Only():
        return json_of(_plain(reading, body, content_type, encoding))


def _plain(reading: Reading, body: bytes, content_type: str, encoding: str) -> bytes:
    # Tokens of a stream are no rows; and no fault of whoever streams.
    if (
        content_type
        and media_type(content_type)[0] == openai.STREAM
        and reading.protocol != "openai"
    ):
        raise Unreadable("unsupported", "found a stream of events")
    return expanded(body, encoding, reading.most)


def _given(where: Pointers | None) -> Pointers:
    if where is None:
        raise Unreadable("unsupported", "no pointers are configured")
    return where


class _Only:
    """Lets nothing but ``Unreadable`` out: a body that finds a fault of ours ends nobody's loop."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: object
    ) -> Literal[False]:
        if kind is not None and issubclass(kind, Exception) and not issubclass(kind, Unreadable):
            raise Unreadable("syntax", f"found what could not be read ({kind.__name__})") from None
        return False
