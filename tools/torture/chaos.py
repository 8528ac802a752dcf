"""The part of a round with crashes, restarts and disruptions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tools.fakes.service import Call, FakeService
from tools.torture.disruptions import Disruption
from tools.torture.plan import (
    AT_RANDOM,
    MISSING_DATABASE,
    SERVICE_POINTS,
    SIGTERM,
    Plan,
    PlannedCrash,
    PlannedDisruption,
)
from tools.torture.site import FastServer, Site, Unreadable

CHAOS_SECONDS = 30.0  # at most, of a busy machine, and those of each disruption
_RECORDS = """
    SELECT *, EXISTS (
        SELECT 1
        FROM charges
        WHERE record_id = generation_records.id AND outcome = 'open') AS is_charge_open
    FROM generation_records
"""


@dataclass(kw_only=True)
class Crash:
    """A crash of a server: at which point, the records it had claimed, and (later) their outcomes.

    ``ended`` is "unknown" when the crash is the cause, "lost otherwise" when the service is.
    """

    point: str
    victim: int | None = None
    claimed: dict[int, str] = field(default_factory=dict)  # record: see _progress
    ended: dict[int, str] = field(default_factory=dict)


class Disturbed(Protocol):
    """What the phase needs of its round, which uses the phase."""

    plan: Plan
    service: FakeService
    site: Site
    batch_id: str

    @property
    def outcome(self) -> Any:
        """The outcome of the round, to which its crashes, disruptions and breaches are added."""

    def begin(self) -> None: ...
    def go_on(self) -> None: ...
    def is_finished(self) -> bool: ...
    def submit_batch_twice(self) -> None: ...
    def post_action(self, button: str) -> None: ...
    def prompt_of(self, call: Call) -> str: ...


class ChaosPhase:
    """Carries out the crashes of the plan one after the other, and meanwhile the disruptions likewise."""

    def __init__(self, round: Disturbed) -> None:
        self.round = round
        self.plan = round.plan
        self.pending_crashes = list(round.plan.crashes)
        self.pending = list(round.plan.disruptions)
        self.planned: PlannedCrash | None = None
        self.count = 0
        self.victim_prompt = ""
        self.due_at: float | None = None
        self.disruption: PlannedDisruption | None = None
        self.active: Disruption | None = None
        self.disrupted_at: float | None = None
        self.submissions_before = 0
        self._lock = threading.Lock()
        self._next_disruption()
        round.service.observer = self._observe

    def run(self) -> None:
        """Run until every planned crash and disruption is over, or the batch is finished."""
        site = self.round.site
        self._next_crash()
        self._start(site.first)
        self._arm_timer()
        self.round.begin()
        self._start([server for server in site.servers if server not in site.first])
        until = time.monotonic() + CHAOS_SECONDS + sum(each.seconds for each in self.pending)
        while time.monotonic() < until and not (self.is_over and self.planned is None):
            self._disrupt()
            if self.is_over and self.plan.loses_database and self.round.outcome.disrupted:
                break
            self.restart_crashed()
            if self._is_file_away:
                time.sleep(site.poll_seconds)
                continue
            if self.round.is_finished():
                break
            if self.disrupted_at is None:
                self.round.go_on()
            time.sleep(site.poll_seconds)
        if self.disrupted_at is not None:
            self._end_disruption()
        self.disruption = None
        self.pending.clear()
        self.pending_crashes.clear()

    @property
    def is_over(self) -> bool:
        """Whether every disruption is over."""
        return self.disruption is None

    def drop_pending_crash(self) -> None:
        """Give up a planned crash whose point was not reached."""
        if self.planned is not None:
            self.round.outcome.unreached.append(self.planned.point)
            self.planned = None

    def restart_crashed(self) -> None:
        """Kill the planned process if it is due, record its claimed records, restart what has exited."""
        planned, servers = self.planned, self.round.site.servers
        if planned is not None:
            server = servers[planned.process]
            is_due = self.due_at is not None and time.monotonic() > self.due_at
            if is_due and not server.has_exited and not self._is_suspended(server):
                self.due_at = None
                server.kill() if planned.point == AT_RANDOM else server.stop()
            if server.has_exited:
                self.round.outcome.crashes.append(self._record_crash(server, planned))
                time.sleep(planned.pause)
                self._next_crash()
        if self.disrupted_at is not None and self.active and self.active.forbids_starts:
            return
        for each in servers:
            if each.has_exited:
                each.note_exit()
                each.start_for(self._crash_of(each))
                self._arm_timer()

    def _start(self, servers: Sequence[FastServer]) -> None:
        """Start several at once."""
        errors: list[BaseException] = []

        def start(server: FastServer) -> None:
            try:
                server.start_for(self._crash_of(server))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=start, args=(server,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _crash_of(self, server: FastServer) -> PlannedCrash | None:
        planned = self.planned
        return planned if planned and self.round.site.servers[planned.process] is server else None

    @property
    def _is_file_away(self) -> bool:
        """Whether the database's path leads to no file or another one."""
        return self.disrupted_at is not None and bool(
            self.disruption and self.disruption.kind in MISSING_DATABASE
        )

    def _is_suspended(self, server: FastServer) -> bool:
        return bool(
            self.disrupted_at is not None
            and self.disruption
            and self.disruption.kind == "worker suspended"
            and self.round.site.servers[self.disruption.process] is server
        )

    def _next_crash(self) -> None:
        self.planned = self.pending_crashes.pop(0) if self.pending_crashes else None
        self.count, self.victim_prompt, self.due_at = 0, "", None
        if self.planned:
            self.round.site.servers[self.planned.process].arm(self.planned)

    def _arm_timer(self) -> None:
        if self.planned and self.planned.point in (AT_RANDOM, SIGTERM) and self.due_at is None:
            self.due_at = time.monotonic() + self.planned.seconds

    def _next_disruption(self) -> None:
        self.disruption = self.active = self.disrupted_at = None
        while self.pending and self.active is None:
            self.disruption = self.pending.pop(0)
            self.active = self._open_disruption(self.disruption)
            if self.active is None:
                self.round.outcome.impossible = self.disruption.kind
                self.disruption = None

    def _open_disruption(self, disruption: PlannedDisruption) -> Disruption | None:
        service = self.round.service
        if disruption.kind == "service out of reach":
            return Disruption(begin=service.stop_listening, end=service.listen_again)
        if disruption.kind == "locked at the ledger":  # done by the launcher from the first charge on
            return Disruption(begin=lambda: None, end=lambda: None)
        if disruption.kind == "request sent twice":
            return Disruption(begin=self.round.submit_batch_twice, end=lambda: None)
        if disruption.kind == "batch cancelled":
            return Disruption(begin=lambda: self.round.post_action("cancel"), end=lambda: None)
        return self.round.site.open_disruption(disruption)

    def _disrupt(self) -> None:
        disruption = self.disruption
        if self.active is None or disruption is None:
            return
        if self.disrupted_at is None:
            if self.round.batch_id and self.round.service.charges >= disruption.after:
                self.submissions_before = self._count_submissions()
                self.active.begin()
                self.disrupted_at = time.monotonic()
                self.round.outcome.disrupted.append(disruption.kind)
        elif time.monotonic() - self.disrupted_at > disruption.seconds:
            self._end_disruption()
            self._next_disruption()

    def _count_submissions(self) -> int:
        return len(self.round.service.submissions)

    def _end_disruption(self) -> None:
        """End the disruption. Each slot may have submitted once after the file vanished."""
        assert self.active is not None
        under_way = self.plan.concurrency * self.plan.servers
        submitted = self._count_submissions() - self.submissions_before
        if self._is_file_away and submitted > under_way:
            self.round.outcome.breaches.append(
                f"{submitted} submissions without the database, {under_way} were under way"
            )
        self.active.end()
        self.disrupted_at = None

    def _record_crash(self, server: FastServer, planned: PlannedCrash) -> Crash:
        crash = Crash(point=planned.point)
        with contextlib.suppress(Unreadable):
            for record in self.round.site.read(_RECORDS):
                is_its_own = f"-{server.pid}-" in (record["lease_owner"] or "")
                if is_its_own:
                    crash.claimed[record["id"]] = _progress(record)
                if self._is_victim(server, record) and (is_its_own or not self.round.site.is_cluster):
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
            str(record["id"]),  # of an image that OSS does not have yet
        )

    def _observe(self, event: str, call: Call) -> None:
        """Observe the fake: kill the planned process when its crash point is reached."""
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
            os.kill(self.round.site.servers[planned.process].pid, signal.SIGKILL)


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
