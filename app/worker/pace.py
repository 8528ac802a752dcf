"""What is learnt of the image model: seconds an image takes, and the concurrency its service allows.

Kept in the database, so that a start knows what the last process measured. Of two servers the last one
to write wins.
"""

import time

import database
import generator
from app.domain import ModelStatistics
from app.errors import DatabaseError
from app.worker.concurrency import AdaptiveLimit

SAVE_SECONDS = 10.0
_DEVIATIONS = 2.0  # around the usual time, for the range that most images are within
_LEAST_MARGIN = 0.1  # of the usual time: services differ from hour to hour


class Pace:
    """The estimates of the provider and of the limit, for one model. Starts no thread."""

    def __init__(self, provider: generator.Provider, limit: AdaptiveLimit) -> None:
        self._model = provider.spec.model_id
        self._is_measured_here = provider.latency is None
        self._latency = provider.latency or generator.LatencyEstimate()
        self._limit = limit
        self._saved: ModelStatistics | None = None
        self._next_save = 0.0

    @property
    def concurrency(self) -> int:
        """Images that may be under way at present."""
        return int(self._limit.allowed)

    @property
    def seconds(self) -> tuple[float, float] | None:
        """From how many to how many seconds an image usually takes; None while nothing is known."""
        usual = self._latency.seconds
        if usual is None:
            return None
        margin = max(_DEVIATIONS * self._latency.deviation, _LEAST_MARGIN * usual)
        return round(max(usual - margin, usual / 2), 1), round(usual + margin, 1)

    def measured(self, seconds: float) -> None:
        """An image took that long, from its submission until it was received."""
        if self._is_measured_here:
            self._latency.measure(seconds)

    def load(self, db: database.Connection) -> None:
        """Start from what is stored."""
        stored = database.find_statistics(db, self._model)
        if stored is None:
            return
        if stored.seconds and stored.seconds > 0:
            self._latency.remember(stored.seconds, max(0.0, stored.deviation or 0.0))
        self._limit.restore(stored.concurrency or self._limit.highest)
        self._saved = self._statistics()

    def save(self, db: database.Connection, *, at_once: bool = False) -> bool:
        """Store what has changed, every SAVE_SECONDS at most; returns whether it was stored.

        A database that refuses is tried again at the next call.
        """
        statistics = self._statistics()
        is_due = at_once or time.monotonic() >= self._next_save
        if not is_due or statistics == (self._saved or ModelStatistics()):
            return False
        try:
            database.store_statistics(db, self._model, statistics)
        except DatabaseError:
            return False
        self._saved, self._next_save = statistics, time.monotonic() + SAVE_SECONDS
        return True

    def _statistics(self) -> ModelStatistics:
        usual, allowed = self._latency.seconds, self._limit.allowed
        return ModelStatistics(
            seconds=None if usual is None else round(usual, 3),
            deviation=None if usual is None else round(self._latency.deviation, 3),
            concurrency=allowed if allowed < self._limit.highest else None,
        )
