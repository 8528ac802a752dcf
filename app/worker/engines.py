"""The image models that can be ordered from, each with its client, its concurrency limit and its pace."""

import threading
from collections.abc import Iterator

import database
import generator
from app.config import Settings
from app.domain import Models, ModelSpec
from app.worker.concurrency import AdaptiveLimit, Permit
from app.worker.pace import Pace


class Engine:
    """One image model: its provider, how many of its images may be under way, and what was measured."""

    def __init__(self, provider: generator.Provider, concurrency: int) -> None:
        self.provider = provider
        self.limit = AdaptiveLimit(concurrency)
        self.pace = Pace(provider, self.limit)
        self.threads = 0  # started for it

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
            self.provider = provider
            self.pace = Pace(provider, self.limit)
            self.pace.load(db)


class Engines:
    """The engines by model id, the default first; they can be exchanged while the worker runs."""

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._opened = generator.open_providers(settings)
        engines = [Engine(each.provider, each.concurrency) for each in self._opened]
        self._engines = {engine.model_id: engine for engine in engines}
        self._known = dict(self._engines)  # earlier ones too: their threads wait

    def __iter__(self) -> Iterator[Engine]:
        return iter(list(self._engines.values()))

    @property
    def default(self) -> Engine:
        """The engine of requests that name no model."""
        return next(iter(self))

    @property
    def models(self) -> Models:
        """The specs of all of them."""
        return Models(engine.spec for engine in self)

    def find(self, model_id: str) -> Engine | None:
        """The engine of this model; None when it cannot be ordered from."""
        return self._engines.get(model_id)

    def apply(self, settings: Settings, db: database.Connection) -> None:
        """Have the engines of these settings from now on; those of the same models keep what they learnt.

        Images under way are finished by the client that they were submitted with.
        """
        with self._lock:
            self._opened = generator.open_providers(settings, self._opened)
            engines = {}
            for each in self._opened:
                new = Engine(each.provider, each.concurrency)
                engine = self._known.setdefault(new.model_id, new)
                engine.update(each.provider, each.concurrency, db)
                engines[engine.model_id] = engine
            self._engines = engines
