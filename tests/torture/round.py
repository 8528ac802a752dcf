"""One round: the plan is run against real processes, then everything settles and is checked."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.fakes.jimeng import FakeJimeng
from tests.fakes.openai_images import FakeOpenAIImages
from tests.fakes.sdapi import FakeSdApi
from tests.fakes.seedream import FakeSeedream
from tests.fakes.service import Call, FakeService
from tests.server_process import ServerProcess
from tests.torture.checks import ENDS, Submission, find_breaches, find_breaches_after_deletion
from tests.torture.disruptions import Disruption, Environment, open_disruption
from tests.torture.plan import (
    AT_RANDOM,
    MISSING_DATABASE,
    SERVER_POINTS,
    SERVICE_POINTS,
    SIGTERM,
    Plan,
    PlannedCrash,
)
from tests.torture.user import User

CHAOS_SECONDS = 9.0
SETTLE_SECONDS = 60.0
_TIMEOUT = 4
_SILENT = 5.0
_LOCKS = 3
_PORTS = itertools.cycle(range(15_000 + os.getpid() % 100 * 100, 25_000))


@dataclass(kw_only=True)
class Crash:
    """A crash of a server: at which point, the records it had claimed, and (later) their outcomes.

    ``ended`` is "unknown" when the crash is the cause, "lost otherwise" when the service is.
    """

    point: str
    victim: int | None = None
    claimed: dict[int, str] = field(default_factory=dict)  # record: see _progress
    ended: dict[int, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Outcome:
    """The outcome of a round."""

    plan: Plan
    breaches: list[str] = field(default_factory=list)
    ends: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    disrupted: bool = False
    impossible: str = ""
    charges: int = 0
    fetched_by_hand: int = 0
    seconds: float = 0.0
    unexpected_errors: list[str] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)


class FastServer(ServerProcess):
    """The product with short waits; see ``launcher``."""

    program = ("-m", "tests.torture.launcher")

    def __init__(self, data_dir: Path, **settings: object) -> None:
        super().__init__(data_dir, **settings)
        self.port = unused_port()
        self.variables["PORT"] = str(self.port)

    def start_for(self, planned: PlannedCrash | None) -> None:
        """Start it with a planned crash or none; it may crash before it answers."""
        self.crash_file.unlink(missing_ok=True)
        point = f"{planned.point}:{planned.count}" if planned and planned.point in SERVER_POINTS else ""
        self.variables |= {"TORTURE_CRASH": point, "TORTURE_CRASH_FILE": str(self.crash_file)}
        try:
            self.start()
        except (AssertionError, requests.RequestException):
            if not self.exits_soon:
                raise

    @property
    def crash_file(self) -> Path:
        """Where it writes the record whose step it was killed at."""
        return self.data_dir / "crash.json"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def exits_soon(self) -> bool:
        """Whether its process exits within two seconds: it was killed before responding."""
        deadline = time.monotonic() + 2
        while not self.has_exited and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.has_exited

    @property
    def has_exited(self) -> bool:
        """Whether its process has ended."""
        return self.process is None or self.process.poll() is not None


class Round:
    """The servers, the fake service and the environment of one round."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.outcome = Outcome(plan=plan)
        self.environment = Environment(data_dir=folder / "studio", clock=folder / "clock")
        self.kind = plan.disruption.kind if plan.disruption else ""
        self.environment.prepare(self.kind)
        self.service = open_service(plan)
        self.running_servers = [self._server(folder / f"server-{n}") for n in range(plan.servers)]
        self.pending_crashes = list(plan.crashes)
        self.batch_id = ""
        self.user = User(plan)
        self._lock = threading.Lock()

    def _server(self, data_dir: Path) -> FastServer:
        data_dir.mkdir()
        settings = self.service.settings(
            database_path=self.environment.database,
            output_dir=self.environment.output,
            model_concurrency=self.plan.concurrency,
            model_timeout=_TIMEOUT,
            price_per_image="0.22",
            torture_clock=self.environment.clock,
            torture_lock=_LOCKS if self.kind == "locked at the ledger" else 0,
        )
        return FastServer(data_dir, **settings)

    def run(self) -> Outcome:
        """Run the round from the first start to the checks."""
        started = time.monotonic()
        try:
            with self.service:
                self._inject_faults()
                chaos = ChaosPhase(self)
                chaos.run()
                if self.plan.is_database_deleted and self.outcome.disrupted:
                    self._stop(chaos)
                else:
                    self._settle(chaos)
            self._verify()
        finally:
            for server in self.running_servers:
                if not server.has_exited:
                    server.kill()
            self.environment.clear()
        self.outcome.seconds = time.monotonic() - started
        return self.outcome

    def alive(self) -> list[FastServer]:
        """The running servers."""
        return [server for server in self.running_servers if not server.has_exited]

    def _inject_faults(self) -> None:
        for fault in self.plan.faults:
            if fault.step:
                kind = "slow" if fault.kind == "silent" else fault.kind
                seconds = _SILENT if fault.kind == "silent" else fault.seconds
                self.service.fail_next(
                    kind, step=fault.step, times=fault.times, seconds=seconds, when=self._is_about(fault.row)
                )

    def _is_about(self, row: int) -> Callable[[Call], bool]:
        prompt = self.plan.prompt(row)
        return lambda call: prompt in self.prompt_of(call)

    def prompt_of(self, call: Call) -> str:
        """The prompt that a call belongs to; empty if unknown."""
        with self.service.lock:
            if call.path.startswith("/pictures/"):
                number = int(call.path.split("/")[2].split("-")[0])
                return str(self.service.submissions[number - 1].body["prompt"])
            fields = json.loads(call.content)
            found = [order for order in self.service.submissions if order.task_id == fields.get("task_id")]
            return str(
                found[0].body["prompt"] if found and fields.get("task_id") else fields.get("prompt", "")
            )

    def submit_batch(self, server: FastServer) -> None:
        """Submit the batch, unless the server has it already."""
        self.user.kill_at("submit", server)
        try:
            answer = server.post("/api/batches", self.user.submission())
        except requests.RequestException:
            assert server.exits_soon, server.log()
        else:
            assert answer["success"], answer

    def submit_batch_twice(self) -> None:
        """Submit the same batch twice more, concurrently."""
        threads = [threading.Thread(target=self.submit_batch, args=(server,)) for server in 2 * self.alive()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @property
    def database(self) -> Path:
        """The current path of the database."""
        is_away = self.environment.moved_database.exists()
        return self.environment.moved_database if is_away else self.environment.database

    def read_records(self) -> list[dict[str, Any]]:
        """Read the records from outside."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(
                """
                SELECT *, EXISTS (
                    SELECT 1
                    FROM charges
                    WHERE record_id = generation_records.id AND outcome = 'open') AS is_charge_open
                FROM generation_records
                """
            ).fetchall()
            return [dict(row) for row in rows]

    def is_finished(self) -> bool:
        """Whether the batch exists and all its records have ended."""
        with contextlib.suppress(sqlite3.OperationalError):
            records = self.read_records()
            self.batch_id = records[0]["batch_id"] if records else ""
            return bool(records) and all(r["status"] in ENDS for r in records)
        return False

    def go_on(self) -> None:
        """Let the user go on with a paused batch."""
        if servers := self.alive():
            self.user.go_on(servers, self.batch_id, self.database)

    def post_action(self, button: str, body: object = None) -> None:
        """Post an action on the batch to the first running server."""
        for server in self.alive()[:1]:
            with contextlib.suppress(requests.RequestException):
                server.post(f"/api/batches/{self.batch_id}/{button}", body)

    def _settle(self, chaos: ChaosPhase) -> None:
        """Stop all faults and wait until everything ends; then fetch by hand what can be fetched."""
        self.service.clear_faults()
        self.service.latency = 0.02
        self._wait_for_end(chaos)
        while self.user.repair(self.alive(), self.batch_id, self.read_records()):
            self._wait_for_end(chaos)
        task_ids = [
            r["id"] for r in self.read_records() if r["status"] in ("failed", "unknown") and r["task_id"]
        ]
        if task_ids:
            self.post_action("retry", {"records": task_ids})
            self._wait_for_end(chaos)
        ends = {record["id"]: record["status"] for record in self.read_records()}
        self.outcome.fetched_by_hand = sum(ends[record_id] == "success" for record_id in task_ids)
        self._stop(chaos)

    def _stop(self, chaos: ChaosPhase) -> None:
        chaos.drop_pending_crash()
        for server in self.alive():
            code = server.stop()
            is_planned = (
                code == -signal.SIGKILL and server.crash_file.exists()
            )  # its point was reached only now
            if code and not is_planned:
                self.outcome.breaches.append(f"after SIGTERM it exited with {code}")

    def _wait_for_end(self, chaos: ChaosPhase) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            chaos.restart_crashed()
            if self.is_finished() and len(self.alive()) == len(self.running_servers):
                return
            if time.monotonic() > deadline:
                self.outcome.breaches.append(
                    f"not finished after {SETTLE_SECONDS:.0f} seconds without faults"
                )
                return
            if not self.batch_id:
                self.submit_batch(self.running_servers[0])
            self.go_on()
            time.sleep(0.1)

    def _verify(self) -> None:
        orders = [
            Submission(number=o.number, prompt=str(o.body["prompt"]), billed=o.billed)
            for o in self.service.submissions
        ]
        outcome = self.outcome
        check = (
            find_breaches_after_deletion
            if self.plan.is_database_deleted and outcome.disrupted
            else find_breaches
        )
        outcome.breaches += self.user.breaches
        outcome.breaches += check(self.database, self.environment.output, orders, self.user.replacements)
        outcome.steps = self.user.done
        if self.kind == "locked at the ledger" and not outcome.crashes and self.plan.servers == 1:
            outcome.breaches += [
                f"record {r['id']} counted a crash" for r in self.read_records() if r["crash_count"]
            ]
        records = {record["id"]: record for record in self.read_records()}
        outcome.ends = {record_id: record["status"] for record_id, record in records.items()}
        outcome.charges = self.service.charges
        by_row = {record["row_number"]: record["status"] for record in records.values()}
        outcome.faults = [
            (
                f"{fault.step or 'prompt'}: {fault.kind}",
                by_row.get(fault.row, "no record"),
            )
            for fault in self.plan.faults
        ]
        for crash in outcome.crashes:
            crash.ended = {i: _end_after(how, records[i]) for i, how in crash.claimed.items()}
        for server in self.running_servers:
            outcome.unexpected_errors += unexpected_errors_in(server.log())


class ChaosPhase:
    """The part of a round with crashes, restarts and the disruption."""

    def __init__(self, round: Round) -> None:
        self.round = round
        self.plan = round.plan
        self.planned: PlannedCrash | None = None
        self.count = 0
        self.victim_prompt = ""
        self.due_at: float | None = None
        self.active = self._open_disruption()
        self.disrupted_at: float | None = None
        self.submissions_before = 0
        self.is_disruption_over = self.active is None
        self._lock = threading.Lock()
        round.service.observer = self._observe

    def _open_disruption(self) -> Disruption | None:
        disruption = self.plan.disruption
        if disruption is None:
            return None
        if disruption.kind == "service out of reach":
            return Disruption(begin=self.round.service.stop_listening, end=self.round.service.listen_again)
        if disruption.kind == "locked at the ledger":  # done by the launcher from the first charge on
            return Disruption(begin=lambda: None, end=lambda: None)
        if disruption.kind == "request sent twice":
            return Disruption(begin=self.round.submit_batch_twice, end=lambda: None)
        if disruption.kind == "batch cancelled":
            return Disruption(begin=lambda: self.round.post_action("cancel"), end=lambda: None)
        found = open_disruption(
            disruption, self.round.environment, lambda: [server.pid for server in self.round.alive()]
        )
        if found is None:
            self.round.outcome.impossible = disruption.kind
        return found

    def run(self) -> None:
        """Run until every planned crash and the disruption are over, or the batch is finished."""
        self._next_crash()
        self.round.running_servers[0].start_for(self.planned)
        self._arm_timer()
        self.round.user.set_budget(self.round.running_servers[0])
        self.round.submit_batch(self.round.running_servers[0])
        for server in self.round.running_servers[1:]:
            server.start_for(None)
        until = time.monotonic() + CHAOS_SECONDS
        while time.monotonic() < until and not (self.is_disruption_over and self.planned is None):
            self._disrupt()
            if self.is_disruption_over and self.disrupted_at is not None and self.plan.is_database_deleted:
                break
            self.restart_crashed()
            if self._is_file_away:
                time.sleep(0.03)
                continue
            if self.round.is_finished():
                break
            if self.disrupted_at is None or self.is_disruption_over:
                self.round.go_on()
            time.sleep(0.03)
        if self.disrupted_at is not None and not self.is_disruption_over:
            self._end_disruption()
        self.is_disruption_over = True
        self.round.pending_crashes.clear()

    @property
    def _is_file_away(self) -> bool:
        """Whether the database's path leads to no file or another one."""
        return (
            self.disrupted_at is not None
            and not self.is_disruption_over
            and self.round.kind in MISSING_DATABASE
        )

    def drop_pending_crash(self) -> None:
        """Give up a planned crash whose point was not reached."""
        if self.planned is not None:
            self.round.outcome.unreached.append(self.planned.point)
            self.planned = None

    def _next_crash(self) -> None:
        self.planned = self.round.pending_crashes.pop(0) if self.round.pending_crashes else None
        self.count, self.victim_prompt, self.due_at = 0, "", None

    def _arm_timer(self) -> None:
        if self.planned and self.planned.point in (AT_RANDOM, SIGTERM):
            self.due_at = time.monotonic() + self.planned.seconds

    def _disrupt(self) -> None:
        disruption = self.plan.disruption
        if self.active is None or disruption is None or self.is_disruption_over:
            return
        if (
            self.disrupted_at is None
            and self.round.batch_id
            and self.round.service.charges >= disruption.after
        ):
            self.submissions_before = self._count_submissions()
            self.active.begin()
            self.disrupted_at = time.monotonic()
            self.round.outcome.disrupted = True
        elif self.disrupted_at is not None and time.monotonic() - self.disrupted_at > disruption.seconds:
            self._end_disruption()

    def _count_submissions(self) -> int:
        return len(self.round.service.submissions)

    def _end_disruption(self) -> None:
        """End the disruption. Each slot may have submitted once after the file vanished."""
        assert self.active is not None
        under_way = self.plan.concurrency * self.plan.servers
        submitted = self._count_submissions() - self.submissions_before
        if self.round.kind in MISSING_DATABASE and submitted > under_way:
            self.round.outcome.breaches.append(
                f"{submitted} submissions without the database, {under_way} were under way"
            )
        self.active.end()
        self.is_disruption_over = True

    def restart_crashed(self) -> None:
        """Kill the first server if it is due, record its claimed records, restart what has exited."""
        server, planned = self.round.running_servers[0], self.planned
        is_due = self.due_at is not None and time.monotonic() > self.due_at
        if is_due and not server.has_exited and planned:
            self.due_at = None
            server.kill() if planned.point == AT_RANDOM else server.stop()
        if server.has_exited and planned is not None:
            self.round.outcome.crashes.append(self._record_crash(server, planned))
            time.sleep(planned.pause)
            self._next_crash()
        if self.disrupted_at is not None and not self.is_disruption_over:
            return  # during a disruption a start may be refused
        for each in self.round.running_servers:
            if each.has_exited:
                each.start_for(self.planned if each is server else None)
                self._arm_timer()

    def _record_crash(self, server: FastServer, planned: PlannedCrash) -> Crash:
        crash = Crash(point=planned.point)
        with contextlib.suppress(sqlite3.OperationalError):
            for record in self.round.read_records():
                if f"-{server.pid}-" in (record["lease_owner"] or ""):
                    crash.claimed[record["id"]] = _progress(record)
                if self._is_victim(server, record):
                    crash.victim = record["id"]
        return crash

    def _is_victim(self, server: FastServer, record: dict[str, Any]) -> bool:
        """Whether the server crashed at a step of this record."""
        if self.victim_prompt:
            return bool(record["prompt"] == self.victim_prompt)
        if not server.crash_file.exists():
            return False
        dumped = json.loads(server.crash_file.read_text("utf-8"))
        return dumped.get("record") == record["id"] or dumped.get("name") in (
            record["prompt"],
            record["reserved_stem"],
        )

    def _observe(self, event: str, call: Call) -> None:
        """Observe the fake: kill the first server when its crash point is reached."""
        with self._lock:
            planned = self.planned
            if (
                planned is None
                or planned.point not in SERVICE_POINTS
                or _crash_point(event, call) != planned.point
            ):
                return
            self.count += 1
            if self.count != planned.count:
                return
        self.victim_prompt = self.round.prompt_of(call)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.round.running_servers[0].pid, signal.SIGKILL)


def _progress(record: dict[str, Any]) -> str:
    if record["task_id"]:
        return "task id stored"
    return "charge open" if record["is_charge_open"] else "not submitted"


def _crash_point(event: str, call: Call) -> str:
    """The crash point of an event of the fake."""
    if call.path.startswith("/pictures/"):
        return "mid download" if event == "half_sent" else ""
    if "task_id" in call.fields:
        return "polled" if event == "arrived" else ""
    return {"arrived": "submission arrives", "made": "billed, no response"}.get(event, "")


def unused_port() -> int:
    """A port below the ephemeral range, so that no other program gets it while the server is down."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def open_service(plan: Plan) -> FakeService:
    """The fake service of a plan."""
    service_options: dict[str, Any] = {"latency": plan.latency, "image_format": plan.image_format}
    if plan.service == "jimeng":
        return FakeJimeng(busy_code=plan.busy_code, **service_options)
    if plan.service == "seedream":
        return FakeSeedream(**service_options)
    if plan.service == "sdapi":
        return FakeSdApi(**service_options)
    return FakeOpenAIImages(answers="url" if plan.service == "openai-url" else "b64_json", **service_options)


def _end_after(progress: str, record: dict[str, Any]) -> str:
    """The outcome of a record claimed at a crash; "lost otherwise" if unknown for another reason."""
    by_crash = progress == "charge open" and record["cause"] == "interrupted"
    return "lost otherwise" if record["status"] == "unknown" and not by_crash else str(record["status"])


def unexpected_errors_in(log: str) -> list[str]:
    """The last lines of logged tracebacks, database and disk errors aside."""
    traces = (json.loads(found) for found in re.findall(r' trace=("(?:[^"\\]|\\.)*")', log))
    ends = (trace.strip().splitlines()[-1] for trace in traces)
    return [
        end
        for end in ends
        if not re.match(r"app\.errors\.(DiskError|DatabaseError|WriteRefused|StoreLost)", end)
    ]
