"""Stored rounds, their pictures and marks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import database
from app.errors import Conflict, InvalidRequest, NotFound
from app.rounds.rules import (
    CHANGES_A_MINUTE,
    MAX_PICTURES,
    Mark,
    Round,
    RoundState,
    Shown,
    TooOften,
    utc,
)

_ROUND = [each.name for each in fields(Round)]
_OF_MARKS = ("mark", "comment", "applied_mark", "applied_comment")
_MINUTE = 60.0


class LimitReached(Conflict):
    """More hearts than the round takes; nothing was changed."""


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
        sql = "SELECT max(number) AS last FROM rounds WHERE table_id = :table AND client = :client"
        last = db.execute(sql, {"table": new.table_id, "client": new.client}).fetchone()["last"]
        new = replace(new, number=(last or 0) + 1)
        names = ", ".join(_ROUND)
        values = {name: getattr(new, name) for name in _ROUND}
        db.execute(f"INSERT INTO rounds ({names}) VALUES (:{', :'.join(_ROUND)})", values)
        db.executemany(
            """
            INSERT INTO round_pictures (round_id, n, record_id, row_id, label, earlier_record_id)
            VALUES (:round, :n, :record, :row, :label, :earlier)
            """,
            [
                {
                    "round": new.id,
                    "n": n,
                    "record": shown.record_id,
                    "row": shown.row_id,
                    "label": shown.label,
                    "earlier": shown.earlier_record_id,
                }
                for n, shown in enumerate(pictures, 1)
            ],
        )
        database.save_answer(db, key, {"round": new.id})
    return new


def get_round(db: database.Connection, round_id: str) -> Round:
    """A round of a table that is there. Raises NotFound."""
    found = _find(db, "rounds.id = :value", round_id)
    if found is None:
        raise NotFound("没有这一轮，可能已被删除")
    return found


def find_link(db: database.Connection, digest: str, now: datetime) -> Round | None:
    """The round of a link that can be opened now; None when it ended, was closed, or never was."""
    found = _find(db, "token_digest = :value", digest)
    is_there = found and found.state is not RoundState.CLOSED and found.ends_at >= utc(now)
    return found if is_there else None


def _find(db: database.Connection, condition: str, value: str) -> Round | None:
    sql = f"""
        SELECT {", ".join(f"rounds.{name}" for name in _ROUND)}
        FROM rounds
        JOIN tables ON tables.id = rounds.table_id AND deleted_at IS NULL
        WHERE {condition}
    """
    row = db.execute(sql, {"value": value}).fetchone()
    return row and _round(row)


def list_rounds(db: database.Connection, table_id: str) -> list[Round]:
    """The rounds of a table, the newest first."""
    sql = f"""
        SELECT {", ".join(_ROUND)}
        FROM rounds
        WHERE table_id = :table
        ORDER BY created_at DESC, number DESC, id DESC
    """
    return [_round(row) for row in db.execute(sql, {"table": table_id}).fetchall()]


def _round(row: Any) -> Round:
    return Round(**{name: row[name] for name in _ROUND} | {"state": RoundState(row["state"])})


def list_shown(db: database.Connection, table_id: str, round_id: str = "") -> dict[str, list[Shown]]:
    """By round, of all rounds of a table or of one: its pictures that were not deleted, with their marks."""
    rows = db.execute(
        f"""
        SELECT round_pictures.round_id AS round_id, round_pictures.n AS n, record_id, row_id, label,
            earlier_record_id, filename, sha256, width, height,
            {", ".join(f"coalesce({name}, '') AS {name}" for name in _OF_MARKS)}
        FROM rounds
        JOIN round_pictures ON round_pictures.round_id = rounds.id
        JOIN generation_records ON generation_records.id = record_id
        LEFT JOIN round_marks ON round_marks.round_id = rounds.id AND round_marks.n = round_pictures.n
        WHERE rounds.table_id = :table AND (rounds.id = :round OR :round = '') AND deleted_at IS NULL
            AND image_path <> ''
        ORDER BY round_pictures.round_id, round_pictures.n
        """,
        {"table": table_id, "round": round_id},
    ).fetchall()
    found: dict[str, list[Shown]] = defaultdict(list)
    for row in rows:
        found[row["round_id"]].append(Shown(**{field.name: row[field.name] for field in fields(Shown)}))
    return found


def pictures_of(db: database.Connection, of: Round) -> list[Shown]:
    """The pictures of a round."""
    return list_shown(db, of.table_id, of.id)[of.id]


def save_marks(
    db: database.Connection, round_id: str, wanted: Mapping[int, Mapping[str, str]], *, now: datetime
) -> None:
    """Store what a client says, all or nothing; what is so already changes nothing, and counts nothing.

    Raises Conflict after the submission, LimitReached, NotFound for another picture, TooOften.
    """
    with database.transaction(db):
        of = get_round(db, round_id)
        if of.state is not RoundState.OPEN:
            raise Conflict("已经提交过了，不能再改；要改请告诉给您发链接的人")
        there = {shown.n: shown for shown in pictures_of(db, of)}
        if missing := [n for n in wanted if n not in there]:
            raise NotFound("没有第 {n} 张，它可能已被拿掉，请刷新页面", n=missing[0])
        after = {n: _marked(there[n], words) for n, words in wanted.items()}
        changed = [shown for n, shown in after.items() if shown != there[n]]
        if not changed:
            return
        before, hearts = count_hearts(there.values()), count_hearts({**there, **after}.values())
        if of.at_most and hearts > max(of.at_most, before):
            raise LimitReached("最多选 {n} 张，请先取消一张", n=of.at_most)
        _count_change(db, of, now.timestamp())
        db.executemany(
            """
            INSERT INTO round_marks (round_id, n, mark, comment, changed_at)
            VALUES (:round, :n, :mark, :comment, :now)
            ON CONFLICT (round_id, n) DO UPDATE
            SET mark = excluded.mark, comment = excluded.comment, changed_at = excluded.changed_at
            """,
            [
                {"round": of.id, "n": each.n, "mark": each.mark, "comment": each.comment, "now": utc(now)}
                for each in changed
            ],
        )
        database.touch_rows(db, {shown.row_id for shown in changed}, database.next_version(db))


def _marked(shown: Shown, words: Mapping[str, str]) -> Shown:
    return replace(shown, mark=words.get("mark", shown.mark), comment=words.get("comment", shown.comment))


def _count_change(db: database.Connection, of: Round, now: float) -> None:
    is_same = 0 <= now - of.minute_at < _MINUTE
    if is_same and of.changes >= CHANGES_A_MINUTE:
        wait = round(of.minute_at + _MINUTE - now) + 1
        raise TooOften("改得太快了，请 {seconds} 秒后再试", seconds=wait, retry_after=wait)
    changes, began = (of.changes + 1, of.minute_at) if is_same else (1, now)
    change_round(db, of.id, version=of.version + 1, changes=changes, minute_at=began)


def count_hearts(pictures: Any) -> int:
    """How many of these pictures are chosen."""
    return sum(shown.mark == Mark.HEART for shown in pictures)


def change_round(db: database.Connection, round_id: str, **values: Any) -> None:
    """Change columns of a round; inside a transaction."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    db.execute(f"UPDATE rounds SET {assignments} WHERE id = :id", {"id": round_id, **values})


def note_applied(db: database.Connection, round_id: str) -> None:
    """Remember the marks as those that were written into the table; inside the transaction that does it."""
    sql = "UPDATE round_marks SET applied_mark = mark, applied_comment = comment WHERE round_id = :id"
    db.execute(sql, {"id": round_id})


def touch_pictures(db: database.Connection, of: Round) -> None:
    """Show the rows of a round anew, since what is said of their pictures counts no longer, or again."""
    said = {shown.row_id for shown in pictures_of(db, of) if shown.mark or shown.comment}
    if said:
        database.touch_rows(db, said, database.next_version(db))


def delete_round(db: database.Connection, of: Round) -> None:
    """Delete a round with its marks."""
    with database.transaction(db):
        touch_pictures(db, of)
        for name in ("round_marks", "round_pictures"):
            db.execute(f"DELETE FROM {name} WHERE round_id = :id", {"id": of.id})
        db.execute("DELETE FROM rounds WHERE id = :id", {"id": of.id})
