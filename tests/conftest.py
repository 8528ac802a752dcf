"""Shared fixtures: settings in a temporary folder, a database, a bucket, a simple model spec."""

import functools
import gc
import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from xdist.scheduler import LoadScopeScheduling

import database
import oss_client
from app import migrations
from app.config import Settings
from app.domain import ModelSpec
from app.providers import polling
from app.web.assets import routes
from tests.harness import Harness, of_another_process, open_harness
from tests.selection import Selection
from tests.specs import ANY
from tools.environment import isolate_environment
from tools.fakes.clock import Clock
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss, clocked_datetime
from tools.fork_server import draw_demo_fast
from tools.postgres_server import PostgresServer, postgres_server
from tools.server_process import ServerProcess
from tools.torture.proxy import Network, Proxy
from web_app import create_app

pytest_plugins = ["tests.over_http"]
isolate_environment()
ServerProcess.is_forked = sys.platform == "linux"
_SELECTION = pytest.StashKey[Selection]()
_TORTURE = "tests/test_torture.py"
_STATES = "tests/browser/test_accessibility.py::test_every_state"
_FIRST = (
    _TORTURE,
    "tests/browser/",
    "tests/worker/",
    "tests/system/",
    "tests/sheets/",
    "tests/web/test_secrets.py",
)


def make_apps_cheap() -> None:
    """Compile each URL rule, and read the scripts, once a process: the apps of tests have the same."""
    routes.AssetBundle = functools.cache(routes.AssetBundle)  # type: ignore[assignment, misc]
    compile_builder = Rule._compile_builder
    compiled: dict[tuple[Any, ...], Callable[..., tuple[str, str]]] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (*rule._trace, str(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = compile_once  # type: ignore[assignment, method-assign]


make_apps_cheap()
draw_demo_fast()
gc.disable()  # until all tests are collected, which stay


@pytest.fixture(autouse=True)
def no_other_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of this process looks up a service of the world, such as to try a key there."""
    look_up = socket.getaddrinfo

    def local(host: Any, *more: Any, **options: Any) -> Any:
        if re.search(r"\.(com|cn)$", str(host)):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", local)


@pytest.fixture(scope="session", autouse=True)
def new_files_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where this process opens a SQLite file that does not exist, it is a copy of a new one.

    Making one takes ten times as long, in every test with an app or a database.
    """
    new, lock = tmp_path_factory.mktemp("database") / "new.db", threading.Lock()
    open_file = migrations.open_file
    open_file(new)

    def open_copy(path: Path, *report: Any) -> None:
        with lock, suppress(OSError):  # open_file says what is wrong
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(new, path)
        open_file(path, *report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "open_file", open_copy)
        yield


@pytest.fixture(autouse=True)
def first_poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the latency of a model is unknown, its tasks are polled at once, not after a second."""
    monkeypatch.setattr(polling, "_FIRST_TURN", 0.0)


@pytest.fixture(autouse=True)
def changes_are_folded_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL a step of a worker is folded when it is done, as on SQLite; else a loop does it soon."""
    if _is_on_postgres(request):
        for name in ("claim_record", "save_task_id", "save_usage", "finish_record"):
            monkeypatch.setattr(database, name, _then_fold(getattr(database, name)))


def _is_on_postgres(request: pytest.FixtureRequest) -> bool:
    """With ``--store postgres``, what is marked ``rest`` aside, or for a test that concerns it only."""
    marks = {mark.name for mark in request.node.iter_markers()}
    return "postgres" in marks or (request.config.getoption("store") == "postgres" and "rest" not in marks)


def _then_fold(step: Callable[..., Any]) -> Callable[..., Any]:
    def both(db: database.Connection, *fields: Any, **named: Any) -> Any:
        done = step(db, *fields, **named)
        database.fold_changes(db, at_once=True)
        return done

    return both


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=("sqlite", "postgres"), default="sqlite", help="the database engine")
    parser.addoption("--rest", action="store_true", help="only what takes long and verifies no promise alone")
    parser.addoption("--once", action="store_true", help="of every second test the first case")


def pytest_xdist_auto_num_workers() -> int:
    """Two more than the processors: tests with a server or a browser wait for them."""
    return (os.cpu_count() or 1) + 2


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SELECTION] = Selection(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = config.stash[_SELECTION].of(items)
    left_out = set(items).difference(kept)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = sorted(kept, key=_turn)


def pytest_collection_finish() -> None:
    """Collect garbage, but look at no module and no test again."""
    gc.freeze()
    gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A module runs in one process, but each round of the torture test is a unit; see ``_turn``.

    So are the states of each page, of which there are more than a process gets done while the others run.
    """
    config.option.loadscopereorder = False
    scheduling = LoadScopeScheduling(config, log)
    scope_of = scheduling._split_scope

    def scope(name: str) -> str:
        if name.startswith(_TORTURE):
            return name
        return name.partition(": ")[0] if name.startswith(_STATES) else scope_of(name)

    scheduling._split_scope = scope
    return scheduling


def _turn(item: pytest.Item) -> int:
    """Those with the longest waits start first, so that no process is left alone with them at the end."""
    return next((turn for turn, start in enumerate(_FIRST) if item.nodeid.startswith(start)), len(_FIRST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_SELECTION].summary():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def postgres_of_process() -> Iterator[PostgresServer]:
    """The server of this test process."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The server of this test process, for a test on PostgreSQL."""
    return request.getfixturevalue("postgres_of_process") if _is_on_postgres(request) else None


@pytest.fixture
def database_url(postgres: PostgresServer | None) -> Iterator[str]:
    """A database of this test alone; empty: its records are in a SQLite file."""
    with postgres.database() if postgres else nullcontext("") as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """As ``database_url``, for all tests of a module."""
    is_used = request.config.getoption("store") == "postgres"
    server = request.getfixturevalue("postgres_of_process") if is_used else None
    with server.database() if server else nullcontext("") as url:
        yield url


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    """A network before PostgreSQL, which can be cut."""
    with Network() as network, closing(Proxy(network, postgres.port)) as proxy:
        yield proxy


@pytest.fixture
def remote(db: database.Connection, settings: Settings, proxy: Proxy) -> Iterator[database.Connection]:
    """A connection to the database of ``db`` through the proxy."""
    with closing(database.connect(proxy.url(settings.database_url))) as connection:
        yield connection


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """The demo model, with all data under ``tmp_path`` or in ``database_url``."""
    return Settings(
        database_url=database_url,
        database_path=tmp_path / "generation_records.db",
        output_dir=tmp_path / "output",
        samples_dir=tmp_path / "samples",
    )


@pytest.fixture
def db(settings: Settings) -> Iterator[database.Connection]:
    database.open_database(settings.database)
    with closing(database.connect(settings.database)) as connection:
        yield connection


@pytest.fixture
def other(settings: Settings, db: database.Connection) -> Iterator[database.Connection]:
    """Another connection to the database of ``db``, as another process has."""
    with closing(of_another_process(settings)) as found:
        yield found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A manual clock for the fake OSS, for oss2, and for everything that takes one."""
    made = Clock()
    monkeypatch.setattr("oss2.auth.datetime", clocked_datetime(made))
    return made


@pytest.fixture
def oss(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOss]:
    """A fake bucket that follows ``clock``; its clients repeat a call at once."""
    monkeypatch.setattr(oss_client, "_PAUSES", (0.0, 0.0))
    with FakeOss(clock=clock) as service:
        yield service


@pytest.fixture
def spec() -> ModelSpec:
    """A model that supports everything, at ¥0.22 an image."""
    return ANY


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng() as fake:
        yield fake


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


@pytest.fixture
def harness(settings: Settings, service: FakeJimeng, db: database.Connection) -> Harness:
    """A worker with the fake Jimeng, run turn by turn."""
    return open_harness(settings, service, db, model_timeout=60)
