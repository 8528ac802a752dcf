"""How the workers share the concurrency of a model."""

import random
from dataclasses import dataclass

import pytest

from app.domain.workers import Share, WorkerReport, fair_share, share_of
from app.errors import message

REFUSED = WorkerReport(services={"m": (1.0, message("密钥不对"))})


@pytest.mark.parametrize(
    ("limit", "owners", "shares"),
    [(4, "ab", [2, 2]), (5, "cab", [2, 2, 1]), (1, "ba", [1, 0]), (0, "a", [0])],
)
def test_each_worker_has_an_even_share_and_the_first_ones_one_more(
    limit: int, owners: str, shares: list[int]
) -> None:
    assert [fair_share(limit, owner, list(owners)) for owner in sorted(owners)] == shares


def test_what_another_may_still_have_at_the_service_is_not_granted() -> None:
    reports = {"a": WorkerReport(slots={"m": 3, "other": 4}), "b": WorkerReport()}
    assert share_of("m", 4, "b", reports) == Share(fair=2, granted=1)
    assert share_of("m", 4, "a", reports) == Share(fair=2, granted=2)


@pytest.mark.parametrize("other", [WorkerReport(state="stopped"), WorkerReport(state="short"), REFUSED])
def test_a_worker_that_cannot_work_has_no_share(other: WorkerReport) -> None:
    reports = {"a": other, "b": WorkerReport()}
    assert [share_of("m", 4, owner, reports).fair for owner in reports] == [0, 4]


def test_workers_that_may_be_able_again_try_while_no_other_can_and_stopped_ones_do_not() -> None:
    reports = {"a": WorkerReport(state="stopped"), "b": REFUSED, "c": WorkerReport(state="short")}
    assert [share_of("m", 4, owner, reports).fair for owner in reports] == [0, 2, 2]
    assert share_of("m", 4, "a", {"a": reports["a"]}).fair == 0


@dataclass
class Sharing:
    """A worker as the others see it, and what it really has at the service."""

    share: int = 0
    under_way: int = 0

    @property
    def held(self) -> int:
        return max(self.share, self.under_way)


@pytest.mark.parametrize("seed", range(20))
def test_workers_that_come_and_go_never_exceed_the_limit_and_end_with_even_shares(seed: int) -> None:
    dice, limit, alive, reports = random.Random(seed), 7, dict[str, Sharing](), dict[str, WorkerReport]()

    def report(owner: str) -> None:
        one = alive[owner]
        share = share_of("m", limit, owner, reports | {owner: WorkerReport()})
        reports[owner] = WorkerReport(slots={"m": max(share.granted, one.held)})
        one.share = share.granted

    for _ in range(300):
        owner = dice.choice("abcd")
        if owner not in alive:
            alive[owner] = Sharing()
            report(owner)
        one = alive[owner]
        match dice.randrange(4):
            case 0 if not one.under_way:
                del alive[owner], reports[owner]
            case 1 if one.under_way:
                one.under_way -= 1
            case 2 if one.under_way < one.share:
                one.under_way += 1
            case 3:
                report(owner)
        assert sum(each.held for each in alive.values()) <= limit
    for one in alive.values():
        one.under_way = 0
    for owner in [*alive, *alive, *alive]:
        report(owner)
    assert [alive[owner].share for owner in sorted(alive)] == [
        fair_share(limit, owner, list(alive)) for owner in sorted(alive)
    ]
