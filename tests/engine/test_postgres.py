"""PostgreSQL: connections that are lost, servers that stop, and databases that cannot be used."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import Record
from app.engine import connection
from app.engine import links as postgres_links
from app.engine import postgres as postgres_connection
from app.engine.guard import open_guard
from app.errors import AppError, DatabaseError, SettingError, StoreDamaged, StoreLost, WriteRefused
from app.migrations import postgres as migrations
from tests.harness import Harness, of_another_process
from tools.postgres_server import PostgresServer, are_running
from tools.server_process import ROOT, ServerProcess, free_port
from tools.torture.proxy import Proxy
from tools.waiting import wait_until

pytestmark = pytest.mark.postgres
CHANGE = "UPDATE change_counter SET value = value + 1"
SECRET = "geheim"
EVERY = database.RecordFilter()


def change(db: database.Connection) -> None:
    with database.transaction(db):
        db.execute(CHANGE)


def write(db: database.Connection, body: Callable[[], object]) -> None:
    with database.transaction(db):
        body()


def alter(db: database.Connection, setting: str) -> None:
    """Change a setting of the database, for connections that are made from now on."""
    name = db.execute("SELECT current_database() AS name").fetchone()["name"]
    db.execute(f"ALTER DATABASE {name} SET {setting}")


def pid_of(db: database.Connection) -> int:
    pid: int = db.execute("SELECT pg_backend_pid() AS pid").fetchone()["pid"]
    return pid


def end_connection(db: database.Connection, other: database.Connection) -> None:
    """Have the server end the connection ``db``."""
    other.execute("SELECT pg_terminate_backend(:pid, 60000)", {"pid": pid_of(db)}).fetchall()


def sentence(error: BaseException) -> str:
    """The text of an error for a person: one line without the password."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_a_connection_that_was_lost_between_two_uses_is_opened_again(
    db: database.Connection, other: database.Connection
) -> None:
    end_connection(db, other)
    version = database.last_version(db)
    end_connection(db, other)
    change(db)
    end_connection(db, other)
    with database.read_transaction(db):
        assert database.last_version(db) == version + 1


def test_a_write_transaction_whose_connection_is_lost_changes_nothing_and_reads_nothing_more(
    db: database.Connection, other: database.Connection
) -> None:
    before = database.last_version(db)

    def lose_connection() -> None:
        db.execute(CHANGE)
        end_connection(db, other)
        for _ in range(2):
            with pytest.raises(StoreLost):
                database.last_version(db)
        with pytest.raises(StoreLost), database.read_transaction(db):
            database.last_version(db)
        with pytest.raises(StoreLost):
            db.execute(CHANGE)

    with pytest.raises(StoreLost):
        write(db, lose_connection)
    assert not db.in_transaction
    assert database.last_version(db) == before
    change(db)
    assert database.last_version(other) == before + 1


def test_a_read_transaction_is_one_snapshot_and_ends_when_its_connection_is_lost(
    db: database.Connection, other: database.Connection
) -> None:
    with database.read_transaction(db):
        before = database.last_version(db)
        change(other)
        assert database.last_version(db) == before
    assert database.last_version(db) == before + 1
    with database.read_transaction(db):
        end_connection(db, other)
        for _ in range(2):
            with pytest.raises(StoreLost):
                database.last_version(db)
    assert database.last_version(db) == before + 1


def test_a_commit_whose_answer_is_lost_is_found_to_be_done(
    db: database.Connection, remote: database.Connection, proxy: Proxy
) -> None:
    before = database.last_version(db)
    for number in (1, 2, 3):
        proxy.cuts = ["after"]
        change(remote)
        assert database.last_version(db) == before + number
    assert sum(proxy.made_cuts.values()) == 3


def test_a_commit_that_the_server_did_not_get_is_found_not_to_be_done(
    db: database.Connection, remote: database.Connection, proxy: Proxy
) -> None:
    change(remote)
    before = database.last_version(db)
    proxy.cuts = ["before"]
    with pytest.raises(StoreLost):
        change(remote)
    assert database.last_version(db) == before
    change(remote)
    assert database.last_version(db) == before + 1


def test_a_commit_lost_in_a_crash_is_not_taken_for_one_made_since(
    db: database.Connection, other: database.Connection, postgres: PostgresServer
) -> None:
    """The server gives the number of a transaction that a crash lost to another one."""
    before = database.last_version(db)

    def crash() -> None:
        assert db.execute(CHANGE).rowcount == 1
        postgres.stop()
        postgres.start()
        change(other)

    with pytest.raises(StoreLost):
        write(db, crash)
    assert database.last_version(db) == before + 1


def test_a_claim_and_the_change_counter_outlive_a_crash(
    db: database.Connection, harness: Harness, settings: Settings, postgres: PostgresServer
) -> None:
    """Else a second process would claim the record too, as the same attempt, and both would submit it."""
    alter(db, "synchronous_commit = off")
    harness.ask("江南水乡")

    def claim(owner: str) -> Record | None:
        model = harness.runtime.engines.default.model_id
        with closing(database.connect(settings.database)) as mine:
            return database.claim_record(mine, model=model, owner=owner, now=0.0, lease=20.0)

    assert claim("one")
    version = database.last_version(db)
    postgres.kill()
    postgres.start()
    assert claim("other") is None
    assert database.last_version(db) == version


def test_a_commit_that_cannot_be_confirmed_in_time_is_an_error(
    db: database.Connection, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "_CONFIRM_SECONDS", 0.1)

    def stop() -> None:
        db.execute(CHANGE)
        postgres.stop()

    with pytest.raises(StoreLost, match=postgres_connection._UNCONFIRMED):
        write(db, stop)
    assert not db.in_transaction


def test_a_commit_is_confirmed_although_the_server_starts_later(
    db: database.Connection, remote: database.Connection, postgres: PostgresServer, proxy: Proxy
) -> None:
    before, proxy.cuts = database.last_version(db), ["after"]

    def restart() -> None:
        wait_until(lambda: bool(proxy.made_cuts))
        postgres.stop()
        postgres.start()

    thread = threading.Thread(target=restart)
    thread.start()
    change(remote)
    thread.join()
    assert database.last_version(db) == before + 1


def test_old_notes_of_commits_are_removed(db: database.Connection, settings: Settings) -> None:
    db.execute("INSERT INTO last_commits VALUES ('old', 7, now() - interval '2 hours'), ('new', 7, now())")
    with closing(database.connect(settings.database)) as fresh:
        change(fresh)
        change(fresh)
    names = {row["connection"] for row in db.execute("SELECT connection FROM last_commits")}
    assert "old" not in names
    assert "new" in names


@pytest.fixture
def impatient(db: database.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """On connections that are made from now on, a statement without an answer is given up after 2.2 s."""
    monkeypatch.setattr(postgres_links, "STATEMENT_SECONDS", 2.0)
    monkeypatch.setattr(postgres_links, "_ANSWER_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_query_without_an_answer_is_sent_again_on_a_new_connection(
    db: database.Connection, remote: database.Connection, proxy: Proxy, *, is_first: bool
) -> None:
    change(remote)
    proxy.silence()
    with nullcontext() if is_first else database.read_transaction(remote):
        assert database.last_version(remote) == database.last_version(db)


@pytest.mark.usefixtures("impatient")
def test_a_write_transaction_without_an_answer_changes_nothing_and_the_next_one_goes_on(
    db: database.Connection, remote: database.Connection, proxy: Proxy
) -> None:
    before = database.last_version(db)

    def fall_silent() -> None:
        remote.execute(CHANGE)
        proxy.silence()
        database.last_version(remote)

    with pytest.raises(StoreLost) as lost:
        write(remote, fall_silent)
    assert sentence(lost.value).startswith("数据库连不上，不再下单")
    change(remote)
    assert database.last_version(db) == before + 1


@pytest.mark.usefixtures("impatient")
def test_a_commit_without_an_answer_is_found_to_be_done(
    db: database.Connection, remote: database.Connection, proxy: Proxy
) -> None:
    before = database.last_version(db)
    proxy.cuts = ["silent"]
    change(remote)
    assert database.last_version(db) == before + 1
    assert proxy.made_cuts.total() == 1


def test_how_long_a_statement_has_had_no_answer_is_known_meanwhile(
    remote: database.Connection, proxy: Proxy
) -> None:
    change(remote)
    assert remote.silent_seconds() == 0
    proxy.hold()
    thread = threading.Thread(target=change, args=[remote])
    thread.start()
    wait_until(lambda: remote.silent_seconds() > 0.1)
    proxy.mend()
    thread.join()
    assert remote.silent_seconds() == 0


@pytest.mark.usefixtures("impatient")
def test_a_statement_that_takes_too_long_is_ended_by_the_server(remote: database.Connection) -> None:
    pid = pid_of(remote)
    with pytest.raises(WriteRefused) as refused:
        remote.execute("SELECT pg_sleep(60)")
    assert sentence(refused.value).startswith("数据库正忙")
    assert pid_of(remote) == pid


def add_step(monkeypatch: pytest.MonkeyPatch, sql: str) -> int:
    """Add a migration -> the version that it leads to."""
    latest = migrations.LATEST + 1
    step = (latest, lambda mine, _report: mine.execute(sql))
    monkeypatch.setattr(migrations, "_STEPS", (*migrations._STEPS, step))
    monkeypatch.setattr(migrations, "LATEST", latest)
    return latest


@pytest.mark.usefixtures("impatient")
def test_a_migration_may_take_longer(
    db: database.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = add_step(monkeypatch, "SELECT pg_sleep(2.5)")
    database.open_database(settings.database)
    assert migrations.version_of(db) == latest


def test_an_upgrade_beside_a_long_reader_stops_no_page_and_is_done_after_it(
    db: database.Connection,
    other: database.Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latest = add_step(monkeypatch, "ALTER TABLE generation_records ADD COLUMN added BIGINT")
    monkeypatch.setattr(migrations, "_BETWEEN_SECONDS", 0.5)
    with ThreadPoolExecutor(1) as pool:
        with database.read_transaction(other):
            database.list_records(other, EVERY)
            upgrade, ends = pool.submit(database.open_database, settings.database), time.monotonic() + 4
            waited = 0.0
            while (began := time.monotonic()) < ends:
                database.list_records(db, EVERY)
                waited = max(waited, time.monotonic() - began)
            assert not upgrade.done()
        upgrade.result()
    assert waited < 2
    assert migrations.version_of(db) == latest


def test_an_upgrade_beside_a_reader_that_does_not_end_is_refused_with_one_sentence(
    db: database.Connection,
    other: database.Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latest = add_step(monkeypatch, "CREATE TABLE added (id BIGINT)")
    monkeypatch.setattr(migrations, "_PATIENCE_SECONDS", 0)
    with database.read_transaction(other):
        database.list_records(other, EVERY)
        with pytest.raises(WriteRefused, match="例如备份") as refused:
            database.open_database(settings.database)
    sentence(refused.value)
    assert migrations.version_of(db) == latest - 1


def test_a_server_that_stops_and_starts_is_used_again(
    db: database.Connection, settings: Settings, postgres: PostgresServer
) -> None:
    version, guard = database.last_version(db), open_guard(settings.database)
    postgres.stop()
    uses: list[Callable[[], object]] = [
        lambda: database.last_version(db),
        lambda: change(db),
        lambda: database.last_version(database.connect(settings.database)),
        lambda: database.open_database(settings.database),
        lambda: guard.require(db),
    ]
    for use in uses:
        with pytest.raises(StoreLost) as lost:
            use()
        assert sentence(lost.value).startswith("数据库连不上，不再下单")
    assert guard.watch(db)
    assert guard.away()
    postgres.start()
    change(db)
    assert database.last_version(db) == version + 1
    assert (guard.watch(db), guard.problem()) == (None, None)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_a_writer_waits_for_the_one_before_it_and_reads_what_that_wrote(
    db: database.Connection, settings: Settings, other: database.Connection, isolation: str
) -> None:
    """Whatever the isolation of a database is by default."""
    alter(db, f"default_transaction_isolation = '{isolation}'")
    before = database.last_version(db)

    def change_too() -> None:
        with closing(database.connect(settings.database)) as late:
            change(late)

    thread = threading.Thread(target=change_too)
    with database.transaction(db):
        thread.start()
        here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        waiting = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = {here}"
        wait_until(lambda: bool(other.execute(waiting).fetchall()))
        assert database.last_version(db) == before
        db.execute(CHANGE)
    thread.join()
    assert database.last_version(db) == before + 2


def test_a_writer_that_waits_for_too_long_is_refused(
    db: database.Connection, other: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    with database.transaction(db), pytest.raises(WriteRefused) as refused:
        change(other)
    assert sentence(refused.value).startswith("数据库正忙")
    change(other)


def test_a_machine_that_vanished_stops_the_other_writers_for_a_while_only(
    db: database.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = postgres_links._SESSION.replace("=60s", "=100ms")
    monkeypatch.setattr(postgres_links, "_SESSION", shorter)
    before = database.last_version(db)
    with closing(of_another_process(settings)) as vanished, pytest.raises(StoreLost):
        write(vanished, lambda: change(db))
    assert database.last_version(db) == before + 1


def test_a_statement_that_fails_undoes_its_transaction_although_the_body_goes_on(
    db: database.Connection,
) -> None:
    before = database.last_version(db)

    def go_on() -> None:
        db.execute(CHANGE)
        with pytest.raises(DatabaseError):
            db.execute("SELECT no_such_column FROM batches")
        db.execute(CHANGE)

    with pytest.raises(DatabaseError):
        write(db, go_on)
    assert database.last_version(db) == before
    change(db)


def test_a_commit_that_became_a_rollback_is_an_error(db: database.Connection) -> None:
    """Also where the transaction would only have read."""

    def go_on() -> None:
        with pytest.raises(DatabaseError):
            db.execute("SELECT no_such_column FROM batches")

    with pytest.raises(DatabaseError, match="没有任何改动"):
        write(db, go_on)


def test_a_write_outside_a_transaction_is_not_sent_again(
    db: database.Connection, other: database.Connection
) -> None:
    """Whether the server did it before the connection was lost is not known."""
    before = database.last_version(db)
    end_connection(db, other)
    with pytest.raises(StoreLost):
        db.execute(CHANGE)
    assert database.last_version(db) == before


def test_an_older_database_blocks_until_a_restart(
    db: database.Connection, other: database.Connection, settings: Settings
) -> None:
    change(db)
    guard = open_guard(settings.database)
    assert guard.watch(db) is None
    other.execute("UPDATE change_counter SET value = value - 1")
    with pytest.raises(StoreDamaged, match="变旧了"):
        guard.require(db)
    other.execute("UPDATE change_counter SET value = value + 9")
    assert guard.watch(db)
    with pytest.raises(StoreDamaged):
        guard.require(db)
    open_guard(settings.database).require(db)


def test_a_counter_that_another_thread_reads_later_is_not_taken_for_an_older_database(
    db: database.Connection, other: database.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, read = open_guard(settings.database), database.last_version

    def read_slowly(mine: database.Connection) -> int:
        version = read(mine)
        if mine is db:
            change(other)
            assert guard.watch(other) is None
        return version

    monkeypatch.setattr("app.engine.guard.last_version", read_slowly)
    assert guard.watch(db) is None
    guard.require(db)


def test_nul_which_no_text_may_contain_is_replaced(db: database.Connection) -> None:
    with database.transaction(db):
        db.execute("INSERT INTO generation_records (prompt) VALUES (:prompt)", {"prompt": "猫\x00咪"})
        db.executemany("INSERT INTO generation_records (prompt) VALUES (?)", [["狗\x00"]])
    prompts = [row["prompt"] for row in db.execute("SELECT prompt FROM generation_records ORDER BY id")]
    assert prompts == ["猫\ufffd咪", "狗\ufffd"]


@pytest.fixture
def wrong_urls(db: database.Connection, postgres: PostgresServer, settings: Settings) -> dict[str, str]:
    """What is wrong -> the URL."""
    rules = postgres.data / "pg_hba.conf"
    rules.write_text(f"host all stranger 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    postgres.run("pg_ctl", "reload")
    db.execute("DROP ROLE IF EXISTS stranger")
    db.execute("CREATE ROLE stranger LOGIN PASSWORD 'another'")
    name = settings.database_url.rpartition("/")[2]
    return {
        "password": f"postgresql://stranger:{SECRET}@127.0.0.1:{postgres.port}/{name}",
        "port": f"postgresql://tests:{SECRET}@127.0.0.1:{free_port()}/{name}",
        "database": f"postgresql://tests:{SECRET}@127.0.0.1:{postgres.port}/missing",
        "encoding of the password": f"postgresql://tests:{SECRET}%zz@127.0.0.1:{postgres.port}/{name}",
        "host": f"postgresql://tests:{SECRET}@[127.0.0.1:{postgres.port}/{name}",
    }


def test_a_wrong_url_is_one_sentence_without_its_password(wrong_urls: dict[str, str], tmp_path: Path) -> None:
    for what, url in wrong_urls.items():
        with pytest.raises(AppError) as error:
            database.open_database(url)
        expected = SettingError if what in ("encoding of the password", "host") else StoreLost
        assert type(error.value) is expected, what
        sentence(error.value)
    for what, code in (("password", 1), ("encoding of the password", 2)):  # 1: the server may come back
        folder = tmp_path / what
        folder.mkdir()
        output = ServerProcess(folder, database_url=wrong_urls[what]).refuses_to_start(code=code)
        assert output.count("\n") == 1
        assert output.startswith("DATABASE_URL：")
        assert not [path for path in folder.rglob("*") if SECRET.encode() in read(path)]


def read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_a_server_that_only_reads_refuses_writes_with_one_sentence(
    db: database.Connection, settings: Settings
) -> None:
    alter(db, "default_transaction_read_only = on")
    database.open_database(settings.database)
    with closing(of_another_process(settings)) as reader:
        assert database.count_batches(reader) == 0
        with pytest.raises(WriteRefused) as refused:
            change(reader)
        assert sentence(refused.value).startswith("数据库现在写不进去")
        with pytest.raises(WriteRefused, match="数据库现在写不进去"):
            database.require_writable(reader)


def test_a_database_of_another_encoding_is_refused(db: database.Connection, postgres: PostgresServer) -> None:
    db.execute("DROP DATABASE IF EXISTS other_encoding")
    db.execute(
        "CREATE DATABASE other_encoding ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with pytest.raises(DatabaseError, match="SQL_ASCII，请新建一个 UTF8 的数据库") as refused:
        database.open_database(postgres.url("other_encoding"))
    sentence(refused.value)


def test_a_database_of_a_later_version_is_refused(db: database.Connection, settings: Settings) -> None:
    db.execute("UPDATE schema_version SET number = number + 1, works_from = number + 1")
    with pytest.raises(DatabaseError, match="更新的版本") as refused:
        database.open_database(settings.database)
    sentence(refused.value)


HAS_SERVER = """
import tempfile
from pathlib import Path
from tools.postgres_server import PostgresServer
server = PostgresServer(Path(tempfile.mkdtemp(prefix="postgres-")) / "data", "fsync=off")
with server.stopped_at_the_end("immediate"):
    server.make_files()
    server.start()
    print(server.pid, server.data, flush=True)
    input()
"""


def test_a_server_of_the_tests_ends_with_their_process() -> None:
    command, pipe = [sys.executable, "-c", HAS_SERVER], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        pid, data = process.stdout.readline().split()
        assert are_running(int(pid))
        process.kill()
    wait_until(lambda: not Path(data).parent.exists())
    assert not are_running(int(pid))
