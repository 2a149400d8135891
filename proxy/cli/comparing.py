"""Recorded answers into a Comparison: files joined, labels found, criteria read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from proxy.cli.recordings import Joined, Recording, join
from proxy.cli.shared import Bar, bar
from proxy.compare import Comparison, Options
from proxy.compare.reading import read
from proxy.compare.recorded import BARE, Recorded
from proxy.errors import OperationRefused
from proxy.feedback import Label, Prediction
from proxy.judge.gate import Criteria
from proxy.payload import Reading as Bodies
from proxy.payload import Value
from proxy.terms import Half, Outcome, Pair

#: For a file of some hundred recorded answers: what so few can settle.
OFFLINE: Final = Criteria(pairs=100, shift=None, errors=0.05, broken=0.05)
_EVERY: Final = 256
#: Truth as spreadsheets and Python write it.
_WORDS: Final = {"true": True, "True": True, "TRUE": True,
                 "false": False, "False": False, "FALSE": False}  # fmt: skip
#: A half whose line is missing says so in this word.
_NO_LINE: Final = Outcome.PROXY_ERROR


class Asked(NamedTuple):
    """``protocol`` "": as the first line says.  ``labels``: request_id and label, by column."""

    model: str
    stable: Path
    shadow: Path
    version: str
    protocol: str = ""
    noise: Path | None = None
    labels: Path | None = None


def criteria(path: Path | None) -> Criteria:
    """The criteria in a YAML file; ``OFFLINE`` without one.  Raises OperationRefused."""
    if path is None:
        return OFFLINE
    import yaml

    try:
        found: Any = yaml.safe_load(path.read_bytes())
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise OperationRefused(f"{path}: cannot be read: {said}") from error
    except yaml.YAMLError as error:
        raise OperationRefused(f"{path}: found no YAML: {error}") from error
    allowed = Criteria.__struct_fields__
    if not isinstance(found, dict):
        raise OperationRefused(
            f"{path}: found {type(found).__name__}; allowed is a mapping of {', '.join(allowed)}"
        )
    for name in found:
        if name not in allowed:
            raise OperationRefused(f"{path}: {name}: unknown; allowed are {', '.join(allowed)}")
    try:
        return msgspec.convert(found, Criteria)
    except msgspec.ValidationError as error:
        raise OperationRefused(f"{path}: {error}") from error


def compared(asked: Asked, options: Options) -> Comparison:
    """Everything in the files.  Raises OperationRefused at the first broken line."""
    with closing(Recording(asked.stable, asked.stable.stem)) as stable:
        with closing(Recording(asked.shadow, asked.version)) as shadow:
            options = _with_protocol(options, asked.protocol, stable)
            made = Comparison(options, asked.model, asked.version)
            truth = _labels(asked.labels)
            with bar("comparing", stable.size + shadow.size) as progress:
                _pairs(made, stable, shadow, truth, progress)
        if asked.noise is not None:
            with closing(Recording(asked.noise, asked.stable.stem)) as again:
                stable.rewind()
                with bar("noise", stable.size + again.size) as progress:
                    for number, it in enumerate(join(stable, again)):
                        if it.first and it.second:
                            made.add_noise(_pair(asked.model, it, asked.version))
                        if number % _EVERY == 0:
                            progress.at(it.read)
    return made


def _pairs(
    made: Comparison, stable: Recording, shadow: Recording, truth: dict[str, Value], progress: Bar
) -> None:
    sent = 0
    for number, it in enumerate(join(stable, shadow)):
        pair = _pair(made.model, it, made.version, stable.version)
        sent += it.first is not None
        made.add(pair)
        label = truth.pop(pair.request_id, None)
        if label is not None and it.first and it.second:
            _label(made, pair, label)
        if number % _EVERY == 0:
            progress.at(it.read)
    made.tell({"sent": sent})
    made.counts.labels_unfit += len(truth)


def _with_protocol(options: Options, protocol: str, stable: Recording) -> Options:
    """A line that holds predictions needs no protocol; they are wrapped as KServe's."""
    first = stable.first()
    if first is not None and first.way in BARE:
        if protocol:
            raise OperationRefused(
                f"{stable.path}:1: found {first.way}, which is read without --protocol {protocol}"
            )
        protocol = "kserve-v1"
    bodies = msgspec.convert({"protocol": protocol or "open-inference-v2"}, Bodies)
    return msgspec.structs.replace(
        options, read=msgspec.structs.replace(options.read, bodies=bodies)
    )


def _pair(model: str, it: Joined, version: str, stable: str = "") -> Pair:
    known = it.first or it.second
    assert known is not None
    return Pair(
        request_id=known.request_id,
        model=model,
        customer="",  # a name, and here is no key to hash it with (promise 12)
        segments=known.segments or (it.second.segments if it.second else ()),
        at=known.at,
        live=_half(it.first, stable),
        shadow=_half(it.second, version),
    )


def _half(line: Recorded | None, version: str) -> Half:
    return line.half if line is not None else Half(version, _NO_LINE, 0, 0.0, b"", 0)


def _label(made: Comparison, pair: Pair, label: Value) -> None:
    """The truth about each of one request's rows: one value, or a list of as many."""
    live, shadow = read(pair.live, made.options.read), read(pair.shadow, made.options.read)
    labels = label if isinstance(label, list) else [label]
    if live.problem or shadow.problem or not len(live.rows) == len(shadow.rows) == len(labels):
        made.counts.labels_unfit += 1
        return
    for row, (a, b, truth) in enumerate(zip(live.rows, shadow.rows, labels, strict=True)):
        one, two = _prediction(pair, "1", a), _prediction(pair, "2", b)
        if truth is None or isinstance(truth, list):
            made.counts.labels_unfit += 1
        else:
            event = f"{pair.request_id}/{row}"
            truth = _WORDS.get(truth, truth) if isinstance(truth, str) else truth
            made.add_label(one, two, Label(event, "label", truth, pair.at, pair.request_id))


def _prediction(pair: Pair, version: str, value: Any) -> Prediction:
    if isinstance(value, list):
        # Scores of classes: the first of the largest.
        value = value.index(max(value)) if value and all(it == it for it in value) else None
    return Prediction(
        pair.request_id,
        pair.model,
        version,
        "stable",
        0.0,
        False,
        "",
        pair.segments,
        pair.at,
        value,
    )


def _labels(path: Path | None) -> dict[str, Value]:
    """By request; a column ``label``, or the only one beside ``request_id``."""
    from proxy.cli.datafile import DataFile

    found: dict[str, Value] = {}
    if path is None:
        return found
    for piece in DataFile(str(path)).pieces():
        if not piece.rows:
            continue
        others = [it for it in piece.columns if it != "request_id"]
        name = "label" if "label" in others else others[0] if len(others) == 1 else ""
        if "request_id" not in piece.columns or not name:
            listed = ", ".join(list(piece.columns)[:10])
            raise OperationRefused(
                f"{path}: found the columns {listed}; allowed are request_id and label"
            )
        ids, values = piece.columns["request_id"], piece.columns[name]
        found.update(zip(map(str, ids), values, strict=True))
    return found
