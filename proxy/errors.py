"""One error tree: what failed, whose side, may we retry, which status to answer.

An error becomes an answer in one place (wire/problem.py) from the fields written here.
"""

from __future__ import annotations

from typing import ClassVar

from proxy.terms import Outcome


class PointsmanError(Exception):
    """The root of everything raised on purpose."""


class RequestRefused(PointsmanError):
    """The caller's request cannot be served; ``reason`` is the metric's label.

    ``status`` is what to answer, ``detail`` says what was found and what is allowed.
    The connection is closed afterwards whenever the framing can no longer be trusted.
    """

    outcome: ClassVar[Outcome] = Outcome.CALLER_ERROR

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


class AnswerBroken(PointsmanError):
    """The upstream's answer breaks the protocol: 502, or a cut transfer once the head is out."""

    outcome: ClassVar[Outcome] = Outcome.UPSTREAM_PROTOCOL


class ConfigError(PointsmanError):
    """A config that cannot be used; ``problems`` is one line per fault, each with its path."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join([f"{source}: the config was refused", *problems]))


class StateError(PointsmanError):
    """The state directory cannot be used, or what is in it cannot be trusted."""


class ReplayError(PointsmanError):
    """What was given as evidence cannot be read; says which file, which line, what is allowed."""


class Unreachable(PointsmanError):
    """The admin API of a running pointsman does not answer."""


class OperationRefused(PointsmanError):
    """An operator asked for something that cannot be done now; says why and what is allowed."""


class CannotListen(PointsmanError):
    """An address to listen on cannot be had; says which, why, and what is allowed."""
