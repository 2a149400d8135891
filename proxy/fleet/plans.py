"""Reading the desk's words, without reading again the models that have not changed.

A Plan names every model, whatever it changes.  Of a thousand models' 1.2 MB nearly all bytes
are those of the Plan before, and reading them takes milliseconds on the traffic's loop.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import fields

from proxy.fleet import messages as m
from proxy.routing.plan import ModelPlan, Plan

#: A Plan whose models are left as bytes.  Both ends are of one version: no field is missing.
_Unread: Final = msgspec.defstruct(
    "_Unread",
    [
        (field.name, tuple[msgspec.Raw, ...] if field.name == "models" else field.type)
        for field in fields(Plan)
    ],
)
_UnreadMessage: Final = msgspec.defstruct("_UnreadMessage", [("plan", _Unread)], tag="plan")
_message: Final = msgspec.msgpack.Decoder[Any](_UnreadMessage | m.Heartbeat)
_model: Final = msgspec.msgpack.Decoder(ModelPlan)


class DownDecoder:
    """Decodes what a desk says; a model with the bytes that it had in the last Plan is the same."""

    def __init__(self) -> None:
        self._known: dict[bytes, ModelPlan] = {}

    def decode(self, body: bytes) -> m.Down:
        """One message.  Raises msgspec.DecodeError."""
        message = _message.decode(body)
        if isinstance(message, m.Heartbeat):
            return message
        parts = [bytes(part) for part in message.plan.models]
        known = {part: self._known.get(part) or _model.decode(part) for part in parts}
        self._known = known
        rest = {name: getattr(message.plan, name) for name in Plan.__struct_fields__}
        rest["models"] = tuple([known[part] for part in parts])
        return m.PlanMessage(Plan(**rest))
