"""Whether inputs and outputs are what they should be: rules, a reference profile, checks.

The law of this room: one exchange and the rules in, the broken rules out; what is remembered is
remembered by an object that its owner holds.

    rules       what is asked, and what was broken
    checking    rules and columns in, broken rules out
    examine     one sampled exchange: its prediction, and the rules that it breaks
    sampling    whose exchanges are looked at, and which of them are evidence
    casebook    what was found until now, for people
    profile     what the training data looked like
    gathering   makes a profile in one pass
    deriving    rules from a profile
"""

from __future__ import annotations

from proxy.quality.casebook import Casebook, VersionQuality
from proxy.quality.checking import check
from proxy.quality.deriving import derive
from proxy.quality.examine import Examination, Examined, Options, examine
from proxy.quality.gathering import Gatherer
from proxy.quality.profile import BadProfile, ColumnProfile, Profile
from proxy.quality.rules import Broken, ColumnRule, QualityRules, SideRules, rule_names
from proxy.quality.sampling import Percents, fair, takes

__all__ = [
    "BadProfile",
    "Broken",
    "Casebook",
    "ColumnProfile",
    "ColumnRule",
    "Examination",
    "Examined",
    "Gatherer",
    "Options",
    "Percents",
    "Profile",
    "QualityRules",
    "SideRules",
    "VersionQuality",
    "check",
    "derive",
    "examine",
    "fair",
    "rule_names",
    "takes",
]
