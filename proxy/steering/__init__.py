"""steering: the release desk's control loop.  Its law: the automatic actor may only revert.

    loop        the desk itself: from the workers, from the file, from operators; tick
    held        what it holds in memory, and how the next Plan follows from it
    planning    what is asked and what is latched, made into a Plan (pure)
    rules       what the config file says, and what changed in it
    observe     the last minutes by series; the canary's runs of failures
    totals      everything since the start, for /metrics
    evidence    what the workers tell, made into what the judge's trials are shown
    judging     asks the judge about every canary in force
    lastgood    whether there is anything to go back to (pure)
    reverting   carries a due revert out, or what stands in for it
    carry       publishes, then writes down
    baseline    what stable did in some time, from the totals
    validating  whether stable is well again after a revert
    orders      what operators may order, checked (pure)
    operators   carries their orders out, in turn
    record      the one writer of the history; nobody waits for the disk
    feedback    what the world said later: kept, then shown to the judge
    evident     an event of it as an observation, or why it is none (pure)
    shares      the shares that a running canary had, and when
    signals     downstream alarms, and what the operator wants of them
    samples     whole exchanges to predictions and broken rules, in a thread
    comparing   pairs to comparisons, in slices that nobody feels; compared one of them,
                pacing how much there is time for (pure)
    beside      ledger, feedback, samples and comparisons, opened and closed together
    workers     who there is
    view        fills in status.py, the document of /v1/status; trialview its judge's part

A revert is one swap in memory, published before anything is written.  A latched version is
never a canary: planning.py is the only maker of published Plans.
"""

from proxy.steering.compared import View as ComparisonView
from proxy.steering.comparing import Comparisons
from proxy.steering.feedback import Feedback
from proxy.steering.loop import ReleaseDesk
from proxy.steering.samples import Samples
from proxy.steering.status import ModelStatus, Status
from proxy.steering.totals import Totals

__all__ = [
    "ComparisonView",
    "Comparisons",
    "Feedback",
    "ModelStatus",
    "ReleaseDesk",
    "Samples",
    "Status",
    "Totals",
]
