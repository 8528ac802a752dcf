"""A PostgreSQL server of this test process, with a database for each test. For Linux and macOS."""

import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg

import database
from tools.server_process import free_port
from tools.waiting import wait_until

_TEMPLATE = "template_of_tests"
_OPTIONS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")
_FAST = ("fsync=off", "full_page_writes=off")  # what only a crash of the machine would show
_numbers = itertools.count(1)
_DISCONNECT_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Every column, index, trigger and function, and the settings of the database, as one text.
_SCHEMA = """
    SELECT md5(string_agg(line, E'\n' ORDER BY line))
    FROM (
        SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, is_nullable,
            column_default)
        FROM information_schema.columns
        WHERE table_schema = 'public'
        UNION ALL
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT pg_get_functiondef(oid)
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
        UNION ALL
        SELECT array_to_string(setconfig, ' ')
        FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS lines (line)
"""


class PostgresServer:
    """A server; ``data`` is its folder, alone in another. ``options``: more settings, as name=value."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data, self.port = data, free_port()
        self._options = (*_OPTIONS, *options)
        self._strategy = ""
        self._schema = self._empty = ""  # of a new database, and what makes a used one like it
        self._emptied: list[str] = []  # databases of ended tests, as new
        self._connections: dict[str, psycopg.Connection] = {}  # those that empty them
        self._user = "nobody" if os.name == "posix" and os.geteuid() == 0 else None  # root may not run it

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def make_files(self) -> None:
        """Make the files of a server without databases."""
        if self._user:
            shutil.chown(self.data.parent, self._user)
        self.run("initdb", "--auth=trust", "--username=tests", "--encoding=UTF8", "--no-locale", "--no-sync")

    def initialise(self) -> None:
        """Make its files and a database with the schema, from which those of the tests are copied."""
        self.make_files()
        self.start()
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        database.open_database(self.url(_TEMPLATE))
        with closing(psycopg.connect(self.url(_TEMPLATE))) as db:
            version = db.info.server_version
            self._schema, self._empty = _schema_of(db), _statements_that_empty(db)
        self._strategy = "STRATEGY file_copy" if version >= 150_000 else ""  # half the time of the default

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {option}" for option in self._options)
        self.run("pg_ctl", "-w", "-l", f"{self.data}.log", "-o", f"-p {self.port} {options}", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` as a crash does, ``fast`` with its connections closed first."""
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    @contextmanager
    def stopped_at_the_end(self, mode: str, *, is_kept: bool = False) -> Iterator[None]:
        """Stop it, and delete its folder unless it ``is_kept``, when the block or this process ends.

        A process of its own does so when its input is closed, which a ``kill -9`` of this one does too.
        """
        stop = shlex.join(self._command("pg_ctl", "-m", mode, "stop"))
        then = "" if is_kept else f"; rm -rf {shlex.quote(str(self.data.parent))}"
        watcher = subprocess.Popen(
            ("sh", "-c", f"cat; {stop}{then}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
            start_new_session=True,  # Ctrl-C does not reach it
        )
        try:
            yield
        finally:
            watcher.communicate()

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._pid_file.exists()

    @property
    def pid(self) -> int:
        """Of the process that starts the others."""
        return int(self._pid_file.read_text().split("\n", 1)[0])

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def kill(self) -> None:
        """``kill -9`` of all its processes, at once."""
        pids = self._signal(signal.SIGKILL)
        wait_until(lambda: not are_running(*pids))
        self._pid_file.unlink()  # the server refuses to start while the killed process is a zombie

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """During the block it answers nothing, and closes nothing."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> list[int]:
        """Send a signal to all its processes -> their ids."""
        command = ("pgrep", "-P", str(self.pid))
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        pids = [self.pid, *map(int, listed.stdout.split())]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on its folder. Raises CalledProcessError."""
        command = self._command(program, *arguments)
        subprocess.run(command, check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL)

    def _command(self, program: str, *arguments: str) -> tuple[str, ...]:
        return (_path_of(program), "-D", str(self.data), *arguments)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database with the schema, empty -> its URL. At the end the server runs.

        It is emptied for the next test, which takes a sixth of the time of a new one, unless its schema was
        changed.
        """
        name = self._emptied.pop() if self._emptied else self._create()
        try:
            yield self.url(name)
        finally:
            if not self.is_running:
                self.start()
            if self._is_emptied(name):
                self._emptied.append(name)
            else:
                self._close(name)
                self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self) -> str:
        name = f"test_{next(_numbers)}"
        self._execute(
            f"DROP DATABASE IF EXISTS {name}",  # of a run that was killed, in a folder that was kept
            f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} {self._strategy}",
        )
        return name

    def _is_emptied(self, name: str) -> bool:
        """Disconnect all, and give each table the rows that it has in a new database -> whether this was
        possible."""
        for _ in range(2):  # the server may have ended the connection, when it stopped
            try:
                db = self._connection(name)
                db.execute(_DISCONNECT_OTHERS)
                if is_new := _schema_of(db) == self._schema:
                    db.execute(self._empty)
                return is_new
            except psycopg.Error:
                self._close(name)
        return False

    def _connection(self, name: str) -> psycopg.Connection:
        """One that stays open: reading the schema of a database anew takes the server half of the time."""
        if name not in self._connections:
            self._connections[name] = psycopg.connect(self.url(name), autocommit=True)
        return self._connections[name]

    def _close(self, name: str) -> None:
        if db := self._connections.pop(name, None):
            db.close()

    def disconnect(self) -> None:
        """Close the connections that empty databases."""
        for name in list(self._connections):
            self._close(name)

    def dump(self, url: str, file: Path) -> None:
        """Write a database to a file."""
        subprocess.run((_path_of("pg_dump"), "--format=custom", f"--file={file}", url), check=True)

    def restore(self, file: Path, url: str) -> None:
        """Replace a database by the one of a file."""
        name = url.rpartition("/")[2]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        subprocess.run((_path_of("pg_restore"), f"--dbname={url}", file), check=True)

    def _execute(self, *statements: str) -> None:
        with closing(database.connect(self.url("postgres"))) as db:
            for sql in statements:
                db.execute(sql)


def _schema_of(db: psycopg.Connection) -> str:
    return str(db.execute(_SCHEMA).fetchall()[0][0])


def _statements_that_empty(db: psycopg.Connection) -> str:
    """What gives each table the rows that it has in this database, without triggers."""
    named = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = %s"
    tables, sequences = ([row[0] for row in db.execute(named, [kind])] for kind in "rS")
    statements = ["SET session_replication_role = replica"]
    for name in sequences:
        state = f"SELECT format('SELECT setval(%L, %s, %L)', '{name}', last_value, is_called) FROM {name}"
        statements += [row[0] for row in db.execute(state)]
    for table in tables:
        insert = f"INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, %L)"
        rows = db.execute(f"SELECT format('{insert}', row_to_json(whole)) FROM {table} AS whole")
        statements += [f"DELETE FROM {table}", *(row[0] for row in rows)]
    return ";\n".join(statements)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A server in a temporary folder until the end of the block. ``durable``: it writes as in production."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = PostgresServer(folder / "data", *(() if durable else _FAST))
    with server.stopped_at_the_end("immediate"):
        server.initialise()
        try:
            yield server
        finally:
            server.disconnect()


def is_installed() -> bool:
    """Whether its programs are on this machine."""
    with suppress(FileNotFoundError):
        return bool(_path_of("initdb"))
    return False


def are_running(*pids: int) -> bool:
    """Whether any of these processes runs; one that has ended and was not waited for does not."""
    command = ("ps", "-o", "stat=", "-p", ",".join(map(str, pids)))
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return any(not state.startswith("Z") for state in listed.stdout.split())


def _path_of(program: str) -> str:
    """The newest of Debian's versions, or one on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    if path := str(found[-1]) if found else shutil.which(program):
        return path
    raise FileNotFoundError(
        f"PostgreSQL's program {program} is not on this machine: see tests/postgres/install"
    )
