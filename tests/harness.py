"""A worker with a fake service, run turn by turn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import Batch, ImageRequest, Record, Status
from app.images.filenames import is_taken, stem_from_prompt
from app.runtime import Runtime
from app.worker.availability import DiskSpace
from app.worker.engines import Engine
from app.worker.maintenance import Maintenance
from app.worker.worker import Worker
from tools import orders
from tools.fakes.service import FakeService
from web_app import create_app


def worker_of(runtime: Runtime) -> Worker:
    """The worker of a process, which has to have one."""
    assert runtime.worker
    return runtime.worker


def run_once(runtime: Runtime, db: database.Connection) -> bool:
    """Process one record of the default model, else of another; False when there is none, or no free slot."""
    worker = worker_of(runtime)
    for engine in worker.engines:
        permit = engine.take_permit(0.0)
        if permit and worker.run(db, engine, permit):
            return True
    return False


def of_another_process(settings: Settings) -> database.Connection:
    """A connection that shares no session with those of the same process."""
    url = settings.database_url
    return database.connect(f"{url}?connect_timeout=9" if url else settings.database)


class Harness:
    """A worker with a fake service, and queries of both."""

    def __init__(self, settings: Settings, service: FakeService, db: database.Connection) -> None:
        self.settings = settings
        self.service = service
        self.db = db
        self.restart()

    def restart(self, *, disk: DiskSpace | None = None, **changes: Any) -> None:
        """A new worker with changed settings or another disk."""
        settings = replace(self.settings, **changes)
        self.runtime = Runtime(settings, disk=disk)

    @property
    def worker(self) -> Worker:
        return worker_of(self.runtime)

    @property
    def engine(self) -> Engine:
        """That of the default model."""
        return self.runtime.engines.default

    @property
    def maintenance(self) -> Maintenance:
        return self.worker.maintenance

    def client(self) -> FlaskClient:
        """A client of the pages of this worker."""
        return create_app(self.runtime.settings, self.runtime).test_client()

    def ask(self, *prompts: str, **fields: object) -> tuple[str, list[int]]:
        requests = [ImageRequest(prompt=prompt, **fields) for prompt in prompts]  # type: ignore[arg-type]
        return self.submit(requests)

    def submit(self, requests: Sequence[ImageRequest], **fields: Any) -> tuple[str, list[int]]:
        """Queue one batch -> its id and those of its records."""
        return orders.add_batch(
            self.db,
            requests,
            models=self.runtime.engines.models,
            stems=[stem_from_prompt(request.prompt) for request in requests],
            is_taken=lambda stem: is_taken(self.settings.output_dir, stem),
            **fields,
        )

    def step(self) -> bool:
        """Process one record; False when there was none. Its pauses take no time: they end in ``wait``."""
        with patch.object(self.runtime.threads.aborting, "wait", self.wait):
            return run_once(self.runtime, self.db)

    def wait(self, _seconds: float) -> bool:
        """Replaces a pause, and takes no time -> whether the worker stops at once."""
        return self.runtime.threads.aborting.is_set()

    def run(self) -> None:
        """Process records until none can be claimed."""
        while self.step():
            pass

    def record(self, record_id: int) -> Record:
        return database.get_record(self.db, record_id)

    def statuses(self, ids: Sequence[int]) -> list[Status]:
        return [self.record(record_id).status for record_id in ids]

    def batch(self, batch_id: str | None) -> Batch:
        assert batch_id
        return database.get_batch(self.db, batch_id)

    def resume(self, batch_id: str | None) -> None:
        assert batch_id
        database.resume_batch(self.db, batch_id, models=self.runtime.engines.models)

    def retry(self, record: Record) -> None:
        assert record.batch_id
        models = self.runtime.engines.models
        orders.retry(self.db, record.batch_id, [record.id], models=models)

    def make(self, prompt: str, **fields: object) -> Record:
        _, ids = self.ask(prompt, **fields)
        assert self.step()
        return self.record(ids[0])

    def make_too_slowly(self, prompt: str) -> Record:
        """A record that times out, whose task is finished later."""
        self.restart(model_timeout=2)
        self.service.latency = 60.0
        record = self.make(prompt)
        self.service.latency = 0.0
        return record

    def crash(self, where: object, name: str, prompt: str = "猫", **fields: object) -> Record:
        """The record that a worker works on when it crashes, as it calls ``name``; its lease holds."""
        _, ids = self.ask(prompt, **fields)
        with pytest.MonkeyPatch.context() as patched:
            crash_at(self, patched, where=where, name=name)
        return self.record(ids[0])

    def hurry(self) -> None:
        """Start delayed retries now."""
        self.db.execute("UPDATE generation_records SET not_before = 0")

    def reap(self) -> int:
        """End or requeue the records whose lease has expired -> their number."""
        return self.maintenance.reap_expired_leases(self.db)

    def outcomes(self) -> list[str]:
        return [row["outcome"] for row in self.db.execute("SELECT outcome FROM charges ORDER BY id")]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.settings.output_dir.glob("*") if path.is_file())


def open_harness(
    settings: Settings,
    service: FakeService,
    db: database.Connection,
    *,
    model_timeout: int = 3,
    **more: object,
) -> Harness:
    """A harness with the fake service and these settings."""
    settings.output_dir.mkdir(exist_ok=True)
    fields = service.settings(model_timeout=model_timeout, **more)
    return Harness(replace(settings, **fields), service, db)


@contextmanager
def running(runtime: Runtime, seconds: float = 20.0) -> Iterator[Runtime]:
    """A process with its threads, which end within so many seconds."""
    runtime.start()
    try:
        yield runtime
    finally:
        assert runtime.stop(seconds)


def restart_after_crash(harness: Harness, **changes: object) -> None:
    """Restart the server, optionally with other settings, once the leases have expired."""
    harness.db.execute("UPDATE generation_records SET lease_until = 0 WHERE status = 'running'")
    harness.settings = replace(harness.settings, **changes)  # type: ignore[arg-type]
    harness.runtime = Runtime(harness.settings)


def crash_at(harness: Harness, monkeypatch: pytest.MonkeyPatch, *, where: object, name: str) -> None:
    """Run a turn in which the worker crashes when it calls ``name``."""

    def crash(*_: object, **__: object) -> NoReturn:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(where, name, crash)
        with pytest.raises(SystemExit):
            harness.step()
