"""Composition root: builds every room from Settings, and owns the order of start and stop.

``serve`` is the parent's whole life, ``python -m proxy.app desk`` the desk's; a worker has no
part in this file, since it loads nothing of the desk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from proxy.errors import ConfigError, PointsmanError
from proxy.fleet import control, listening, logs, parent
from proxy.fleet import messages as m
from proxy.fleet.accesslog import AccessLog
from proxy.fleet.child import interpreter
from proxy.fleet.gather import Gather
from proxy.fleet.plans import PlanWriter
from proxy.net import Tasks
from proxy.routing.plan import Plan
from proxy.settings import (
    Settings,
    compile_plan,
    load,
    needs_restart,
    parse,
    watch,
)
from proxy.store import History, hash_key
from proxy.terms import Logged

if TYPE_CHECKING:
    from aiohttp import web

    from proxy.steering import ReleaseDesk
    from proxy.steering.beside import Beside

log = logging.getLogger(__name__)

HISTORY: Final = "history.jsonl"
EVIDENCE: Final = "evidence"
#: Seconds: a turn of the desk's loop; it tells workers and parent about every fifth one.
TICK_EVERY: Final = 0.1
BEAT_TICKS: Final = 5
#: Signals to reload that come within this time are one.
BURST: Final = 0.1
#: For what the workers said last to be read, once they have gone.
LAST_REPORTS: Final = 1.0


# ---- the parent


def serve(config_path: Path) -> int:
    """Serve what the config says until told to stop; returns the exit code.

    0: stopped in order; 1: a child could not start, or was cut short.
    Raises ConfigError for a config that cannot be used, StateError for its state directory,
    CannotListen for its addresses.
    """
    logs.configure("serve")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the parent hears it: the file is read now
    settings = load(config_path)
    return parent.run(
        parent.Orders(
            worker=[*interpreter(), "-m", "proxy.fleet.worker"],
            desk=[*interpreter(), "-m", "proxy.app", "desk", "--config", str(config_path)],
            workers=settings.workers,
            listen=settings.listen,
            admin=settings.admin,
            plan=replace(compile_plan(settings), hash_key=hash_key(settings.state_dir)),
            config=_content(config_path, settings),
            drain=settings.drain,
        )
    )


# ---- the desk


def run_desk(config_path: Path, control_fd: int) -> int:
    """The desk's whole life on an inherited control line; returns the exit code.

    0: told to stop; 1: it could not start, or failed, and the parent replaces it.
    """
    logs.configure("desk")
    return asyncio.run(_desk_life(config_path, socket.socket(fileno=control_fd)))


async def _desk_life(config_path: Path, line: socket.socket) -> int:
    house = DeskHouse(config_path, line)
    try:
        if await house.open():
            await house.live()
    except PointsmanError as error:
        log.error("%s", error)
        return 1
    except Exception:
        log.exception("the desk failed")
        return 1
    finally:
        await house.close()
    return 0


class DeskHouse:
    """The desk and what stands around it: history, channels, admin address, file watch.

    ``open`` builds in order, ``live`` lasts until told to stop, ``close`` is the list of
    stopping and does what is left of it after any failure.
    """

    def __init__(self, config_path: Path, line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._path = config_path
        self._birth: asyncio.Future[tuple[m.DeskBirth, socket.socket]] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._orphaned = False
        self._control = control.Control(line, control.to_child, self._hear, self._orphan)
        self._gather = Gather(self._sealed, self._log_access, self._fail)
        self._tasks = Tasks()
        self._writer = PlanWriter()
        self._access_log: AccessLog | None = None
        self._config = b""
        self._config_turn = asyncio.Lock()  # an older content never overtakes a newer one
        self._reload_waits = False
        self._hash_key = ""
        self._drain = 0.0
        self._history: History | None = None
        self._desk: ReleaseDesk | None = None
        self._beside: Beside | None = None
        self._admin: web.AppRunner | None = None

    # ---- start is a list

    async def open(self) -> bool:
        """False when it was told to stop first.  Raises ConfigError, StateError, CannotListen."""
        # Late: the parent shares this file and must not load all this.
        from proxy import admin
        from proxy.steering import ReleaseDesk
        from proxy.steering.beside import Beside

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        either: list[asyncio.Future[Any]] = [self._birth, self._over]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._birth.done():
            return False
        birth, sock = self._birth.result()
        self._drain = birth.drain
        self._settings, refused = self._first_settings(birth.config)
        self._history = History(self._settings.state_dir / HISTORY)
        self._hash_key = hash_key(self._settings.state_dir)
        evidence = self._settings.state_dir / EVIDENCE
        self._desk = desk = await self._alive(
            asyncio.to_thread(
                ReleaseDesk, self._settings, self._history, self._publish, time.time, evidence
            )
        )
        if refused is not None:
            desk.reload_refused(refused)
        if self._settings.access_log is not None:
            self._access_log = AccessLog(self._settings.access_log.path)
        self._beside = beside = Beside(desk, self._settings, self._hash_key)
        beside.start()
        self._gather.serve(desk)
        self._keep(desk.plan)
        listening.listen(sock)
        application = admin.build(
            desk,
            host=self._settings.admin.host,
            reload=self.reload,
            feedback_desk=beside.feedback,
        )
        self._admin = await admin.serve(application, sock)
        self._control.send(m.Ready(os.getpid()))
        # A collection walks all that lives, for a thousand models a tenth of a second in which
        # nobody is judged; what is there now stays anyway.
        gc.collect()
        gc.freeze()
        return True

    async def _alive(self, work: Coroutine[Any, Any, ReleaseDesk]) -> ReleaseDesk:
        """Its result, and meanwhile a word to the parent, who would take silence for death:
        much evidence takes a while to read."""
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait({task}, timeout=BEAT_TICKS * TICK_EVERY))[0]:
            self._control.send(m.Beat())
        return task.result()

    async def live(self) -> None:
        """Turn until told to stop; a chore that fails ends it, and is raised."""
        self._start(self._tick_for_ever(), "ticks")
        self._start(self._follow_file(), "config")
        await self._over
        if self._orphaned:
            log.warning("the parent is gone: waiting for the workers, then leaving")
        await self._gather.all_gone(self._drain if self._orphaned else LAST_REPORTS)
        if self._desk is not None:
            self._desk.tick()

    # ---- stop is a list

    async def close(self) -> None:
        await self._tasks.cancel()
        if self._admin is not None:
            await self._admin.cleanup()
        if self._beside is not None:
            await self._beside.close()
        if self._desk is not None:
            await self._desk.close()
        if self._history is not None:
            self._history.close()
        await self._gather.close()
        if self._access_log is not None:
            self._access_log.close()
        self._control.close()

    # ---- what ends it

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _orphan(self) -> None:
        self._orphaned = True
        self._end()

    def _fail(self, error: Exception) -> None:
        """A desk that cannot judge must not look as if it did: leave, and be replaced."""
        if self._over.done():
            log.error("while stopping: %r", error)
        else:
            self._over.set_exception(error)

    def _start(self, chore: Coroutine[Any, Any, None], name: str) -> None:
        async def watched() -> None:
            try:
                await chore
            except Exception as error:
                self._fail(error)

        self._tasks.start(watched(), name)

    # ---- the parent's line

    def _hear(self, message: m.ToChild, brought: socket.socket | None) -> None:
        match message:
            case m.DeskBirth() if brought is not None:
                self._birth.set_result((message, brought))
            case m.NewChannel(worker=worker) if brought is not None:
                self._gather.attach(worker, brought)
            case m.Reload() if self._desk is None or self._reload_waits:
                pass  # the file is yet to be read anyway
            case m.Reload():
                self._reload_waits = True
                self._start(self._told_to_reload(), "reload")
            case m.Stop():
                self._end()
            case _:
                log.error("the parent sent %s, which is not for a desk", type(message).__name__)

    def _publish(self, plan: Plan) -> None:
        """To the workers first; then to the parent, for workers that are yet to be born."""
        self._gather.publish(plan)
        self._keep(plan)
        if self._beside is not None:
            self._beside.follow(plan)

    def _keep(self, plan: Plan) -> None:
        self._control.send(self._writer.kept(self._sealed(plan), self._config, self._drain))

    def _sealed(self, plan: Plan) -> Plan:
        """With the key of customer hashes, which nobody but the workers gets to see."""
        return replace(plan, hash_key=self._hash_key)

    # ---- chores

    async def _tick_for_ever(self) -> None:
        assert self._desk is not None
        turns = 0
        while True:
            self._desk.tick()
            if turns % BEAT_TICKS == 0:
                self._gather.beat()
                if not self._control.crowded:
                    self._control.send(m.Beat())
            turns += 1
            await asyncio.sleep(TICK_EVERY)

    async def _follow_file(self) -> None:
        assert self._desk is not None
        async for found in watch(self._path, self._settings):
            async with self._config_turn:
                if isinstance(found, ConfigError):
                    self._desk.reload_refused(found)
                else:
                    await self._take(found)

    async def _told_to_reload(self) -> None:
        """SIGHUP: the file again, and a rotated access log.  A burst of signals is one."""
        await asyncio.sleep(BURST)
        self._reload_waits = False
        if self._access_log is not None:
            self._access_log.reopen()
        try:
            await self.reload()
        except ConfigError:
            return  # reload() has said it
        log.info("%s: read again", self._path)

    # ---- the config

    async def reload(self) -> None:
        """Read the file now and use it.  Raises ConfigError: the last good one goes on."""
        assert self._desk is not None
        async with self._config_turn:
            try:
                settings = await asyncio.to_thread(load, self._path)
            except ConfigError as error:
                self._desk.reload_refused(error)
                raise
            await self._take(settings)

    def _first_settings(self, kept: bytes) -> tuple[Settings, ConfigError | None]:
        """The file's, or the last good ones when the file has become unusable meanwhile."""
        try:
            settings = load(self._path)
        except ConfigError as error:
            self._config = kept
            return parse(kept, self._path), error
        self._config = _content(self._path, settings) or kept
        return settings, None

    async def _take(self, settings: Settings) -> None:
        assert self._desk is not None
        content = await asyncio.to_thread(_content, self._path, settings)
        for field in needs_restart(self._settings, settings):
            log.warning("%s: %s has changed; it counts after a restart", self._path, field)
        before, self._config = self._config, content or self._config
        if self._desk.reload(settings):
            self._keep(self._desk.plan)
            if self._beside is not None:
                self._beside.use(settings)
        else:
            self._config = before

    def _log_access(self, lines: list[Logged]) -> None:
        if self._access_log is not None:
            self._access_log.offer(lines)


def _content(path: Path, settings: Settings) -> bytes:
    """The file's bytes while they are still those of ``settings``; else nothing."""
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    return content if hashlib.sha256(content).hexdigest() == settings.digest else b""


def main(arguments: list[str] | None = None) -> int:
    """The entry of a desk's process: ``desk --config FILE --control FD``."""
    parser = argparse.ArgumentParser(prog="pointsman-desk")
    parser.add_argument("role", choices=["desk"])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--control", type=int, required=True, help="inherited socket's number")
    options = parser.parse_args(arguments)
    return run_desk(options.config, options.control)


if __name__ == "__main__":
    sys.exit(main())
