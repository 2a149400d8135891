"""Bodies to named columns and predictions, by protocol.

The law of this room: what cannot be read is said, with one of a few reasons, and never guessed.

    columns     the nouns
    reading     the doors: a request, an answer, by protocol
    decoding    content encodings, JSON
    tensors     open inference protocol v2 (binary: its binary elements)
    documents   KServe v1 and TensorFlow Serving, MLflow, SageMaker: JSON and CSV
    openai      chat, completions, embeddings; streams put together again
    tables      rows, records and columns of plain JSON
    pointers    whatever else, by RFC 6901 pointers
    predicting  which of the answer's values is the prediction
"""

from __future__ import annotations

from proxy.payload.columns import OUR_LIMITS, Columns, Reason, Unreadable, Value
from proxy.payload.columns import kind as kind_of
from proxy.payload.pointers import Pointers
from proxy.payload.predicting import PredictionOptions, prediction
from proxy.payload.reading import (
    PROTOCOLS,
    Protocol,
    Reading,
    read_answer,
    read_document,
    read_request,
)

__all__ = [
    "OUR_LIMITS",
    "PROTOCOLS",
    "Columns",
    "Pointers",
    "PredictionOptions",
    "Protocol",
    "Reading",
    "Reason",
    "Unreadable",
    "Value",
    "kind_of",
    "prediction",
    "read_answer",
    "read_document",
    "read_request",
]
