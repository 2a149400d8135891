"""The databases that the ledger's tests run on: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import pytest
from store_postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Started once, when the first test asks for it."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def emptied(postgres: Postgres) -> Postgres:
    """The same server without any tables."""
    connection = pg8000.native.Connection("postgres", host="127.0.0.1", port=postgres.port)
    connection.run("DROP SCHEMA public CASCADE")
    connection.run("CREATE SCHEMA public")
    connection.close()
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite3'}"
    server: Postgres = request.getfixturevalue("emptied")
    return server.url()
