"""The pool decides without awaiting, so it is tested without a socket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.net import Pool
from proxy.routing.plan import Endpoint, PoolLimits

SECOND = 1_000_000_000
LIMITS = PoolLimits(idle=4, age=600, requests=3)


class Link:
    """A kept connection that remembers what was done to it."""

    def __init__(self, born: int = 0) -> None:
        self.born = self.idle_since = born
        self.served = 0
        self.ended = False
        self.discarded = False

    def stale(self) -> bool:
        return self.ended

    def discard(self) -> None:
        self.discarded = True


def pool(limits: PoolLimits = LIMITS) -> Pool[Link, object]:
    return Pool(Endpoint("127.0.0.1", 1), limits)


def test_the_last_one_in_is_the_first_one_out() -> None:
    ours = pool()
    links = [Link() for _ in range(3)]
    for link in links:
        ours.release(link, SECOND)
    assert [ours.assign(SECOND) for _ in range(4)] == [*reversed(links), None]
    assert not any(link.discarded for link in links)


def test_one_that_ended_while_idle_is_never_given_out() -> None:
    ours = pool()
    well, ended = Link(), Link()
    ours.release(well, 0)
    ours.release(ended, 0)
    ended.ended = True
    assert ours.assign(1) is well
    assert ended.discarded


def test_nor_is_one_that_was_idle_for_too_long() -> None:
    ours = pool()
    link = Link()
    ours.release(link, 0)
    assert ours.assign(4 * SECOND) is None
    assert link.discarded


def test_age_and_requests_end_a_connection_after_its_exchange() -> None:
    ours = pool()
    link = Link(born=SECOND)
    link.served = 2
    assert ours.keeps(link, 600 * SECOND)
    assert not ours.keeps(link, 601 * SECOND)
    link.served = 3
    assert not ours.keeps(link, 2 * SECOND)


def test_an_endpoint_that_left_keeps_nothing_until_it_is_named_again() -> None:
    ours = pool()
    idle, busy = Link(), Link()
    ours.release(idle, 0)
    ours.close()
    assert idle.discarded
    assert not ours.keeps(busy, 1)
    assert ours.assign(1) is None
    ours.configure(LIMITS)
    assert ours.keeps(busy, 1)


def test_one_that_closed_is_forgotten() -> None:
    ours = pool()
    link = Link()
    ours.release(link, 0)
    ours.forget(link)
    ours.forget(link)
    assert ours.assign(1) is None
    assert not link.discarded


STEPS = st.lists(
    st.tuples(st.sampled_from(("take", "give", "end", "wait")), st.integers(0, 5)), max_size=60
)


@given(STEPS)
def test_whatever_happens_a_link_is_given_out_once_and_well(steps: list[tuple[str, int]]) -> None:
    ours, now = pool(), 0
    busy: list[Link] = []
    idle: list[Link] = []
    for what, n in steps:
        if what == "wait":
            now += n * SECOND
        elif what == "end" and idle:
            idle[n % len(idle)].ended = True
        elif what == "give" and busy:
            link = busy.pop(n % len(busy))
            if ours.keeps(link, now):
                ours.release(link, now)
                idle.append(link)
        elif what == "take":
            link_ = ours.assign(now)
            if link_ is None:
                link_ = Link(born=now)
            else:
                assert link_ in idle
                assert not link_.ended
                assert now - link_.idle_since < 4 * SECOND
                assert now - link_.born < 604 * SECOND
                idle.remove(link_)
            assert not link_.discarded
            assert link_ not in busy
            link_.served += 1
            assert link_.served <= 3
            busy.append(link_)
            idle = [one for one in idle if not one.discarded]
