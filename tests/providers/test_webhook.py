"""The webhook: bodies that the robots accept, their refusals in one sentence, and a URL that stays secret."""

from collections.abc import Iterator

import pytest

from app.domain.notifications import Notice, NotificationEvent
from app.notifications import notice_of
from app.providers import webhook
from app.providers.webhook import NotDelivered, Webhook
from tools.fakes.robots import TOKEN, FakeRobot

HOSTS = {"feishu": "open.feishu.cn", "wecom": "qyapi.weixin.qq.com", "dingtalk": "oapi.dingtalk.com"}
ADDRESS = "http://mac.local:5000"
BATCH = {"batch": "20261126-1", "name": "春季主图"}
FACTS: dict[NotificationEvent, dict[str, object]] = {
    NotificationEvent.DONE: {
        **BATCH, "success": 1998, "failed": 2, "unknown": 0, "cancelled": 0, "cost": "439.56", "minutes": 64,
    },
    NotificationEvent.PAUSED: {**BATCH, "cause": "disk", "reason": "磁盘只剩 100 MB", "left": 12},
    NotificationEvent.BUDGET: {
        "scope": "month", "limit": "500", "spent": "400.40", "left": "99.60", "name": "",
    },
    NotificationEvent.KEY: {"reason": "密钥不对"},
    NotificationEvent.ROUND: {
        "table": 7, "name": "春季主图", "client": "茶具客户", "number": 2,
        "chosen": 12, "rejected": 3, "comments": 0,
    },
    NotificationEvent.BACKUP: {"reason": "磁盘满了"},
    NotificationEvent.TEST: {},
}  # fmt: skip


@pytest.fixture(params=["feishu", "wecom", "dingtalk", "plain"])
def robot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRobot]:
    """Each robot, which is known by its host: here 127.0.0.1."""
    if request.param in HOSTS:
        monkeypatch.setitem(webhook.ROBOTS, "127.0.0.1", webhook.ROBOTS[HOSTS[request.param]])
    monkeypatch.setattr(webhook, "is_public", lambda _address: True)
    with FakeRobot(request.param) as fake:
        yield fake


def notice(event: NotificationEvent = NotificationEvent.DONE, **changes: object) -> Notice:
    return notice_of(event, FACTS[event] | changes, ADDRESS)


def refusal(robot: FakeRobot, url: str = "") -> str:
    with pytest.raises(NotDelivered) as caught:
        Webhook(url or robot.url).send(notice())
    assert TOKEN not in f"{caught.value} {caught.value!r} {caught.value.message!r}"
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("event", list(NotificationEvent))
def test_every_event_is_accepted_with_its_link(robot: FakeRobot, event: NotificationEvent) -> None:
    Webhook(robot.url).send(notice(event))
    lines = robot.messages[0].split("\n")
    assert lines[0].startswith("AI 图片生成器 · ")
    assert lines[-1].startswith(ADDRESS + "/")


def test_a_finished_batch_tells_numbers_and_leads_to_it(robot: FakeRobot) -> None:
    Webhook(robot.url).send(notice())
    assert robot.messages[0].split("\n")[1:] == [
        "「春季主图」：完成 1,998 张、失败 2 张、花了 ¥439.56、用时 64 分钟",
        "http://mac.local:5000/batch?id=20261126-1",
    ]


def test_the_longest_message_is_accepted_and_mentions_nobody(robot: FakeRobot) -> None:
    name = '<at user_id="all">所有人</at>\n' * 100
    event = NotificationEvent.PAUSED
    Webhook(robot.url).send(notice(event, name=name, reason="长" * 5000))
    assert "<" not in robot.messages[0]


@pytest.mark.parametrize("robot", HOSTS, indirect=True)
def test_a_wrong_token_is_reported_in_the_words_of_the_robot(robot: FakeRobot) -> None:
    said = {"feishu": "19001", "wecom": "93000", "dingtalk": "300005"}[robot.kind]
    assert f"没有收下（{said} " in refusal(robot, robot.url + "x")


@pytest.mark.parametrize("robot", ["feishu", "dingtalk"], indirect=True)
def test_a_missing_keyword_is_reported(robot: FakeRobot) -> None:
    robot.keyword = "别的词"
    assert {"feishu": "Key Words Not Found", "dingtalk": "keywords not in content"}[robot.kind] in refusal(
        robot
    )


@pytest.mark.parametrize("fault", ["500", "redirect", "huge", "reset"])
def test_an_answer_that_is_none_is_one_sentence(robot: FakeRobot, fault: str) -> None:
    robot.fault = fault
    words = {"500": "HTTP 500", "redirect": "最终的地址", "huge": "内容过大", "reset": "没有收到"}
    assert words[fault] in refusal(robot)
    assert robot.calls == 1


@pytest.mark.parametrize("robot", HOSTS, indirect=True)
def test_a_refusal_that_quotes_the_url_does_not_tell_the_token(robot: FakeRobot) -> None:
    robot.fault = "echo"
    assert "no such robot" in refusal(robot)


@pytest.mark.parametrize("robot", HOSTS, indirect=True)
def test_a_page_with_status_200_is_no_acceptance(robot: FakeRobot) -> None:
    robot.fault = "html"
    assert "HTTP 200" in refusal(robot)


def test_a_receiver_that_never_answers_ends_at_the_deadline(
    robot: FakeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.3)
    robot.fault = "slow"
    assert "超时" in refusal(robot)


def test_nobody_at_the_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "is_public", lambda _address: True)
    with pytest.raises(NotDelivered, match="连接被拒绝"):
        Webhook("http://127.0.0.1:9/hook").send(notice())


def test_every_failure_inside_the_network_is_the_same_sentence() -> None:
    with FakeRobot("plain") as robot:
        said = {refusal(robot, "http://127.0.0.1:9/hook")}  # nobody listens
        for fault in ("500", "redirect", "huge", "reset"):
            robot.fault = fault
            said.add(refusal(robot))
    assert len(said) == 1
    assert "内部网络" in said.pop()


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"])
def test_nothing_is_sent_to_the_services_of_a_cloud(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr("socket.create_connection", refuse)
    with pytest.raises(NotDelivered, match="内部网络"):
        Webhook(f"http://{host}/hook").send(notice())
