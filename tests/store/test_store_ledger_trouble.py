"""The ledger when the database is locked, full, gone, killed, too new, or none of ours."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from store_ledger import QUICK, Desk, kpi, label, opened, prediction, until
from store_postgres import Postgres

from proxy.errors import StateError
from proxy.store.ledger import Ledger, LedgerLimits
from proxy.store.ledger.database import Database
from proxy.store.ledger.migrations import MIGRATIONS, migrate
from proxy.store.ledger.tables import METADATA

WRITER = """
import asyncio, resource, sys
from proxy.feedback import Kpi, Label, Prediction
from proxy.store.ledger import Ledger, LedgerLimits

def prediction(n):
    return Prediction(f"r{n}", "m", "2", "canary", 0.05, True, f"c{n}", (), float(n), 0.5)

async def main():
    ledger = Ledger(sys.argv[1], limits=LedgerLimits(linger=0.01, retry=0.05, lock=0.2))
    ledger.start()
    await globals()[sys.argv[2]](ledger)

async def forever(ledger):
    n = 0
    while True:
        n += 1
        ledger.offer([prediction(n)])
        taken = await ledger.take([Label(f"e{n}", "x", 1.0, 1.0, request_id=f"r{n}"),
                                   Kpi(f"k{n}", "x", 1.0, "m", "c", 1.0)])
        ledger.delivered([each for each in taken.joined if n % 2], taken.kpis if n % 2 else [])
        print(n, flush=True)

async def full(ledger):
    await ledger.log([prediction(0)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    ledger.offer([prediction(n) for n in range(1, 2001)])
    try:
        await ledger.take([Kpi("k", "x", 1.0, "m", "c", 1.0)])
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    ledger.offer([prediction(n) for n in range(2001, 30_001)])
    print(ledger.status().lost, bool(ledger.status().error), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while ledger.status().pending:
        await asyncio.sleep(0.01)
    taken = await ledger.take([Kpi("k", "x", 1.0, "m", "c", 1.0)])
    print(taken.accepted, ledger.status().logged, repr(ledger.status().error), flush=True)
    await ledger.close()

asyncio.run(main())
"""


def run(url: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, what], stdout=subprocess.PIPE, text=True
    )


async def test_after_a_kill_everything_accepted_is_there_and_delivered(url: str) -> None:
    with run(url, "forever") as process:
        assert process.stdout is not None
        for _ in range(100):
            process.stdout.readline()
        process.kill()
        accepted = 100 + len(process.stdout.read().splitlines())
    desk = Desk()
    async with opened(url, desk) as ledger:
        counts = await ledger.counts()
        assert counts.labels >= accepted
        assert counts.kpis >= accepted
        taken = await ledger.take([label(f"e{n}", f"r{n}") for n in range(1, accepted + 1)])
        assert (taken.accepted, taken.joined) == (0, [])
        # All of the even ones were never confirmed; of the odd ones at most the last moment's.
        await until(lambda: len(desk.kpis) >= accepted // 2)
        await ledger.log([prediction(n) for n in range(counts.labels)])
        again = [one for one, _ in desk.pairs()]
        assert len(again) == len(set(again))


def test_a_full_disk_loses_rows_with_a_counter_and_heals(tmp_path: Path) -> None:
    with run(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", "full") as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    refused, state, healed = said.splitlines()
    assert refused.startswith("Unavailable ")
    assert "ledger.sqlite3: cannot be written: " in refused
    assert state == "10000 True"
    assert healed == "1 20001 ''"


async def test_a_locked_database_makes_only_callers_wait(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    limits = LedgerLimits(linger=0.0, retry=0.02, lock=0.05, waiting=10)
    async with opened(f"sqlite:///{path}", limits=limits) as ledger:
        await ledger.log([prediction(0)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="cannot be written: database is locked"):
            await ledger.take([kpi("a")])
        ledger.offer([prediction(n) for n in range(1, 16)])
        assert ledger.status().lost == 5
        assert "locked" in ledger.status().error
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: ledger.status().pending == 0)
        assert (ledger.status().logged, ledger.status().error) == (11, "")
        assert (await ledger.take([kpi("a")])).accepted == 1


async def test_a_postgresql_that_stops_and_starts_again(tmp_path: Path) -> None:
    server = Postgres()
    try:
        desk = Desk()
        async with opened(server.url(), desk) as ledger:
            with pytest.raises(StateError, match=r"127\.0\.0\.1:\d+/postgres: cannot be written"):
                await ledger.take([kpi("early")])
            server.start()
            await until(lambda: ledger.status().error == "")
            await ledger.take([label("a", "r1")])
            server.stop()
            with pytest.raises(StateError):
                await ledger.take([kpi("b")])
            with pytest.raises(StateError):
                await ledger.counts()
            ledger.offer([prediction(1), prediction(2)])
            assert ledger.status().error
            server.start()
            await until(lambda: ledger.status().pending == 0)
            await until(lambda: bool(desk.joined))
            assert desk.pairs() == [("a", "r1")]
            assert (await ledger.take([kpi("b")])).accepted == 1
            assert (await ledger.counts()).predictions == {"m": {"2": 2}}
    finally:
        server.remove()


async def test_who_asked_may_be_gone_and_the_judge_still_gets_it(url: str) -> None:
    desk = Desk()
    async with opened(url, desk) as ledger:
        await ledger.log([prediction(n) for n in range(3000)])
        asked = asyncio.ensure_future(ledger.take([label(f"e{n}", f"r{n}") for n in range(3000)]))
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await ledger.take([kpi("after")])
        counts = await ledger.counts()
        await until(lambda: len(desk.joined) == counts.labels)
    assert counts.labels in (0, 3000)


def test_the_tables_of_the_migrations_are_those_of_the_queries(url: str) -> None:
    database = Database(url, 1.0)
    with database.write(durable=True) as connection:
        found = {
            table: {
                column["name"]: column["nullable"]
                for column in inspect(connection).get_columns(table)
            }
            for table in inspect(connection).get_table_names()
            if not table.startswith("sqlite_")
        }
    database.close()
    wanted = {
        table.name: {column.name: column.nullable for column in table.columns}
        for table in METADATA.tables.values()
    }
    for key in (table for columns in (found, wanted) for table in columns.values()):
        key.pop("id", None)  # SQLite calls its row numbers nullable
    assert found == wanted


def test_a_migration_runs_once_and_whole_or_not_at_all(url: str) -> None:
    database = Database(url, 1.0)
    runs: list[str] = []

    def more(connection: object) -> None:
        runs.append("more")

    def broken(connection: object) -> None:
        runs.append("broken")
        raise StateError("no")

    with database.write(durable=True) as connection:
        migrate(connection, "here", [*MIGRATIONS, more])
        migrate(connection, "here", [*MIGRATIONS, more])
    with pytest.raises(StateError, match="no"), database.write(durable=True) as connection:
        migrate(connection, "here", [*MIGRATIONS, more, broken])
    assert runs == ["more", "broken"]
    database.close()
    again = Database(url, 1.0)
    with (
        pytest.raises(
            StateError,
            match=rf"found schema {len(MIGRATIONS) + 1}, which a newer pointsman made; "
            rf".* up to {len(MIGRATIONS)}",
        ),
        again.write(durable=True),
    ):
        pass
    again.close()


async def test_a_newer_schema_is_said_by_whatever_is_asked(url: str) -> None:
    database = Database(url, 1.0)
    with database.write(durable=True) as connection:
        migrate(connection, "here", [*MIGRATIONS, lambda _: None])
    database.close()
    async with opened(url) as ledger:
        with pytest.raises(StateError, match="newer pointsman"):
            await ledger.take([kpi("a")])
        with pytest.raises(StateError, match="newer pointsman"):
            await ledger.counts()
        assert "newer pointsman" in ledger.status().error


async def test_a_database_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE predictions (a)")
    theirs.close()
    async with opened(f"sqlite:///{path}") as ledger:
        with pytest.raises(StateError, match="the tables predictions, which are not pointsman's"):
            await ledger.take([kpi("a")])
    engine = create_engine(f"sqlite:///{path}")
    assert inspect(engine).get_table_names() == ["predictions"]
    engine.dispose()


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("hello " * 1000)
    async with opened(f"sqlite:///{path}") as ledger:
        with pytest.raises(StateError, match="file is not a database"):
            await ledger.take([kpi("a")])
    assert path.read_text() == "hello " * 1000


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "cannot be read; allowed is postgresql://"),
        ("postgresql://u:secret@h/d?target=x", "asks for target; allowed are host, sslmode"),
        ("postgresql://u:secret@h/d?sslmode=maybe", "found sslmode=maybe; allowed are"),
    ],
)
def test_a_url_that_can_never_work_is_refused_at_once(url: str, why: str) -> None:
    with pytest.raises(StateError, match=why) as refused:
        Ledger(url)
    assert "secret" not in str(refused.value)


async def test_a_password_is_never_shown(postgres: Postgres) -> None:
    url = f"postgresql://postgres:hunter2@127.0.0.1:{postgres.port}/not_there"
    async with opened(url) as ledger:
        with pytest.raises(StateError, match='database "not_there" does not exist') as refused:
            await ledger.take([kpi("a")])
        assert "hunter2" not in str(refused.value) + str(ledger.status())


async def test_a_unix_socket_and_a_name_for_the_sessions(emptied: Postgres) -> None:
    url = f"postgresql://postgres@:{emptied.port}/postgres?host={emptied.folder}"
    async with opened(f"{url}&application_name=desk&sslmode=disable") as ledger:
        assert (await ledger.take([kpi("socket")])).accepted == 1
        assert str(emptied.folder) in ledger.status().database


def test_a_missing_driver_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pg8000" else found(name)
    )
    with pytest.raises(StateError, match=r"pip install 'pointsman\[postgres\]'"):
        Ledger("postgresql://a:b@c/d")


async def test_close_does_not_wait_for_a_dead_database_for_ever(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}", limits=QUICK)  # a folder
    ledger.start()
    ledger.offer([prediction(1)])
    await until(lambda: bool(ledger.status().error))
    await ledger.close(patience=20.0)
    assert (ledger.status().lost, ledger.status().logged) == (1, 0)


async def test_waiting_calls_are_bounded(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'a.db'}", limits=LedgerLimits(jobs=2))
    calls = [asyncio.ensure_future(ledger.take([kpi(f"k{n}")])) for n in range(3)]
    await asyncio.sleep(0)
    ledger.start()
    done = await asyncio.gather(*calls, return_exceptions=True)
    await ledger.close()
    assert [type(each).__name__ for each in done] == ["Taken", "Taken", "OperationRefused"]
    assert "has 2 calls waiting; try again later" in str(done[2])
