"""Files of comparisons: replaced whole, bounded, never believed when they are of another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.errors import StateError
from proxy.store import comparisons
from proxy.store.comparisons import ComparisonFiles, Gap, KeptComparison


def kept(version: str = "2", **more: object) -> KeptComparison:
    fields = {"model": "m", "version": version, "stable": "1", "began": 1.0, "at": 2.0}
    return KeptComparison(**{**fields, "counted": b"abc", **more})  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = ComparisonFiles(tmp_path / "comparison")
    assert files.read("m", "2", "1") is None
    files.write(kept(joins=(1, 2), gaps=(Gap(1.0, 2.0),)))
    files.write(kept(counted=b"def", gaps=(Gap(1.0, 2.0),)))
    assert files.read("m", "2", "1") == kept(counted=b"def", gaps=(Gap(1.0, 2.0),))
    assert files.read("m", "2", "0") is None
    assert [it.name for it in (tmp_path / "comparison" / "m").iterdir()] == ["2@1.comparison"]


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x80", b"x" * 100])
def test_what_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    files = ComparisonFiles(tmp_path)
    files.write(kept())
    files.path("m", "2", "1").write_bytes(content)
    with pytest.raises(StateError, match="found no comparison"):
        files.read("m", "2", "1")


def test_a_file_of_another_is_not_believed(tmp_path: Path) -> None:
    files = ComparisonFiles(tmp_path)
    files.write(kept())
    os.rename(files.path("m", "2", "1"), files.path("m", "3", "1"))
    with pytest.raises(StateError, match="allowed are"):
        files.read("m", "3", "1")


def test_the_oldest_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "MOST_FILES", 3)
    files = ComparisonFiles(tmp_path)
    for number in range(5):
        files.write(kept(str(number)))
        os.utime(files.path("m", str(number), "1"), (number, number))
    assert {it.name for it in (tmp_path / "m").iterdir()} == {
        f"{number}@1.comparison" for number in (2, 3, 4)
    }


def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ComparisonFiles(tmp_path)
    files.write(kept())

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="cannot be written: No space left"):
        files.write(kept(counted=b"new"))
    assert files.read("m", "2", "1") == kept()
    assert len(list((tmp_path / "m").iterdir())) == 1


def test_one_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "LARGEST", 10)
    with pytest.raises(StateError, match="allowed are at most 10"):
        ComparisonFiles(tmp_path).write(kept())
