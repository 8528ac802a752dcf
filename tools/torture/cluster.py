"""Three workers and two web processes on folders of their own, which share PostgreSQL and OSS only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tools.fakes.oss import SECRET_KEY, FakeOss
from tools.fakes.service import FakeService
from tools.postgres_server import PostgresServer, postgres_server
from tools.torture.checks import FinalState, Submission
from tools.torture.disruptions import Disruption, clock_jump, set_clock
from tools.torture.plan import KILLED, PROCESSES, Plan, PlannedDisruption
from tools.torture.proxy import Network, Proxy
from tools.torture.site import MODEL_SECONDS, PREFIX, FastServer, Site, Unreadable, state_in_oss

_PASSWORD = "secret-of-postgres"
_FAULTS = ("500", "reset", "cut", "busy", "html", "slow")
_CUTS = 3
_INDEX_SECONDS = 60.0
_BACK_SECONDS = 30.0  # a process that was cut off looks again after some seconds
_NOTICED_SECONDS = 2.0  # after which all know of each other's reports, and what was begun has ended
_LOOKED_SECONDS = 1.0
_WORKS_WITHIN = 30.0  # seconds by which the clock of a process that orders may be wrong


@contextmanager
def postgres_servers(number: int) -> Iterator[Queue[PostgresServer]]:
    """So many servers, which write as in production, for as many rounds at once."""
    with contextlib.ExitStack() as stack:
        servers: Queue[PostgresServer] = Queue()
        for _ in range(number):
            servers.put(stack.enter_context(postgres_server(durable=True)))
        yield servers


class Cluster(Site):
    """The processes in the order of PROCESSES."""

    is_cluster = True
    poll_seconds = 0.1

    def __init__(self, plan: Plan, folder: Path, service: FakeService, postgres: PostgresServer) -> None:
        self.plan = plan
        self.service = service
        self.postgres = postgres
        self._breaches: list[str] = []
        self._copy = folder / "copy.dump"
        self._random = random.Random(f"{plan.number}/pages")
        self._reading = threading.Lock()
        self._db: psycopg.Connection[dict[str, Any]] | None = None
        self._stack = contextlib.ExitStack()
        self.url = self._stack.enter_context(postgres.database())
        self._stack.callback(self._forget)
        self.oss = self._stack.enter_context(FakeOss())
        network = self._stack.enter_context(Network())
        self.proxies = [Proxy(network, postgres.port) for _ in PROCESSES]
        for proxy in self.proxies:
            self._stack.callback(proxy.close)
        self.servers = [self._server(folder / name, n) for n, name in enumerate(PROCESSES)]
        self.first = self.servers
        self.web = [server for server, name in zip(self.servers, PROCESSES, strict=True) if "web" in name]
        self.secrets = [_PASSWORD, SECRET_KEY, *filter(None, [plan.password])]

    def _server(self, folder: Path, number: int) -> FastServer:
        folder.mkdir()
        set_clock(folder / "clock", self.plan.clocks[number])
        return FastServer(
            folder,
            **self.service.settings(
                **self.oss.settings(output_store="oss", oss_output_prefix=PREFIX),
                database_url=self.proxies[number].url(self.url).replace("@", f":{_PASSWORD}@"),
                role=PROCESSES[number].split()[0],
                access_password=self.plan.password,
                model_concurrency=self.plan.concurrency,
                model_timeout=MODEL_SECONDS,
                price_per_image="0.22",
                torture_clock=folder / "clock",
            ),
        )

    def alive(self) -> list[FastServer]:
        """The running web processes, in any order."""
        running = [server for server in self.web if not server.has_exited]
        return self._random.sample(running, len(running))

    def read(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the database. Raises Unreadable."""
        with self._reading:
            try:
                if self._db is None or self._db.closed:
                    self._db = psycopg.connect(
                        self.url, autocommit=True, row_factory=dict_row, prepare_threshold=None
                    )
                return self._db.execute(sql.encode()).fetchall()
            except psycopg.OperationalError as error:
                raise Unreadable(str(error)) from error

    def _forget(self) -> None:
        if self._db:
            self._db.close()

    def open_disruption(self, planned: PlannedDisruption) -> Disruption | None:
        """Of PostgreSQL, OSS, the network or a process."""
        server, proxy, oss = self.servers[planned.process], self.proxies[planned.process], self.oss
        drops = planned.jump > 0
        return {
            "PostgreSQL killed": Disruption(begin=self.postgres.kill, end=self.postgres.start),
            "power cut": Disruption(begin=self._cut_power, end=self.postgres.start),
            "PostgreSQL out of reach": Disruption(begin=proxy.cut, end=proxy.mend),
            "PostgreSQL silent": Disruption(begin=proxy.hold, end=lambda: proxy.mend(drops=drops)),
            "connections silent for good": Disruption(
                begin=proxy.silence, end=lambda: None, forbids_starts=False
            ),
            "cut at COMMIT": Disruption(
                begin=lambda: proxy.cuts.extend(self._random.choices(("before", "after", "silent"), k=_CUTS)),
                end=proxy.mend,
                forbids_starts=False,
            ),
            "OSS out of reach": Disruption(
                begin=lambda: setattr(oss, "is_down", True),
                end=lambda: setattr(oss, "is_down", False),
                forbids_starts=False,
            ),
            "OSS fails": Disruption(begin=self._break_oss, end=oss.clear_faults, forbids_starts=False),
            "OSS slow": Disruption(
                begin=lambda: setattr(oss, "latency", 0.7),
                end=lambda: setattr(oss, "latency", 0.0),
                forbids_starts=False,
            ),
            "worker suspended": Disruption(
                begin=lambda: _signal(server, signal.SIGSTOP), end=lambda: _signal(server, signal.SIGCONT)
            ),
            KILLED: Disruption(begin=self._dump, end=self._restore, forbids_starts=False),
            "clock jumps": clock_jump(
                server.data_dir / "clock", planned.jump, self.plan.clocks[planned.process]
            ),
            "settings differ": Disruption(
                begin=lambda: self._set_budget(server, "0.44"),
                end=lambda: self._agree(server),
                forbids_starts=False,
            ),
            "program upgraded": Disruption(
                begin=lambda: self._upgrade([server]),
                end=lambda: self._upgrade(self.servers),
                forbids_starts=False,
            ),
            "older program shut out": Disruption(
                begin=lambda: self._upgrade([server], "alone"), end=self._upgrade_others
            ),
        }[planned.kind]

    def _cut_power(self) -> None:
        for server in self.servers:
            _signal(server, signal.SIGKILL)
        self.postgres.kill()

    def _dump(self) -> None:
        self.postgres.dump(self.url, self._copy)

    def _restore(self) -> None:
        for server in self.servers:
            if not server.has_exited:
                server.kill()
        self.postgres.restore(self._copy, self.url)

    def _set_budget(self, server: FastServer, budget: str) -> None:
        """Have it restarted with this BUDGET."""
        server.variables["BUDGET"] = budget
        if not server.has_exited:
            server.ask_to_stop()

    def _agree(self, server: FastServer) -> None:
        """Nothing was ordered while it had another BUDGET than the others, whose it gets again."""
        self._check_no_orders(server, "the settings of a worker differed")
        self._set_budget(server, "")

    def _check_no_orders(self, server: FastServer, why: str) -> None:
        """Nothing is ordered while this process is as it is."""
        if not (server.has_answered and not server.has_exited):
            return
        time.sleep(_NOTICED_SECONDS)
        before = self.service.count("submit")
        time.sleep(_LOOKED_SECONDS)
        if (ordered := self.service.count("submit") - before) and not server.has_exited:
            self._breaches.append(f"{ordered} submissions while {why}")

    def _upgrade(self, servers: Sequence[FastServer], how: str = "beside") -> None:
        """Restart them one after the other with a later version, which works beside earlier ones or not."""
        for server in servers:
            if "TORTURE_UPGRADE" not in server.variables:
                server.variables["TORTURE_UPGRADE"] = how
                if not server.has_exited:
                    server.stop()
                    server.start_for(None)

    def _upgrade_others(self) -> None:
        upgraded = [server for server in self.servers if "TORTURE_UPGRADE" in server.variables]
        if len(upgraded) < len(self.servers):
            self._check_no_orders(upgraded[0], "only a web process knew the schema")
        self._upgrade(self.servers, "alone")

    def _break_oss(self) -> None:
        for kind in self._random.choices(_FAULTS, k=8):
            self.oss.fail_next(kind, seconds=0.5)

    def final_state(self, submissions: Sequence[Submission], replaced: dict[str, str]) -> FinalState:
        """The database, the bucket and the folders of the machines."""
        objects = {key: stored.content for key, stored in self.oss.objects.items()}
        outputs = [server.data_dir / "output" for server in self.servers]
        return state_in_oss(self.read, objects, outputs, submissions, replaced)

    def counts(self) -> Counter[str]:
        """The connections that were cut at a COMMIT, and the clocks that were wrong."""
        clocks = zip(self.plan.clocks, PROCESSES, strict=True)
        wrong = [f"clock of a {name[:-2]} wrong by {seconds:+.0f} s" for seconds, name in clocks if seconds]
        return sum((proxy.made_cuts for proxy in self.proxies), Counter(wrong))

    def check_pages(self) -> list[str]:
        """Search and images at both web processes, each image at one whose cache was emptied."""
        breaches = [*self._breaches, *self._check_clocks(), *self._check_back(), *self._check_search()]
        web = [server for server in self.web if server not in self._wrong]  # OSS refuses the others
        for server in web:
            for name in (".cache", ".thumbnails"):
                shutil.rmtree(server.data_dir / "output" / name, ignore_errors=True)
        for record in self.read("SELECT * FROM generation_records WHERE status = 'success'"):
            server = self._random.choice(web)
            image = server.send("GET", f"/output/{record['filename']}")
            if hashlib.sha256(image.content).hexdigest() != record["sha256"]:
                breaches.append(f"{image.url} answers {image.status_code}, not its image")
            thumbnail = server.send("GET", f"/thumbnails/{record['id']}")
            if not thumbnail.headers["Content-Type"].startswith("image/"):
                breaches.append(f"{thumbnail.url} answers {thumbnail.status_code}")
        return breaches

    @property
    def _wrong(self) -> list[FastServer]:
        """The processes whose clock is so wrong that they order nothing."""
        clocks = zip(self.plan.clocks, self.servers, strict=True)
        return [server for seconds, server in clocks if abs(seconds) > _WORKS_WITHIN]

    def _check_clocks(self) -> Iterator[str]:
        for server in set(self._wrong) - set(self.web):
            if made := [path.name for path in (server.data_dir / "output").rglob("*.[jp]*g")]:
                yield f"{server.data_dir.name} made {len(made)} pictures with a wrong clock"

    def _check_back(self) -> Iterator[str]:
        """Each web process goes on by itself after the database was away."""
        deadline = time.monotonic() + _BACK_SECONDS
        for server in self.web:
            while not (answer := server.get("/healthz")).get("database"):
                if time.monotonic() > deadline:
                    yield f"a web process still refuses after {_BACK_SECONDS:.0f} seconds: {answer}"
                    break
                time.sleep(0.1)

    def _check_search(self) -> Iterator[str]:
        deadline = time.monotonic() + _INDEX_SECONDS
        while self.read("SELECT id FROM search_backlog LIMIT 1"):
            if time.monotonic() > deadline:
                yield f"records were not indexed within {_INDEX_SECONDS:.0f} seconds"
                return
            time.sleep(0.1)
        records = self.read("SELECT id, prompt FROM generation_records")
        for server in self.web:
            for word in ("江南", "张", "改好了", "，夜景", "第 00", "7 张 ", "没有"):
                answer = server.get(f"/api/records?limit=100&in=prompt&search={word}")
                found = sorted(record["id"] for record in answer.get("records", []))
                wanted = sorted(record["id"] for record in records if word in record["prompt"])
                if found != wanted:
                    yield f"a search for {word!r} finds {found}, not {wanted}: {answer.get('error')}"

    def close(self) -> None:
        """Kill what still runs; the database is dropped, PostgreSQL runs on."""
        super().close()
        self._stack.close()


def _signal(server: FastServer, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, number)
