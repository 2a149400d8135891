"""What an evidence file is: its name, its lines, and which of a folder's files come first.

``evidence/<model>/0000000012.jsonl``: a header, then one Evidence a line, and ``{"ended": at}``
when the canary's time was over.  A rotated one may be gzipped (``.jsonl.gz``).  Numbers only
grow; a file has one writer for its whole life, who holds its lock (``flock``) while he writes.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from proxy.judge import Evidence, Guardrails

PLAIN: Final = ".jsonl"
GZIPPED: Final = ".jsonl.gz"
#: A gzip in the making; the file it is made of is still there.
UNFINISHED: Final = ".jsonl.gz.part"
#: A changed byte may make a line no UTF-8, or too deep: it is damaged like any other.
_DAMAGE: Final = (UnicodeDecodeError, RecursionError)
_NAME: Final = re.compile(r"([0-9]{10,})\.jsonl(\.gz)?")


class Head(msgspec.Struct, frozen=True):
    """What the desk says of a trial when a file begins: all that a restart needs.

    ``snapshot`` holds the judge's state as it is before the first line of the file; None when
    the trial is as fresh as at ``began`` (seconds since the epoch).
    """

    snapshot: bytes | None
    guardrails: Guardrails
    began: float


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a file.  ``from_line`` lines of this trial came before it; ``desk`` is
    when the desk that writes it started, so that of two at a hand-over the newer one is
    believed; ``opened`` is when the file was begun."""

    format: Literal["pointsman evidence 1"] = "pointsman evidence 1"
    model: str
    version: str
    stable: str
    began: float
    from_line: int
    desk: float
    opened: float
    guardrails: Guardrails
    snapshot: bytes | None


class Ended(msgspec.Struct, frozen=True):
    """The last line of a trial that is over: nothing of it is taken up again."""

    ended: float


class EvidenceFile(NamedTuple):
    """One file of a model's folder."""

    number: int
    path: Path
    size: int  # bytes on the disk


_ENCODE: Final = msgspec.json.Encoder().encode
_EVIDENCE: Final = msgspec.json.Decoder(Evidence)
#: Takes "nan", "inf" and "-inf" for numbers: JSON has none of them.
_LAX: Final = msgspec.json.Decoder(Evidence, strict=False)
_HEADER: Final = msgspec.json.Decoder(Header)
_ENDED: Final = msgspec.json.Decoder(Ended)
_END: Final = b'{"ended":'


def encode(line: Evidence | Header | Ended) -> bytes:
    """One line with its newline.  What JSON has no number for is written as a text."""
    text: bytes = _ENCODE(line)
    if b":null" in text and not isinstance(line, Header):
        text = _ENCODE(_speakable(msgspec.to_builtins(line)))
    return text + b"\n"


def decode(line: bytes) -> Evidence | Ended:
    """A line behind the header.  Raises msgspec.DecodeError."""
    try:
        if line.startswith(_END):
            return _ENDED.decode(line)
        try:
            return _EVIDENCE.decode(line)
        except msgspec.ValidationError:
            return _LAX.decode(line)
    except _DAMAGE as error:
        raise msgspec.DecodeError(str(error)) from error


def decode_header(line: bytes) -> Header:
    """The first line.  Raises msgspec.DecodeError."""
    try:
        return _HEADER.decode(line)
    except _DAMAGE as error:
        raise msgspec.DecodeError(str(error)) from error


def torn(line: bytes) -> bool:
    """Whether an interrupted write left this last line: cut off, or (a power cut) with a hole of
    NULs, which JSON never holds."""
    return not line.endswith(b"\n") or b"\0" in line


def folder_of(root: Path, model: str) -> Path:
    """Where one model's files are.  A model's name is a file name as it is (settings.grammar)."""
    return root / model


def name(number: int, ending: str = PLAIN) -> str:
    return f"{number:010d}{ending}"


def files(folder: Path) -> list[EvidenceFile]:
    """The evidence files of one model's folder, oldest first; none when there is no folder.

    Of a file that stands there plain and gzipped (its writer was killed in between) the plain
    one counts.  Raises OSError when the folder cannot be read.
    """
    found: dict[int, EvidenceFile] = {}
    try:
        paths = sorted(folder.iterdir(), reverse=True)  # gzipped before plain
    except (FileNotFoundError, NotADirectoryError):
        return []
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match:
            try:
                size = path.stat().st_size
            except FileNotFoundError:  # another desk tidies as well
                continue
            number = int(match[1])
            found[number] = EvidenceFile(number, path, size)
    return [found[number] for number in sorted(found)]


def _speakable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _speakable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(each) for each in value]
    return value
