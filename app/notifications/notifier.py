"""Delivers the notifications of the outbox to NOTIFY_URL, one at a time; starts no thread."""

import database
import generator
from app import log
from app.config import Settings
from app.domain.notifications import NotificationEvent
from app.errors import Message
from app.notifications.words import notice_of
from app.system import listener

BETWEEN_SECONDS = 3.0  # robots take 20 messages a minute
_FIRST_DELAY, _MAX_DELAY = 10.0, 600.0
_GIVEN_UP_SECONDS = 3600.0


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
