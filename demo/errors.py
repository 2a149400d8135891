"""The demo's one error: what could not be done, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class DemoError(Exception):
    """Ends the demo with exit 1; the message is all that the person sees."""


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented, for the end of an error message."""
    try:
        text = path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in text) or "    (the log is empty)"
