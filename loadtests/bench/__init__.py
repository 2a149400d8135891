"""pointsman beside its peers, measured: ``python -m loadtests.bench --help``.

The room's law: a figure counts only beside another one from the same run.  Everything is
repeated in turns (a round visits each proxy once, in an order that moves on by one each round),
compared round by round, and told with its spread.  Nothing here passes or fails by time.

The rooms within, from the bottom: ``spread`` (statistics), ``reach`` (what is to be reached, as
data), ``works`` (what a proxy is asked to do), ``peers`` (how each is told so), ``kernel`` and
``processes`` (what the kernel knows of them), ``generator`` and ``wrk`` (load), ``upstream`` (what
stands behind), ``shadows`` (their stubs at work without a proxy), ``visits`` and ``rounds`` (the
measuring), ``table``, ``chart`` and ``record``.
"""
