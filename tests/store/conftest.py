"""The databases that the ledger's tests run on: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import pytest
from store_postgres import Postgres

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Started once, when the first test asks for it."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return new_database(server)


def new_database(server: Postgres) -> str:
    name = f"test_{next(_NUMBERS)}"
    place = {"host": "127.0.0.1", "port": server.port, "database": "postgres"}
    connection = pg8000.native.Connection("postgres", **place)
    connection.run(f"CREATE DATABASE {name}")
    connection.close()
    return server.url(name)
