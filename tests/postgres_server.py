"""A PostgreSQL server of this test process, with a database for each test."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import database
from tests.server_process import free_port
from tests.waiting import wait_until

_TEMPLATE = "template_of_tests"
_OPTIONS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")
_FAST = ("fsync=off", "full_page_writes=off")  # what only a crash of the machine would show
_numbers = itertools.count(1)


class PostgresServer:
    """The running server; ``data`` is its folder. A ``durable`` one writes as in production."""

    def __init__(self, data: Path, port: int, *, durable: bool = False) -> None:
        self.data, self.port = data, port
        self._options = _OPTIONS if durable else (*_OPTIONS, *_FAST)
        self._strategy = ""
        self._user = "nobody" if os.name == "posix" and os.geteuid() == 0 else None  # root may not run it

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def initialise(self) -> None:
        """Make its files and a database with the schema, from which those of the tests are copied."""
        if self._user:
            shutil.chown(self.data.parent, self._user)
        self.run(
            "initdb", "--auth=trust", "--username=tests", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"
        )
        self.start()
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        database.open_database(self.url(_TEMPLATE))
        with closing(database.connect(self.url(_TEMPLATE))) as db:
            version = int(db.execute("SHOW server_version_num").fetchone()[0])
        self._strategy = "STRATEGY file_copy" if version >= 150_000 else ""  # half the time of the default

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {option}" for option in self._options)
        self.run("pg_ctl", "-w", "-l", f"{self.data}.log", "-o", f"-p {self.port} {options}", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` as a crash does, ``fast`` with its connections closed first."""
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped since."""
        return (self.data / "postmaster.pid").exists() and _is_running(self._postmaster)

    @property
    def _postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def kill(self) -> None:
        """``kill -9`` of all its processes, at once."""
        listed = subprocess.run(
            ("pgrep", "-P", str(self._postmaster)), capture_output=True, text=True, check=False
        )
        pids = [self._postmaster, *map(int, listed.stdout.split())]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(_is_running(pid) for pid in pids))
        (
            self.data / "postmaster.pid"
        ).unlink()  # else it would not start while nobody has waited for that one

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on its folder. Raises CalledProcessError."""
        command = (_path_of(program), "-D", str(self.data), *arguments)
        subprocess.run(command, check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new database with the schema, empty -> its URL; dropped at the end."""
        name = f"test_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} {self._strategy}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        with closing(database.connect(self.url("postgres"))) as db:
            db.execute(sql)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server on a free port, in a temporary folder, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), durable=durable)
        server.initialise()
        try:
            yield server
        finally:
            server.stop()


def is_installed() -> bool:
    """Whether its programs are on this machine."""
    return Path(_path_of("initdb")).is_absolute()


def _is_running(pid: int) -> bool:
    """Whether the process exists; one that has ended and was not waited for does not count."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _path_of(program: str) -> str:
    """The newest of Debian's versions, or one on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else shutil.which(program) or program
