"""How every process logs: one line for a person on stderr, with who says it.

``2026-11-23T03:11:00.123Z WARNING worker 0: ...``.  The access log is another matter
(accesslog.py).
"""

from __future__ import annotations

import logging
import sys
import time


class _Line(logging.Formatter):
    """One line, whatever the message holds; a traceback follows on lines of its own."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        record.message = record.message.replace("\r", "\\r").replace("\n", "\n    ")
        return super().formatMessage(record)


def configure(role: str, level: int = logging.INFO) -> None:
    """Send all logging of this process to stderr; ``role`` is ``serve``, ``desk``, ``worker 0``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(f"%(asctime)s %(levelname)s {role}: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # It tells of every file that moves: where this very log is one, without end.
    logging.getLogger("watchfiles").setLevel(max(level, logging.WARNING))
    # A closed or full stderr must not stop a process, nor make it talk about that on stderr.
    logging.raiseExceptions = False
