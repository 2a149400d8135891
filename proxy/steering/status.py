"""What there is to know about a running pointsman, as one document (``/v1/status``).

Plain structs that become JSON as they are.  Times are seconds since the epoch, durations are
seconds, rates and shares run from 0 to 1, percentages from 0 to 100; null where there is
nothing to say.  Adding a field is fine; changing one breaks scripts.
"""

from __future__ import annotations

import msgspec

from proxy.compare import PairSummary
from proxy.terms import Latch


class ConfigStatus(msgspec.Struct):
    """``last_error`` is why the file as it stands now was refused; null when it is in force."""

    path: str
    loaded_at: float
    last_error: str | None = None
    problems: list[str] = []
    refused_at: float | None = None


class HistoryStatus(msgspec.Struct):
    """``pending`` entries wait to be written; ``failures`` attempts have failed so far."""

    path: str
    ok: bool
    pending: int
    failures: int = 0
    lost: int = 0  # entries given up because too many waited; 0 in any life but a bad one
    error: str | None = None
    repaired: str | None = None  # what was done about a torn last line at the start


class WorkerStatus(msgspec.Struct):
    worker: int
    pid: int
    plan_number: int
    seen_seconds_ago: float
    connections: int
    in_flight: int
    copies_in_flight: int
    copies_bytes: int
    desk_silent: bool
    draining: bool


class CanaryStatus(msgspec.Struct):
    """What is asked, and whether it is so: a ``reverted`` canary gets nobody."""

    version: str
    percent_asked: float
    percent_file: float | None  # null when the file names no canary, or another version
    source: str  # file | override
    reverted: bool
    since: float  # when this version and percentage came into force
    set_by: str | None = None  # of an override
    reason: str | None = None


class ShareStatus(msgspec.Struct):
    """The canary's share of the traffic, 0 to 1, over the last ``seconds``.

    ``asked`` is the split's.  ``by_customers`` is the share among decisions made by a customer
    key: each counts as often as its customer asks, so it is no head count; requests without a
    key and testers' choices are not in it.  ``by_requests`` is the share among all requests to
    the two versions, those included.  Null until there is something to divide.
    """

    asked: float
    by_customers: float | None
    by_requests: float | None
    seconds: float


class ArmStatus(msgspec.Struct):
    """One version in its role over the last minute.

    ``requests`` and ``errors`` are what the judge counts: the caller's and the proxy's own
    failures are in ``outcomes`` alone.  Quantiles are of answered requests, in seconds.
    """

    version: str
    requests: int
    errors: int
    error_rate: float | None
    outcomes: dict[str, int]
    p50: float | None
    p95: float | None
    p99: float | None
    first_byte_p50: float | None
    first_byte_p95: float | None
    first_byte_p99: float | None
    in_flight: int  # of the version now, in whatever role


class ShadowStatus(msgspec.Struct):
    """Copies and pairs since the desk started."""

    percent: float
    copies: dict[str, int]  # result -> copies
    pairs: PairSummary


class FindingStatus(msgspec.Struct):
    """``effect`` is what a ``fail`` brings about; ``passed``: a person cleared its hold."""

    check: str
    verdict: str  # pass | not_yet | inconclusive | error | fail
    message: str
    numbers: dict[str, float]
    effect: str = "revert"  # revert | hold | none
    passed: bool = False


class TrialStatus(msgspec.Struct):
    """What the sequential judge has seen of the canary since it began; or of the last one, until
    it ``ended``.

    ``observations`` are by source, since the trial began or the desk was started; ``dropped``
    are incidents that no report had room for.
    """

    version: str
    stable: str
    began: float
    recovered: bool  # taken up again after a restart of the desk
    guardrails: int  # rules and protected segments
    alpha: float
    customers: dict[str, int]  # arm -> customers, estimated; empty while none are known
    observations: dict[str, int]
    dropped: int
    ended: float | None = None  # null while it goes on


class EvidenceFilesStatus(msgspec.Struct):
    """The evidence files of all models; null when none are kept."""

    path: str
    written: int  # lines since the start
    lost: int
    pending: int  # bytes
    error: str


class LedgerStatus(msgspec.Struct):
    """The database of predictions and feedback; null where there is none.

    ``error`` is why nothing can be written now, "" when all is well; the counts of predictions
    run since the start of the desk.
    """

    database: str  # where it is, without its secret
    error: str
    logged: int
    lost: int
    pending: int


class HoldStatus(msgspec.Struct):
    """The canary's share may not grow above ``percent``, until a person clears it."""

    version: str
    percent: float
    reason: str
    message: str
    numbers: dict[str, float]
    at: float
    actor: str


class ShiftStatus(msgspec.Struct):
    """Everybody gets ``version`` in the place of ``stable``, until a person clears it."""

    version: str
    stable: str
    message: str
    at: float
    actor: str


class ValidationStatus(msgspec.Struct):
    """Whether stable was well again after the last revert; ``result`` is null until ``until``."""

    version: str  # that was reverted
    at: float
    until: float
    result: str | None  # recovered | not_recovered | inconclusive
    message: str
    findings: list[FindingStatus]


class EndpointStatus(msgspec.Struct):
    """One endpoint over all workers; ``ejected`` when any of them has taken it out.

    ``connections`` are shared by all models and versions at the endpoint: each shows them all.
    """

    version: str
    endpoint: str
    in_flight: int
    connections: int
    ejected: bool
    ejected_by: int  # workers
    reason: str


class ConnectionsStatus(msgspec.Struct):
    """Open connections to one endpoint now, of all models, over all workers."""

    endpoint: str
    traffic: str  # live | shadow
    connections: int


class ModelStatus(msgspec.Struct):
    stable: str
    canary: CanaryStatus | None
    share: ShareStatus | None
    arms: dict[str, ArmStatus]  # stable, canary, shadow:<version>
    shadows: dict[str, ShadowStatus]
    findings: list[FindingStatus]
    verdict: str | None  # the worst of findings and guardrails; null when nothing is judged
    latches: list[Latch]
    endpoints: list[EndpointStatus]
    fallbacks: dict[str, int]  # reason -> answered by stable, since the desk started
    fallback_failures: int
    missing_keys: int
    overrides: int  # testers' choices that were honoured
    refused: dict[str, int]  # reason -> ended before a version was chosen
    warnings: list[str]
    guardrails: list[FindingStatus] = []
    trial: TrialStatus | None = None
    hold: HoldStatus | None = None
    shift: ShiftStatus | None = None
    stable_down: str | None = None  # since when and why, once a canary had to go meanwhile
    validation: ValidationStatus | None = None


class RevertStatus(msgspec.Struct):
    """One revert, with the share that the canary had (null when it is not known any more)."""

    at: float
    model: str
    version: str
    percent: float | None
    actor: str
    reason: str
    message: str
    numbers: dict[str, float]
    plan_number: int


class Status(msgspec.Struct):
    version: str  # of pointsman
    now: float
    started_at: float
    plan_number: int
    config: ConfigStatus
    history: HistoryStatus
    workers: list[WorkerStatus]
    models: dict[str, ModelStatus]
    connections: list[ConnectionsStatus]
    reverts: list[RevertStatus]  # the last hundred, the newest first
    judged_seconds_ago: float | None  # since the control loop last ran; null before it did
    evidence: EvidenceFilesStatus | None = None
    ledger: LedgerStatus | None = None
