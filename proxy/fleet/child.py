"""One child of the parent: a fresh interpreter, its control line, and its place when it dies.

The process may change, the child stays: it is a role (``desk``, ``worker 0``).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

import proxy
from proxy.fleet import control
from proxy.fleet import messages as m
from proxy.fleet.control import Control

#: Seconds before a dead child is replaced: doubling, and short again after a good while.
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
GOOD_WHILE: Final = 10.0

#: glibc gives memory back to the system eagerly, and every read of a large body asks for it
#: again: page by page, which doubled the CPU of a 1 MiB upload.  With these a worker keeps up to
#: 16 MiB for the next one.  Other C libraries do not look at them; the operator's own come first.
_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 1024 * 1024),
}

log = logging.getLogger(__name__)


def interpreter() -> list[str]:
    """The command that starts a fresh interpreter as this one was started.

    ``-P`` keeps the folder where the operator happens to stand off the import path, where a
    ``random.py`` or a ``proxy/`` would be found first; save when that folder is our source.
    """
    ours = Path(proxy.__file__).resolve().parent.parent
    return [sys.executable] if ours == Path.cwd() else [sys.executable, "-P"]


def wording(code: int) -> str:
    """An exit code as a person says it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class Child:
    """``on_message(child, message)`` hears the child; the parent polls ``exit_code``."""

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        on_message: Callable[[Child, m.ToParent], None],
        number: int = -1,
    ) -> None:
        self.role = role
        self.number = number  # the worker's, -1 for the desk
        self.heard = 0.0  # when it last said something, or was started
        self.ready = False
        self._command = command
        self._on_message = on_message
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Control[m.ToParent] | None = None
        self._started = 0.0
        self._pause = SHORTEST_PAUSE

    @property
    def alive(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self, birth: msgspec.Struct, brings: socket.socket, now: float) -> None:
        """Spawn the process and give it its birth message with a copy of ``brings``.

        Raises OSError when the system has no room for it.
        """
        copy = brings.dup()
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603  the command is our own
                [*self._command, "--control", str(theirs.fileno())],
                env={**_MEMORY, **os.environ},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # A Ctrl-C at the terminal is for the parent alone, which knows the order.
                process_group=0,
            )
        except OSError:
            copy.close()
            ours.close()
            raise
        finally:
            theirs.close()
        self._control = Control(ours, control.to_parent, self._hear, lambda: None)
        self._started = self.heard = now
        self.ready = False
        self._control.send(birth, copy)

    def send(self, message: msgspec.Struct, brings: socket.socket | None = None) -> None:
        if self._control is not None:
            self._control.send(message, brings)
        elif brings is not None:
            brings.close()

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """The exit code when the process has just ended (a signal is negative), else None."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self._process = None
        if self._control is not None:
            self._control.read_rest()
            self._control.close()
            self._control = None
        return code

    def pause(self, now: float) -> float:
        """Seconds to wait before the next start; called once per death."""
        if self.ready and now - self._started >= GOOD_WHILE:
            self._pause = SHORTEST_PAUSE
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause

    def _hear(self, message: m.ToParent, _brought: socket.socket | None) -> None:
        if isinstance(message, m.Ready):
            self.ready = True
        self._on_message(self, message)
