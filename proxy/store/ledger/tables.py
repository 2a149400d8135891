"""The schema as it is now, for queries.  How a database gets there is migrations.py.

A test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, MetaData, Table, Text

METADATA = MetaData()

#: ``version`` says which migrations are done.
SCHEMA = Table(
    "pointsman_schema",
    METADATA,
    Column("version", BigInteger, nullable=False),
    Column("at", Double),
)

PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("share", Double, nullable=False),
    Column("drawn", Boolean, nullable=False),
    Column("customer", Text, nullable=False),
    Column("segments", Text, nullable=False),  # JSON
    Column("at", Double, nullable=False),
    Column("value", Text, nullable=False),  # JSON, see rows.py
    Column("problem", Text, nullable=False),
    Column("live", Text, nullable=False),  # of a shadow's: the live version, else ""
    Column("live_value", Text, nullable=False),  # JSON, as value
)

#: Labels and KPI events.  ``request_id`` "" is a label by customer and time.
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # label | kpi
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),  # JSON
    Column("model", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("since", Double),
    Column("until", Double),
    Column("received", Double, nullable=False),
    Column("delivered", Boolean, nullable=False),  # of KPI events; a label's is in joins
)

#: Which label met which prediction, and whether the judge has confirmed it.
JOINS = Table(
    "joins",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("feedback_id", BigInteger, nullable=False),
    Column("prediction_id", BigInteger, nullable=False),
    Column("delivered", Boolean, nullable=False),
)
