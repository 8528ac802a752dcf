"""Stored rounds, their pictures and marks."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

import database
from app.domain.times import utc_text
from app.errors import Conflict, InvalidRequest, NotFound
from app.rounds.rules import CHANGES_A_MINUTE, MAX_PICTURES, Round, RoundState, Shown, TooOften, counts
from app.tables.stage import ClientAnswer

_ROUND = [each.name for each in fields(Round)]
_SHOWN = [each.name for each in fields(Shown)]
_MARKS = ("mark", "comment", "applied_mark", "applied_comment")
_MINUTE = 60.0
_ALL = -1


def add_round(
    db: database.Connection, new: Round, pictures: Sequence[Shown], key: database.RequestKey | None
) -> Round:
    """Store a round with its number -> it. A used ``key`` gives the round of its first call a new link.

    Raises InvalidRequest without a picture, or with too many.
    """
    if len(pictures) > MAX_PICTURES:
        text = "有 {n} 张图，一轮最多 {limit} 张，请选一部分行再给客户看"
        raise InvalidRequest("rows", text, n=len(pictures), limit=MAX_PICTURES)
    with database.transaction(db):
        if answer := database.find_answer(db, key):
            change_round(db, answer["round"], token_digest=new.token_digest)
            return get_round(db, answer["round"])
        if not pictures:
            raise InvalidRequest("rows", "没有能给客户看的图片：请先留下几张，或选「全部」")
        sql = "SELECT max(number) AS last FROM rounds WHERE table_id = :table_id AND client = :client"
        new = replace(new, number=(db.execute(sql, asdict(new)).fetchone()["last"] or 0) + 1)
        db.execute(f"INSERT INTO rounds ({', '.join(_ROUND)}) VALUES (:{', :'.join(_ROUND)})", asdict(new))
        db.executemany(
            """
            INSERT INTO round_pictures (round_id, n, record_id, row_id, label, earlier_record_id)
            VALUES (:round, :n, :record_id, :row_id, :label, :earlier_record_id)
            """,
            [asdict(shown) | {"round": new.id, "n": n} for n, shown in enumerate(pictures, 1)],
        )
        database.save_answer(db, key, {"round": new.id})
    return new


def get_round(db: database.Connection, round_id: str) -> Round:
    """A round of a table that is there. Raises NotFound."""
    for found in _read(db, "rounds.id = :value", round_id):
        return found
    raise NotFound("没有这一轮，可能已被删除")


def find_link(db: database.Connection, digest: str, now: datetime) -> Round | None:
    """The round of a link that can be opened now; None when it ended, was closed, or never was."""
    found = next(iter(_read(db, "token_digest = :value", digest)), None)
    is_there = found and found.state is not RoundState.CLOSED and found.ends_at >= utc_text(now)
    return found if is_there else None


def list_rounds(db: database.Connection, table_id: str) -> list[Round]:
    """The rounds of a table, the newest first."""
    return _read(db, "table_id = :value", table_id)


def _read(db: database.Connection, condition: str, value: str) -> list[Round]:
    rows = db.execute(
        f"""
        SELECT {", ".join(f"rounds.{name} AS {name}" for name in _ROUND)}
        FROM rounds
        JOIN tables ON tables.id = rounds.table_id AND deleted_at IS NULL
        WHERE {condition}
        ORDER BY rounds.id DESC
        """,
        {"value": value},
    ).fetchall()
    return [
        Round(**{name: row[name] for name in _ROUND} | {"state": RoundState(row["state"])}) for row in rows
    ]


def list_shown(
    db: database.Connection, table_id: str, round_id: str = "", n: int = _ALL
) -> dict[str, list[Shown]]:
    """By round: the pictures that were not deleted, with their marks; of all rounds of a table, or of one, or
    one picture of it."""
    rows = db.execute(
        f"""
        SELECT round_pictures.round_id AS round_id, round_pictures.n AS n, record_id, row_id, label,
            earlier_record_id, filename, sha256, width, height,
            {", ".join(f"coalesce({name}, '') AS {name}" for name in _MARKS)}
        FROM rounds
        JOIN round_pictures ON round_pictures.round_id = rounds.id
        JOIN generation_records ON generation_records.id = record_id
        LEFT JOIN round_marks ON round_marks.round_id = rounds.id AND round_marks.n = round_pictures.n
        WHERE rounds.table_id = :table AND (rounds.id = :round OR :round = '')
            AND (round_pictures.n = :n OR :n < 0) AND deleted_at IS NULL AND image_path <> ''
        ORDER BY round_pictures.round_id, round_pictures.n
        """,
        {"table": table_id, "round": round_id, "n": n},
    ).fetchall()
    found: dict[str, list[Shown]] = defaultdict(list)
    for row in rows:
        found[row["round_id"]].append(Shown(**{name: row[name] for name in _SHOWN}))
    return found


def pictures_of(db: database.Connection, of: Round, n: int = _ALL) -> list[Shown]:
    """The pictures of a round, or the one of this number."""
    return list_shown(db, of.table_id, of.id, n)[of.id]


def save_marks(
    db: database.Connection, round_id: str, wanted: Mapping[int, Mapping[str, str]], *, now: datetime
) -> None:
    """Store what a client says, all or nothing; what is so already changes nothing, and counts nothing.

    Raises Conflict after the submission and past the limit, NotFound for another picture, TooOften.
    """
    with database.transaction(db):
        of = get_round(db, round_id)
        if of.state is not RoundState.OPEN:
            raise Conflict("已经提交过了，不能再改；要改请告诉给您发链接的人")
        there = {shown.n: shown for shown in pictures_of(db, of)}
        if missing := wanted.keys() - there.keys():
            raise NotFound("没有第 {n} 张，它可能已被拿掉，请刷新页面", n=min(missing))
        after = {n: Shown(**asdict(there[n]) | dict(words)) for n, words in wanted.items()}
        changed = [shown for n, shown in after.items() if shown != there[n]]
        if not changed:
            return
        before, chosen = (counts(each.values())["chosen"] for each in (there, {**there, **after}))
        if of.at_most and chosen > max(of.at_most, before):
            raise Conflict("最多选 {n} 张，请先取消一张", n=of.at_most)
        _count_change(db, of, now.timestamp())
        db.executemany(
            """
            INSERT INTO round_marks (round_id, n, mark, comment, changed_at)
            VALUES (:round, :n, :mark, :comment, :now)
            ON CONFLICT (round_id, n) DO UPDATE
            SET mark = excluded.mark, comment = excluded.comment, changed_at = excluded.changed_at,
                is_done = CASE WHEN round_marks.comment = excluded.comment THEN round_marks.is_done ELSE 0 END
            """,
            [asdict(shown) | {"round": of.id, "now": utc_text(now)} for shown in changed],
        )
        database.touch_rows(db, {shown.row_id for shown in changed}, database.next_version(db))


def _count_change(db: database.Connection, of: Round, now: float) -> None:
    is_same = 0 <= now - of.minute_at < _MINUTE
    if is_same and of.changes >= CHANGES_A_MINUTE:
        wait = round(of.minute_at + _MINUTE - now) + 1
        raise TooOften("改得太快了，请 {seconds} 秒后再试", seconds=wait, retry_after=wait)
    changes, began = (of.changes + 1, of.minute_at) if is_same else (1, now)
    change_round(db, of.id, changes=changes, minute_at=began)


def change_round(db: database.Connection, round_id: str, **values: Any) -> None:
    """Change columns of a round, and its version; inside a transaction."""
    changes = ", ".join(["version = version + 1", *(f"{name} = :{name}" for name in values)])
    db.execute(f"UPDATE rounds SET {changes} WHERE id = :id", {"id": round_id, **values})


def note_applied(db: database.Connection, round_id: str) -> None:
    """Remember the marks as those that were written into the table; inside the transaction that does it."""
    sql = "UPDATE round_marks SET applied_mark = mark, applied_comment = comment WHERE round_id = :id"
    db.execute(sql, {"id": round_id})


def touch_pictures(db: database.Connection, of: Round) -> None:
    """Show the rows of a round anew: what is said of their pictures counts no longer, or again."""
    said = {shown.row_id for shown in pictures_of(db, of) if shown.mark or shown.comment}
    database.touch_rows(db, said, database.next_version(db))


def delete_round(db: database.Connection, of: Round) -> None:
    """Delete a round with its marks."""
    with database.transaction(db):
        touch_pictures(db, of)
        for name, key in (("round_marks", "round_id"), ("round_pictures", "round_id"), ("rounds", "id")):
            db.execute(f"DELETE FROM {name} WHERE {key} = :id", {"id": of.id})


def client_marks(db: database.Connection, record_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """What a client says of each of these records: mark (None without one), comment, client, round (number).

    Of several clients the one whose round is open counts, else the newest round.
    """
    if not record_ids or db.execute("SELECT 1 FROM round_marks LIMIT 1").fetchone() is None:
        return {}
    rows = db.execute(
        f"""
        SELECT record_id, mark, comment, client, number
        FROM round_pictures
        JOIN rounds ON rounds.id = round_pictures.round_id
        JOIN round_marks ON round_marks.round_id = rounds.id AND round_marks.n = round_pictures.n
        WHERE record_id {database.IN_IDS} AND (mark <> '' OR comment <> '')
        ORDER BY CASE WHEN state = 'open' THEN 1 ELSE 0 END, rounds.id
        """,
        {"ids": database.SqlList(record_ids)},
    ).fetchall()
    return {
        record_id: {"mark": mark or None, "comment": comment, "client": client, "round": number}
        for record_id, mark, comment, client, number in rows
    }


def put_aside(db: database.Connection, of: Round, rows: Collection[int] | None) -> None:
    """Note that the sentences of a round are worked through, those of these rows or all."""
    which = "" if rows is None else f"AND row_id {database.IN_IDS}"
    shown = f"SELECT n FROM round_pictures WHERE round_id = :id {which}"
    with database.transaction(db):
        sql = f"UPDATE round_marks SET is_done = 1 WHERE round_id = :id AND comment <> '' AND n IN ({shown})"
        db.execute(sql, {"id": of.id, "ids": database.SqlList(rows or ())})
        touch_pictures(db, of)


def client_answers(db: database.Connection, table_ids: Collection[str]) -> dict[str, ClientAnswer]:
    """By table: what a client submitted last, as long as a sentence is not worked through: its row has no
    picture that was made later, and it was not put aside."""
    rows = db.execute(
        f"""
        SELECT table_id, client, count(*) FILTER (WHERE mark = 'heart') AS chosen,
            count(*) FILTER (WHERE comment <> '' AND is_done = 0 AND NOT EXISTS (
                SELECT 1
                FROM row_pictures
                JOIN generation_records AS made ON made.id = row_pictures.record_id
                WHERE row_pictures.row_id = round_pictures.row_id AND made.id > round_pictures.record_id
                    AND status = 'success' AND deleted_at IS NULL AND finished_at > submitted_at
            )) AS sentences
        FROM rounds
        JOIN round_pictures ON round_pictures.round_id = rounds.id
        JOIN round_marks ON round_marks.round_id = rounds.id AND round_marks.n = round_pictures.n
        WHERE table_id {database.IN_IDS} AND state <> 'open' AND submitted_at IS NOT NULL
            AND NOT EXISTS (
                SELECT 1
                FROM rounds AS later
                WHERE later.table_id = rounds.table_id AND later.client = rounds.client
                    AND later.number > rounds.number
            )
        GROUP BY rounds.id, table_id, client, submitted_at
        ORDER BY submitted_at
        """,
        {"ids": database.SqlList(table_ids)},
    ).fetchall()
    return {
        table_id: ClientAnswer(client=client, chosen=int(chosen), sentences=int(sentences))
        for table_id, client, chosen, sentences in rows
        if sentences
    }
