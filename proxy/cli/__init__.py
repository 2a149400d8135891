"""The command line: typed verbs, tables or JSON, exit codes that a script can trust.

The law of the room: a command asks another room and shows what it says; it decides nothing
itself.  Heavy rooms are imported inside the command that needs them, so that ``--help`` and
shell completion answer at once.  This file stays empty of them for the same reason.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """The ``pointsman`` command."""
    from proxy.cli.root import app

    app(prog_name="pointsman")
