"""Delivers the notifications of the outbox to NOTIFY_URL, one at a time, and words them; starts no thread.

The words are numbers, a reason and a link, never a prompt. They are Chinese: nobody asked for them in a
language. Every title begins with the product's name, so that a robot can require a word of it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import database
import generator
from app import log
from app.config import Settings
from app.domain.ledger import BUDGET_LABELS, BudgetScope
from app.domain.notifications import Notice, NotificationEvent
from app.errors import Message, message
from app.system import listener

BETWEEN_SECONDS = 3.0  # robots take 20 messages a minute
_FIRST_DELAY, _MAX_DELAY = 10.0, 600.0
_GIVEN_UP_SECONDS = 3600.0
_MAX_NAME, _MAX_REASON = 40, 200  # characters; a robot takes 2,048 bytes in all


class Notifier:
    """Sends to the configured receiver; without one nothing is sent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._webhook: generator.Webhook | None = None
        self._since = 0.0  # Unix time: what is older was not for this receiver
        self.apply(settings)

    def apply(self, settings: Settings, now: float = 0.0) -> None:
        """Send to the receiver of these settings; to another than before nothing from before ``now``."""
        if settings.notify_url != self._settings.notify_url:
            self._since = now
        self._settings = settings
        self._webhook = generator.Webhook(settings.notify_url) if settings.notify_url else None

    @property
    def _address(self) -> str:
        """Where others open this server, as far as it is known."""
        host, port = next(iter(self._settings.allowed_hosts), self._settings.host), self._settings.port
        return listener.address_for_others(host, port) or listener.address(host, port)

    @property
    def receiver(self) -> Message | str:
        """The name of the receiver; empty without one."""
        return self._webhook.label if self._webhook else ""

    def send_test(self) -> None:
        """Send one at once. Raises NotDelivered."""
        if webhook := self._webhook:
            webhook.send(notice_of(NotificationEvent.TEST, {}, self._address))

    def deliver_next(self, db: database.Connection) -> bool:
        """Deliver the oldest notification that is due -> False when there was none, or it was not accepted.

        Tried for an hour with growing delays, then given up. A crash while it is sent sends it once more.
        """
        webhook = self._webhook
        if webhook is None:
            return False
        found = database.claim_notification(db, now=database.now(db))
        if found is None:
            return False
        facts = {"kind": found.event, "id": found.id, "tries": found.tries}
        if found.created_at < max(self._since, database.now(db) - _GIVEN_UP_SECONDS):
            database.end_notification(db, found.id, now=database.now(db))
            log.event("worker", "notification_given_up", **facts)
            return False
        try:
            webhook.send(notice_of(found.event, found.facts, self._address))
        except generator.NotDelivered as error:
            delay = min(_FIRST_DELAY * 2.0 ** (found.tries - 1), _MAX_DELAY)
            database.retry_notification(db, found.id, not_before=database.now(db) + delay)
            log.event("worker", "notification_failed", **facts, why=error.message)
            return False
        database.end_notification(db, found.id, now=database.now(db))
        log.event("worker", "notified", **facts)
        return True


def notice_of(event: NotificationEvent, facts: Mapping[str, Any], address: str) -> Notice:
    """The words of an event. ``address`` is that of the server, ``http://localhost:5000``."""
    title, lines, path = _WORDS[event](facts)
    return Notice(
        event=event,
        title=str(message("AI 图片生成器 · {title}", title=title)),
        lines=tuple(
            " ".join(str(line).split()).replace("<", "＜").replace(">", "＞")  # robots read mentions in them
            for line in lines
        ),
        link=address + path,
        facts={name: str(fact) if isinstance(fact, Message) else fact for name, fact in facts.items()},
    )


def _done(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    counts = _counts(
        facts,
        success="完成 {n} 张",
        failed="失败 {n} 张",
        unknown="结果未知 {n} 张",
        cancelled="取消 {n} 张",
    )
    if facts["cost"] is not None:
        counts.append(message("花了 ¥{cost}", cost=facts["cost"]))
    if facts["minutes"] is not None:
        counts.append(message("用时 {n} 分钟", n=f"{facts['minutes']:,}"))
    line = message("{name}：{figures}", name=_name(facts), figures=tuple(counts))
    return message("批次完成"), [line], _batch_path(facts)


def _paused(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    left = message("{name}：还有 {n} 张没有做", name=_name(facts), n=f"{facts['left']:,}")
    return message("批次暂停"), [left, message(_reason(facts))], _batch_path(facts)


def _budget(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    label = message(BUDGET_LABELS[BudgetScope(facts["scope"])])
    if person := facts.get("person"):
        label = message("{name} 这个月的上限", name=person)
    line = message(
        "{budget} ¥{limit} 已用 ¥{spent}，还剩 ¥{left}",
        budget=label,
        **{name: facts[name] for name in ("limit", "spent", "left")},
    )
    lines = [line, message(_name(facts))] if facts["name"] else [line]
    return message("预算用了八成"), lines, "/usage#budgets"


def _key(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    return message("密钥、权限或余额有问题，批次已暂停"), [message(_reason(facts))], "/model"


def _round(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    counts = _counts(facts, chosen="选了 {n} 张", rejected="不要 {n} 张", comments="{n} 句话")
    text, client = "{name}：{client}第 {number} 轮，{figures}", message("「{name}」", name=facts["client"])
    line = message(text, name=_name(facts), client=client, number=facts["number"], figures=tuple(counts))
    return message("客户选好了"), [line], f"/batch?table={quote(str(facts['table']))}"


def _backup(facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    return message("数据库的备份没有成功"), [message(_reason(facts))], "/model#backups"


def _test(_facts: Mapping[str, Any]) -> tuple[Message, list[Message], str]:
    return message("通知已接通"), [message("批次完成、暂停，预算用了八成，客户选好了，都会发到这里。")], "/"


_WORDS = {
    NotificationEvent.DONE: _done,
    NotificationEvent.PAUSED: _paused,
    NotificationEvent.BUDGET: _budget,
    NotificationEvent.KEY: _key,
    NotificationEvent.ROUND: _round,
    NotificationEvent.BACKUP: _backup,
    NotificationEvent.TEST: _test,
}


def _counts(facts: Mapping[str, Any], **texts: str) -> list[Message]:
    """The first, and those that are not 0."""
    first = next(iter(texts))
    counted = {name: text for name, text in texts.items() if facts[name] or name == first}
    return [message(text, n=f"{facts[name]:,}") for name, text in counted.items()]


def _name(facts: Mapping[str, Any]) -> Message:
    """The batch's name, or its number."""
    name = str(facts["name"])
    shown = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
    return message("「{name}」", name=shown) if name else message("批次 {id}", id=facts.get("batch", ""))


def _reason(facts: Mapping[str, Any]) -> str:
    return str(facts["reason"])[:_MAX_REASON]


def _batch_path(facts: Mapping[str, Any]) -> str:
    return f"/batch?id={quote(str(facts['batch']))}"
