"""The processes of a round and what they store, seen from outside; ``OneMachine`` shares a SQLite file."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import requests

from app.images import answers, sidecar
from tools.fakes.service import FakeService
from tools.server_process import ServerProcess
from tools.torture.checks import FinalState, Rows, Submission, read_state
from tools.torture.disruptions import Disruption, Environment, copy_database, open_disruption, put_back
from tools.torture.plan import (
    CRASH_POINTS,
    KILLED,
    OLDER_COPIES,
    RUNNING,
    Plan,
    PlannedCrash,
    PlannedDisruption,
)
from tools.waiting import TIMEOUT

MODEL_SECONDS = 4
PREFIX = "made/"  # of the images in OSS
LOCKS = 3
_UNNOTICED_SECONDS = 0.3


class Unreadable(Exception):
    """The database cannot be read now."""


class FastServer(ServerProcess):
    """The product with short waits; see ``launcher``."""

    program = ("-m", "tools.torture.launcher")

    def __init__(self, data_dir: Path, **settings: object) -> None:
        super().__init__(data_dir, **settings)
        self.variables |= {
            "TORTURE_CRASH": str(data_dir / "crash.txt"),
            "TORTURE_CRASH_FILE": str(self.crash_file),
        }
        self.cookies: dict[str, str] = {}
        self.is_stopping = self.has_answered = False
        self.died: list[int] = []  # unexpected exit codes

    def start_for(self, planned: PlannedCrash | None) -> None:
        """Start it with a planned crash or none; it may crash before it answers."""
        self.arm(planned)
        self.is_stopping = self.has_answered = False
        try:
            self.start()
            self.has_answered = True
        except (AssertionError, requests.RequestException):
            if not self.exits_soon:
                raise

    def arm(self, planned: PlannedCrash | None) -> None:
        """Have it kill itself at the point of this crash, if it is one of its own steps."""
        self.crash_file.unlink(missing_ok=True)
        point = f"{planned.point}:{planned.count}" if planned and planned.point in CRASH_POINTS else ""
        (self.data_dir / "crash.txt").write_text(point, "utf-8")

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request, logged in. Raises RequestException."""
        sent: dict[str, Any] = {
            "cookies": self.cookies,
            "timeout": TIMEOUT,
            "allow_redirects": False,
            **options,
        }
        return requests.request(method, self.address + path, **sent)

    def get(self, path: str) -> dict[str, Any]:
        """GET, logged in -> the JSON object."""
        answer: dict[str, Any] = self.send("GET", path).json()
        return answer

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        """POST, logged in -> the JSON object."""
        answer: dict[str, Any] = self.send("POST", path, json=body).json()
        return answer

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.is_stopping = True
        self.send_signal()

    def stop(self) -> int:
        """SIGTERM -> exit code."""
        self.ask_to_stop()
        return self.wait()

    def note_exit(self) -> None:
        """Note its exit code, when it has ended by itself.

        A start that ends with 1, because the database was out of reach, is repeated, as systemd does.
        """
        code = self.process.poll() if self.process else None
        is_expected = self.is_stopping or (code == 1 and not self.has_answered)
        if code not in (None, -signal.SIGKILL) and not is_expected:
            self.died.append(code)

    def has_written(self, text: str) -> bool:
        """Whether its output or its log file contains this."""
        files = (self.data_dir / "log.txt", *self.data_dir.glob("*.log"))
        return any(text.encode() in path.read_bytes() for path in files)

    @property
    def crash_file(self) -> Path:
        """Where it writes the record whose step it was killed at."""
        return self.data_dir / "crash.json"

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


class Site:
    """The processes of a round and what they store.

    servers   all processes, in the order of ``PlannedCrash.process``; ``first`` are started before the batch
              is submitted, the others after it
    secrets   texts that no log may contain
    """

    servers: Sequence[FastServer]
    first: Sequence[FastServer]
    is_cluster: ClassVar[bool]
    poll_seconds: ClassVar[float] = 0.03
    secrets: Sequence[str] = ()

    def alive(self) -> list[FastServer]:
        """The running processes that serve pages."""
        raise NotImplementedError

    def read(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the database, read past the product. Raises Unreadable."""
        raise NotImplementedError

    def open_disruption(self, planned: PlannedDisruption) -> Disruption | None:
        """How to begin and end it; None when it is not possible here."""
        raise NotImplementedError

    def final_state(self, submissions: Sequence[Submission], replaced: dict[str, str]) -> FinalState:
        """What is left when all processes have ended."""
        raise NotImplementedError

    def counts(self) -> Counter[str]:
        """What happened how often, for the report."""
        return Counter()

    def check_pages(self) -> list[str]:
        """What the pages show wrongly at the end of a round."""
        return []

    def close(self) -> None:
        """Kill what still runs, and give back what the machine lent."""
        for server in self.servers:
            if not server.has_exited:
                server.kill()


class OneMachine(Site):
    """One to three servers with the same SQLite file and the same folder."""

    is_cluster = False

    def __init__(self, plan: Plan, folder: Path, service: FakeService) -> None:
        kinds = [each.kind for each in plan.disruptions]
        self.environment = Environment(data_dir=folder / "studio", clock=folder / "clock")
        self.environment.prepare(kinds[0] if kinds else "")
        self.servers = [
            FastServer(
                _folder(folder / f"server-{n}"),
                **service.settings(
                    database_path=self.environment.database,
                    output_dir=self.environment.output,
                    samples_dir=self.environment.data_dir / "samples",
                    model_concurrency=plan.concurrency,
                    model_timeout=MODEL_SECONDS,
                    price_per_image="0.22",
                    access_password=plan.password,
                    torture_clock=self.environment.clock,
                    torture_lock=LOCKS if "locked at the ledger" in kinds else 0,
                ),
            )
            for n in range(plan.servers)
        ]
        self.first = self.servers[:1]
        self.secrets = [*filter(None, [plan.password])]

    @property
    def database(self) -> Path:
        """The current path of the database."""
        is_away = self.environment.moved_database.exists()
        return self.environment.moved_database if is_away else self.environment.database

    def alive(self) -> list[FastServer]:
        """The running servers."""
        return [server for server in self.servers if not server.has_exited]

    def read(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the file. Raises Unreadable."""
        return read_file(self.database, sql)

    def open_disruption(self, planned: PlannedDisruption) -> Disruption | None:
        """Of the folder, the file or the clock."""
        if planned.kind in OLDER_COPIES:
            return self._older_copy(planned.kind)
        return open_disruption(
            planned,
            self.environment,
            lambda: [server.pid for server in self.servers if not server.has_exited],
        )

    def _older_copy(self, kind: str) -> Disruption:
        """Copy the database now, and restore the copy later; no server runs at the end."""
        database, copy = self.environment.database, self.environment.data_dir / "older.db"

        def end() -> None:
            if kind == RUNNING:
                put_back(copy, database)
                time.sleep(_UNNOTICED_SECONDS)
            for server in self.alive():
                server.kill() if kind == KILLED else server.stop()
            if kind != RUNNING:
                put_back(copy, database)

        return Disruption(begin=lambda: copy_database(database, copy), end=end, forbids_starts=False)

    def final_state(self, submissions: Sequence[Submission], replaced: dict[str, str]) -> FinalState:
        """The file and the folder."""
        return state_of_files(self.database, self.environment.output, submissions, replaced)

    def close(self) -> None:
        """Kill what still runs, and unmount the small disks."""
        super().close()
        self.environment.clear()


def state_of_files(
    database: Path, output: Path, submissions: Sequence[Submission], replaced: dict[str, str] | None = None
) -> FinalState:
    """The state of a SQLite file and a folder of images."""

    def image_of(record: dict[str, Any]) -> bytes | None:
        path = output / record["filename"]
        return path.read_bytes() if record["filename"] and path.is_file() else None

    def beside(content: bytes) -> list[str]:
        return sidecar.texts(output, content)

    def answer_of(record: dict[str, Any]) -> bytes | None:
        path = answers.find(output, record["id"])
        return path.read_bytes() if path else None

    state = read_state(lambda sql: read_file(database, sql), submissions, replaced or {}, image_of, beside)
    with closing(sqlite3.connect(database)) as db:
        state.integrity = db.execute("PRAGMA integrity_check").fetchone()[0]
    state.answer_of = answer_of
    state.files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    return state


def state_in_oss(
    read: Callable[[str], Rows],
    objects: Mapping[str, bytes],
    outputs: Sequence[Path],
    submissions: Sequence[Submission],
    replaced: dict[str, str] | None = None,
) -> FinalState:
    """The state of a database, a bucket and the OUTPUT_DIR of each machine, which may hold nothing alone."""
    kept = read("SELECT record_id, key FROM output_copies WHERE state = 'kept'")
    keys, parameters = {row["record_id"]: row["key"] for row in kept}, f"{PREFIX}{sidecar.FOLDER}/"

    def image_of(record: dict[str, Any]) -> bytes | None:
        return objects.get(keys.get(record["id"], ""))

    def answer_of(record: dict[str, Any]) -> bytes | None:
        key = keys.get(record["id"], "").removeprefix(PREFIX)
        return objects.get(f"{PREFIX}{answers.ANSWERS}/{key}")

    def beside(content: bytes) -> list[str]:
        start = f"{parameters}{sidecar.prefix_of(hashlib.sha256(content).hexdigest())}"
        return [text.decode() for key, text in objects.items() if key.startswith(start)]

    state = read_state(read, submissions, replaced or {}, image_of, beside)
    state.answer_of = answer_of
    saved = [record["id"] for record in state.records if record["status"] == "success"]
    images = {keys[record_id] for record_id in saved if record_id in keys}
    thumbnails = {f"{PREFIX}.thumbnails/{key.removeprefix(PREFIX)}.webp" for key in images}
    laid = {f"{PREFIX}{answers.ANSWERS}/{key.removeprefix(PREFIX)}" for key in images}
    known = images | thumbnails | laid | {f"{PREFIX}.probe"}
    others = {key for key in objects if key.startswith(PREFIX)} - known
    state.files = {key.removeprefix(PREFIX) if key.startswith(parameters) else key for key in others}
    for folder in outputs:
        for path in folder.rglob("*"):
            is_alone = path.parent.name == ".saving" and path.name.partition(".")[0] not in map(str, saved)
            if path.is_file() and (is_alone or path.suffix == ".part"):
                state.files.add(str(path))
    return state


def read_file(path: Path, sql: str) -> list[dict[str, Any]]:
    """Rows of a SQLite file. Raises Unreadable."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]
    except sqlite3.OperationalError as error:
        raise Unreadable(str(error)) from error


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
