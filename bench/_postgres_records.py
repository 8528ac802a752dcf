"""A durable PostgreSQL server for ``bench.postgres``, and the records of ``bench.search`` in it."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

import database
from app.core.records.index import FACETS, SEARCHED, VISIBLE, facet_tag
from app.engine.ngrams import document, own_values
from bench._million_records import SCHEMA, build
from tools.postgres_server import PostgresServer

_SCHEMAS = SCHEMA.read_bytes() + SCHEMA.with_name("schema_postgres.sql").read_bytes()
_NAME = f"postgres-{hashlib.sha256(_SCHEMAS).hexdigest()[:8]}"  # other versions have folders of their own
_FOLDER = Path(tempfile.gettempdir()) / "ai-image-generator-bench" / _NAME
_MADE = _FOLDER / "made"  # else making it was interrupted
_FACETS = ", ".join(FACETS)
_SUMS = (
    f"""
    INSERT INTO record_counts (is_deleted, {_FACETS}, number)
    SELECT 0, {_FACETS}, count(*)
    FROM generation_records
    GROUP BY {_FACETS}
    """,
    f"""
    INSERT INTO counts_by_day (day, {_FACETS}, number, first_id, last_id)
    SELECT substr(created_at, 1, 10) AS day, {_FACETS}, count(*), min(id), max(id)
    FROM generation_records
    GROUP BY day, {_FACETS}
    """,
    "SELECT setval(pg_get_serial_sequence('generation_records', 'id'), max(id)) FROM generation_records",
)


@contextmanager
def server() -> Iterator[PostgresServer]:
    """The running server with durable commits. Its databases of records are kept for the next run."""
    found = PostgresServer(_FOLDER / "data", "shared_buffers=1GB")  # as advised; 128 MB without it
    with found.stopped_at_the_end("fast", is_kept=True):
        if _MADE.exists():
            found.start()
        else:
            shutil.rmtree(_FOLDER, ignore_errors=True)
            _FOLDER.mkdir(parents=True)
            found.initialise()
            _MADE.touch()
        yield found


def records(server: PostgresServer, number: int) -> str:
    """The URL of a database with the same records as the file of ``build``, copied once."""
    name = f"records_{number}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return server.url(name)
        db.execute(f"CREATE DATABASE {name}_filling")
        try:
            _fill(server.url(f"{name}_filling"), build(number), number)
            db.execute(f"ALTER DATABASE {name}_filling RENAME TO {name}")
        finally:
            db.execute(f"DROP DATABASE IF EXISTS {name}_filling WITH (FORCE)")
    return server.url(name)


def _fill(url: str, path: Path, number: int) -> None:
    began = time.monotonic()
    database.open_database(url)
    with psycopg.connect(url) as db, closing(database.connect(path)) as source:
        indexes = db.execute(
            """
            SELECT indexname, indexdef
            FROM pg_indexes
            WHERE tablename IN ('generation_records', 'record_search') AND indexname NOT LIKE '%_pkey'
            """
        ).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        db.execute("ALTER TABLE generation_records DISABLE TRIGGER USER")
        for table in ("batches", "generation_records"):
            _copy(db, table, source)
        _copy_documents(db, source)
        for sql in _SUMS:
            db.execute(sql)
        copied = time.monotonic()
        db.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            db.execute(definition)
        db.execute("ALTER TABLE generation_records ENABLE TRIGGER USER")
        db.execute("DELETE FROM search_backlog")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM (ANALYZE)")
    took, copy = time.monotonic() - began, copied - began
    print(f"{number} records copied to PostgreSQL in {took:.0f} s, of which {took - copy:.0f} s for indexes")


def _copy(db: psycopg.Connection, table: str, source: database.Connection) -> None:
    rows = source.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in rows.description]  # type: ignore[attr-defined]
    with db.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row))


def _copy_documents(db: psycopg.Connection, source: database.Connection) -> None:
    rows = source.execute(
        f"SELECT id, {', '.join((*SEARCHED, *FACETS))} FROM generation_records WHERE {VISIBLE}"
    )
    with db.cursor().copy("COPY record_search (id, document, facets) FROM STDIN") as copy:
        for record_id, prompt, *values in rows:
            *others, own_columns = values[: -len(FACETS)]
            facets = map(facet_tag, FACETS, values[-len(FACETS) :])
            copy.write_row((record_id, document(prompt, [*others, *own_values(own_columns)]), list(facets)))
