"""The plane's figures beside another revision's: which one, and how they are told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loadtests import against

SAID = """CPU microseconds per request, data plane alone (least of the rounds)
  split                               11.18
  split, 100 % mirror, 10 % paired    22.41
"""


def git(root: Path, *words: str) -> str:
    name = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    done = subprocess.run(["git", *name, *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(root: Path, text: str, path: str = "loadtests/plane.py") -> str:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one more")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch", "main")
    return root


def printing(value: float) -> str:
    return f"print('  split   {value}')\n"


def test_rows_are_read_from_what_is_printed() -> None:
    assert against.parse(SAID) == {"split": 11.18, "split, 100 % mirror, 10 % paired": 22.41}


def test_before_is_the_main_of_the_origin_unless_that_is_here(repository: Path) -> None:
    first = commit(repository, printing(1))
    git(repository, "update-ref", "refs/remotes/origin/main", first)
    second = commit(repository, printing(2))
    third = commit(repository, printing(3))
    assert against.resolve(against.BEFORE, repository) == first
    git(repository, "update-ref", "refs/remotes/origin/main", third)
    assert against.resolve(against.BEFORE, repository) == second
    git(repository, "update-ref", "-d", "refs/remotes/origin/main")
    assert against.resolve(against.BEFORE, repository) == second
    assert against.resolve("main~2", repository) == first


def test_where_there_is_nothing_to_compare_with_a_line_says_so(
    repository: Path, tmp_path: Path
) -> None:
    commit(repository, printing(1))
    with pytest.raises(against.NothingToCompareWith, match="there is no HEAD~1 here"):
        against.resolve(against.BEFORE, repository)
    with pytest.raises(against.NothingToCompareWith, match="there is no HEAD here"):
        against.resolve(against.BEFORE, tmp_path)


def test_both_run_in_turns_and_the_work_tree_stays(repository: Path) -> None:
    before = commit(repository, printing(10.0))
    commit(repository, "", "loadtests/__init__.py")
    (repository / "loadtests/plane.py").write_text(printing(5.0) + "print('  new   1.00')\n")
    found = against.compare(before, root=repository)
    assert found.rows == {"split": 5.0, "new": 1.0}
    assert found.there == {"split": 10.0}
    ratio = found.ratios["split"]
    assert ratio is not None
    assert (ratio.median, ratio.rounds >= 2) == (0.5, True)
    said = against.told(found)
    assert before[:9] in said
    assert "(a new row)" in said
    changed = git(repository, "status", "--porcelain", "--untracked-files=no")
    assert changed == "M loadtests/plane.py"


def test_one_that_has_no_benchmark_or_a_broken_one_is_nothing_to_compare_with(
    repository: Path,
) -> None:
    none = commit(repository, "", "README.md")
    broken = commit(repository, "raise SystemExit(3)\n")
    commit(repository, printing(1))
    with pytest.raises(against.NothingToCompareWith, match="has no benchmark"):
        against.compare(none, root=repository)
    with pytest.raises(against.NothingToCompareWith, match="does not run here"):
        against.compare(broken, root=repository)


def test_our_own_crash_is_one(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = commit(repository, printing(1))
    commit(repository, "raise SystemExit('the benchmark is broken')\n")
    with pytest.raises(subprocess.CalledProcessError):
        against.compare(before, root=repository)
    assert "the benchmark is broken" in capfd.readouterr().err


def test_a_long_benchmark_has_fewer_turns() -> None:
    times = iter(range(0, 1000, 10))
    turns = sum(1 for _ in against.turns(12.0, lambda: float(next(times))))
    assert turns == 2


def test_the_least_counts_and_the_ratio_is_taken_turn_by_turn() -> None:
    found = against.summed_up(
        "abc", [{"a": 2.0}, {"a": 6.0}, {"a": 3.0}], [{"a": 1.0}, {"a": 3.0}, {"a": 1.5}]
    )
    assert (found.rows, found.there) == ({"a": 2.0}, {"a": 1.0})
    ratio = found.ratios["a"]
    assert ratio is not None
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)
    assert "~" not in against.told(found)
