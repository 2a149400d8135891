"""The plain aiohttp proxy: see ``plain_proxy``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from loadtests.bench.works import Shadow, Upstreams, Work


@dataclass(frozen=True, slots=True)
class Plain:
    name: str = "aiohttp"

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return version("aiohttp")

    def unable(self, work: Work) -> str | None:
        return None

    def command(self, work: Work, folder: Path, port: int, upstreams: Upstreams) -> list[str]:
        shadow = upstreams.shadow if work.shadow is not Shadow.NONE else 0
        program = Path(__file__).with_name("plain_proxy.py")
        numbers = (port, upstreams.stable, upstreams.canary, shadow, work.models)
        return [sys.executable, str(program), *map(str, numbers)]

    def carries(self, words: str) -> bool:
        return True
