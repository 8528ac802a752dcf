"""Notifications: the events that send one, with their facts, and what is sent. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class NotificationEvent(StrEnum):
    """What happened, with its facts.

    done    a batch finished: batch, name, success, failed, unknown, cancelled, cost (CNY or None),
            minutes (None when it had finished before)
    paused  a batch paused by itself: batch, name, cause, reason, left
    budget  80 % of a budget are spent: scope, limit, spent, left (CNY), name of the batch or empty,
            person whose limit it is, or empty
    key     the service refused the key: reason
    round   a client submitted a round: table (its id), name (of the table), client, number, chosen, rejected,
            comments
    backup  the daily backup of the database failed: reason
    test    sent from the page
    """

    DONE = "done"
    PAUSED = "paused"
    BUDGET = "budget"
    KEY = "key"
    ROUND = "round"
    BACKUP = "backup"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A row of the outbox. ``created_at`` is Unix time, ``tries`` counts this one."""

    id: int
    event: NotificationEvent
    facts: Mapping[str, Any]
    created_at: float
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The words of a notification: a title, sentences, and the address of the page where one goes on."""

    event: NotificationEvent
    title: str
    lines: tuple[str, ...]
    link: str
    facts: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All of it, one line each."""
        return "\n".join((self.title, *self.lines, self.link))
