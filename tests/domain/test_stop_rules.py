"""When a batch pauses by itself."""

import random

import pytest

from app.domain import Outcomes, StopRule, verdict

OK, REFUSED, SERVICE, TIMEOUT = None, "moderation", "service", "timeout"


def first_stop(rule: StopRule, causes: list[str | None]) -> tuple[int, str] | None:
    """(after how many pictures the rule stops, why)."""
    outcomes = Outcomes()
    for number, cause in enumerate(causes, 1):
        outcomes = Outcomes.from_json(outcomes.after(cause, rule).to_json())
        if reason := verdict(rule, outcomes):
            return number, str(reason)
    return None


def test_five_refusals_among_the_first_twenty_stop() -> None:
    causes = [OK] * 7 + [REFUSED] * 5
    why = "前 12 张里有 5 张没有通过内容审核，请改好它们的提示词再继续"
    assert first_stop(StopRule(), causes) == (12, why)
    assert first_stop(StopRule(), [REFUSED] * 4 + [OK] * 16 + [REFUSED] * 4) is None


def test_nine_failures_among_the_last_thirty_stop_and_are_listed_by_cause() -> None:
    causes = [*[OK] * 40, *[SERVICE, OK] * 6, *[TIMEOUT] * 3]
    why = "最近 30 张里有 9 张没有成功：服务出错 6 张、超时 3 张；请看过原因再继续"
    assert first_stop(StopRule(), causes) == (55, why)
    why = "最近 9 张里有 9 张没有成功：服务出错 9 张；请看过原因再继续"
    assert first_stop(StopRule(), [SERVICE] * 30) == (9, why)
    assert first_stop(StopRule(), [SERVICE, *[OK] * 9] * 20) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_rule_stops_exactly_when_counting_says_so(seed: int) -> None:
    chance = random.Random(seed)
    of = chance.randint(1, 25)
    rule = StopRule(
        refused=chance.randint(1, 6), of=of, failed=chance.choice((0.1, 0.3, 1)), last=chance.randint(1, 40)
    )
    causes = chance.choices((OK, REFUSED, SERVICE), weights=(16, 1, 1), k=200)
    expected = None
    for number in range(1, len(causes) + 1):
        seen = causes[:number]
        refused = number <= rule.of and seen.count(REFUSED) >= rule.refused
        failed = sum(cause is not OK for cause in seen[-rule.last :])
        if refused or (failed >= rule.failed * rule.last - 1e-9 and failed):
            expected = number
            break
    found = first_stop(rule, causes)
    assert (found[0] if found else None) == expected


def test_a_rule_is_stored_as_json() -> None:
    rule = StopRule(refused=3, of=9, failed=0.5, last=12)
    assert StopRule.from_json(rule.to_json()) == rule
    assert StopRule.from_json("") is None


def test_the_last_of_the_first_pictures_counts_and_the_next_does_not() -> None:
    rule = StopRule(refused=2, of=4, failed=1, last=9)
    assert first_stop(rule, [REFUSED, OK, OK, REFUSED]) is not None
    assert first_stop(rule, [REFUSED, OK, OK, OK, REFUSED]) is None
    assert Outcomes(ended=3).after(REFUSED, rule).refused == 1
    assert Outcomes(ended=4).after(REFUSED, rule).refused == 0
