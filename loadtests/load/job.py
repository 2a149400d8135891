"""What the callers are told, and what they write down.  Standard library only.

Both cross from one environment to the other as files: the job as one JSON object, the record
as JSON lines, the first of which says when the calling began.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

#: In the environment of the callers: the path of the job.
VARIABLE: Final = "POINTSMAN_LOAD_JOB"
PROXIED: Final = "proxied"
DIRECT: Final = "direct"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of time with so many callers on each way."""

    seconds: float
    users: int


@dataclass(frozen=True, slots=True)
class Job:
    """All that the callers need to know."""

    urls: dict[str, str]  # way -> where its requests go
    headers: dict[str, str]
    customer_header: str
    payloads: str  # path of the customers' bodies, as payloads.write leaves them
    record: str  # path of the record
    stages: list[Stage]
    period: float  # seconds from one request of a caller to its next
    patience: float  # seconds after which a caller gives up
    stream: bool = False  # answers are server-sent events, and each is timed
    last_event: str = ""  # a stream that ends without it was cut off
    seed: int = 1


def save(job: Job, path: Path) -> None:
    """Readable by its owner alone: the headers may hold a credential."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(job)))


def load(path: Path) -> Job:
    content = json.loads(path.read_text())
    stages = [Stage(**stage) for stage in content.pop("stages")]
    return Job(**content, stages=stages)


@dataclass(slots=True)
class Exchange:
    """One request as its caller saw it; times in milliseconds but for ``at``."""

    at: float  # seconds since the epoch, when it was sent
    way: str
    customer: str
    ms: float  # to the last byte
    status: int = 0  # 0 when no answer came
    error: str = ""  # its kind; "" for a good answer
    arm: str = ""  # as the answer says; "" when it does not
    fallback: bool = False  # another version answered than was chosen
    first_ms: float = 0.0  # to the first event of a stream
    gaps: tuple[float, ...] = ()  # between the events of a stream

    @property
    def ended(self) -> float:
        """Seconds since the epoch."""
        return self.at + self.ms / 1000


def began_line(at: float) -> str:
    return json.dumps({"began": at}) + "\n"


def began(record: Path) -> float | None:
    """What the first line says, or None while there is none."""
    first, end, _ = record.read_text().partition("\n") if record.exists() else ("", "", "")
    return float(json.loads(first)["began"]) if end else None


def line(exchange: Exchange) -> str:
    return json.dumps(asdict(exchange), separators=(",", ":")) + "\n"


def exchanges(lines: Iterable[str]) -> Iterator[Exchange]:
    """The record's exchanges, in the order in which they ended."""
    for text in lines:
        content: dict[str, Any] = json.loads(text)
        if "began" not in content:
            content["gaps"] = tuple(content["gaps"])
            yield Exchange(**content)
