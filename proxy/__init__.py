"""pointsman: the person at the railway switch, in front of model servers.

The map of the house.  A line may import the lines below it, never its neighbours on the
same line, never upwards; import-linter checks it (``make lint``).

            ENTRANCES
cli         the same from a terminal: typed verbs, tables or JSON, exit codes for CI
app         composition root: builds every room from Settings, owns start and stop order
admin       the operators' door: API, health, metrics
            ENGINES
fleet       many processes: parent, worker, desk, channel
steering    the release desk's control loop: observe, judge, revert  (loop.py: read this second)
traffic     the data plane: connection, exchange, forward, mirror, recording, drain
            (exchange.py: the life of one request; read this first)
            DOORS
settings    what the operator wrote: schema, load, crosscheck, compile to a Plan, watch
store       what must survive: history and latches, evidence files, the ledger of predictions
net         asyncio sockets: dial, pool, deadlines, scripted transports for tests
            GROUND (pure: no I/O, no clock, no chance, no logging)
report      text and pictures from facts: charts, the report of a comparison
judge       evidence in, verdict out: breakers, sequential tests, promotion
compare     pairs of stable and shadow answers, read, counted and summed up
quality     whether inputs and outputs are what they should be: rules, profile, checks
feedback    what the world said later: labels, KPI events, downstream signals
payload     bodies to named columns and predictions, by protocol
routing     which version answers, who gets a copy: plan, match, keys, split, health
wire        bytes to HTTP heads and bodies and back; framing refuses every ambiguous length
measure     numbers that add up: log-bucket histogram, window, tally
terms       the words every room shares (frozen, slotted, no behaviour)
errors      one error tree: what failed, whose side, may we retry, which status to answer

A Plan goes down, a Tally comes up: the release desk publishes an immutable, numbered Plan
(routing/plan.py) to the data plane; the data plane sends Tallies (measure/tally.py) back.
"""

__version__ = "0.1.0"
