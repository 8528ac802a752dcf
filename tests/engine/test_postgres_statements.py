"""Statements of a write transaction on PostgreSQL that are sent together, and the codes of the index."""

import pytest

import database
from app.engine.ngrams import document, piece_code
from app.errors import DatabaseError

pytestmark = pytest.mark.postgres
ADD = "INSERT INTO recipes (name, fields) VALUES (:name, '{}')"


def names(db: database.Connection) -> list[str]:
    return [row["name"] for row in db.execute("SELECT name FROM recipes ORDER BY name")]


def test_a_query_finds_what_the_statements_before_it_wrote(db: database.Connection) -> None:
    with database.transaction(db):
        db.execute(ADD, {"name": "a"})
        db.execute(ADD, {"name": "b;%s"})
        assert names(db) == ["a", "b;%s"]


def test_the_number_of_changed_rows_is_known_at_once_and_later(db: database.Connection) -> None:
    db.executemany(ADD, [{"name": name} for name in "abc"])
    with database.transaction(db):
        renamed = db.execute("UPDATE recipes SET name = name || '2' WHERE name < 'c'")
        deleted = db.execute("DELETE FROM recipes")
        assert deleted.rowcount == 3
        assert renamed.rowcount == 2
        assert (deleted.fetchall(), deleted.fetchone(), list(deleted)) == ([], None, [])


def test_a_statement_that_the_commit_finds_refused_undoes_all(db: database.Connection) -> None:
    def add_twice() -> None:
        with database.transaction(db):
            db.execute(ADD, {"name": "a"})
            db.execute(ADD, {"name": "a"})

    with pytest.raises(DatabaseError):
        add_twice()
    assert names(db) == []
    with database.transaction(db):
        db.execute(ADD, {"name": "b"})
    assert names(db) == ["b"]


def test_what_waits_is_dropped_when_the_body_raises(db: database.Connection) -> None:
    def fail() -> None:
        with database.transaction(db):
            db.execute(ADD, {"name": "a"})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    db.execute(ADD, {"name": "b"})
    assert names(db) == ["b"]


@pytest.mark.parametrize("text", ["a", "猫", "ab", "猫a", "ab猫cd", "𠮷野家 C++", "\u2e80x\u2e7fyz", "aaaa"])
def test_the_codes_of_the_index_are_those_of_the_search(db: database.Connection, text: str) -> None:
    stored = document(text, [])
    pieces = {stored[at : at + width] for at in range(len(stored)) for width in (1, 2)}
    pieces |= {stored[at : at + 3] for at in range(len(stored)) if stored[at] < "\u2e80"}
    codes = db.execute("SELECT grams(:text)", {"text": stored}).fetchone()[0]
    assert set(codes) == set(map(piece_code, pieces))


def test_a_value_that_cannot_be_sent_is_a_database_error_and_undoes_all(db: database.Connection) -> None:
    def add_wrong(*, many: bool) -> None:
        with database.transaction(db):
            db.execute(ADD, {"name": "a"})
            wrong = {"name": ("b\x00",)}
            db.executemany(ADD, [wrong]) if many else db.execute(ADD, wrong)

    for many in (False, True):
        with pytest.raises(DatabaseError):
            add_wrong(many=many)
    assert names(db) == []


def test_text_in_a_literal_is_sent_as_it_is(db: database.Connection) -> None:
    literal = "100% :name ? it''s IN (SELECT value FROM json_each(:ids)) CROSS JOIN"
    row = db.execute(f"SELECT '{literal}' AS text, :name AS name", {"name": "a"}).fetchone()
    assert (row["text"], row["name"]) == (literal.replace("''", "'"), "a")
