"""A real desk behind a real admin server, with feedback and a real ledger.

What follows from feedback is only remembered here: ``World.remembered``.
"""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from admin_world import CONFIG, SECRET, Door
from feedback_world import KEY, Remembered, ledger, prediction

from proxy.admin import build, serve
from proxy.feedback import LabelRule, Policy
from proxy.settings import load
from proxy.steering import Feedback, ReleaseDesk
from proxy.store import History

LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
POLICIES = {
    "credit-risk": Policy({"default": LabelRule()}, {"alertmanager": "revert", "finance": "hold"})
}


class World(Door):
    """A door with feedback behind it."""

    remembered: Remembered
    feedback: Feedback
    folder: Path
    now: float

    async def send(self, said: object, path: str = "/v1/feedback") -> tuple[int, Any]:
        return await self.raw(json.dumps(said).encode(), path)

    async def raw(self, body: bytes, path: str = "/v1/feedback", **more: str) -> tuple[int, Any]:
        headers = JSON | {name.replace("_", "-"): it for name, it in more.items()}
        status, answer, _ = await self.ask("POST", path, data=io.BytesIO(body), headers=headers)
        return status, answer


@pytest.fixture
async def feedback_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("TESTERS_SECRET", SECRET)
    config = tmp_path / "pointsman.yaml"
    config.write_text(CONFIG.replace("percent: 5", "percent: 50"))
    history = History(tmp_path / ".pointsman" / "history.jsonl")
    desk = ReleaseDesk(load(config), history, lambda _plan: None)
    kept = ledger(tmp_path)
    remembered, now = Remembered(), time.time()
    feedback = Feedback(remembered, kept, KEY, POLICIES, desk.plan, now - 100)
    kept.start()
    sock = socket.create_server(("127.0.0.1", 0))
    made = World(f"http://127.0.0.1:{sock.getsockname()[1]}", desk, config, time.time)
    made.remembered, made.feedback, made.folder, made.now = remembered, feedback, tmp_path, now
    runner = await serve(build(desk, feedback_desk=feedback), sock)
    await kept.log([prediction("r1", model="credit-risk", share=0.5, at=now - 50)])
    yield made
    await made.session.close()
    await runner.cleanup()
    await kept.close()
    await desk.close()
    history.close()
