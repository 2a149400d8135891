"""``python -m loadtests.load`` (``make load``): see ``--help`` and docs/load.md.

Exit: 0 every scenario within its budget, 1 over budget or it could not be carried out, 2 wrong
usage, 3 an address that was given does not answer, 130 after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo import show
from demo.errors import DemoError
from demo.places import told
from loadtests.load import places, report, run
from loadtests.load.errors import LoadError
from loadtests.load.options import orders, parser
from loadtests.load.run import Order
from loadtests.load.scenarios import SCENARIOS


def main() -> int:
    given = parser().parse_args()
    out = show.console()
    if given.command == "list":
        _list(out)
        return 0
    try:
        wanted = orders(given)
        with _alone(given.out):
            _prepare(out)
            return asyncio.run(_run(wanted, out))
    except (LoadError, DemoError) as error:
        return _tell(error, out)
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("Stopped. Everything that was started has been ended.")
        return 130


def _list(out: Console) -> None:
    for one in SCENARIOS.values():
        out.print(f"{one.name:<15} {one.does}; needs {one.needs}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder while the block runs.  Raises LoadError when another run has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadError(f"another load test writes into {told(folder)}; end it first") from None
        yield


def _prepare(out: Console) -> None:
    """Locust's environment; whoever comes second waits for the first."""
    places.HOME.mkdir(exist_ok=True)
    with (places.HOME / "locust.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not places.LOCUST.is_ready():
            with show.step(out, "setting up Locust's own environment (once, about 90 MB)"):
                places.LOCUST.build(sys.executable)


async def _run(wanted: list[Order], out: Console) -> int:
    """Each in turn, to the end, whatever came of the one before it."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    seconds = sum(run.about(order) for order in wanted)
    out.print(f"{len(wanted)} to run, about {seconds / 60:.1f} minutes")
    results, codes = [], [0]
    for order in wanted:
        out.print(f"\n[bold]{order.scenario.name}[/]: {order.scenario.does}")
        try:
            results.append(await run.run(order, out))
        except (LoadError, DemoError) as error:
            codes.append(_tell(error, out))
            continue
        report.show(results[-1], out)
        codes.append(0 if results[-1].kept else 1)
    report.verdict([order.scenario.name for order in wanted], results, out)
    return max(codes)


def _tell(error: LoadError | DemoError, out: Console) -> int:
    """Say what went wrong; returns the exit code."""
    out.print(Text(str(error), style="red"), soft_wrap=True)
    return error.exit_code if isinstance(error, LoadError) else 1


if __name__ == "__main__":
    sys.exit(main())
