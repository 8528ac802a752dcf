"""Delivers the notifications of the outbox to NOTIFY_URL, one at a time; starts no thread."""

import database
import generator
from app import log
from app.config import Settings
from app.domain.notifications import NotificationEvent, notice_of
from app.errors import Message

BETWEEN_SECONDS = 3.0  # robots take 20 messages a minute
_FIRST_DELAY, _MAX_DELAY = 10.0, 600.0
_GIVEN_UP_SECONDS = 3600.0


class Notifier:
    """Sends to the configured receiver; without one nothing is sent."""

    def __init__(self, settings: Settings) -> None:
        self._webhook: generator.Webhook | None = None
        self.apply(settings)
        host = settings.allowed_hosts[0] if settings.allowed_hosts else "localhost"
        self._address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"

    def apply(self, settings: Settings) -> None:
        """Send to the receiver of these settings from now on."""
        self._webhook = generator.Webhook(settings.notify_url) if settings.notify_url else None

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
        if database.now(db) - found.created_at > _GIVEN_UP_SECONDS:
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
