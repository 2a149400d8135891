"""What ``/metrics`` says: one table of names.

Every series about a model carries ``arm``; ``all`` where it is about no single one.  The values
a label can take are bounded by the config (models, versions, segments, endpoints), by the
number of workers, or by a fixed list (outcomes, results, reasons): never by what callers send.
``series.py`` fills the table from the desk, ``document.py`` makes docs/metrics.md from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from proxy.measure import histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Row(NamedTuple):
    """A metric as documented; a counter's name ends in ``_total``, and times are in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


MODEL: Final = ("model", "arm")
VERSION: Final = ("model", "version", "arm")

TABLE: Final = (
    Row(
        "pointsman_requests_total",
        "counter",
        (*VERSION, "outcome"),
        "Requests that a version was chosen for, by how they ended.",
    ),
    Row(
        "pointsman_segment_requests_total",
        "counter",
        (*VERSION, "segment", "outcome"),
        "The same requests once for each configured segment dimension, as dimension=value.",
    ),
    Row(
        "pointsman_request_seconds",
        "histogram",
        VERSION,
        "Time from the request's head to the end of the answer, of answered requests.",
    ),
    Row(
        "pointsman_first_byte_seconds",
        "histogram",
        VERSION,
        "Time from the request's head to the first byte of the answer, of answered requests.",
    ),
    Row(
        "pointsman_request_bytes_total",
        "counter",
        VERSION,
        "Bytes of request bodies sent to the version.",
    ),
    Row(
        "pointsman_answer_bytes_total",
        "counter",
        VERSION,
        "Bytes of answer bodies received from the version.",
    ),
    Row(
        "pointsman_share_ratio",
        "gauge",
        (*VERSION, "kind"),
        "The canary's share, 0 to 1: asked by the split, realised by customers and by requests.",
    ),
    Row(
        "pointsman_decisions_total",
        "counter",
        MODEL,
        "Requests with a customer key, by the arm they were given.",
    ),
    Row(
        "pointsman_missing_keys_total",
        "counter",
        MODEL,
        "Requests without a usable customer key.",
    ),
    Row(
        "pointsman_tester_overrides_total",
        "counter",
        MODEL,
        "Requests whose arm a tester chose by header.",
    ),
    Row(
        "pointsman_held_too_large_total",
        "counter",
        MODEL,
        "Requests whose body was too large to hold, so that its JSON fields were not read.",
    ),
    Row(
        "pointsman_fallbacks_total",
        "counter",
        (*MODEL, "reason"),
        "Requests that the canary failed and the stable version answered.",
    ),
    Row(
        "pointsman_fallback_failures_total",
        "counter",
        MODEL,
        "Requests that the canary failed and the stable version could not answer either.",
    ),
    Row(
        "pointsman_replays_total",
        "counter",
        MODEL,
        "Requests sent again because a kept connection turned out to be closed.",
    ),
    Row(
        "pointsman_shadow_copies_total",
        "counter",
        (*VERSION, "result"),
        "Copies for a shadow: sent, or dropped by reason.",
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
        "pointsman_incidents_dropped_total",
        "counter",
        (),
        "Failed or slow requests that a worker did not tell the judge of, whatever their arm, "
        "because there were too many at once.",
    ),
    Row(
        "pointsman_samples_dropped_total",
        "counter",
        (),
        "Sampled requests that a worker did not hand to the desk, because it held too many.",
    ),
    Row(
        "pointsman_reverts_total",
        "counter",
        (*MODEL, "reason"),
        "Reverts since the desk's start, by the check that tripped; manual for a person's.",
    ),
    Row(
        "pointsman_latched",
        "gauge",
        VERSION,
        "1 for a version that was reverted and gets no customers until a person clears it.",
    ),
    Row(
        "pointsman_held",
        "gauge",
        VERSION,
        "1 for a canary whose share may not grow until a person clears it.",
    ),
    Row(
        "pointsman_shifted",
        "gauge",
        VERSION,
        "1 for a version of last resort that everybody gets until a person clears it.",
    ),
    Row(
        "pointsman_stable_down",
        "gauge",
        MODEL,
        "1 while stable does not answer though a canary had to be reverted: call somebody.",
    ),
    Row(
        "pointsman_revert_validation",
        "gauge",
        (*MODEL, "result"),
        "1 for what came of the last revert: whether stable is well again.",
    ),
    Row(
        "pointsman_guardrail_e_value",
        "gauge",
        (*VERSION, "guardrail"),
        "Evidence that the canary does harm: 1 is none; at the needed value it is reverted.",
    ),
    Row(
        "pointsman_guardrail_needed",
        "gauge",
        (*VERSION, "guardrail"),
        "The e-value at which the guardrail fails.",
    ),
    Row(
        "pointsman_guardrail_verdict",
        "gauge",
        (*VERSION, "guardrail"),
        "0 pass, 1 not yet, 2 inconclusive, 3 error, 4 fail.",
    ),
    Row(
        "pointsman_trial_observations_total",
        "counter",
        (*VERSION, "source"),
        "What the judge was shown of both arms since the trial began, or the desk started.",
    ),
    Row(
        "pointsman_evidence_lines_lost_total",
        "counter",
        (),
        "Lines of evidence files that the disk had no room for.",
    ),
    Row("pointsman_evidence_ok", "gauge", (), "0 while evidence files cannot be written."),
    Row("pointsman_ledger_ok", "gauge", (), "0 while the database takes nothing."),
    Row("pointsman_ledger_lost_total", "counter", (), "Predictions that were not logged."),
    Row(
        "pointsman_endpoint_in_flight",
        "gauge",
        (*VERSION, "endpoint"),
        "Requests at an endpoint now, over all workers.",
    ),
    Row(
        "pointsman_endpoint_connections",
        "gauge",
        ("endpoint", "traffic"),
        "Open connections to an endpoint now, of all models, over all workers.",
    ),
    Row(
        "pointsman_endpoint_ejected",
        "gauge",
        (*VERSION, "endpoint"),
        "How many workers have taken the endpoint out.",
    ),
    Row(
        "pointsman_model_refused_total",
        "counter",
        (*MODEL, "reason"),
        "Requests for a model that ended before a version was chosen: no room, or the caller's.",
    ),
    Row(
        "pointsman_refused_total",
        "counter",
        ("reason",),
        "Requests refused before they belonged to a model.",
    ),
    Row(
        "pointsman_log_lines_dropped_total",
        "counter",
        (),
        "Lines of the access log that were not written, because too many waited.",
    ),
    Row(
        "pointsman_counts_dropped_total",
        "counter",
        ("reason",),
        "Counts not kept: of a version that left the config, or of too many segments.",
    ),
    Row("pointsman_plan_number", "gauge", (), "Number of the plan in force."),
    Row(
        "pointsman_desk_silence_seconds",
        "gauge",
        (),
        "Time since the desk's control loop last ran; workers stop the canary when it is long.",
    ),
    Row("pointsman_worker_plan_number", "gauge", ("worker",), "Number of the worker's plan."),
    Row(
        "pointsman_worker_silence_seconds",
        "gauge",
        ("worker",),
        "Time since the worker last reported.",
    ),
    Row("pointsman_worker_connections", "gauge", ("worker",), "Open connections of callers."),
    Row("pointsman_worker_in_flight", "gauge", ("worker",), "Requests in the worker now."),
    Row("pointsman_worker_draining", "gauge", ("worker",), "1 while the worker is stopping."),
    Row(
        "pointsman_worker_desk_silent",
        "gauge",
        ("worker",),
        "1 while the worker does not hear the desk and sends everybody to stable.",
    ),
    Row("pointsman_config_ok", "gauge", (), "0 while the config file is refused."),
    Row(
        "pointsman_config_loaded_timestamp_seconds",
        "gauge",
        (),
        "When the config in force was loaded, in seconds since the epoch.",
    ),
    Row("pointsman_history_ok", "gauge", (), "0 while the history file cannot be written."),
    Row("pointsman_history_pending", "gauge", (), "Entries that wait to be written."),
    Row(
        "pointsman_feedback_total",
        "counter",
        ("kind", "result"),
        "Labels and KPI events that came in, by what became of them.",
    ),
    Row(
        "pointsman_feedback_evidence_total",
        "counter",
        ("result",),
        "KPI events, and labels that met their predictions: shown to the judge, or why not.",
    ),
    Row(
        "pointsman_feedback_joined_total",
        "counter",
        (),
        "Labels that met their predictions.",
    ),
    Row(
        "pointsman_feedback_waited_total",
        "counter",
        (),
        "Labels that came before their predictions were in the ledger, or for unknown requests.",
    ),
    Row(
        "pointsman_signals_total",
        "counter",
        ("source", "effect"),
        "Downstream signals, by what they brought about.",
    ),
    Row(
        "pointsman_start_timestamp_seconds",
        "gauge",
        (),
        "When the desk started, in seconds since the epoch; counters begin at 0 there.",
    ),
    Row("pointsman_build_info", "gauge", ("version",), "1, with the version of pointsman."),
)

_BUCKETS: Final = (*(str(le) for le in histogram.BOUNDS), "+Inf")


def _template(name: str, labels: Iterable[str]) -> str:
    """A line with gaps for the labels' values and the number."""
    listed = ",".join(f'{label}="%s"' for label in labels)
    return f"{name}{{{listed}}} %s\n" if listed else f"{name} %s\n"


def _head(row: Row) -> str:
    written = row.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {row.name} {written}\n# TYPE {row.name} {row.kind}\n"


def _counter_or_gauge(row: Row) -> str:
    return _template(row.name, row.labels)


def _histogram(row: Row) -> str:
    """All lines of one histogram; each wants the labels again."""
    lines = [_template(f"{row.name}_bucket", (*row.labels, "le"))] * len(_BUCKETS)
    return "".join((*lines, *(_template(row.name + it, row.labels) for it in ("_count", "_sum"))))


_SAMPLE: Final = {row.name: _counter_or_gauge(row) for row in TABLE if row.kind != "histogram"}
_DURATIONS: Final = {row.name: _histogram(row) for row in TABLE if row.kind == "histogram"}


def _escaped(labels: tuple[str, ...]) -> tuple[str, ...]:
    """As the format wants it: ``\\``, ``"`` and the end of a line are written with a backslash."""
    together = "".join(labels)
    if '"' not in together and "\\" not in together and "\n" not in together:
        return labels
    return tuple(it.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for it in labels)


class Board:
    """One exposition being filled.  Only what stands in the table can be put on it.

    Lines are written here and not by prometheus_client, which takes eight times as long: of a
    thousand models there are 150,000.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {row.name: [] for row in TABLE}

    def add(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """One sample; ``labels`` in the table's order."""
        self._lines[name].append(_SAMPLE[name] % (*_escaped(labels), +value))

    def add_durations(self, name: str, labels: tuple[str, ...], buckets: dict[int, int]) -> None:
        """One histogram from log buckets.

        Counts below each bound are exact; the sum takes each duration as its bucket's middle,
        which is wrong by 1.6 % at most.
        """
        labels, count = _escaped(labels), histogram.count(buckets)
        filled: list[object] = []
        for le, n in zip(_BUCKETS, (*histogram.cumulative(buckets), count), strict=True):
            filled += (*labels, le, n)
        filled += (*labels, count, *labels, histogram.seconds(buckets))
        self._lines[name].append(_DURATIONS[name] % tuple(filled))

    def text(self) -> bytes:
        """The families in the table's order, those without a sample left out."""
        parts: list[str] = []
        for row in TABLE:
            if lines := self._lines[row.name]:
                parts += (_head(row), *lines)
        return "".join(parts).encode()
