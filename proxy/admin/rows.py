"""A row of the table of metrics, and those about shadows and their comparisons."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Row(NamedTuple):
    """A metric as documented; a counter's name ends in ``_total``, and times are in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


MODEL: Final = ("model", "arm")
VERSION: Final = ("model", "version", "arm")

COMPARED: Final = (
    Row(
        "pointsman_shadow_copies_total",
        "counter",
        (*VERSION, "result"),
        "Copies for a shadow, or (arm `noise`) for stable once more: sent, or dropped by reason.",
    ),
    Row(
        "pointsman_shadow_pairs_total",
        "counter",
        (*VERSION, "status"),
        "Pairs of a live and a shadow answer, by whether their statuses agree.",
    ),
    Row(
        "pointsman_pairs_dropped_total",
        "counter",
        (),
        "Pairs that a worker did not hand to the desk, because it held too many.",
    ),
    Row(
        "pointsman_compare_pairs",
        "gauge",
        (*VERSION, "pair"),
        "Pairs of the shadow's comparison since it began, by what became of them.",
    ),
    Row(
        "pointsman_compare_sampling_ratio",
        "gauge",
        VERSION,
        "Share of the customers whose pairs there is time to compare.",
    ),
    Row(
        "pointsman_compare_agreement_ratio",
        "gauge",
        VERSION,
        "Share of the shadow's predictions that agree with stable's; of arm `noise`, of stable's "
        "with its own.",
    ),
    Row(
        "pointsman_compare_shift",
        "gauge",
        VERSION,
        "Mean difference of the predictions on the same input, shadow minus stable.",
    ),
    Row(
        "pointsman_compare_psi",
        "gauge",
        VERSION,
        "Population stability index of the shadow's predictions against stable's.",
    ),
    Row(
        "pointsman_compare_labels",
        "gauge",
        VERSION,
        "Labels that met a prediction of both versions.",
    ),
    Row(
        "pointsman_compare_score",
        "gauge",
        (*VERSION, "score"),
        "Of the labelled predictions of either version, on the same inputs.",
    ),
    Row(
        "pointsman_compare_gate",
        "gauge",
        (*VERSION, "verdict"),
        "1 for what the gate says of the shadow now.",
    ),
    Row(
        "pointsman_compare_saved_timestamp_seconds",
        "gauge",
        VERSION,
        "When the comparison was last written to its file.",
    ),
)
