"""The kinds of value a field can hold: one reader and one sentence of what is allowed each.

A Kind is put in ``Annotated``; pydantic calls it, problems.py quotes its sentence, and
reference.py prints it, so that code, error and manual cannot disagree.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from proxy.settings import units
from proxy.settings.units import Unfit


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """How one kind of value is read, shown and described.

    ``allowed`` completes the sentence "allowed is ..."; ``read`` raises ``Unfit``;
    ``show`` writes a value back so that ``read`` gives the same again.
    """

    name: str
    allowed: str
    read: Callable[[Any], Any]
    schema: dict[str, Any]
    show: Callable[[Any], Any] = lambda value: value
    textual: bool = False  # a bare number in its place wants quotes
    brief: str = ""  # for the manual's tables; empty: the name

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.show),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)

    def _read(self, value: Any) -> Any:
        try:
            return self.read(value)
        except Unfit as unfit:
            raise refusal(self.allowed, str(unfit), quotable=self._quotable) from None

    def _quotable(self, raw: str) -> bool:
        """Whether a bare number would be right if it stood in quotes."""
        try:
            self.read(raw)
        except Unfit:
            return False
        return self.textual


def refusal(
    allowed: str,
    hint: str = "",
    *,
    found: str = "",
    quotable: Callable[[str], bool] = lambda raw: False,
) -> PydanticCustomError:
    """The one error that every reader and check of this room raises inside pydantic.

    ``found`` says what was found where showing the value would not help.
    """
    context = {"allowed": allowed, "hint": hint, "found": found, "quotable": quotable}
    return PydanticCustomError("refused", "{allowed}", context)


def exactly_one(given: Mapping[str, object]) -> None:
    """Refuses a mapping that gives several of these fields, or none."""
    names = list(given)
    found = [name for name, value in given.items() if value is not None]
    if len(found) != 1:
        allowed = f"exactly one of {', '.join(names[:-1])} and {names[-1]}"
        raise refusal(allowed, found=" and ".join(found) or "none of them")


@dataclass(frozen=True, eq=False, slots=True)
class OrOff:
    """Lets the word ``off`` stand in a value's place; it reads as ``off()``.

    ``false`` is off as well: tools that speak YAML 1.1 write it for ``off``.
    """

    allowed: str
    off: Callable[[], Any] = lambda: None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"enum": ["off", False]}]}

    def _read(self, value: Any, inner: Callable[[Any], Any]) -> Any:
        if value is False or value == "off":
            return self.off()
        if value is None:
            raise refusal(self.allowed)
        return inner(value)


class OneOrMany:
    """Lets one mapping stand in the place of a list of it."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}

    def _read(self, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


def duration(minimum: str, maximum: str, like: str = "250ms, 3s, 5m, 1h") -> Kind:
    """A duration within bounds, kept as float seconds; ``like`` are examples."""
    low, high = units.duration(minimum), units.duration(maximum)

    def read(value: object) -> float:
        seconds = units.duration(value)
        if not low <= seconds <= high:
            raise Unfit
        return float(seconds)

    return Kind(
        "duration",
        f"a duration from {minimum} to {maximum}, such as {like} or a number of seconds",
        read,
        {"type": ["string", "number"], "examples": ["250ms", "3s", "5m"]},
        units.show_duration,
        brief=f"duration, {minimum} to {maximum}",
    )


def size(minimum: str, maximum: str, *, none: bool = False) -> Kind:
    """A size within bounds, kept as whole bytes; with ``none`` also no limit at all."""
    low, high = units.size(minimum), units.size(maximum)

    def read(value: object) -> int | None:
        if none and (value is None or value == "none"):
            return None
        count = units.size(value)
        if not low <= count <= high:
            raise Unfit
        return count

    def show(count: int | None) -> str:
        return "none" if count is None else units.show_size(count)

    allowed = f"a size from {minimum} to {maximum}, such as 64KiB, 1MiB or a number of bytes"
    return Kind(
        "size or none" if none else "size",
        "none, or " + allowed if none else allowed,
        read,
        {"type": ["string", "integer", *(["null"] if none else [])], "examples": ["64KiB", "1MiB"]},
        show,
        brief=f"size, {minimum} to {maximum}{', or none' if none else ''}",
    )


def percent() -> Kind:
    """A percentage from 0 to 100 in steps of 0.01, kept as a float."""
    # No multipleOf: validators divide floats, and 0.07 / 0.01 is not whole to them.
    schema = {"type": "number", "minimum": 0, "maximum": 100}
    return Kind("percent", "0 to 100 in steps of 0.01", units.percent, schema, units.plain)


def whole(minimum: int, maximum: int) -> Kind:
    """A whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit
        if not minimum <= value <= maximum:
            raise Unfit
        return value

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Kind(
        "whole number",
        f"a whole number from {minimum} to {maximum}",
        read,
        schema,
        brief=f"whole number, {minimum} to {maximum}",
    )


def real(minimum: str, maximum: str, *, above: bool = False, below: bool = False) -> Kind:
    """A number within bounds; ``above`` and ``below`` leave the bounds themselves out."""
    low, high = Decimal(minimum), Decimal(maximum)

    def read(value: object) -> float:
        exact = units.number(value)
        if not low <= exact <= high or (above and exact == low) or (below and exact == high):
            raise Unfit
        return float(exact)

    lower = f"above {minimum}" if above else f"from {minimum}"
    upper = f"and below {maximum}" if below else f"{'and up ' if above else ''}to {maximum}"
    schema = {
        "type": "number",
        "exclusiveMinimum" if above else "minimum": float(low),
        "exclusiveMaximum" if below else "maximum": float(high),
    }
    return Kind(
        "number",
        f"a number {lower} {upper}",
        read,
        schema,
        units.plain,
        brief=f"number, {lower} {upper}",
    )


def flag() -> Kind:
    """true or false, and nothing that merely looks like it."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise Unfit
        return value

    return Kind("true or false", "true or false", read, {"type": "boolean"})


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Unfit
        return value

    allowed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return Kind(allowed, allowed, read, {"enum": list(words)}, textual=True)


def text(name: str, allowed: str, check: Callable[[str], str], **schema: Any) -> Kind:
    """A text that ``check`` accepts; it returns the canonical form or raises ``Unfit``."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit
        return check(value)

    return Kind(name, allowed, read, {"type": "string", **schema}, textual=True)
