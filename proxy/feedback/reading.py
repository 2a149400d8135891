"""One item of a request to one event, or to the sentence that says why not.

The own forms and CloudEvents 1.0 (structured).  A field stands in one table with its reader;
null is the same as left out.  No text of a caller ever raises out of here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from proxy.feedback import values
from proxy.feedback.events import Event, Kpi, Label, Signal
from proxy.feedback.values import Reader, Unfit, shown

#: Bytes of one item.  An event is a few hundred.
LARGEST: Final = 64 * 1024
#: The ``type`` of a CloudEvent -> the own form that its ``data`` has.
CLOUD_TYPES: Final = {
    "pointsman.label.v1": "label",
    "pointsman.kpi.v1": "kpi",
    "pointsman.signal.v1": "signal",
}


class Item(msgspec.Struct, frozen=True, gc=False):
    """An event that may be taken.  ``key`` is its customer's key, which is never kept: it is here
    for the split to say the arm."""

    index: int  # in the request, from 0; of JSON lines the line's
    event: Event
    key: bytes = b""


class Fault(msgspec.Struct, frozen=True, gc=False):
    """An item that cannot be taken: where it is wrong, what was found, what is allowed."""

    index: int
    problem: str


class Forms:
    """Reads items as of ``now``.

    ``models`` are those of the config; ``hashed`` makes a customer key what is kept of it.
    ``kinds`` are the events that are wanted: label and kpi, or signal.  ``kind`` is what an item
    without a ``type`` is read as, "" for none.
    """

    def __init__(
        self,
        now: float,
        models: Collection[str],
        hashed: Callable[[bytes], str],
        kinds: tuple[str, ...] = ("label", "kpi"),
        kind: str = "",
    ) -> None:
        self.now = now
        self.kinds = kinds
        self._kind = kind
        self._hashed = hashed
        self._model = _one_of(models)
        time = values.times(now)
        tables = {"label": _LABEL, "kpi": _KPI, "signal": _SIGNAL}
        changing: dict[str, Reader] = {"model": self._model}
        changing |= dict.fromkeys(("at", "since", "until"), time)
        self._tables = {
            name: {field: read or changing[field] for field, read in tables[name].items()}
            for name in kinds
        }
        self._cloud_time = time

    def read(self, index: int, raw: bytes | bytearray | msgspec.Raw) -> Item | Fault:
        """One item as JSON."""
        if len(memoryview(raw)) > LARGEST:
            found = f"found {len(memoryview(raw))} bytes; allowed are {LARGEST} in one event"
            return Fault(index, found)
        try:
            found = _JSON.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Fault(index, f"found no JSON: {_why(bytes(raw), error)}; allowed is an object")
        return self.convert(index, found)

    def convert(self, index: int, found: object) -> Item | Fault:
        """One item as JSON gave it."""
        if type(found) is not dict:
            return Fault(index, f"found {shown(found)}; allowed is an object")
        try:
            if "specversion" in found:
                return self._cloud(index, found)
            return self._own(index, found, found.get("type", self._kind))
        except _Wrong as wrong:
            return Fault(index, str(wrong))

    def _own(self, index: int, found: dict[str, Any], kind: Any, path: str = "") -> Item:
        table = self._tables.get(kind) if type(kind) is str else None
        if table is None:
            allowed = " or ".join(f'"{it}"' for it in self.kinds)
            raise _Wrong(f"{path}type", shown(kind) if kind else "none", allowed)
        said = _fields(found, table, path)
        if kind == "label":
            return self._label(index, said, path)
        return self._kpi(index, said, path) if kind == "kpi" else self._signal(index, said, path)

    def _label(self, index: int, said: dict[str, Any], path: str) -> Item:
        _need(said, ("name", "value"), path)
        key, request_id = said.get("customer", b""), said.get("request_id", "")
        since, until = said.get("since"), said.get("until")
        if request_id and (key or since is not None or until is not None):
            allowed = "request_id alone, or model and customer with since and until"
            raise _Wrong(f"{path}request_id", "it together with others", allowed)
        if not request_id:
            if not key:
                allowed = "a request_id, or model and customer with since and until"
                raise _Wrong(f"{path}request_id", "neither it nor customer", allowed)
            _need(said, ("model",), path)
            if since is not None and until is not None and since > until:
                raise _Wrong(f"{path}since", "a time after until", "a time before it")
        customer = self._hashed(key) if key else ""
        model, at = said.get("model", ""), said.get("at")
        what = (request_id, model, customer, since, until)
        event_id = said.get("event_id") or _made("label", said["name"], said["value"], at, *what)
        label = Label(event_id, said["name"], said["value"], self.now if at is None else at, *what)
        return Item(index, label, key)

    def _kpi(self, index: int, said: dict[str, Any], path: str) -> Item:
        _need(said, ("model", "customer", "name", "value"), path)
        at, event_id, key = said.get("at"), said.get("event_id"), said["customer"]
        if at is None and event_id is None:
            allowed = "one of them: without both, a repeat looks like another event"
            raise _Wrong(f"{path}at", "neither it nor event_id", allowed)
        model, customer = said["model"], self._hashed(key)
        event_id = event_id or _made("kpi", said["name"], said["value"], at, model, customer)
        kpi = Kpi(
            event_id, said["name"], said["value"], model, customer, self.now if at is None else at
        )
        return Item(index, kpi, key)

    def _signal(self, index: int, said: dict[str, Any], path: str) -> Item:
        _need(said, ("source", "summary"), path)
        # Without a time of its own it is one that goes off now, whether it did before or not.
        at, key = said.get("at", self.now), said.get("customer", b"")
        customer = self._hashed(key) if key else ""
        named = (said["source"], said.get("model", ""), said.get("version", ""))
        alarm, resolved = said.get("alarm", ""), said.get("resolved", False)
        what = (*named, customer, alarm, resolved, said["summary"], at)
        signal = Signal(
            event_id=said.get("event_id") or _made("signal", *what),
            source=named[0],
            model=named[1],
            severity=said.get("severity", ""),
            summary=said["summary"],
            at=at,
            link=said.get("link", ""),
            resolved=resolved,
            alarm=alarm,
            version=named[2],
            customer=customer,
        )
        return Item(index, signal, key)

    def _cloud(self, index: int, found: dict[str, Any]) -> Item:
        """CloudEvents 1.0.2, 3: attributes that nobody knows are extensions, and let be."""
        if found["specversion"] != "1.0":
            raise _Wrong("specversion", shown(found["specversion"]), '"1.0"')
        wanted = {name: it for name, it in _CLOUD.items() if name in found}
        said = _fields({name: found[name] for name in wanted}, wanted, "")
        _need(said, ("id", "source", "type"), "")
        kind = CLOUD_TYPES.get(said["type"])
        if kind not in self.kinds:
            allowed = [f'"{name}"' for name, it in CLOUD_TYPES.items() if it in self.kinds]
            raise _Wrong("type", shown(said["type"]), " or ".join(allowed))
        if "data_base64" in found or type(found.get("data")) is not dict:
            wrong = "data_base64" if "data_base64" in found else shown(found.get("data"))
            raise _Wrong("data", wrong, "the event as an object")
        data = dict(found["data"])
        if data.setdefault("type", kind) != kind:
            raise _Wrong("data.type", shown(data["type"]), f'"{kind}", or none')
        # CloudEvents 3.1: source and id together are what is unique.
        data["event_id"] = _made("cloudevent", said["source"], said["id"])
        if data.get("at") is None and found.get("time") is not None:
            _fields({"time": found["time"]}, {"time": self._cloud_time}, "")
            data["at"] = found["time"]
        return self._own(index, data, kind, "data.")


class _Wrong(Exception):
    """``path: found this; allowed is that``."""

    def __init__(self, path: str, found: str, allowed: str) -> None:
        super().__init__(f"{path}: found {found}; allowed is {allowed}")


def _one_of(models: Collection[str]) -> Reader:
    known = frozenset(models)

    def read(value: Any) -> str:
        if type(value) is str and value in known:
            return value
        names = sorted(known)
        more = " ..." if len(names) > 10 else ""
        raise Unfit(f"a model of the config: {', '.join(names[:10])}{more}")

    return read


def _fields(found: Mapping[str, Any], table: Mapping[str, Reader], path: str) -> dict[str, Any]:
    """All fields read; those that are null are left out."""
    said = {}
    for name, value in found.items():
        read = table.get(name)
        if read is None:
            raise _Wrong(path + shown(name)[1:-1], "an unknown field", f"one of {', '.join(table)}")
        if value is not None:
            try:
                said[name] = read(value)
            except Unfit as unfit:
                raise _Wrong(path + name, unfit.found or shown(value), str(unfit)) from None
    return said


def _need(said: dict[str, Any], names: tuple[str, ...], path: str) -> None:
    for name in names:
        if name not in said:
            raise _Wrong(path + name, "none", f"an event with {', '.join(names)}")


def _made(*content: object) -> str:
    """An id out of the content, so that a repeat is known: 32 hex digits."""
    return blake2b(_ID.encode(content), digest_size=16).hexdigest()


def _why(raw: bytes, error: Exception) -> str:
    """Said in our words where the decoder's do not help."""
    for word in (b"NaN", b"Infinity"):
        if word in raw:
            return f"{word.decode()} is no number there"
    return str(error)


_JSON: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()
_ID: Final = msgspec.msgpack.Encoder()

_any_id = values.text(values.LONGEST_ID)
_any_name = values.text(values.LONGEST_NAME)

#: Field -> reader; None for those that depend on the moment and the config.
_LABEL: Final[dict[str, Reader | None]] = {
    "type": _any_name,
    "event_id": _any_id,
    "request_id": _any_id,
    "model": None,
    "customer": values.key,
    "since": None,
    "until": None,
    "name": _any_name,
    "value": values.outcome,
    "at": None,
}
_KPI: Final[dict[str, Reader | None]] = {
    "type": _any_name,
    "event_id": _any_id,
    "model": None,
    "customer": values.key,
    "name": _any_name,
    "value": values.number,
    "at": None,
}
_SIGNAL: Final[dict[str, Reader | None]] = {
    "type": _any_name,
    "event_id": _any_id,
    "source": _any_name,
    "model": None,
    "version": _any_name,
    "customer": values.key,
    "severity": values.text(values.LONGEST_NAME, empty=True),
    "summary": values.text(values.LONGEST_TEXT),
    "link": values.text(values.LONGEST_LINK, empty=True),
    "alarm": _any_id,
    "resolved": values.flag,
    "at": None,
}
#: Of a CloudEvent's attributes those that are looked at.
_CLOUD: Final[dict[str, Reader]] = {
    "id": values.text(1024),
    "source": values.text(2048),
    "type": _any_id,
}
