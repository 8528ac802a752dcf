"""One round: the plan is run against real processes, then everything settles and is checked."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tools.fakes.gemini import FakeGemini
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.sdapi import FakeSdApi
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import Call, FakeService, prompt_in
from tools.fakes.tokenhub import FakeTokenHub
from tools.torture.chaos import ChaosPhase, Crash
from tools.torture.checks import (
    ENDS,
    Submission,
    find_breaches,
    find_breaches_after_deletion,
    find_breaches_of_older_copy,
)
from tools.torture.plan import Plan
from tools.torture.site import OneMachine, Site, Unreadable
from tools.torture.user import User
from tools.torture.visitor import Visitor

SETTLE_SECONDS = 180.0  # of a busy machine
_SILENT = 5.0
_ARRIVAL_SECONDS = 0.3  # without a request, after which the service has all of a process that was killed
_IDLE_SECONDS = 2.0  # in which a worker would have ordered what it finds queued
_RECORDS = "SELECT * FROM generation_records ORDER BY id"


@dataclass(kw_only=True)
class Outcome:
    """The outcome of a round."""

    plan: Plan
    breaches: list[str] = field(default_factory=list)
    ends: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    disrupted: list[str] = field(default_factory=list)
    impossible: str = ""
    charges: int = 0
    fetched_by_hand: int = 0
    seconds: float = 0.0
    unexpected_errors: list[str] = field(default_factory=list)
    steps: Counter[str] = field(default_factory=Counter)


class Round:
    """The processes, the fake service and the user of one round; ``open_site`` opens the processes."""

    def __init__(
        self, plan: Plan, folder: Path, open_site: Callable[[Plan, Path, FakeService], Site] = OneMachine
    ) -> None:
        self.plan = plan
        self.outcome = Outcome(plan=plan)
        self.service = open_service(plan)
        self.site = open_site(plan, folder, self.service)
        self.batch_id = ""
        self.user = User(plan, self.site)
        self.visitor = Visitor(self.site, self.log_in, f"{plan.number}") if self.site.is_cluster else None

    def run(self) -> Outcome:
        """Run the round from the first start to the checks."""
        started = time.monotonic()
        try:
            with self.service:
                self._inject_faults()
                chaos = ChaosPhase(self)
                chaos.run()
                if self.plan.loses_database and self.outcome.disrupted:
                    if self.plan.has_older_copy:
                        self._start_with_older_copy(chaos)
                    self._stop(chaos)
                else:
                    self._settle(chaos)
            self._verify()
        finally:
            self.site.close()
        self.outcome.seconds = time.monotonic() - started
        return self.outcome

    def log_in(self) -> None:
        """Log in at any server, if there is a password."""
        self.user.log_in(self.site.alive())

    def begin(self) -> None:
        """The user sets a budget and submits the batch."""
        self.log_in()
        self.user.set_budget(self.site.alive())
        self.submit_batch()
        if self.visitor:
            self.visitor.start()

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
                return prompt_in(self.service.submissions[number - 1].body)
            if call.headers.get("content-type", "").startswith("multipart/"):
                part = re.search(rb'name="prompt"\r\n(?:.+\r\n)*\r\n(.*)\r\n', call.content)
                return part[1].decode() if part else ""
            fields = json.loads(call.content)
            found = [order for order in self.service.submissions if order.task_id == fields.get("task_id")]
            return prompt_in(found[0].body if found and fields.get("task_id") else fields)

    def submit_batch(self) -> None:
        """Submit the batch; unanswered, again, to another server where there are several."""
        self.user.submit(self.site.alive())

    def submit_batch_twice(self) -> None:
        """Submit the same batch twice more, concurrently."""
        threads = [
            threading.Thread(target=self.user.submit, args=([server],)) for server in 2 * self.site.alive()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def read_records(self) -> list[dict[str, Any]]:
        """Read the records from outside. Raises Unreadable."""
        return self.site.read(_RECORDS)

    def is_finished(self) -> bool:
        """Whether the batch exists and all its records have ended."""
        with contextlib.suppress(Unreadable):
            records = self.read_records()
            self.batch_id = records[0]["batch_id"] if records else ""
            return bool(records) and all(r["status"] in ENDS for r in records)
        return False

    def go_on(self) -> None:
        """Let the user go on with a paused batch."""
        if servers := self.site.alive():
            self.user.go_on(servers, self.batch_id)
            self.user.edit(servers)
            self.user.change(servers)

    def post_action(self, button: str, body: object = None) -> None:
        """Post an action on the batch to the first running server."""
        for server in self.site.alive()[:1]:
            with contextlib.suppress(requests.RequestException):
                server.post(f"/api/batches/{self.batch_id}/{button}", body)

    def _settle(self, chaos: ChaosPhase) -> None:
        """Stop all faults and wait until everything ends; then fetch by hand what can be fetched."""
        self.service.clear_faults()
        self.service.latency = 0.02
        self._wait_for_end(chaos)
        while self.user.repair(self.site.alive(), self.batch_id, self.read_records()):
            self._wait_for_end(chaos)
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.user.change(self.site.alive()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self._wait_for_end(chaos)
        task_ids = [
            r["id"] for r in self.read_records() if r["status"] in ("failed", "unknown") and r["task_id"]
        ]
        if task_ids:
            self.post_action("retry", {"records": task_ids})
            self._wait_for_end(chaos)
        if self.visitor:
            self.visitor.stop()
        self.outcome.breaches += self.site.check_pages()
        ends = {record["id"]: record["status"] for record in self.read_records()}
        self.outcome.fetched_by_hand = sum(ends[record_id] == "success" for record_id in task_ids)
        self._stop(chaos)

    def _start_with_older_copy(self, chaos: ChaosPhase) -> None:
        """Start all servers again: nothing is ordered until the user goes on, if the copy lacks a charge.

        One of PostgreSQL is another database, and waits in any case.
        """
        chaos.drop_pending_crash()
        seen, before = -1, len(self.service.submissions)
        while seen != before:
            time.sleep(_ARRIVAL_SECONDS)
            seen, before = before, len(self.service.submissions)
        arrived = self.service.count("submit")  # one that came from a killed process may be accepted later
        waits = self.site.is_cluster or before > len(self.site.read("SELECT id FROM charges"))
        chaos.restart_crashed()
        time.sleep(_IDLE_SECONDS)
        ordered = self.service.count("submit") - arrived
        if ordered and waits:
            self.outcome.breaches.append(f"{ordered} images were ordered from an older copy of the database")

    def _stop(self, chaos: ChaosPhase) -> None:
        chaos.drop_pending_crash()
        running = [server for server in self.site.servers if not server.has_exited]
        for server in self.site.servers:
            server.note_exit()
        for server in running:
            server.ask_to_stop()
        for server in running:
            code = server.wait()
            if code == -signal.SIGKILL and server.crash_file.exists():  # its point was reached only now
                server.start_for(None)
                code = server.stop()
            if code:
                self.outcome.breaches.append(f"after SIGTERM it exited with {code}")

    def _wait_for_end(self, chaos: ChaosPhase) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            chaos.restart_crashed()
            if self.is_finished() and not any(server.has_exited for server in self.site.servers):
                return
            if time.monotonic() > deadline:
                self.outcome.breaches.append(
                    f"not finished after {SETTLE_SECONDS:.0f} seconds without faults"
                )
                return
            if not self.batch_id:
                self.submit_batch()
            self.go_on()
            time.sleep(0.1)

    def _verify(self) -> None:
        orders = [
            Submission(number=o.number, prompt=prompt_in(o.body), billed=o.billed)
            for o in self.service.submissions
        ]
        outcome = self.outcome
        state = self.site.final_state(orders, self.user.replacements)
        state.rows = self.plan.rows + len(self.user.changed)
        state.seen = {self.prompt_of(call) for step, call in self.service.calls if step == "submit"}
        state.limits = self.user.limits
        if self.plan.is_calm:
            state.at_once = (self.service.peak_concurrency, self.plan.concurrency)
        outcome.breaches += self.user.breaches
        if not (outcome.disrupted and self.plan.loses_database):
            outcome.breaches += self.user.lost_edits()
        find = find_breaches
        if outcome.disrupted and self.plan.loses_database:
            find = find_breaches_of_older_copy if self.plan.has_older_copy else find_breaches_after_deletion
        outcome.breaches += find(state)
        outcome.steps = self.user.done + self.site.counts()
        if self.visitor:
            outcome.breaches += self.visitor.breaches
            outcome.steps.update(self.visitor.done)
        is_locked = any(each.kind == "locked at the ledger" for each in self.plan.disruptions)
        if is_locked and not (outcome.crashes or self.user.has_killed) and self.plan.servers == 1:
            outcome.breaches += [
                f"record {r['id']} counted a crash" for r in state.records if r["crash_count"]
            ]
        records = {record["id"]: record for record in state.records}
        outcome.ends = {record_id: record["status"] for record_id, record in records.items()}
        outcome.charges = self.service.charges
        by_row = {record["row_number"]: record["status"] for record in records.values()}
        outcome.faults = [
            (
                f"{fault.step or 'prompt'}: {fault.kind}",
                by_row.get(fault.row, "no record"),
            )
            for fault in self.plan.faults
            if fault.row <= self.plan.rows
        ]
        for crash in outcome.crashes:
            crash.ended = {i: _end_after(how, records[i]) for i, how in crash.claimed.items()}
        for server in self.site.servers:
            log = server.log()
            outcome.unexpected_errors += unexpected_errors_in(log)
            outcome.breaches += [f"a process exited with {code}" for code in server.died]
            outcome.breaches += [
                f"a log contains {text}" for text in self.site.secrets if server.has_written(text)
            ]
            if "Exception in thread" in log:
                outcome.breaches.append(f"a thread ended by itself: {server.data_dir}")


def open_service(plan: Plan) -> FakeService:
    """The fake service of a plan."""
    service_options: dict[str, Any] = {
        "latency": plan.latency,
        "image_format": plan.image_format,
        "signs_every": 2,
    }
    if plan.service == "jimeng":
        return FakeJimeng(busy_code=plan.busy_code, **service_options)
    others: dict[str, type[FakeService]] = {
        "seedream": FakeSeedream,
        "gemini": FakeGemini,
        "tokenhub": FakeTokenHub,
        "sdapi": FakeSdApi,
    }
    if plan.service in others:
        return others[plan.service](**service_options)
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
