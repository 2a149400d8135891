"""The database behind the ledger: its engine, its transactions, its errors in plain words.

SQLite (WAL) or PostgreSQL (pg8000), told by the URL.  There is one writer at a time: SQLite's
own lock, or an advisory lock in PostgreSQL.  Two desks that take a label and log its prediction at
the same moment would otherwise not see each other's row, and the two would never meet.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from proxy.errors import StateError
from proxy.store.ledger.migrations import migrate

#: Any number will do; it stays the same for ever.
_WRITER: Final = 0x706F_696E_7473
#: Seconds without a byte from PostgreSQL before it counts as gone.
_SILENCE: Final = 30.0
_SSL_MODES: Final = ("disable", "require", "verify-full")
_QUERY: Final = ("host", "sslmode", "sslrootcert", "application_name")


class Database:
    """Opened by the first transaction, and again after a failure.  For one writing thread and
    one reading one.  The constructor raises StateError for a URL that can never work."""

    def __init__(self, url: str, lock: float) -> None:
        try:
            self._url = make_url(url)
        except ArgumentError:
            raise StateError(
                "the database's URL cannot be read; allowed is postgresql://user:password@host/name"
            ) from None
        self.postgresql = self._url.get_backend_name() == "postgresql"
        self._engine = self._postgresql() if self.postgresql else self._sqlite(lock)
        self._migrated = False

    @property
    def ready(self) -> bool:
        """Whether a first transaction has made the schema what it should be."""
        return self._migrated

    @property
    def where(self) -> str:
        """Which database, for people: never its password."""
        if not self.postgresql:
            return str(self._url.database)
        place = self._url.host or _text(self._url.query.get("host"))
        port = f":{self._url.port}" if self._url.port else ""
        return f"postgresql://{place}{port}/{self._url.database or ''}"

    @contextmanager
    def write(self, *, durable: bool) -> Iterator[Connection]:
        """One transaction, committed at its end; on an error nothing of it is left.

        ``durable``: it survives a power cut once it is committed; otherwise only the death of
        the process.  Raises StateError.
        """
        with self._failures("cannot be written"):
            if not self._migrated:
                self._open()
            with self._begin(durable=durable) as connection:
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction, once ``ready``; for the reading thread.  Raises StateError."""
        engine = self._engine.execution_options(reading=True)
        with self._failures("cannot be read"), engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _open(self) -> None:
        if not self.postgresql:
            _make_file(Path(str(self._url.database)))
        with self._begin(durable=True) as connection:
            migrate(connection, self.where)
        self._migrated = True

    @contextmanager
    def _begin(self, *, durable: bool) -> Iterator[Connection]:
        options = self._engine.execution_options(durable=durable)
        with options.begin() as connection:
            yield connection

    def _sqlite(self, lock: float) -> Engine:
        engine = create_engine(
            self._url,
            connect_args={"timeout": lock, "check_same_thread": False},
            pool_size=2,
        )
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
        return engine

    def _postgresql(self) -> Engine:
        if importlib.util.find_spec("pg8000") is None:
            raise StateError(
                "database: PostgreSQL needs a driver that is not installed: "
                "pip install 'pointsman[postgres]'"
            )
        arguments: dict[str, Any] = {"timeout": _SILENCE, "application_name": "pointsman"}
        query = {name: _text(value) for name, value in self._url.query.items()}
        unknown = sorted(set(query) - set(_QUERY))
        if unknown:
            raise StateError(
                f"database: the URL asks for {', '.join(unknown)}; allowed are {', '.join(_QUERY)}"
            )
        if "host" in query:
            arguments["unix_sock"] = f"{query['host']}/.s.PGSQL.{self._url.port or 5432}"
        if "application_name" in query:
            arguments["application_name"] = query["application_name"]
        arguments["ssl_context"] = _ssl(query.get("sslmode", ""), query.get("sslrootcert"))
        url = URL.create(
            "postgresql+pg8000",
            self._url.username or "postgres",
            self._url.password,
            self._url.host,
            self._url.port,
            self._url.database,
        )
        engine = create_engine(url, connect_args=arguments, pool_size=2, pool_pre_ping=True)
        event.listen(engine, "begin", _postgresql_begins)
        # A connection that the server ended is a traceback there; what follows is said by us.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        return engine

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise Unavailable(
                f"{self.where}: {what}: {_cause(error)}", lasting=not _may_pass(error)
            ) from error


class Unavailable(StateError):
    """The database did not do it.  ``lasting``: it was the rows, so that the same will fail
    again; otherwise it may work when the database is back, has room or is not locked."""

    def __init__(self, text: str, *, lasting: bool) -> None:
        super().__init__(text)
        self.lasting = lasting


def _make_file(path: Path) -> None:
    """For the owner and his group: there are predictions in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))


def _sqlite_connected(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin below, not in the driver
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")


def _sqlite_begins(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("reading"):
        connection.exec_driver_sql("BEGIN")
        return
    level = "FULL" if options.get("durable") else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql_begins(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("reading"):
        return
    # Every statement of a writer has its index; a young table's statistics do not know it yet.
    said = ["set_config('enable_seqscan', 'off', true)", "pg_advisory_xact_lock(:key)"]
    if not options.get("durable"):
        said.append("set_config('synchronous_commit', 'off', true)")
    connection.execute(text(f"SELECT {', '.join(said)}"), {"key": _WRITER})


def _ssl(mode: str, authority: str | None) -> ssl.SSLContext | None:
    if mode in ("", "disable", "prefer"):
        return None
    if mode not in _SSL_MODES:
        raise StateError(f"database: found sslmode={mode}; allowed are {', '.join(_SSL_MODES)}")
    context = ssl.create_default_context(cafile=authority)
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(value or ())


def _cause(error: Exception) -> str:
    """The driver's own words; never the statement, which holds customers' data."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if origin is not None and origin.args and isinstance(origin.args[0], dict):  # pg8000
        return str(origin.args[0].get("M", "refused"))
    return getattr(origin, "strerror", None) or str(origin) or type(origin).__name__


#: PostgreSQL: connection, resources, operator's intervention, system errors, rolled back.
_PASSING: Final = ("08", "53", "57", "58", "40", "55", "25")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OSError | PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return isinstance(origin, sqlite3.OperationalError)
    if origin is not None and origin.args and isinstance(origin.args[0], dict):
        return str(origin.args[0].get("C", "")).startswith(_PASSING)
    return True  # the driver's own: no connection, no answer
