"""Alertmanager's webhook, version 4, as it is: each of its alerts is a signal.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
What is not needed is let be, so that its next fields break nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from proxy.feedback import values
from proxy.feedback.bodies import Broken
from proxy.feedback.events import Signal
from proxy.feedback.reading import Fault, Item
from proxy.feedback.values import Unfit, shown

SOURCE: Final = "alertmanager"
#: Who has said that it resolved what it had never said fired, says this of its beginning.
_NEVER: Final = "0001-01-01T00:00:00Z"


class Webhook(msgspec.Struct):
    version: str
    alerts: list[msgspec.Raw]


class _Alert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    startsAt: str  # noqa: N815  # the names are Alertmanager's
    annotations: dict[str, str] = {}
    endsAt: str = _NEVER  # noqa: N815
    generatorURL: str = ""  # noqa: N815
    fingerprint: str = ""


_WEBHOOK: Final = msgspec.json.Decoder(Webhook)
_ALERT: Final = msgspec.json.Decoder(_Alert)
_FIELDS: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_webhook(body: bytes) -> bool:
    """Whether a JSON text is one: an object with ``alerts``."""
    try:
        return "alerts" in _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def read(body: bytes, now: float, source: str = SOURCE) -> Iterator[Item | Fault]:
    """Each alert as a signal of ``source``.  Raises Broken when the whole is none of version 4.

    The labels ``model`` and ``version`` say whom it is about.  A ``model`` that no config has is
    no fault here: alerts are labelled for many readers.
    """
    try:
        hook = _WEBHOOK.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Broken(f"The body has alerts and is no webhook of Alertmanager: {error}") from error
    if hook.version != "4":
        raise Broken(f'version: found {shown(hook.version)}; allowed is "4"')
    time = values.times(now)
    for index, raw in enumerate(hook.alerts):
        try:
            yield Item(index, _signal(_ALERT.decode(raw), time, source))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Fault(index, f"alerts[{index}]: {error}")
        except Unfit as unfit:
            yield Fault(index, f"alerts[{index}]: found {unfit.found}; allowed is {unfit}")


def _signal(alert: _Alert, time: values.Reader, source: str) -> Signal:
    if alert.status not in ("firing", "resolved"):
        raise Unfit('"firing" or "resolved"', f"status {shown(alert.status)}")
    resolved = alert.status == "resolved"
    when = alert.endsAt if resolved and alert.endsAt != _NEVER else alert.startsAt
    try:
        at = time(when)
    except Unfit as unfit:
        raise Unfit(str(unfit), unfit.found or shown(when)) from None
    name = alert.labels.get("alertname", "")
    notes = alert.annotations
    summary = notes.get("summary") or notes.get("description") or name or "an alert"
    alarm = alert.fingerprint or name
    return Signal(
        event_id=_short(f"{source} {alarm} {when} {alert.status}", values.LONGEST_ID),
        source=source,
        model=_short(alert.labels.get("model", ""), values.LONGEST_NAME),
        severity=_short(alert.labels.get("severity", ""), values.LONGEST_NAME),
        summary=_short(summary, values.LONGEST_TEXT),
        at=at,
        link=_short(alert.generatorURL, values.LONGEST_LINK),
        resolved=resolved,
        alarm=_short(alarm, values.LONGEST_ID),
        version=_short(alert.labels.get("version", ""), values.LONGEST_NAME),
    )


def _short(words: str, longest: int) -> str:
    """Alertmanager's own text in one line, cut where it is too long."""
    line = "".join(sign if sign.isprintable() else " " for sign in words).strip()
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
