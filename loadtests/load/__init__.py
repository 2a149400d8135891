"""``make load``: scenarios with real callers (Locust), each within a budget or an error.

Half of the callers come through the proxy, half go straight to the stable version, in the same
run with the same payloads; the proxy is judged by the difference.  Read ``scenarios.py`` first,
then ``run.py``.

Two environments meet here.  ``locustfile.py`` runs in Locust's, and with it ``job.py``, which
needs the standard library only; everything else runs in the project's.
"""
