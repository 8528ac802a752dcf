"""What the processes of one database tell each other: which workers are alive, what the services refuse.

Starts no thread.
"""

import time
from collections.abc import Iterable, Sequence

import database
from app.worker.engines import Engine

REPORT_SECONDS = 5.0
ALIVE_SECONDS = 20.0


class Peers:
    """A worker process reports; a process that serves pages only watches, and its engines show it."""

    def __init__(self, engines: Iterable[Engine], owner: str, *, is_web: bool) -> None:
        self._engines = engines
        self._owner = owner
        self._is_web = is_web
        self._next_report = 0.0
        self.workers: Sequence[database.WorkerReport] = ()  # the living ones, as last watched

    @property
    def are_missing(self) -> bool:
        """Whether nothing makes images: this process serves pages only, and no worker process is alive."""
        return self._is_web and not self.workers

    def report(self, db: database.Connection, under_way: int) -> bool:
        """Every REPORT_SECONDS: this worker is alive, and has so many images under way."""
        if time.monotonic() < self._next_report:
            return False
        services = {
            engine.model_id: (engine.judged_at, engine.refusal)
            for engine in self._engines
            if engine.judged_at
        }
        report = database.WorkerReport(under_way=under_way, services=services)
        database.report_worker(db, self._owner, report, now=time.time())
        self._next_report = time.monotonic() + REPORT_SECONDS
        return True

    def has_others(self, db: database.Connection) -> bool:
        """Whether another process makes images."""
        return bool(database.list_workers(db, now=time.time(), within=ALIVE_SECONDS, besides=self._owner))

    def leave(self, db: database.Connection) -> None:
        """This worker has stopped."""
        database.forget_worker(db, self._owner)

    def watch(self, db: database.Connection) -> bool:
        """Read the reports: the engines here refuse, accept and pace as the workers' last did."""
        workers = database.list_workers(db, now=time.time(), within=ALIVE_SECONDS)
        for engine in self._engines:
            engine.pace.load(db)
            for worker in workers:
                at, refusal = worker.services.get(engine.model_id, (0.0, None))
                if at > engine.judged_at:
                    engine.judge(refusal, at)
        self.workers = workers
        return True
