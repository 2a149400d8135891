"""Evidence on the disk, so that the judge's state outlives everything.

Each file begins with the judge's snapshot; the Evidence behind it, replayed, gives the same
numbers again.  ``EvidenceWriter`` is called on the desk's loop and never waits: a thread
(evidence_disk.py) writes, at most 0.2 s late.  What the disk does not take is lost and counted,
and the next file begins with a fresh snapshot, so that what is on the disk is exact again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from proxy.judge import Evidence
from proxy.store import evidence_files
from proxy.store.evidence_disk import Disk, Limits, Part
from proxy.store.evidence_files import Ended, Head, Header
from proxy.store.evidence_reader import Reading, Recovered, read, recover

__all__ = [
    "EvidenceStatus",
    "EvidenceWriter",
    "Head",
    "Header",
    "Limits",
    "Reading",
    "Recovered",
    "read",
]

log = logging.getLogger(__name__)


class EvidenceStatus(msgspec.Struct, frozen=True):
    """``lost`` lines since the start; ``pending`` bytes that are not on the disk yet; ``error``
    is why lines are being lost now, "" when none are."""

    written: int
    lost: int
    pending: int
    error: str


class _Course(msgspec.Struct):
    """How far one model's trial is: which file is written, how many lines came before."""

    header: Header
    part: Part
    head: int  # bytes of the file's header
    lines: int  # of this trial, lost ones as well
    renew: bool = False
    retry_at: float | None = None  # after a failure


class EvidenceWriter:
    """Writes the evidence of all models under ``folder``, each model in a folder of its own.

    ``head(model, version)`` is asked for the judge's state whenever a file begins.  Call ``add``
    BEFORE the trial takes the same evidence: the snapshot stands before the line.
    """

    def __init__(
        self,
        folder: Path,
        head: Callable[[str, str], Head],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.started = clock()
        self._head = head
        self._limits = limits or Limits()
        self._clock = clock
        self._courses: dict[str, _Course] = {}
        self._recovered: dict[str, tuple[Header, int]] = {}  # with lines, until the next file
        self._dropped = 0
        self._disk = Disk(folder, self._limits)

    @property
    def lost(self) -> int:
        """Lines that no disk had room for, since the start."""
        return self._dropped + self._disk.lost

    def status(self) -> EvidenceStatus:
        error = next((c.part.error for c in self._courses.values() if c.part.failed), "")
        return EvidenceStatus(self._disk.written, self.lost, self._disk.pending, error)

    def add(self, evidence: Evidence) -> None:
        """Hand one line over.  Never waits, never raises for the disk's sake."""
        course = self._courses.get(evidence.model)
        if course is None or self._is_over(course, evidence):
            course = self._begin(evidence, course)
        course.lines += 1
        if course.part.failed:
            self._dropped += 1
            return
        self._disk.offer(course.part, evidence_files.encode(evidence))

    def renew(self, model: str) -> None:
        """The next line begins a new file: the guardrails, and so the judge's state, are others."""
        course = self._courses.get(model)
        if course is not None:
            course.renew = True

    def end(self, model: str, at: float) -> None:
        """The trial is over: its file says so, and ``recover`` finds nothing of it any more.

        Where the disk does not take that, the trial's ``began`` is what tells an old one.
        """
        course = self._courses.pop(model, None)
        recovered = self._recovered.pop(model, None)
        if course is not None and not course.part.failed:
            part = course.part
        elif course is not None:
            self._disk.finish(course.part)
            part = self._open(msgspec.structs.replace(course.header, snapshot=None))
        elif recovered is not None:
            part = self._open(recovered[0])
        else:
            return
        self._disk.offer(part, evidence_files.encode(Ended(at)), lines=0)
        self._disk.finish(part)

    def recover(self, model: str, version: str) -> Recovered | None:
        """What is on the disk of this canary's trial, or None: it is over, or never was.

        Reads the disk: call it before traffic, or in a thread.
        """
        found = recover(evidence_files.folder_of(self.folder, model), version)
        if found is not None:
            for note in found.notes:
                log.warning("evidence: %s", note)
            held = msgspec.structs.replace(found.header, snapshot=None, desk=self.started)
            self._recovered[model] = held, held.from_line + len(found.lines)
        return found

    def close(self, timeout: float = 5.0) -> None:
        """Write what is waiting, for at most ``timeout`` seconds, and let go of the files."""
        self._disk.close(timeout)

    def _is_over(self, course: _Course, evidence: Evidence) -> bool:
        part = course.part
        if (part.version, part.stable) != (evidence.version, evidence.stable):
            return True
        if not part.failed:
            # The header is left out: one as large as a file would begin a file with every line.
            return course.renew or part.offered - course.head >= self._limits.file
        if course.retry_at is None:
            course.retry_at = self._clock() + self._limits.retry
            return False
        return self._clock() >= course.retry_at

    def _begin(self, evidence: Evidence, before: _Course | None) -> _Course:
        head = self._head(evidence.model, evidence.version)
        header = Header(
            model=evidence.model,
            version=evidence.version,
            stable=evidence.stable,
            began=head.began,
            from_line=self._lines_before(evidence, head, before),
            desk=self.started,
            opened=self._clock(),
            guardrails=head.guardrails,
            snapshot=head.snapshot,
        )
        if before is not None:
            self._disk.finish(before.part)
        part = self._open(header)
        course = _Course(header, part, part.offered, header.from_line)
        self._courses[evidence.model] = course
        return course

    def _open(self, header: Header) -> Part:
        part = Part(header.model, header.version, header.stable)
        self._disk.offer(part, evidence_files.encode(header), lines=0)
        return part

    def _lines_before(self, evidence: Evidence, head: Head, before: _Course | None) -> int:
        """How many lines the same trial has had, in this process or before it."""
        trial = (evidence.version, head.began)
        recovered = self._recovered.pop(evidence.model, None)
        if before is not None and (before.header.version, before.header.began) == trial:
            return before.lines
        if recovered is not None:
            header, lines = recovered
            if (header.version, header.began) == trial:
                return lines
        return 0
