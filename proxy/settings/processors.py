"""How many processors this process may use: ``workers: auto``."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available() -> int:
    """Processors of the affinity mask, or of the container's quota (cgroup v2) if that is less."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        return max(1, min(count or 1, _allowed(_QUOTA.read_text())))
    except (OSError, ValueError):
        return max(1, count or 1)


def _allowed(quota: str) -> int:
    """Whole processors of a ``cpu.max`` line; ``max`` (no quota) is a ValueError."""
    microseconds, period = quota.split()
    return math.ceil(int(microseconds) / int(period))
