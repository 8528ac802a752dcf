"""One round: the plan is carried out against real processes, then everything comes to rest and is judged."""

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
from tests.torture.judge import Ordered, judge, judge_deleted
from tests.torture.plan import (
    AT_RANDOM,
    OF_THE_FILE,
    SERVER_MOMENTS,
    SERVICE_MOMENTS,
    TOLD_TO_STOP,
    Death,
    Plan,
)
from tests.torture.trouble import Befalling, Place, open_trouble

STORM_SECONDS = 9.0
CALM_SECONDS = 60.0
_TIMEOUT = 4
_SILENT = 5.0
_DIFFERENT_NAMES = 4
_LOCKS = 3
_PORTS = itertools.cycle(range(15_000 + os.getpid() % 100 * 100, 25_000))


@dataclass(kw_only=True)
class Fallen:
    """A server that died: at which moment, what it had in hand, and (later) how that ended.

    ``ended`` is "unknown" when the death made it so, "lost otherwise" when the service did.
    """

    moment: str
    very: int | None = None
    in_hand: dict[int, str] = field(default_factory=dict)  # record: "ticket", "in doubt" or "not sent"
    ended: dict[int, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Outcome:
    """What became of a round."""

    plan: Plan
    breaches: list[str] = field(default_factory=list)
    ends: dict[int, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    fallen: list[Fallen] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    troubled: bool = False
    impossible: str = ""
    charges: int = 0
    recollected: int = 0
    seconds: float = 0.0
    surprises: list[str] = field(default_factory=list)


class Hurried(ServerProcess):
    """The product in a hurry; see ``launcher``."""

    program = ("-m", "tests.torture.launcher")

    def __init__(self, data_dir: Path, **settings: object) -> None:
        super().__init__(data_dir, **settings)
        self.port = quiet_port()
        self.variables["PORT"] = str(self.port)

    def begin(self, death: Death | None) -> None:
        """Start it, with a death to come or none; it may die before it answers."""
        self.grave.unlink(missing_ok=True)
        die = f"{death.moment}:{death.count}" if death and death.moment in SERVER_MOMENTS else ""
        self.variables |= {"TORTURE_DIE": die, "TORTURE_GRAVE": str(self.grave)}
        try:
            self.start()
        except (AssertionError, requests.RequestException):
            if not self.dies_soon:
                raise

    @property
    def grave(self) -> Path:
        """Where it writes whose step killed it."""
        return self.data_dir / "grave.json"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    @property
    def dies_soon(self) -> bool:
        """Whether its process ends within a moment: it was killed over an answer."""
        deadline = time.monotonic() + 2
        while not self.is_dead and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.is_dead

    @property
    def is_dead(self) -> bool:
        """Whether its process has ended."""
        return self.process is None or self.process.poll() is not None


class Round:
    """The stage of one round."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.outcome = Outcome(plan=plan)
        self.place = Place(studio=folder / "studio", clock=folder / "clock")
        self.kind = plan.trouble.kind if plan.trouble else ""
        self.place.prepare(self.kind)
        self.service = open_service(plan)
        self.running_servers = [self._server(folder / f"server-{n}") for n in range(plan.servers)]
        self.deaths = list(plan.deaths)
        self.batch_id = ""
        self._lock = threading.Lock()

    def _server(self, data_dir: Path) -> Hurried:
        data_dir.mkdir()
        settings = self.service.settings(
            database_path=self.place.database,
            output_dir=self.place.output,
            model_concurrency=self.plan.concurrency,
            model_timeout=_TIMEOUT,
            price_per_image="0.22",
            torture_clock=self.place.clock,
            torture_lock=_LOCKS if self.kind == "locked at the ledger" else 0,
        )
        if self.plan.service == "seedream":
            settings["seedream_model"] = "doubao-seedream-4-0-250828"
        return Hurried(data_dir, **settings)

    def play(self) -> Outcome:
        """From the first start to the judgement."""
        started = time.monotonic()
        try:
            with self.service:
                self._arm_faults()
                storm = Storm(self)
                storm.rage()
                if self.plan.is_deleted and self.outcome.troubled:
                    self._stop(storm)
                else:
                    self._come_to_rest(storm)
            self._judge()
        finally:
            for server in self.running_servers:
                if not server.is_dead:
                    server.kill()
            self.place.clear()
        self.outcome.seconds = time.monotonic() - started
        return self.outcome

    def alive(self) -> list[Hurried]:
        """The servers that run."""
        return [server for server in self.running_servers if not server.is_dead]

    def _arm_faults(self) -> None:
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
        """What the picture of a call was asked for with; empty when nobody knows."""
        with self.service.lock:
            if call.path.startswith("/pictures/"):
                number = int(call.path.split("/")[2].split("-")[0])
                return str(self.service.submissions[number - 1].body["prompt"])
            fields = json.loads(call.content)
            found = [order for order in self.service.submissions if order.task_id == fields.get("task_id")]
            return str(
                found[0].body["prompt"] if found and fields.get("task_id") else fields.get("prompt", "")
            )

    def ask(self, server: Hurried) -> None:
        """Hand the batch in, unless the server has it already."""
        rows = [
            {
                "prompt": self.plan.prompt(row),
                "resolution": "1K",
                "filename": f"图{row % _DIFFERENT_NAMES}",
            }
            for row in range(1, self.plan.rows + 1)
        ]
        try:
            answer = server.post("/api/batches", {"rows": rows, "request_id": f"round {self.plan.number}"})
        except requests.RequestException:
            assert server.dies_soon, server.log()
        else:
            assert answer["success"], answer

    def ask_twice(self) -> None:
        """Hand the batch in twice more, at once, where it is known already."""
        threads = [threading.Thread(target=self.ask, args=(server,)) for server in 2 * self.alive()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @property
    def database(self) -> Path:
        """Where the database is by now."""
        is_away = self.place.elsewhere.exists()
        return self.place.elsewhere if is_away else self.place.database

    def look(self) -> list[dict[str, Any]]:
        """The records as they stand, from outside."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(
                """
                SELECT *, EXISTS (
                    SELECT 1
                    FROM charges
                    WHERE record_id = generation_records.id AND outcome = 'open') AS sent
                FROM generation_records
                """
            ).fetchall()
            return [dict(row) for row in rows]

    def is_over(self) -> bool:
        """Whether the batch is there and nothing of it is to come."""
        with contextlib.suppress(sqlite3.OperationalError):
            records = self.look()
            self.batch_id = records[0]["batch_id"] if records else ""
            return bool(records) and all(r["status"] not in ("queued", "running") for r in records)
        return False

    def go_on(self, server: Hurried) -> None:
        """Press 继续 when the batch is paused."""
        with contextlib.suppress(requests.RequestException):  # it may die at any time
            batch = server.get(f"/api/batches/{self.batch_id}").get("batch")
            if batch and batch["status"] == "paused":
                server.post(f"/api/batches/{self.batch_id}/resume")

    def press(self, button: str, body: object = None) -> None:
        """A button of the batch, on the first server that runs."""
        for server in self.alive()[:1]:
            with contextlib.suppress(requests.RequestException):
                server.post(f"/api/batches/{self.batch_id}/{button}", body)

    def _come_to_rest(self, storm: Storm) -> None:
        """No fault any more: everything ends by itself, and what can be collected by hand is."""
        self.service.clear_faults()
        self.service.latency = 0.02
        self._wait_for_end(storm)
        task_ids = [r["id"] for r in self.look() if r["status"] in ("failed", "unknown") and r["task_id"]]
        if task_ids:
            self.press("retry", {"records": task_ids})
            self._wait_for_end(storm)
        ends = {record["id"]: record["status"] for record in self.look()}
        self.outcome.recollected = sum(ends[record_id] == "success" for record_id in task_ids)
        self._stop(storm)

    def _stop(self, storm: Storm) -> None:
        storm.look_back()
        for server in self.alive():
            code = server.stop()
            is_planned = code == -signal.SIGKILL and server.grave.exists()  # its step came only now
            if code and not is_planned:
                self.outcome.breaches.append(f"told to stop it ended with {code}")

    def _wait_for_end(self, storm: Storm) -> None:
        deadline = time.monotonic() + CALM_SECONDS
        while True:
            storm.mourn()
            if self.is_over() and len(self.alive()) == len(self.running_servers):
                return
            if time.monotonic() > deadline:
                self.outcome.breaches.append(f"no end after {CALM_SECONDS:.0f} quiet seconds")
                return
            if not self.batch_id:
                self.ask(self.running_servers[0])
            self.go_on(self.running_servers[0])
            time.sleep(0.1)

    def _judge(self) -> None:
        orders = [
            Ordered(number=o.number, prompt=str(o.body["prompt"]), billed=o.billed)
            for o in self.service.submissions
        ]
        outcome = self.outcome
        judged = judge_deleted if self.plan.is_deleted and outcome.troubled else judge
        outcome.breaches += judged(self.database, self.place.output, orders)
        if self.kind == "locked at the ledger" and not outcome.fallen and self.plan.servers == 1:
            outcome.breaches += [
                f"record {r['id']} was taken for left behind" for r in self.look() if r["crash_count"]
            ]
        records = {record["id"]: record for record in self.look()}
        outcome.ends = {record_id: record["status"] for record_id, record in records.items()}
        outcome.charges = self.service.charges
        by_prompt = {record["prompt"]: record["status"] for record in records.values()}
        outcome.faults = [
            (
                f"{fault.step or 'prompt'}: {fault.kind}",
                by_prompt.get(self.plan.prompt(fault.row), "no record"),
            )
            for fault in self.plan.faults
        ]
        for fallen in outcome.fallen:
            fallen.ended = {i: _end_after(how, records[i]) for i, how in fallen.in_hand.items()}
        for server in self.running_servers:
            outcome.surprises += surprises_in(server.log())


class Storm:
    """The part of a round in which things happen: deaths, restarts, the trouble."""

    def __init__(self, stage: Round) -> None:
        self.stage = stage
        self.plan = stage.plan
        self.death: Death | None = None
        self.count = 0
        self.told: Fallen | None = None
        self.due: float | None = None
        self.befalling = self._open_trouble()
        self.begun: float | None = None
        self.ordered = 0
        self.is_through = self.befalling is None
        self._lock = threading.Lock()
        stage.service.observer = self._see

    def _open_trouble(self) -> Befalling | None:
        trouble = self.plan.trouble
        if trouble is None:
            return None
        if trouble.kind == "service out of reach":
            return Befalling(begin=self.stage.service.stop_listening, end=self.stage.service.listen_again)
        if trouble.kind == "locked at the ledger":  # from the first order on, by the launcher
            return Befalling(begin=lambda: None, end=lambda: None)
        if trouble.kind == "request sent twice":
            return Befalling(begin=self.stage.ask_twice, end=lambda: None)
        if trouble.kind == "batch cancelled":
            return Befalling(begin=lambda: self.stage.press("cancel"), end=lambda: None)
        found = open_trouble(trouble, self.stage.place, lambda: [server.pid for server in self.stage.alive()])
        if found is None:
            self.stage.outcome.impossible = trouble.kind
        return found

    def rage(self) -> None:
        """Until every death was died and the trouble is through, or nothing is left that it could hit."""
        self._next_death()
        self.stage.running_servers[0].begin(self.death)
        self._arm_timer()
        self.stage.ask(self.stage.running_servers[0])
        for server in self.stage.running_servers[1:]:
            server.begin(None)
        until = time.monotonic() + STORM_SECONDS
        while time.monotonic() < until and not (self.is_through and self.death is None):
            self._befall()
            if self.is_through and self.begun is not None and self.plan.is_deleted:
                break
            self.mourn()
            if self._is_file_away:
                time.sleep(0.03)
                continue
            if self.stage.is_over():
                break
            if self.begun is None or self.is_through:
                for server in self.stage.alive()[:1]:
                    self.stage.go_on(server)
            time.sleep(0.03)
        if self.begun is not None and not self.is_through:
            self._pass()
        self.is_through = True
        self.stage.deaths.clear()

    @property
    def _is_file_away(self) -> bool:
        """Whether whatever opens the database now opens none, or the wrong one."""
        return self.begun is not None and not self.is_through and self.stage.kind in OF_THE_FILE

    def look_back(self) -> None:
        """A death that nobody came to die by now will not be died."""
        if self.death is not None:
            self.stage.outcome.not_reached.append(self.death.moment)
            self.death = None

    def _next_death(self) -> None:
        self.death = self.stage.deaths.pop(0) if self.stage.deaths else None
        self.count, self.told, self.due = 0, None, None

    def _arm_timer(self) -> None:
        if self.death and self.death.moment in (AT_RANDOM, TOLD_TO_STOP):
            self.due = time.monotonic() + self.death.seconds

    def _befall(self) -> None:
        trouble = self.plan.trouble
        if self.befalling is None or trouble is None or self.is_through:
            return
        if self.begun is None and self.stage.batch_id and self.stage.service.charges >= trouble.after:
            self.ordered = self._orders()
            self.befalling.begin()
            self.begun = time.monotonic()
            self.stage.outcome.troubled = True
        elif self.begun is not None and time.monotonic() - self.begun > trouble.seconds:
            self._pass()

    def _orders(self) -> int:
        return len(self.stage.service.submissions)

    def _pass(self) -> None:
        """A slot may have been between the check and the order when the file went, but only once."""
        assert self.befalling is not None
        under_way = self.plan.concurrency * self.plan.servers
        if self.stage.kind in OF_THE_FILE and self._orders() > self.ordered + under_way:
            self.stage.outcome.breaches.append(
                f"{self._orders() - self.ordered} orders without the database, {under_way} were under way"
            )
        self.befalling.end()
        self.is_through = True

    def mourn(self) -> None:
        """See whether the first server is dead or due; write down what it had in hand; start what is dead."""
        server, death = self.stage.running_servers[0], self.death
        if self.due is not None and time.monotonic() > self.due and not server.is_dead and death:
            self.due = None
            server.kill() if death.moment == AT_RANDOM else server.stop()
        if server.is_dead and death is not None:
            self.stage.outcome.fallen.append(self._fallen(server, death))
            time.sleep(death.pause)
            self._next_death()
        if self.begun is not None and not self.is_through:
            return  # in the midst of trouble a start may be refused
        for each in self.stage.running_servers:
            if each.is_dead:
                each.begin(self.death if each is server else None)
                self._arm_timer()

    def _fallen(self, server: Hurried, death: Death) -> Fallen:
        fallen = Fallen(moment=death.moment)
        with contextlib.suppress(sqlite3.OperationalError):
            for record in self.stage.look():
                if f"-{server.pid}-" in (record["lease_owner"] or ""):
                    kind = "ticket" if record["task_id"] else "in doubt" if record["sent"] else "not sent"
                    fallen.in_hand[record["id"]] = kind
                if self._is_very(server, record):
                    fallen.very = record["id"]
        return fallen

    def _is_very(self, server: Hurried, record: dict[str, Any]) -> bool:
        """Whether it was this record's step at which the server died."""
        if self.told is not None and self.told.moment:
            return bool(record["prompt"] == self.told.moment)
        if not server.grave.exists():
            return False
        told = json.loads(server.grave.read_text("utf-8"))
        return told.get("record") == record["id"] or told.get("words") in (
            record["prompt"],
            record["reserved_stem"],
        )

    def _see(self, moment: str, call: Call) -> None:
        """The service's spy: kills the first server when its moment has come."""
        with self._lock:
            death = self.death
            if death is None or death.moment not in SERVICE_MOMENTS or _moment(moment, call) != death.moment:
                return
            self.count += 1
            if self.count != death.count:
                return
        self.told = Fallen(moment=self.stage.prompt_of(call))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.stage.running_servers[0].pid, signal.SIGKILL)


def _moment(moment: str, call: Call) -> str:
    """A moment of the wire in the words of the plan."""
    if call.path.startswith("/pictures/"):
        return "mid download" if moment == "half_sent" else ""
    if "task_id" in call.fields:
        return "asked" if moment == "arrived" else ""
    return {"arrived": "order arrives", "made": "billed, not answered"}.get(moment, "")


def quiet_port() -> int:
    """A port below those that systems give out, which nobody is given while its server is dead."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports do not end")


def open_service(plan: Plan) -> FakeService:
    """The fake that this round's pictures are ordered from."""
    service_options: dict[str, Any] = {"latency": plan.latency, "image_format": plan.image_format}
    if plan.service == "jimeng":
        return FakeJimeng(busy_code=plan.busy_code, **service_options)
    if plan.service == "seedream":
        return FakeSeedream(**service_options)
    if plan.service == "sdapi":
        return FakeSdApi(**service_options)
    return FakeOpenAIImages(answers="url" if plan.service == "openai-url" else "b64_json", **service_options)


def _end_after(how: str, record: dict[str, Any]) -> str:
    """The end of a picture that was so far at a death: whether an unknown one is that death's."""
    by_death = how == "in doubt" and record["cause"] == "interrupted"
    return "lost otherwise" if record["status"] == "unknown" and not by_death else str(record["status"])


def surprises_in(log: str) -> list[str]:
    """The last lines of tracebacks that are no StorageError: what nobody foresaw."""
    traces = (json.loads(found) for found in re.findall(r' trace=("(?:[^"\\]|\\.)*")', log))
    ends = (trace.strip().splitlines()[-1] for trace in traces)
    return [end for end in ends if not end.startswith("errors.StorageError")]
