"""The demo: real customers, real model servers, and a release that goes wrong.

Its law: the demo is an outsider.  It knows pointsman only as an operator does, by its
command, its config file, its headers, its metrics and its admin API; it imports nothing of
``proxy``.  Everything it makes lives in ``.demo``, everything it starts it also ends.

story       what happens, act by act, and whether it happened (decisions are pure)
replay      the callers: real customers' rows, sent at a steady rate over kept-alive connections
truth       what the world says later: approvals as events, defaults in a file
servers     the model servers and pointsman as child processes
desk        reading pointsman's admin API and metrics
summary     numbers from what the callers saw (pure), and the same as text
show        what the person at the terminal sees
picture     the same numbers drawn                       (runs in the second environment)
train       the versions of the model                        (runs in the second environment)
runtime     versions 3 and 4, which fail in their ways   (runs in a model server; fading says how)
workfile    the working copy of the config, edited as an operator would
environment, data, prepare: what is made once; keep: what a run leaves; places: where things are
"""
