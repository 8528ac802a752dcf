"""What every request works with: settings, the image model, the worker, a database connection."""

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

WAITING_SEATS = 4  # of the server's 8 threads: the rest answers everybody else
DOWNLOADS = 2  # of each kind: a stream holds a thread while it is read, a workbook while it is made
_RETRY_SECONDS = 10
_KEY = "ai_image_generator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the web room was given when it was made."""

    settings: Settings
    model: Provider
    worker: Worker
    pool: database.ConnectionPool
    blocking_slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WAITING_SEATS))
    archives: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DOWNLOADS))
    workbooks: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DOWNLOADS))
    key_test: threading.Lock = field(default_factory=threading.Lock)
    thread_local: threading.local = field(
        default_factory=threading.local
    )  # what each thread of the server keeps

    @property
    def library(self) -> Library:
        """The reference images."""
        return self.worker.library

    @property
    def card(self) -> ModelSpec:
        """What the image model takes; with OSS, every picture of the house has an address."""
        card = self.model.card
        if card.reference_form == "url" and self.settings.oss_enabled:
            return replace(card, reference_form="any")
        return card

    @contextmanager
    def blocking_call(self) -> Iterator[None]:
        """A seat for a call that waits for its pictures; Busy when all are taken."""
        if not self.blocking_slots.acquire(blocking=False):
            raise TryLater(f"已有 {WAITING_SEATS} 个请求在等图片，请稍后再试，或改用 POST /api/batches")
        try:
            yield
        finally:
            self.blocking_slots.release()

    def begin_archive(self) -> Callable[[], None]:
        """Count a stream among those under way -> what ends it; Busy when there are enough."""
        return _begin_download(self.archives)

    @contextmanager
    def workbook(self) -> Iterator[None]:
        """Count a workbook among those that are made; Busy when there are enough."""
        end = _begin_download(self.workbooks)
        try:
            yield
        finally:
            end()


def _begin_download(seats: threading.Semaphore) -> Callable[[], None]:
    if not seats.acquire(blocking=False):
        raise TryLater(f"已有 {DOWNLOADS} 个下载正在进行，请等它们完成后再试", retry_after=_RETRY_SECONDS)
    return seats.release


def init_services(app: Flask, rooms: Services) -> None:
    """Give the app what its requests work with."""
    app.extensions[_KEY] = rooms
    app.teardown_appcontext(_give_back_connection)


def services() -> Services:
    """Settings, model and worker of the app that answers."""
    return rooms_of(current_app)


def rooms_of(app: Flask) -> Services:
    """The same of an app that answers nothing just now."""
    found: Services = app.extensions[_KEY]
    return found


def connection() -> database.Connection:
    """The connection of this request, until the request ends."""
    if "db" not in g:
        g.db = services().pool.take()
    db: database.Connection = g.db
    return db


def _give_back_connection(_error: BaseException | None) -> None:
    db: database.Connection | None = g.pop("db", None)
    if db is not None:
        services().pool.give_back(db)
