"""A worker with a fake service, run turn by turn."""

from dataclasses import replace
from typing import Any, NoReturn

import pytest

import database
from app.config import Settings
from app.domain import ImageRequest, Record
from app.images.filenames import is_taken, stem_from_prompt
from app.worker.disk_space import DiskSpace
from app.worker.worker import Worker
from tools.fakes.service import FakeService


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
        self.worker = Worker(settings, disk=disk)

    def ask(self, *prompts: str, **fields: object) -> tuple[str, list[int]]:
        requests = [ImageRequest(prompt=prompt, **fields) for prompt in prompts]  # type: ignore[arg-type]
        return database.add_batch(
            self.db,
            database.Submission(
                requests=requests,
                models=self.worker.engines.models,
                stems=[stem_from_prompt(prompt) for prompt in prompts],
                is_taken=lambda stem: is_taken(self.settings.output_dir, stem),
            ),
        )[:2]

    def step(self) -> bool:
        return self.worker.run_once(self.db)

    def record(self, record_id: int) -> Record:
        return database.get_record(self.db, record_id)

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

    def hurry(self) -> None:
        """Start delayed retries now."""
        self.db.execute("UPDATE generation_records SET not_before = 0")

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


def restart_after_crash(harness: Harness, **changes: object) -> None:
    """Restart the server, optionally with other settings, once the leases have expired."""
    harness.db.execute("UPDATE generation_records SET lease_until = 0 WHERE status = 'running'")
    harness.settings = replace(harness.settings, **changes)  # type: ignore[arg-type]
    harness.worker = Worker(harness.settings)


def crash_at(harness: Harness, monkeypatch: pytest.MonkeyPatch, *, where: object, name: str) -> None:
    """Run a turn in which the worker crashes when it calls ``name``."""

    def crash(*_: object, **__: object) -> NoReturn:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(where, name, crash)
        with pytest.raises(SystemExit):
            harness.step()
