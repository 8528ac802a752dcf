"""Notifications: which events are told, once each, and what a receiver that fails does to them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

import database
import generator
from app.config import Settings
from app.domain import BudgetScope, ImageRequest, PauseCause
from app.errors import Message
from app.migrations.restored import RESTORED, pause_all
from app.notifications import Notifier
from app.system import listener
from tests.harness import Harness
from tools import orders
from tools.fakes.robots import FakeRobot

PROMPT = "秘密的新款茶具"


def told(db: database.Connection) -> list[dict[str, Any]]:
    """The rows of the outbox."""
    sql = "SELECT event, content, tries, sent_at IS NOT NULL AS is_ended FROM notifications ORDER BY id"
    return [dict(row) for row in db.execute(sql)]


def events(db: database.Connection) -> list[str]:
    return [row["event"] for row in told(db)]


def ask(harness: Harness, *prompts: str, **fields: Any) -> str:
    """A batch with these fields of its submission -> its id."""
    return harness.submit([ImageRequest(prompt=prompt) for prompt in prompts], **fields)[0]


def deliver_all(harness: Harness, url: str, **changes: Any) -> Notifier:
    notifier = Notifier(replace(harness.settings, notify_url=url, **changes))
    while notifier.deliver_next(harness.db):
        pass
    return notifier


def test_a_finished_batch_is_told_once_with_numbers_and_a_link(harness: Harness) -> None:
    batch_id, _ = harness.ask(PROMPT, "违禁", PROMPT)
    harness.run()
    with FakeRobot("plain") as robot:
        deliver_all(harness, robot.url, allowed_hosts=("studio.lan",), port=5080)
        deliver_all(harness, robot.url)
    title, line, link = robot.messages[0].split("\n")
    assert line == f"批次 {batch_id}：完成 2 张、失败 1 张、花了 ¥0.44、用时 1 分钟"
    assert (title, link) == ("AI 图片生成器 · 批次完成", f"http://studio.lan:5080/batch?id={batch_id}")
    assert len(robot.messages) == 1
    assert "茶具" not in robot.messages[0]


@pytest.mark.parametrize(
    ("host", "names", "address"),
    [
        ("0.0.0.0", (), "http://192.168.1.20:5000"),
        ("0.0.0.0", ("studio.lan",), "http://studio.lan:5000"),
        ("127.0.0.1", (), "http://localhost:5000"),
        ("192.168.1.7", (), "http://192.168.1.7:5000"),
    ],
)
def test_a_link_opens_where_others_are_as_far_as_it_is_known(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, host: str, names: tuple[str, ...], address: str
) -> None:
    monkeypatch.setattr(listener, "_outward_address", lambda: "192.168.1.20")
    with FakeRobot("plain") as robot:
        settings = replace(harness.settings, host=host, port=5000, allowed_hosts=names, notify_url=robot.url)
        Notifier(settings).send_test()
    assert robot.messages[0].endswith(f"\n{address}/")


def test_a_receiver_that_is_connected_gets_nothing_from_before(harness: Harness) -> None:
    for name in ("猫", "狗"):
        harness.ask(name)
    harness.run()
    notifier = harness.runtime.notifier
    with FakeRobot("plain") as robot:
        harness.runtime.apply(replace(harness.settings, notify_url=robot.url), harness.db)
        harness.ask("鸟")
        harness.run()
        for _ in range(9):
            notifier.deliver_next(harness.db)
    assert [text.count("批次完成") for text in robot.messages] == [1]
    assert [row["is_ended"] for row in told(harness.db)] == [1, 1, 1]


def test_a_batch_that_finishes_again_is_told_again_without_minutes(harness: Harness) -> None:
    batch_id, ids = harness.ask(PROMPT, "违禁")
    harness.run()
    harness.db.execute("DELETE FROM batch_log")  # whose sentences are for people
    orders.retry(harness.db, batch_id, ids[1:], models=harness.runtime.engines.models)
    harness.run()
    assert events(harness.db) == ["done", "done"]
    assert ['"minutes":null' in row["content"] for row in told(harness.db)] == [False, True]


def test_a_batch_that_took_more_than_a_day_is_told_without_minutes(harness: Harness) -> None:
    """Whether it had finished before is known for a day."""
    harness.ask(PROMPT)
    harness.db.execute("UPDATE batches SET created_at = '2026-01-01 00:00:00'")
    harness.run()
    (row,) = told(harness.db)
    assert '"minutes":null' in row["content"]


@pytest.mark.sqlite
@pytest.mark.parametrize("cause", [cause for cause in PauseCause if cause != PauseCause.USER])
def test_every_pause_but_the_users_is_told(harness: Harness, cause: PauseCause) -> None:
    batch_id, _ = harness.ask(PROMPT)
    database.pause_batch(harness.db, batch_id, "磁盘满了", cause=cause)
    database.pause_batch(harness.db, batch_id, "磁盘满了", cause=cause)
    assert events(harness.db) == ["key" if cause == PauseCause.KEY else "paused"]


def test_a_sample_that_is_done_is_told(harness: Harness) -> None:
    ask(harness, "猫", "狗", "鸟", "鱼", sample=2)
    harness.run()
    assert events(harness.db) == ["paused"]
    assert "先试的 2 行做完了" in told(harness.db)[0]["content"]
    assert '"left":2' in told(harness.db)[0]["content"]


def test_what_the_user_does_is_not_told(harness: Harness) -> None:
    batch_id, _ = harness.ask(PROMPT)
    database.pause_batch(harness.db, batch_id)
    assert told(harness.db) == []


def test_single_pictures_tell_only_a_refused_key(harness: Harness) -> None:
    ask(harness, PROMPT, source="single")
    harness.run()
    other = ask(harness, "猫", source="single")
    database.pause_batch(harness.db, other, "磁盘满了", cause=PauseCause.DISK)
    assert told(harness.db) == []
    harness.service.fail_next("key")
    ask(harness, "狗", source="single")
    harness.run()
    assert events(harness.db) == ["key"]


def test_a_refused_key_is_told_once_an_hour(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 3_600_000.0)
    for number in range(3):
        batch_id, _ = harness.ask(f"猫 {number}")
        database.pause_batch(harness.db, batch_id, "密钥不对", cause=PauseCause.KEY)
    assert events(harness.db) == ["key"]
    monkeypatch.setattr(time, "time", lambda: 3_604_000.0)
    database.pause_batch(harness.db, harness.ask("狗")[0], "密钥不对", cause=PauseCause.KEY)
    assert events(harness.db) == ["key", "key"]


@pytest.mark.parametrize("scope", list(BudgetScope))
def test_80_percent_of_a_budget_are_told_once(harness: Harness, scope: BudgetScope) -> None:
    database.set_budgets(harness.db, {scope: Decimal("1.10")})
    harness.ask(*[f"猫 {n}" for n in range(5)])
    for _ in range(3):
        harness.step()
    harness.service.fail_next("busy", times=3)  # not charged: the budget is below 80 % again
    for _ in range(20):
        harness.hurry()
        harness.step()
    assert events(harness.db).count("budget") == 1
    content = next(row["content"] for row in told(harness.db) if row["event"] == "budget")
    assert '"spent":"0.88"' in content
    database.set_budgets(harness.db, {scope: Decimal("1.50")})
    harness.ask("狗")
    harness.run()
    assert events(harness.db).count("budget") == (1 if scope == BudgetScope.BATCH else 2)


def test_a_batch_that_a_budget_paused_says_which(harness: Harness) -> None:
    database.set_budgets(harness.db, {BudgetScope.MONTH: Decimal("0.25")})
    harness.ask("猫", "狗")
    harness.run()
    with FakeRobot("plain") as robot:
        deliver_all(harness, robot.url)
    assert "还有 1 张没有做\n本月预算 ¥0.25 只剩 ¥0.03" in robot.messages[-1]


def test_two_servers_deliver_each_notification_once(harness: Harness, settings: Settings) -> None:
    for number in range(12):
        batch_id, _ = harness.ask(f"猫 {number}")
        database.pause_batch(harness.db, batch_id, f"磁盘满了 {number}", cause=PauseCause.DISK)
    with FakeRobot("plain") as robot:

        def deliver(_: int) -> None:
            notifier = Notifier(replace(settings, notify_url=robot.url))
            with closing(database.connect(settings.database)) as own:
                for _ in range(12):
                    notifier.deliver_next(own)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(deliver, range(4)))
    assert len(robot.messages) == len(set(robot.messages)) == 12


@pytest.mark.sqlite
def test_a_receiver_that_fails_is_tried_for_an_hour_with_growing_delays(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    now = [time.time()]
    harness.ask("猫")
    harness.run()
    monkeypatch.setattr(time, "time", lambda: now[0])
    tried = []
    with FakeRobot("plain") as robot:
        robot.fault = "500"
        notifier = Notifier(replace(harness.settings, notify_url=robot.url))
        for _ in range(4000):
            calls = robot.calls
            notifier.deliver_next(harness.db)
            if robot.calls > calls:
                tried.append(now[0])
            now[0] += 1
    pauses = [round(later - earlier) for earlier, later in pairwise(tried)]
    assert pauses[:7] == [10, 20, 40, 80, 160, 320, 600]
    assert tried[-1] - tried[0] <= 3600
    assert told(harness.db)[0]["is_ended"] == 1
    assert "notification_failed" in caplog.text
    assert "notification_given_up" in caplog.text
    assert robot.url.rpartition("/")[2] not in caplog.text


def test_one_that_is_refused_holds_up_no_other(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("猫", "狗"):
        harness.ask(name)
        harness.run()
    sent: list[Message | str] = []

    def send(_self: object, notice: Any) -> None:
        if not sent:
            sent.append("")
            raise generator.NotDelivered("没有收下")
        sent.append(notice.text)

    monkeypatch.setattr(generator.Webhook, "send", send)
    notifier = Notifier(replace(harness.settings, notify_url="http://127.0.0.1:9/"))
    assert [notifier.deliver_next(harness.db) for _ in range(3)] == [False, True, False]


def test_a_claim_that_crashed_is_taken_again_after_its_lease(harness: Harness) -> None:
    harness.ask("猫")
    harness.run()
    now = time.time()
    assert database.claim_notification(harness.db, now=now) is not None
    assert database.claim_notification(harness.db, now=now + 59) is None
    again = database.claim_notification(harness.db, now=now + 61)
    assert again is not None
    assert again.tries == 2


def test_old_rows_are_removed_those_of_budgets_later(harness: Harness) -> None:
    database.set_budgets(harness.db, {BudgetScope.MONTH: Decimal("0.25")})
    harness.ask("猫")
    harness.run()
    assert events(harness.db) == ["budget", "done"]
    database.forget_notifications(harness.db, now=time.time() + 86_300)
    assert events(harness.db) == ["budget", "done"]
    database.forget_notifications(harness.db, now=time.time() + 86_500)
    assert events(harness.db) == ["budget"]
    database.forget_notifications(harness.db, now=time.time() + 41 * 86_400)
    assert told(harness.db) == []


def test_a_restored_backup_sends_nothing_of_the_original(harness: Harness) -> None:
    harness.ask("猫")
    harness.run()
    harness.ask("狗")
    with database.transaction(harness.db):
        pause_all(harness.db, RESTORED)
    assert told(harness.db) == []


def test_without_a_receiver_nothing_is_sent_and_no_thread_runs(harness: Harness) -> None:
    harness.ask("猫")
    harness.run()
    assert not harness.runtime.notifier.deliver_next(harness.db)
    assert told(harness.db)[0]["tries"] == 0
    harness.runtime.start()
    assert "notify" not in {thread.name for thread in threading.enumerate()}
    harness.runtime.stop(1.0)
