"""The services of a request: settings, image model, worker, database connection."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from flask import Flask, current_app, g

import database
from app.config import Settings
from app.domain import ModelSpec
from app.errors import TryLater
from app.library.library import Library
from app.worker.worker import Worker
from generator import Provider

MAX_BLOCKING_CALLS = 4  # of the server's 8 threads: the others stay free for other requests
DOWNLOADS = 2  # of each kind: a stream occupies a thread while it is read, a workbook while it is written
_RETRY_SECONDS = 10
_KEY = "ai_image_generator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The objects that ``create_app`` passes to the web package."""

    settings: Settings
    model: Provider
    worker: Worker
    pool: database.ConnectionPool
    blocking_slots: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(MAX_BLOCKING_CALLS)
    )
    archives: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DOWNLOADS))
    workbooks: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DOWNLOADS))
    key_test: threading.Lock = field(default_factory=threading.Lock)
    thread_local: threading.local = field(default_factory=threading.local)  # per-thread state of the server

    @property
    def library(self) -> Library:
        """The reference images."""
        return self.worker.library

    @property
    def spec(self) -> ModelSpec:
        """The spec of the image model; with OSS every local image has a URL, so any reference form works."""
        spec = self.model.spec
        if spec.reference_form == "url" and self.settings.oss_enabled:
            return replace(spec, reference_form="any")
        return spec

    @contextmanager
    def blocking_call(self) -> Iterator[None]:
        """Limit the API calls that block until their images are done. Raises TryLater at the limit."""
        if not self.blocking_slots.acquire(blocking=False):
            raise TryLater(f"已有 {MAX_BLOCKING_CALLS} 个请求在等图片，请稍后再试，或改用 POST /api/batches")
        try:
            yield
        finally:
            self.blocking_slots.release()

    def begin_archive(self) -> Callable[[], None]:
        """Count a ZIP stream as active -> function that ends it. Raises TryLater at the limit."""
        return _begin_download(self.archives)

    @contextmanager
    def workbook(self) -> Iterator[None]:
        """Limit the workbooks written at once. Raises TryLater at the limit."""
        end = _begin_download(self.workbooks)
        try:
            yield
        finally:
            end()


def _begin_download(semaphore: threading.Semaphore) -> Callable[[], None]:
    if not semaphore.acquire(blocking=False):
        raise TryLater(f"已有 {DOWNLOADS} 个下载正在进行，请等它们完成后再试", retry_after=_RETRY_SECONDS)
    return semaphore.release


def init_services(app: Flask, services: Services) -> None:
    """Attach the services to the app."""
    app.extensions[_KEY] = services
    app.teardown_appcontext(_release_connection)


def services() -> Services:
    """The services of the current app."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """The services of an app outside a request."""
    found: Services = app.extensions[_KEY]
    return found


def connection() -> database.Connection:
    """The database connection of this request, returned to the pool when the request ends."""
    if "db" not in g:
        g.db = services().pool.acquire()
    db: database.Connection = g.db
    return db


def _release_connection(_error: BaseException | None) -> None:
    db: database.Connection | None = g.pop("db", None)
    if db is not None:
        services().pool.release(db)
