"""Who was ever drawn under a canary: a bounded sample that does not depend on order or arm."""

from __future__ import annotations

import pytest
from dialogue import Scene, arm
from dialogue_bytes import get
from dialogue_plans import model, plan
from dialogue_stage import Stage
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.measure import Report
from proxy.routing.plan import CanaryPlan, ModelPlan, WatchPlan
from proxy.routing.split import POINTS, Share, point, threshold
from proxy.terms import Newcomers
from proxy.traffic.census import Census, CountedShare, level

SALT = "m/split/2"
#: Levels as high as they never come by chance, and the ends of the scale.
POINT = st.one_of(
    st.integers(0, POINTS - 1),
    st.builds(lambda n, zeros: (n << zeros) % POINTS, st.integers(0, 1 << 32), st.integers(0, 63)),
)
SHARES = st.sampled_from([0.01, 5.0, 33.33, 50.0, 100.0])
ALL = 1 << 62


def census(bound: int = 8192) -> Census:
    return Census("m", ("2", "1", SALT.encode()), lambda key: key.decode("latin-1"), {}, bound)


def meet(taken: Census, points: list[int], percent: float = 50.0) -> None:
    """As CountedShare does, by points that no key need have."""
    for each in points:
        if not each & taken.mask and each not in taken.seen:
            taken.meet(each, str(each).encode(), percent)


def sample(least: int, points: set[int]) -> set[int]:
    return {each for each in points if level(each) >= least}


def told(parts: list[Newcomers], least: int = 0) -> dict[str, tuple[str, float, int]]:
    """Customer -> arm, share, level; without those below ``least``."""
    found: dict[str, tuple[str, float, int]] = {}
    for part in parts:
        for name, customers in (("canary", part.canary), ("stable", part.stable)):
            for who, noughts in customers:
                assert who not in found, "told twice"
                if noughts >= least:
                    found[who] = name, part.share, noughts
    return found


def test_the_level_counts_low_noughts() -> None:
    assert [level(n) for n in (1, 2, 3, 4, 1 << 63, 0, POINTS - 1)] == [0, 1, 0, 2, 63, 64, 0]


@given(st.lists(POINT, unique=True, max_size=60), st.integers(1, 20), st.randoms())
def test_the_sample_does_not_depend_on_the_order(
    points: list[int], bound: int, chance: object
) -> None:
    """It is those with ``least`` noughts, and ``least`` as small as the bound allows."""
    one = census(bound)
    meet(one, points)
    assert set(one.seen) == sample(one.least, set(points))
    assert len(one.seen) <= bound
    assert one.least == 0 or len(sample(one.least - 1, set(points))) > bound
    other = census(bound)
    chance.shuffle(points)  # type: ignore[attr-defined]
    meet(other, points + points)
    assert (other.least, set(other.seen)) == (one.least, set(one.seen))


@given(
    st.lists(st.tuples(POINT, st.sampled_from((0, 1, 2))), unique_by=lambda met: met[0]),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_two_workers_merged_are_one(met: list[tuple[int, int]], bounds: tuple[int, int]) -> None:
    """Customers come to either worker, or to both: the higher least makes them comparable."""
    workers = [census(bound) for bound in bounds]
    for at, worker in enumerate(workers):
        meet(worker, [each for each, to in met if to in (at, 2)])
    least = max(worker.least for worker in workers)
    merged = {who: n for w in workers for who, n in told(w.take(ALL), least).items()}
    assert set(merged) == {str(each) for each in sample(least, {each for each, _ in met})}


@given(
    st.lists(st.tuples(POINT, SHARES), max_size=60),
    st.integers(1, 20),
    st.lists(st.integers(0, 60), max_size=6),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_what_is_told_adds_up(
    met: list[tuple[int, float]], bound: int, reports: list[int], most: list[int]
) -> None:
    """Whenever it is told, in whatever portions: everybody once, as he was at first sight."""
    taken = census(bound)
    heard: list[Newcomers] = []
    first: dict[int, float] = {}
    for at, (each, percent) in enumerate(met):
        if at in reports:
            heard += taken.take(most[at % len(most)])
        first.setdefault(each, percent)
        taken.percent = percent
        meet(taken, [each], percent)
    while taken.untold:
        heard += taken.take(most[0])
    heard += taken.take(ALL)
    assert max((part.least for part in heard), default=0) == taken.least
    expected = {
        str(each): ("canary" if each < threshold(percent) else "stable", percent / 100, level(each))
        for each, percent in first.items()
        if level(each) >= taken.least
    }
    assert told(heard, taken.least) == expected
    taken.tell_again()
    assert told(taken.take(ALL)) == expected


@given(st.binary(max_size=20), SHARES)
def test_it_draws_like_the_share_that_it_counts(key: bytes, percent: float) -> None:
    plain = Share(SALT, percent)
    taken = census()
    counted = CountedShare(plain, taken)
    assert counted.takes(key) == plain.takes(key)
    assert list(taken.seen) == [point(SALT.encode(), key)]


def test_the_sample_has_the_share_of_the_whole() -> None:
    """100,000 customers, 2,000 places: the estimate is off by little, and so is the share."""
    taken = census(2000)
    share = CountedShare(Share(SALT, 20.0), taken)
    canaries = sum([share.takes(b"customer %d" % n) for n in range(100_000)])
    (part,) = taken.take(ALL)
    assert 1000 <= len(part.canary) + len(part.stable) <= 2000
    assert len(part.canary) << part.least == pytest.approx(canaries, rel=0.2)
    assert len(part.stable) << part.least == pytest.approx(100_000 - canaries, rel=0.1)


# --- in a worker ---


def watched(percent: float | None = 50, version: str = "2", **more: object) -> ModelPlan:
    canary = None if percent is None else CanaryPlan(version, percent)
    return replace(model(**more), canary=canary, watch=WatchPlan(1.0))  # type: ignore[arg-type]


def ask(scene: Scene, *who: int) -> dict[str, str]:
    """Each asks once: keyed hash -> the arm that answered."""
    return {
        scene.plane.hashed(b"%d" % n): arm(scene, get(f"X-Customer-Id: {n}")).split()[1]
        for n in who
    }


def arms(report: Report) -> dict[str, str]:
    return {who: name for who, (name, _, _) in told(report.newcomers).items()}


def test_each_customer_is_told_once_with_the_arm_that_answered(stage: Stage) -> None:
    scene = stage(watched(), hash_key="secret")
    first = ask(scene, *range(30))
    ask(scene, *range(20))
    report = scene.look()
    assert arms(report) == first
    assert {(it.model, it.version, it.share, it.least) for it in report.newcomers} == {
        ("m", "2", 0.5, 0)
    }
    assert set(first.values()) == {"canary", "stable"}
    ask(scene, *range(30))
    assert scene.look().newcomers == []
    assert arms(scene.look(whole=True)) == first, "a desk that knows nothing yet"
    assert scene.look().newcomers == []


def test_a_changed_share_counts_nobody_again(stage: Stage) -> None:
    scene = stage(plan(watched(1)))
    ask(scene, *range(30))
    scene.plane.apply(plan(watched(99), number=2))
    ask(scene, *range(40))
    by_share = {part.share: len(part.canary) + len(part.stable) for part in scene.look().newcomers}
    assert by_share == {0.01: 30, 0.99: 10}
    again = scene.look(whole=True).newcomers
    assert {part.share: len(part.canary) + len(part.stable) for part in again} == by_share


@pytest.mark.parametrize(
    "between", [watched(None), None, watched(50, salt="other draws"), watched(50, stable="3")]
)
def test_a_canary_begins_afresh(stage: Stage, between: ModelPlan | None) -> None:
    """After it was gone, or its model; where other customers are drawn for it, or it is held
    against another stable version."""
    other = model(name="n", path_prefix="/n")
    scene = stage(plan(watched(), other))
    ask(scene, *range(20))
    scene.look()
    scene.plane.apply(plan(other if between is None else between, number=2))
    scene.plane.apply(plan(watched(), number=3))
    assert scene.look(whole=True).newcomers == []
    assert len(ask(scene, *range(20))) == len(arms(scene.look()))


def test_the_next_canary_begins_afresh(stage: Stage) -> None:
    scene = stage(plan(watched()))
    ask(scene, *range(20))
    scene.plane.apply(plan(watched(50, "3"), number=2))
    assert scene.look(whole=True).newcomers == [], "nobody asks of the one before"


def test_a_pause_of_the_desk_or_of_the_share_forgets_nobody(stage: Stage) -> None:
    scene = stage(plan(watched()))
    first = ask(scene, *range(20))
    scene.plane.board = scene.plane._safe
    ask(scene, *range(30))
    scene.plane.board = scene.plane._live
    scene.plane.apply(plan(watched(0), number=2))
    ask(scene, *range(30))
    assert arms(scene.look()) == first, "nobody was drawn meanwhile"
    scene.plane.apply(plan(watched(), number=3))
    assert len(ask(scene, *range(30))) == len(first) + len(arms(scene.look()))


def test_a_large_census_is_told_report_by_report(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.evidence._CUSTOMERS", 16)
    scene = stage(plan(watched(), watched(name="n", path_prefix="/n", salt="s")))
    ask(scene, *range(50))
    for n in range(20):
        arm(scene, get(f"X-Customer-Id: {n}", target="/n"))
    reports = [scene.look() for _ in range(6)]
    sizes = [sum(len(it.canary) + len(it.stable) for it in each.newcomers) for each in reports]
    assert sizes == [16, 16, 16, 16, 6, 0]
    assert (
        len(told([part for each in reports for part in each.newcomers if part.model == "n"])) == 20
    )
