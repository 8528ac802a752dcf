"""Search equals a true substring search, with letters, case and width folded, at any time."""

import random
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as texts

import database
from app.config import Settings
from app.db import search_index
from app.db.ngrams import grams
from database import RecordFilter
from tests.unusual_text import PROMPTS, TERMS


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\x00", "")


def by_hand(prompts: list[str], term: str) -> list[int]:
    """Ids, newest first, by brute force; the first prompt has id 1."""
    term = folded(term.encode("utf-8", "replace").decode())
    return [n for n, prompt in reversed(list(enumerate(prompts, 1))) if term in folded(prompt)]


def add_records(db: database.Connection, prompts: list[str], status: str = "success") -> None:
    db.executemany(
        "INSERT INTO generation_records (prompt, status) VALUES (?, ?)", [(p, status) for p in prompts]
    )


def index_all(db: database.Connection) -> None:
    while database.index_records(db):
        pass


def found(db: database.Connection, search: str, **fields: object) -> list[int]:
    wanted = RecordFilter(search=search, **fields)  # type: ignore[arg-type]
    ids = list(database.list_record_ids(db, wanted))
    assert database.count_records(db, wanted) == len(ids)
    return ids


@pytest.fixture
def modified_db(db: database.Connection) -> database.Connection:
    """The prompts above, a third indexed, then modified; a search must not show any difference."""
    add_records(db, PROMPTS)
    database.index_records(db, limit=len(PROMPTS) // 3)
    return db


@pytest.mark.parametrize("term", TERMS, ids=ascii)
def test_a_term_finds_exactly_the_prompts_that_contain_it_while_the_index_is_built(
    modified_db: database.Connection, term: str
) -> None:
    expected = by_hand(PROMPTS, term)
    assert found(modified_db, term) == expected
    index_all(modified_db)
    assert found(modified_db, term) == expected
    assert found(modified_db, term, sort="oldest") == expected[::-1]


def test_an_empty_or_nul_only_term_finds_everything(modified_db: database.Connection) -> None:
    assert len(found(modified_db, "")) == len(found(modified_db, "\x00")) == len(PROMPTS)


LETTERS = "猫咪的ab1 ,，%é\u0301ßİ한ｶﾞ👨‍\n"


@trials(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    prompts=texts.lists(texts.text(LETTERS, max_size=12), min_size=1, max_size=12),
    terms=texts.lists(texts.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=12),
)
def test_any_search_equals_a_brute_force_scan(
    db: database.Connection, prompts: list[str], terms: list[str]
) -> None:
    db.execute("DELETE FROM generation_records")
    db.execute("DELETE FROM sqlite_sequence")
    add_records(db, prompts)
    index_all(db)
    for term in terms:
        assert found(db, term) == by_hand(prompts, term)


def test_every_part_of_every_prompt_finds_it(db: database.Connection) -> None:
    prompts = [prompt for prompt in PROMPTS if len(prompt) < 60]
    add_records(db, prompts)
    index_all(db)
    chance = random.Random(4)
    for number, prompt in enumerate(map(folded, prompts), 1):
        for _ in range(6):
            start = chance.randrange(len(prompt))
            term = prompt[start : start + chance.randint(1, 9)]
            assert number in found(db, term), term


def test_changes_by_other_programs_are_found_at_once(db: database.Connection, settings: Settings) -> None:
    add_records(db, ["猫一", "猫二", "猫三", "猫四"])
    index_all(db)
    with closing(sqlite3.connect(settings.database_path)) as other, other:
        other.execute("UPDATE generation_records SET prompt = '狗二' WHERE id = 2")
        other.execute("DELETE FROM generation_records WHERE id = 3")
        other.execute("INSERT INTO generation_records (prompt) VALUES ('猫五')")
    for _ in range(2):
        assert found(db, "猫") == [5, 4, 1]
        assert found(db, "狗") == [2]
        assert found(db, "三") == []
        index_all(db)
    assert database.index_progress(db) == (4, 4)


def test_a_record_put_into_the_trash_and_out_again_between_two_steps_is_found_once(
    db: database.Connection,
) -> None:
    add_records(db, ["猫"] * 3)
    index_all(db)
    database.delete_records(db, [1, 2])
    database.restore_records(db, [2])
    for _ in range(2):
        assert found(db, "猫") == [3, 2]
        assert found(db, "猫", trash=True) == [1]
        index_all(db)


def test_queued_and_running_records_are_found_only_when_requested(db: database.Connection) -> None:
    add_records(db, ["好猫"])
    add_records(db, ["等着的猫"], "queued")
    add_records(db, ["在画的猫"], "running")
    index_all(db)
    assert found(db, "猫") == [1]
    assert found(db, "猫", statuses=("queued", "running")) == [3, 2]
    assert found(db, "猫", statuses=("queued", "success")) == [2, 1]
    assert found(db, "等", statuses=("running", "success")) == []
    db.execute("UPDATE generation_records SET status = 'queued' WHERE id = 1")
    assert found(db, "猫") == []
    assert found(db, "猫", statuses=("queued", "success")) == [2, 1]


def test_progress_is_reported_and_the_newest_come_first(db: database.Connection) -> None:
    add_records(db, ["猫"] * 30)
    assert database.index_progress(db) == (0, 30)
    assert database.index_records(db, limit=10) == 10
    assert database.index_progress(db) == (10, 30)
    assert [row["id"] for row in db.execute("SELECT id FROM search_backlog")] == list(range(1, 21))


def test_an_index_step_is_bounded_for_long_prompts(db: database.Connection) -> None:
    add_records(db, ["很长的提示词" * 1_500] * 20)
    assert database.index_records(db) < 5


def test_the_index_matches_the_records_exactly(db: database.Connection) -> None:
    add_records(db, PROMPTS)
    index_all(db)
    database.delete_records(db, range(1, 20))
    index_all(db)
    database.restore_records(db, range(5, 12))
    index_all(db)
    db.execute("INSERT INTO prompt_search (prompt_search) VALUES ('integrity-check')")
    shown = db.execute("SELECT id FROM generation_records WHERE deleted_at IS NULL").fetchall()
    indexed = db.execute("SELECT rowid FROM prompt_search").fetchall()
    assert [row[0] for row in indexed] == [row[0] for row in shown]
    db.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, prompt_search, instance)")
    words = db.execute("SELECT term FROM temp.words WHERE doc = 8 ORDER BY offset").fetchall()
    assert [row[0] for row in words] == grams(PROMPTS[7]).split(" ")


def test_segments_of_a_large_index_are_merged_when_idle(db: database.Connection) -> None:
    add_records(db, PROMPTS)
    assert not database.merge_index(db)
    add_records(db, ["一只猫和一只狗"] * 5_000)
    index_all(db)
    steps = 0
    while database.merge_index(db):
        steps += 1
    assert steps > 0
    assert db.execute("SELECT count(DISTINCT segid) FROM prompt_search_idx").fetchone()[0] == 1
    assert len(found(db, "只猫和")) == 5_000
    assert found(db, "snake") == by_hand(PROMPTS, "snake")


def test_an_index_with_another_normaliser_is_rebuilt(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_records(db, ["猫"] * 3)
    index_all(db)
    monkeypatch.setattr(search_index, "NORMALISER", "another")
    database.open_database(settings.database_path)
    assert database.index_progress(db) == (0, 3)
    assert found(db, "猫") == [3, 2, 1]
    index_all(db)
    assert found(db, "猫") == [3, 2, 1]


def test_an_upgraded_file_is_searched_correctly_before_its_index_is_built(tmp_path: Path) -> None:
    path = tmp_path / "generation_records.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(
            """
            CREATE TABLE generation_records (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                prompt TEXT, image_path TEXT, filename TEXT, status TEXT)
            """
        )
        rows = [(prompt, "/output/a.png", "a.png") for prompt in PROMPTS]
        old.executemany("INSERT INTO generation_records VALUES (NULL, ?, ?, ?, 'success')", rows)
    database.open_database(path)
    with closing(database.connect(path)) as db:
        assert database.index_progress(db) == (0, len(PROMPTS))
        assert found(db, "猫") == by_hand(PROMPTS, "猫")
        index_all(db)
        assert found(db, "猫") == by_hand(PROMPTS, "猫")
        assert database.count_facets(db)["status"] == {"success": len(PROMPTS)}
