"""The image models that can be ordered from, each with its client, its concurrency limit and its pace.

The pace, the seconds an image takes and the concurrency that the service allows, is kept in the database, so
that a start knows what the last process measured. Of two servers the last one to write wins.
"""

import threading
import time
from collections.abc import Iterator

import database
import generator
from app.config import Settings
from app.domain import Models, ModelSpec, ModelStatistics
from app.errors import DatabaseError, Message
from app.worker.concurrency import AdaptiveLimit, Permit, WakeSignal

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


class Engine:
    """One image model: its provider, how many of its images may be under way, and what was measured.

    ``wake`` wakes its idle threads; ``threads`` is their number. ``refusal`` is why the service refuses the
    key or the account, until it makes an image, accepts the key in a test or has other settings; None: it
    does not. ``judged_at`` is the Unix time when that was last seen.
    """

    def __init__(self, provider: generator.Provider, concurrency: int) -> None:
        self.provider = provider
        self.limit = AdaptiveLimit(concurrency)
        self.pace = Pace(provider, self.limit)
        self.wake = WakeSignal()
        self.threads = 0
        self.refusal: Message | None = None
        self.judged_at = 0.0

    @property
    def spec(self) -> ModelSpec:
        """What the model accepts and costs."""
        return self.provider.spec

    @property
    def model_id(self) -> str:
        """The service's own id of the model."""
        return self.provider.spec.model_id

    def take_permit(self, timeout: float) -> Permit | None:
        """A slot of the limit; None when none was free within ``timeout`` seconds."""
        return Permit(self.limit) if self.limit.acquire(timeout) else None

    def update(self, provider: generator.Provider, concurrency: int, db: database.Connection) -> None:
        """Use another client of the same model from the next claim on, and this concurrency at most."""
        if concurrency != self.limit.highest:
            self.limit.resize(concurrency)
        if provider is not self.provider:
            self.pace.save(db, at_once=True)
            pace = Pace(provider, self.limit)
            pace.load(db)
            self.provider, self.pace, self.refusal = provider, pace, None

    def judge(self, refusal: Message | None, at: float) -> None:
        """At this Unix time the service refused the key, or accepted it."""
        self.refusal, self.judged_at = refusal, at

    @property
    def wanted_threads(self) -> int:
        """Two for each slot: one may save an image while the other generates."""
        return 2 * self.limit.share


class Engines:
    """The engines by model id, the default first; they can be exchanged while the worker runs.

    A model that two providers have is ordered from the first of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._opened = generator.open_providers(settings)
        self._engines: dict[str, Engine] = {}
        for each in self._opened:
            self._engines.setdefault(each.provider.spec.model_id, Engine(each.provider, each.concurrency))
        self._known = dict(self._engines)  # earlier ones too: images of theirs may be under way

    def __iter__(self) -> Iterator[Engine]:
        return iter(list(self._engines.values()))

    @property
    def default(self) -> Engine:
        """The engine of requests that name no model."""
        return next(iter(self))

    @property
    def model_ids(self) -> tuple[str, ...]:
        """The ids of the models, the default first."""
        return tuple(engine.model_id for engine in self)

    @property
    def models(self) -> Models:
        """The specs of all of them."""
        return Models(engine.spec for engine in self)

    def find(self, model_id: str) -> Engine | None:
        """The engine of this model; None when it cannot be ordered from."""
        return self._engines.get(model_id)

    def pause_others(self, db: database.Connection) -> int:
        """Pause the batches with records queued for a model that is not there -> how many."""
        return database.pause_other_models(db, models=self.model_ids, now=database.now(db))

    def wake_all(self) -> None:
        """Wake the idle threads of every model, also of those that are not there any more."""
        for engine in list(self._known.values()):
            engine.wake.notify()

    def apply(self, settings: Settings, db: database.Connection) -> None:
        """Have the engines of these settings from now on; those of the same models keep what they learnt.

        Images under way are finished by the client that they were submitted with.
        """
        with self._lock:
            opened = generator.open_providers(settings, self._opened)
            engines: dict[str, Engine] = {}
            for each in opened:
                model_id = each.provider.spec.model_id
                if model_id in engines:
                    continue
                if engine := self._known.get(model_id):
                    engine.update(each.provider, each.concurrency, db)
                else:
                    engine = Engine(each.provider, each.concurrency)
                    engine.pace.load(db)
                engines[model_id] = engine
            self._opened, self._engines = opened, engines
            self._known = {**self._known, **engines}
