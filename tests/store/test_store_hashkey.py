"""The key of customer hashes: made once, for the owner only, never a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import StateError
from proxy.store.hashkey import NAME, hash_key


def test_it_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = hash_key(state)
    assert len(bytes.fromhex(first)) == 32
    assert hash_key(state) == first
    assert (state / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.iterdir()] == [NAME]
    assert hash_key(tmp_path / "another") != first


@pytest.mark.parametrize("content", ["", "secret", "g" * 64, "a" * 65])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(StateError, match="allowed are 64 hex digits"):
        hash_key(tmp_path)


def test_a_place_that_cannot_hold_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot be kept: (Not a directory|File exists)"):
        hash_key(tmp_path / "file")
