"""What ends a load test before its verdict, with the exit code of each."""

from __future__ import annotations


class LoadError(Exception):
    """It could not be carried out, or was refused; the message is all that the person sees."""

    exit_code = 1


class UsageError(LoadError):
    """What was asked for does not go together."""

    exit_code = 2


class UnreachableError(LoadError):
    """An address that was given does not answer."""

    exit_code = 3
