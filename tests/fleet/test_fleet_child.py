"""What a child is, without a process: pauses, wording, the command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import proxy
from proxy.fleet.child import GOOD_WHILE, LONGEST_PAUSE, Child, interpreter, wording


def test_pauses_double_up_to_a_bound_and_are_short_again_after_a_good_while() -> None:
    child = Child("desk", [], lambda *_: None)
    pauses = [child.pause(0.0) for _ in range(8)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE]
    child.ready = True
    assert child.pause(GOOD_WHILE - 0.1) == LONGEST_PAUSE
    assert child.pause(GOOD_WHILE) == 0.1


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "exit code 1"), (-9, "signal SIGKILL"), (-250, "signal 250")],
)
def test_exit_codes_are_said_as_people_say_them(code: int, words: str) -> None:
    assert wording(code) == words


def test_the_folder_one_stands_in_is_not_on_a_childs_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert interpreter() == [sys.executable, "-P"]
    monkeypatch.chdir(Path(proxy.__file__).parent.parent)
    assert interpreter() == [sys.executable]
