"""settings: what the operator wrote, checked whole and never half believed.

The law of this room: a broken config never becomes ``Settings``; every fault is named with
file, line, path, what was found and what is allowed; no secret is ever printed.  Files and the
environment are read in load.py, secrets.py, profiles.py, watch.py and processors.py only.  A
worker never imports this room.
"""

from proxy.settings.change import needs_restart
from proxy.settings.comparing import Comparing, comparisons
from proxy.settings.compile import (
    compile_model,
    compile_plan,
    feedback_policies,
    fingerprint,
    guardrails_by_model,
    last_resorts,
    split_salt,
    thresholds,
    validations,
)
from proxy.settings.load import load, parse
from proxy.settings.predictions import RETENTION
from proxy.settings.schema import Settings, json_schema
from proxy.settings.watch import watch
from proxy.settings.watching import examination, examinations

__all__ = [
    "RETENTION",
    "Comparing",
    "Settings",
    "comparisons",
    "compile_model",
    "compile_plan",
    "examination",
    "examinations",
    "feedback_policies",
    "fingerprint",
    "guardrails_by_model",
    "json_schema",
    "last_resorts",
    "load",
    "needs_restart",
    "parse",
    "split_salt",
    "thresholds",
    "validations",
    "watch",
]
