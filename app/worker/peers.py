"""What the processes of one database tell each other: which workers are alive, what the services refuse,
and how many images of a model each may have at its service. Starts no thread.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

import database
from app import log
from app.config import REQUIRED, SETTINGS, Settings
from app.domain.workers import WorkerReport, WorkerState, list_differing
from app.errors import Message, message
from app.worker.engines import Engine

REPORT_SECONDS = 5.0
UNSETTLED_SECONDS = 1.0  # while shares change
ALIVE_SECONDS = 20.0
CLOCK_SECONDS = 5.0  # off: said
MOST_CLOCK_SECONDS = 30.0  # off: orders would count in another month, among other things
_OUTDATED = "program_outdated"


class PeerProblem(NamedTuple):
    """What keeps this process from working with the others; ``event`` is its name in the log."""

    event: str
    text: Message
    stops: bool = True


class Peers:
    """A worker process reports; a process that serves pages only watches, and its engines show it.

    ``workers`` are the living ones by owner, as last seen. A worker that ``is_stopped`` orders nothing.
    """

    def __init__(self, engines: Iterable[Engine], owner: str, settings: Settings) -> None:
        self._engines = engines
        self._owner = owner
        self._is_web = settings.role == "web"
        self._settings = settings
        self._next_report = 0.0
        self._reported_at: float | None = None
        self._problem: PeerProblem | None = None
        self.workers: Mapping[str, WorkerReport] = {}

    @property
    def are_missing(self) -> bool:
        """Whether nothing makes images: this process serves pages only, and no worker process can."""
        return self._is_web and all(worker.state == "stopped" for worker in self.workers.values())

    @property
    def is_stopped(self) -> bool:
        """Whether this worker orders nothing; ``find_problem(stops=True)`` says why."""
        return self._problem is not None and self._problem.stops

    @property
    def outdated(self) -> Message | None:
        """Why this process must not write: a later version has changed the database."""
        return self._problem.text if self._problem and self._problem.event == _OUTDATED else None

    def find_problem(self, *, stops: bool) -> Message | None:
        """Why this process or another worker orders nothing, or with ``stops=False`` soon may; what to do."""
        if self._problem and self._problem.stops == stops:
            return self._problem.text
        found = (each.problem for each in self.workers.values() if (each.state == "stopped") == stops)
        return next(filter(None, found), None)

    def apply(self, settings: Settings) -> None:
        """Report these settings, and take shares of the models as they now are, at the next turn."""
        self._settings, self._next_report = settings, 0.0

    def report(self, db: database.Connection, under_way: int, state: WorkerState = "") -> bool:
        """Every REPORT_SECONDS: this worker is alive, and has so many records claimed; take its share of each
        model. At the first report it has nothing at any service."""
        if time.monotonic() < self._next_report:
            return False
        engines = {engine.model_id: engine for engine in self._engines}
        is_first, limits = self._reported_at is None, {id: each.limit for id, each in engines.items()}
        problem, now = self._problem, database.now(db)
        report = WorkerReport(
            under_way=under_way,
            services={id: (each.judged_at, each.refusal) for id, each in engines.items() if each.judged_at},
            slots={
                id: limit.under_way if is_first else max(limit.share, limit.under_way)
                for id, limit in limits.items()
            },
            state="stopped" if self.is_stopped else state,
            problem=problem.text if problem else None,
            settings=_digests(self._settings),
        )
        highest = {id: limit.highest for id, limit in limits.items()}
        shares, self.workers = database.report_worker(
            db, self._owner, report, limits=highest, now=now, within=ALIVE_SECONDS
        )
        self._examine(db, now)
        was_away = not is_first and not self._is_counted(now)
        for id, share in shares.items():
            most = limits[id].share if was_away else share.granted  # others may have been away too
            limits[id].set_share(0 if self.is_stopped else min(share.granted, most))
        is_settled = all(share.fair == share.granted == report.slots[id] for id, share in shares.items())
        if not is_settled or self._problem != problem:
            self._next_report = time.monotonic() + UNSETTLED_SECONDS
        else:
            self._next_report = time.monotonic() + REPORT_SECONDS
        self._reported_at = now
        return True

    def may_claim(self, now: float) -> bool:
        """Whether this worker may order, at this time of the store's clock.

        Not when it was suspended or cannot report: the others do not count its share any more.
        """
        has_right_clock = abs(time.time() - now) <= MOST_CLOCK_SECONDS
        return self._reported_at is None or (
            self._is_counted(now) and has_right_clock and not self.is_stopped
        )

    def _is_counted(self, now: float) -> bool:
        return abs(now - (self._reported_at or 0.0)) < ALIVE_SECONDS - REPORT_SECONDS

    def has_others(self, db: database.Connection) -> bool:
        """Whether another process makes images."""
        living = database.list_workers(db, now=database.now(db), within=ALIVE_SECONDS)
        return bool(living.keys() - {self._owner})

    def leave(self, db: database.Connection) -> None:
        """This worker has stopped."""
        database.forget_worker(db, self._owner)

    def watch(self, db: database.Connection) -> bool:
        """Read the reports: the engines here refuse, accept and pace as the workers' last did."""
        now = database.now(db)
        workers = database.list_workers(db, now=now, within=ALIVE_SECONDS)
        for engine in self._engines:
            engine.pace.load(db)
            for worker in workers.values():
                at, refusal = worker.services.get(engine.model_id, (0.0, None))
                if at > engine.judged_at:
                    engine.judge(refusal, at)
        self.workers = workers
        self._examine(db, now)
        return True

    def _examine(self, db: database.Connection, now: float) -> None:
        """Find out whether this process may work with the others; what changes is logged."""
        problem = self._find_clock_problem(now) or self._find_other_settings()
        if database.is_outdated(db):
            text = "数据库已由更新的版本升级，{machine} 不再下单，也不再保存改动：请把那里的程序也升级"
            problem = PeerProblem(_OUTDATED, message(text, machine=self._machine))
        if (problem and problem.event) != (self._problem and self._problem.event):
            log.event("worker", problem.event if problem else "peers_agree", why=problem and problem.text)
        self._problem = problem

    def _find_clock_problem(self, now: float) -> PeerProblem | None:
        off = abs(time.time() - now)
        if off <= CLOCK_SECONDS:
            return None
        why = message(
            "{machine} 的时钟和数据库服务器差 {seconds} 秒", machine=self._machine, seconds=round(off)
        )
        if off > MOST_CLOCK_SECONDS and not self._is_web:
            text = "{why}，不再下单：请打开那台机器的自动对时（NTP），对准后自动继续"
            return PeerProblem("clock_stopped", message(text, why=why))
        return PeerProblem(
            "clock_off", message("{why}，请打开那台机器的自动对时（NTP）", why=why), stops=False
        )

    def _find_other_settings(self) -> PeerProblem | None:
        own = _digests(self._settings)
        for owner, worker in self.workers.items():
            if names := list_differing(own, worker.settings):
                why = message(
                    "{names} 在 {machine} 和 {other} 上不一样",
                    names=tuple(names),
                    machine=self._machine,
                    other=_machine_of(owner),
                )
                if self._is_web:
                    text = message("{why}，请改成一样，再重新启动", why=why)
                    return PeerProblem("settings_differ", text, stops=False)
                text = message("{why}，都不再下单：请改成一样，再重新启动", why=why)
                return PeerProblem("settings_differ", text)
        return None

    @property
    def _machine(self) -> str:
        return _machine_of(self._owner)


def _machine_of(owner: str) -> str:
    """The host and the number of a process."""
    return owner.rpartition("-")[0]


def _digests(settings: Settings) -> dict[str, str]:
    """Of each setting that must be the same on all; of keys only whether there is one."""
    found = {name: bool(getattr(settings, name.lower())) for name in chain(*REQUIRED.values())}
    found |= {name: getattr(settings, name.lower()) for name, each in SETTINGS.items() if each.agrees}
    plain = {name: it.normalize() if isinstance(it, Decimal) else it for name, it in found.items()}
    return {name: hashlib.sha256(repr(value).encode()).hexdigest()[:12] for name, value in plain.items()}
