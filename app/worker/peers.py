"""What the processes of one database tell each other: which workers are alive, what the services refuse,
and how many images of a model each may have at its service. Starts no thread.
"""

import time
from collections.abc import Iterable, Mapping

import database
from app.domain.workers import WorkerReport, WorkerState
from app.worker.engines import Engine

REPORT_SECONDS = 5.0
UNSETTLED_SECONDS = 1.0  # while shares change
ALIVE_SECONDS = 20.0


class Peers:
    """A worker process reports; a process that serves pages only watches, and its engines show it."""

    def __init__(self, engines: Iterable[Engine], owner: str, *, is_web: bool) -> None:
        self._engines = engines
        self._owner = owner
        self._is_web = is_web
        self._next_report = 0.0
        self._reported_at: float | None = None
        self.workers: Mapping[str, WorkerReport] = {}  # the living ones, as last watched

    @property
    def are_missing(self) -> bool:
        """Whether nothing makes images: this process serves pages only, and no worker process is alive."""
        return self._is_web and not self.workers

    def report(self, db: database.Connection, under_way: int, state: WorkerState = "") -> bool:
        """Every REPORT_SECONDS: this worker is alive, and has so many records claimed; take its share of each
        model. At the first report it has nothing at any service."""
        if time.monotonic() < self._next_report:
            return False
        engines = {engine.model_id: engine for engine in self._engines}
        is_first, limits = self._reported_at is None, {id: each.limit for id, each in engines.items()}
        report = WorkerReport(
            under_way=under_way,
            services={id: (each.judged_at, each.refusal) for id, each in engines.items() if each.judged_at},
            slots={
                id: limit.under_way if is_first else max(limit.share, limit.under_way)
                for id, limit in limits.items()
            },
            state=state,
        )
        now = time.time()
        shares = database.report_worker(
            db,
            self._owner,
            report,
            limits={id: limit.highest for id, limit in limits.items()},
            now=now,
            within=ALIVE_SECONDS,
        )
        for id, share in shares.items():
            limits[id].set_share(share.granted)
        is_settled = all(share.fair == share.granted == report.slots[id] for id, share in shares.items())
        self._reported_at = now
        self._next_report = time.monotonic() + (REPORT_SECONDS if is_settled else UNSETTLED_SECONDS)
        return True

    def may_claim(self, now: float) -> bool:
        """Whether the others still count this worker's share: not if it was suspended, or cannot report."""
        return self._reported_at is None or abs(now - self._reported_at) < ALIVE_SECONDS - REPORT_SECONDS

    def has_others(self, db: database.Connection) -> bool:
        """Whether another process makes images."""
        return bool(database.list_workers(db, now=time.time(), within=ALIVE_SECONDS).keys() - {self._owner})

    def leave(self, db: database.Connection) -> None:
        """This worker has stopped."""
        database.forget_worker(db, self._owner)

    def watch(self, db: database.Connection) -> bool:
        """Read the reports: the engines here refuse, accept and pace as the workers' last did."""
        workers = database.list_workers(db, now=time.time(), within=ALIVE_SECONDS)
        for engine in self._engines:
            engine.pace.load(db)
            for worker in workers.values():
                at, refusal = worker.services.get(engine.model_id, (0.0, None))
                if at > engine.judged_at:
                    engine.judge(refusal, at)
        self.workers = workers
        return True
