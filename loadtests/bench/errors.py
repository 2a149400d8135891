"""What can stop the benchmark: said in a line to whoever started it."""

from __future__ import annotations


class BenchError(Exception):
    """It cannot go on; the text says what was found and what to do."""
