"""The services of a request: settings, image model, runtime, database connection."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from flask import Flask, current_app, g, request

import database
from app.config import Settings
from app.domain import Models, ModelSpec
from app.domain.people import Person
from app.env_file import EnvFile
from app.errors import Message, TryLater, message
from app.library.library import Library
from app.library.outputs import Outputs
from app.runtime import Runtime
from app.tables.stage import ClientAnswer
from app.web.originals import Originals

MAX_WAITING_CALLS = 4  # of the server's 8 threads: the others stay free for other requests
MAX_DOWNLOADS = 2  # of each kind: a stream occupies a thread while it is read, a workbook while it is written
_RETRY_SECONDS = 10
_KEY = "ai_image_generator"
PICTURE_NOTES = "picture_notes"  # extension: what is known of records elsewhere, by their ids
CLIENT_ANSWERS = "client_answers"  # the same of tables


class Slots:
    """Bounds the calls of one kind that run at once; a further one is refused instead of waiting."""

    def __init__(self, number: int, refusal: str, *, retry_after: int = 0) -> None:
        self._number, self._refusal, self._retry_after = number, refusal, retry_after
        self._semaphore = threading.BoundedSemaphore(number)

    def __enter__(self) -> None:
        """Occupy a slot until the end of the block. Raises TryLater when there is none."""
        if not self._semaphore.acquire(blocking=False):
            raise TryLater(self._refusal, n=self._number, retry_after=self._retry_after)

    def __exit__(self, *_error: object) -> None:
        self._semaphore.release()


def _downloads() -> Slots:
    return Slots(MAX_DOWNLOADS, "已有 {n} 个下载正在进行，请等它们完成后再试", retry_after=_RETRY_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The objects that ``create_app`` passes to the web package."""

    runtime: Runtime
    find_person: Callable[[], Person | None]  # of the login or token of a request
    env_file: EnvFile | None = None  # where settings are changed
    waiting_calls: Slots = field(
        default_factory=lambda: Slots(
            MAX_WAITING_CALLS, "已有 {n} 个请求在等图片，请稍后再试，或改用 POST /api/batches"
        )
    )
    archives: Slots = field(default_factory=_downloads)
    workbooks: Slots = field(default_factory=_downloads)
    making: Slots = field(
        default_factory=lambda: Slots(2, "已有 {n} 个交付正在做，请稍后再试", retry_after=2)
    )
    key_tests: Slots = field(default_factory=lambda: Slots(1, "已经在测试密钥了，请等它测完"))
    notify_tests: Slots = field(default_factory=lambda: Slots(1, "已经在发了，请等它发完"))
    removed: dict[str, dict[str, str]] = field(default_factory=dict)  # settings with a key that was deleted
    totals: database.KnownTotals = field(default_factory=dict)  # of the list of tables
    thread_local: threading.local = field(default_factory=threading.local)  # per-thread state of the server

    @property
    def settings(self) -> Settings:
        """The settings; those of the providers can change."""
        return self.runtime.settings

    @property
    def pool(self) -> database.ConnectionPool:
        """The database connections of requests."""
        return self.runtime.pool

    @property
    def library(self) -> Library:
        """The reference images."""
        return self.runtime.library

    @property
    def outputs(self) -> Outputs:
        """The finished images."""
        return self.runtime.outputs

    @property
    def originals(self) -> Originals:
        """Where this installation reads originals."""
        return Originals(self.outputs, self.runtime.output_backup)

    @property
    def models(self) -> Models:
        """The models that can be ordered from.

        With OSS every local image has a URL, so any reference form works.
        """
        models = self.runtime.engines.models
        if not self.settings.oss_enabled:
            return models
        return Models(
            replace(spec, reference_form="any") if spec.reference_form == "url" else spec
            for spec in models.all
        )

    @property
    def row_models(self) -> Models:
        """The models that rows can name."""
        return Models(self.models.values())

    @property
    def spec(self) -> ModelSpec:
        """The spec of the default model."""
        return self.models.default

    def label_of(self, model_id: str) -> str:
        """The label of a model, in Chinese; its id when it cannot be ordered from any more."""
        spec = self.models.get(model_id)
        return spec.label if spec else model_id

    @property
    def orderable(self) -> list[ModelSpec]:
        """The models that rows can be ordered from now, the default first."""
        return [spec for spec in self.models.values() if not self.model_problem(spec)]

    @property
    def key_problem(self) -> Message | None:
        """Why nothing can be submitted while an API key is missing."""
        missing = tuple(self.settings.missing_keys)
        return message("还没有设置 {keys}，请在「模型与密钥」里填好", keys=missing) if missing else None

    def model_problem(self, spec: ModelSpec) -> Message | None:
        """Why this model cannot be ordered from: an API key is missing, or the service ended it."""
        today = date.today()
        ended = spec.retirement_notice(today) if spec.is_retired(today) else None
        is_default = spec.name == self.settings.image_model
        return (self.key_problem if is_default else None) or ended


def init_services(
    app: Flask, runtime: Runtime, env_file: EnvFile | None, find_person: Callable[[], Person | None]
) -> None:
    """Attach the services to the app."""
    app.extensions[_KEY] = Services(runtime=runtime, env_file=env_file, find_person=find_person)
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
        g.db.has_gone = request.environ.get("waitress.client_disconnected") if request else None
    db: database.Connection = g.db
    return db


def _release_connection(_error: BaseException | None) -> None:
    db: database.Connection | None = g.pop("db", None)
    if db is not None:
        db.has_gone = None
        services().pool.release(db)


def picture_notes(record_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """What clients say of these records: mark (None without one), comment, client, round (number)."""
    read = current_app.extensions.get(PICTURE_NOTES)
    notes: dict[int, dict[str, Any]] = read(connection(), record_ids) if read else {}
    return notes


def client_answers(table_ids: Collection[str]) -> dict[str, ClientAnswer]:
    """What clients said of these tables and is not worked through."""
    read = current_app.extensions.get(CLIENT_ANSWERS)
    answers: dict[str, ClientAnswer] = read(connection(), table_ids) if read else {}
    return answers
