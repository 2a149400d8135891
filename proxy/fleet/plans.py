"""Plans as bytes and back, without writing or reading again the models that have not changed.

A Plan names every model, whatever it changes.  Of a thousand models' 1.2 MB nearly all bytes
are those of the Plan before; reading them takes milliseconds on the traffic's loop, and writing
them, to every worker, comes between a revert and those who must hear of it.
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
_UnreadKept: Final = msgspec.defstruct(
    "_UnreadKept", [("plan", _Unread), ("config", bytes), ("drain", float)], tag="kept"
)
_encoder: Final = msgspec.msgpack.Encoder()
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


class PlanWriter:
    """Makes messages of Plans; a model that was in the last Plan is not encoded again.

    The same model is the same object: Plans are made of those of the Plan before.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[ModelPlan, msgspec.Raw]] = {}  # by id, which it keeps alive

    def message(self, plan: Plan) -> msgspec.Struct:
        """What encodes as ``PlanMessage(plan)``."""
        return _UnreadMessage(self._unread(plan))

    def kept(self, plan: Plan, config: bytes, drain: float) -> msgspec.Struct:
        """What encodes as ``Kept(plan, config, drain)``."""
        return _UnreadKept(self._unread(plan), config, drain)

    def _unread(self, plan: Plan) -> msgspec.Struct:
        self._known = {
            id(model): self._known.get(id(model)) or (model, msgspec.Raw(_encoder.encode(model)))
            for model in plan.models
        }
        rest = {name: getattr(plan, name) for name in Plan.__struct_fields__}
        rest["models"] = tuple([self._known[id(model)][1] for model in plan.models])
        return _Unread(**rest)
