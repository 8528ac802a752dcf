"""Search equals a true substring search, with letters, case and width folded, at any time."""

import json
import random
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as texts

import database
from app.config import Settings
from app.core.records import index as search_index
from app.engine.ngrams import grams
from database import RecordFilter
from tools.unusual_text import PROMPTS, TERMS


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


def add_full_records(db: database.Connection) -> list[list[str]]:
    """Records with unusual texts in every searched field -> their texts, folded, the prompt first."""
    texts = []
    for n, prompt in enumerate(PROMPTS):
        negative, filename, batch, *cells = (PROMPTS[n - step] for step in (7, 13, 19, 23, 29))
        db.execute(
            """
            INSERT INTO batches (id, name, source, total, estimated_micros, version)
            VALUES (?, ?, 'batch', 1, 0, 0)
            """,
            (str(n), batch),
        )
        own_columns = json.dumps({"列": cells[0], "另": cells[1]}, ensure_ascii=False)
        # A made picture has a name of its own; the one that was asked for counts while there is none.
        names = (filename, "別的名字") if n % 2 else ("", filename)
        db.execute(
            """
            INSERT INTO generation_records
                (prompt, negative_prompt, filename, requested_filename, batch_id, own_columns)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            (prompt, negative, *names, str(n), own_columns),
        )
        texts.append([folded(text) for text in (prompt, negative, filename, batch, *cells)])
    return texts


def having(texts: list[list[str]], words: list[str], *, fields: int = 6) -> list[int]:
    """Ids, newest first, of the records that have each word in one of their first fields."""
    return [
        n
        for n, found in reversed(list(enumerate(texts, 1)))
        if all(any(word in text for text in found[:fields]) for word in words)
    ]


@pytest.fixture
def modified_db(db: database.Connection) -> database.Connection:
    """The prompts above, a third indexed, then modified; a search must not show any difference."""
    add_records(db, PROMPTS)
    database.index_records(db, limit=len(PROMPTS) // 3)
    return db


def test_a_term_finds_exactly_the_prompts_that_contain_it_while_the_index_is_built(
    modified_db: database.Connection,
) -> None:
    for sort, step in (("newest", 1), ("oldest", -1)):
        for term in TERMS:
            assert found(modified_db, term, sort=sort) == by_hand(PROMPTS, term)[::step], term
        index_all(modified_db)


def test_a_term_is_found_in_every_searched_field_and_only_in_the_prompt_when_so_asked(
    db: database.Connection,
) -> None:
    texts = add_full_records(db)
    database.index_records(db, limit=len(texts) // 3)
    for part in range(2):
        for term in TERMS[part::2]:
            word = folded(term.encode("utf-8", "replace").decode())
            words = [word] if word else []
            assert found(db, term) == having(texts, words), term
            assert found(db, term, search_in="prompt") == having(texts, words, fields=1), term
        index_all(db)


def test_every_word_may_be_in_another_field(db: database.Connection) -> None:
    texts = add_full_records(db)
    chance = random.Random(5)
    searches = [" ".join(chance.sample(TERMS, chance.randint(2, 4))) for _ in range(30)]
    searches += [" ".join("很长的提示词"), " ".join(map(chr, range(0x61, 0x7B))), "  猫\u3000 猫\n"]
    for _ in range(2):
        for search in searches:
            words = folded(search.encode("utf-8", "replace").decode()).split()
            assert found(db, search, every_word=True) == having(texts, words), search
            in_prompt = having(texts, words, fields=1)
            assert found(db, search, every_word=True, search_in="prompt") == in_prompt, search
        index_all(db)


def test_a_word_list_longer_than_an_expression_is_checked_to_its_end(db: database.Connection) -> None:
    words = [f"w{n:02d}" for n in range(40)]
    add_records(db, [" ".join(words), " ".join(words[:-1])])
    index_all(db)
    assert found(db, " ".join(reversed(words)), every_word=True) == [1]


def test_no_hit_reaches_across_fields_or_uses_the_names_of_columns(db: database.Connection) -> None:
    db.execute(
        """
        INSERT INTO batches (id, name, source, total, estimated_micros, version)
        VALUES ('b', '春季', 'batch', 1, 0, 0)
        """
    )
    db.execute(
        """
        INSERT INTO generation_records (prompt, negative_prompt, filename, batch_id, own_columns)
        VALUES ('猫', '咪a', 'b.png', 'b', '{"货号": "x1", "客户": "y2", "空": "", "数": 7}')
        """
    )
    for _ in range(2):
        for term in ("猫咪", "ab", "pngx", "png春", "季x", "x1y", "1y2", "货号", "客户", "}", "\uff61"):
            assert found(db, term) == [], term
        for term in ("猫", "咪a", "B.PNG", "春季", "x1", "Ｙ２", "7", "\x00"):
            assert found(db, term) == [1], term
        index_all(db)


def test_own_columns_that_are_not_an_object_are_not_searched(db: database.Connection) -> None:
    for own_columns in ("", "{", "[1]", "null", b"\xff\xfe", "[" * 100_000):
        db.execute("INSERT INTO generation_records (prompt, own_columns) VALUES ('猫', ?)", [own_columns])
    for _ in range(2):
        assert found(db, "猫") == [6, 5, 4, 3, 2, 1]
        assert found(db, "1") == []
        index_all(db)


def test_a_number_sign_and_digits_are_an_id(db: database.Connection) -> None:
    add_records(db, ["猫 #3", "狗", "鸟"])
    add_records(db, ["等着"], "queued")
    index_all(db)
    for search in ("#3", " ＃３ ", "#0003"):
        assert found(db, search) == [3]
    assert found(db, "#3", search_in="prompt") == [1]
    assert found(db, "#3 ", aspect_ratio="1:1") == found(db, f"#{2**63}") == found(db, "#0") == []
    assert found(db, "#4") == []
    assert found(db, "#4", statuses=("queued",)) == [4]
    assert found(db, "# 3") == []
    database.delete_records(db, [3])
    assert found(db, "#3") == []
    assert found(db, "#3", trash=True) == [3]


def test_words_are_counted_when_there_are_several(db: database.Connection) -> None:
    add_records(db, ["红色的猫", "猫，红", "红狗"])
    assert database.count_by_words(db, RecordFilter(search="猫 红")) == 2
    for search in ("猫", "", " 猫 ", "#3", "猫 猫"):
        assert database.count_by_words(db, RecordFilter(search=search)) is None
    assert database.count_by_words(db, RecordFilter(search="猫 红", every_word=True)) is None


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
    add_records(db, prompts)
    first = db.execute("SELECT min(id) AS id FROM generation_records").fetchone()["id"]
    index_all(db)
    for term in terms:
        assert found(db, term) == [first + number - 1 for number in by_hand(prompts, term)]


def test_every_part_of_every_prompt_finds_it(db: database.Connection) -> None:
    prompts = [prompt for prompt in PROMPTS if len(prompt) < 60]
    add_records(db, prompts)
    index_all(db)
    chance = random.Random(4)
    for number, prompt in enumerate(map(folded, prompts), 1):
        for _ in range(2):
            start = chance.randrange(len(prompt))
            term = prompt[start : start + chance.randint(1, 9)]
            assert number in found(db, term), term


def other_program(settings: Settings) -> Any:
    """A connection without functions or settings of ours."""
    if settings.database_url:
        import psycopg

        return psycopg.connect(settings.database_url)
    return sqlite3.connect(settings.database_path)


@pytest.mark.parametrize("letters", ["一只橘猫趴在窗台上看雪", "a cat sits by the window"])
def test_a_long_term_finds_only_the_text_that_has_its_end_too(db: database.Connection, letters: str) -> None:
    terms = [(letters * 10)[:length] for length in (24, 25, 26, 27, 28, 60)]
    terms += [f"{term[:-1]}\u01c2" for term in terms]
    add_records(db, [f"{term}，夜景" for term in terms])
    index_all(db)
    for term in terms:
        assert found(db, term) == [n for n in range(12, 0, -1) if term in terms[n - 1]], term


def test_changes_by_other_programs_are_found_at_once(db: database.Connection, settings: Settings) -> None:
    add_records(db, ["猫一", "猫二", "猫三", "猫四"])
    index_all(db)
    with closing(other_program(settings)) as other, other:
        other.execute("UPDATE generation_records SET prompt = '狗二' WHERE id = 2")
        other.execute("DELETE FROM generation_records WHERE id = 3")
        other.execute("INSERT INTO generation_records (prompt) VALUES ('猫五')")
    for _ in range(2):
        assert found(db, "猫") == [5, 4, 1]
        assert found(db, "狗") == [2]
        assert found(db, "三") == []
        index_all(db)
    assert database.index_progress(db) == (4, 4)


def test_changes_of_every_searched_field_are_found_at_once(db: database.Connection) -> None:
    add_full_records(db)
    index_all(db)
    for change, number in (
        ("UPDATE generation_records SET negative_prompt = '新词' WHERE id = 3", 3),
        ("UPDATE generation_records SET filename = '新词.png' WHERE id = 4", 4),
        ("UPDATE generation_records SET filename = '', requested_filename = '新词' WHERE id = 5", 5),
        ('UPDATE generation_records SET own_columns = \'{"SKU": "新词"}\' WHERE id = 6', 6),
        ("UPDATE generation_records SET batch_id = NULL WHERE id = 7", 0),
        ("UPDATE batches SET name = '新词' WHERE id = '9'", 10),
    ):
        before = found(db, "新词")
        db.execute(change)
        expected = sorted({*before, number} - {0}, reverse=True)
        assert found(db, "新词") == expected, change
        index_all(db)
        assert found(db, "新词") == expected, change
    db.execute("UPDATE batches SET name = '又一个' WHERE id = '9'")
    db.execute("UPDATE generation_records SET own_columns = '' WHERE id = 6")
    index_all(db)
    assert found(db, "新词") == [5, 4, 3]
    check_index(db)


def check_index(db: database.Connection) -> None:
    """The index holds exactly the entries of the visible records: all are deleted by their own text."""
    check_entries(db)
    db.execute("UPDATE generation_records SET deleted_at = '2026-01-01 00:00:00'")
    index_all(db)
    if db.engine == "postgres":
        assert db.execute("SELECT * FROM record_search").fetchall() == []
        return
    db.execute("CREATE VIRTUAL TABLE temp.left_over USING fts5vocab (main, record_search, row)")
    assert db.execute("SELECT term FROM temp.left_over").fetchall() == []


def check_entries(db: database.Connection) -> None:
    """The index agrees with itself, on PostgreSQL with the present texts of the visible records."""
    if db.engine == "sqlite":
        db.execute("INSERT INTO record_search (record_search) VALUES ('integrity-check')")
        return
    rows = db.execute(
        """
        SELECT generation_records.id, prompt, negative_prompt, filename, requested_filename, own_columns, name
        FROM generation_records LEFT JOIN batches ON batches.id = generation_records.batch_id
        WHERE deleted_at IS NULL
        """
    )
    texts = {
        row["id"]: [
            row["prompt"],
            row["negative_prompt"],
            row["filename"] or row["requested_filename"],
            row["name"] or "",
            *(json.loads(row["own_columns"]).values() if row["own_columns"] else ()),
        ]
        for row in rows
    }
    expected = {id: "\uff61".join(map(folded, each)) for id, each in texts.items()}
    stored = dict(db.execute("SELECT id, document FROM record_search").fetchall())
    assert stored == expected


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
    check_entries(db)
    if db.engine == "postgres":
        return
    shown = db.execute("SELECT id FROM generation_records WHERE deleted_at IS NULL").fetchall()
    indexed = db.execute("SELECT rowid FROM record_search").fetchall()
    assert [row[0] for row in indexed] == [row[0] for row in shown]
    db.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, record_search, instance)")
    words = db.execute(
        "SELECT term FROM temp.words WHERE doc = 8 AND col = 'prompt' ORDER BY offset"
    ).fetchall()
    assert [row[0] for row in words] == grams([PROMPTS[7]]).split(" ")


@pytest.mark.sqlite
def test_segments_of_a_large_index_are_merged_when_idle(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "_WORTH_MERGING", 100)
    monkeypatch.setattr(search_index, "_PAGES_A_STEP", 2)
    add_records(db, PROMPTS[:20])
    index_all(db)
    assert not database.merge_index(db)
    add_records(db, PROMPTS[20:])
    add_records(db, ["一只猫和一只狗"] * 200)
    while database.index_records(db, limit=50):
        pass
    steps = 0
    while database.merge_index(db):
        steps += 1
    assert steps > 1
    assert db.execute("SELECT count(DISTINCT segid) FROM record_search_idx").fetchone()[0] == 1
    assert len(found(db, "只猫和")) == 200
    assert found(db, "snake") == by_hand(PROMPTS, "snake")


def test_an_index_with_another_normaliser_is_rebuilt(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_records(db, ["猫"] * 3)
    index_all(db)
    monkeypatch.setattr(search_index, "NORMALISER", "another")
    database.open_database(settings.database)
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


@pytest.mark.parametrize(
    ("text", "words", "spans"),
    [
        ("一只橘猫", ["橘猫"], ["橘猫"]),
        ("Cat ＣＡＴ cat", ["cat"], ["Cat", "ＣＡＴ", "cat"]),
        ("cafe\u0301 café", ["é"], ["e\u0301", "é"]),
        ("cafe\u0301", ["e"], []),
        ("ｶﾞﾗｽ", ["ガ"], ["ｶﾞ"]),
        ("한", ["하"], []),
        ("㎏ Straße", ["g", "ss"], ["㎏", "ß"]),
        ("İ", ["i"], ["İ"]),
        ("红猫红", ["红", "猫"], ["红猫红"]),
        ("aaa", ["aa"], ["aa"]),
        ("猫", ["狗"], []),
        ("", ["狗"], []),
        ("猫" + "\u0301\u0327" * 100, ["猫"], []),  # left unmarked
    ],
)
def test_spans_are_the_parts_of_the_original_text_that_match(
    text: str, words: list[str], spans: list[str]
) -> None:
    assert [text[start:end] for start, end in database.find_spans(text, words)] == spans


def test_a_stored_text_of_marks_is_found_before_and_after_it_is_indexed(db: database.Connection) -> None:
    add_records(db, ["猫" + "\u0301\u0327\u0f73" * 100 + "狗", "猫狗"])
    for _ in range(2):
        assert (found(db, "猫"), found(db, "\u0301狗")) == ([2, 1], [1])
        index_all(db)


def test_a_letter_that_becomes_a_mark_belongs_to_the_one_before() -> None:
    assert database.find_spans("a\uff9e\u0301", [folded("\u00e1")]) == [(0, 3)]


def test_a_span_is_found_in_every_text_that_a_term_is_found_in() -> None:
    for term in filter(None, map(folded, (term.encode("utf-8", "replace").decode() for term in TERMS))):
        for prompt in PROMPTS:
            spans = database.find_spans(prompt, [term])
            assert bool(spans) == (term in folded(prompt)), (term, prompt)
            assert all(term in folded(prompt[start:end]) for start, end in spans)


@trials(max_examples=200, deadline=None)
@given(text=texts.text(LETTERS, max_size=30), term=texts.text(LETTERS, min_size=1, max_size=3))
def test_spans_agree_with_the_search_for_any_text(text: str, term: str) -> None:
    word = folded(term)
    if word:
        spans = database.find_spans(text, [word])
        assert bool(spans) == (word in folded(text))
        assert all(word in folded(text[start:end]) for start, end in spans)
