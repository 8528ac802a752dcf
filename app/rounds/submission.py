"""A client submits a round: choices, words in the rows, the delivery and the notification in one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import database
from app.delivery.plan import DeliveryPlan, find_profile, pictures_of, plan_delivery, source_of, store_plan
from app.domain import MAX_OWN_COLUMNS, MAX_OWN_TEXT_LENGTH, Pick
from app.domain.notifications import NotificationEvent
from app.domain.times import utc_now
from app.errors import NotFound
from app.rounds import rules, sql
from app.rounds.rules import PICKS, Mark, Round, RoundState, Shown
from app.sheets.header_synonyms import COMMENT_COLUMN
from app.tables.check import Checker, ensure_checked
from app.tables.edit import TableEdit
from app.tables.operations import store_edit, try_change


def submit(db: database.Connection, round_id: str, *, checker: Checker) -> Round:
    """Make the marks of a round choices and words of its table, and lock it; again: as it was submitted.

    What changes is worked out first, and stored when neither the table nor a mark changed meanwhile.
    Raises NotFound when the round was closed meanwhile.
    """

    def attempt(storing: database.Storing) -> Round | None:
        of = sql.get_round(db, round_id)
        if of.state is RoundState.SUBMITTED:
            return of
        if of.state is not RoundState.OPEN:
            raise NotFound("没有这一轮，可能已被删除")
        table = ensure_checked(db, database.get_table(db, of.table_id), checker)
        pictures = sql.pictures_of(db, of)
        edit = TableEdit(db, table, noted={"round": (of.client, of.number)})
        changed = try_change(edit, partial(_write, of=of, pictures=pictures), checker=checker)
        download = _plan_download(db, edit, of, pictures)
        with storing():
            now = sql.get_round(db, round_id)
            is_same = now.version == of.version and now.state is of.state
            if is_same and database.get_table(db, table.id).version == table.version:
                version = store_edit(edit).table.version if changed or edit.picks else of.submitted_version
                database.next_version(db)  # pages ask what comes next
                sql.note_applied(db, of.id)
                sql.change_round(
                    db,
                    of.id,
                    state=RoundState.SUBMITTED,
                    submitted_at=utc_now(),
                    submitted_version=version,
                    delivery_id=download and store_plan(db, download),
                )
                facts = {"table": of.table_id, "name": table.name, "client": of.client, "number": of.number}
                database.add_notification(db, NotificationEvent.ROUND, facts | rules.counts(pictures))
                return sql.get_round(db, round_id)
        return None

    return database.until_stored(db, attempt)


def _write(edit: TableEdit, of: Round, pictures: Sequence[Shown]) -> None:
    """Set the choices, and the words of rows; what an earlier submission wrote is replaced."""
    picks: dict[int, str] = {}
    for shown in pictures:
        if shown.mark:
            picks[shown.record_id] = PICKS[Mark(shown.mark)]
        elif shown.applied_mark:
            picks[shown.record_id] = ""
    present = database.picks_of(edit.db, picks)
    edit.picks = {record: pick for record, pick in picks.items() if present.get(record, pick) != pick}
    said = [shown for shown in pictures if shown.comment or shown.applied_comment]
    names = [*dict.fromkeys([*edit.table.own_columns, COMMENT_COLUMN])]
    if not said or len(names) > MAX_OWN_COLUMNS:
        return
    edit.table = replace(edit.table, own_columns=tuple(names))
    edit.load({shown.row_id for shown in said}, removed=True)
    written = {
        (shown.row_id, shown.applied_comment): _named(each, shown.applied_comment)
        for each in sql.list_rounds(edit.db, of.table_id)
        for shown in sql.pictures_of(edit.db, each)
    }
    for row_id in {shown.row_id for shown in said if edit.rows[shown.row_id].removed_at is None}:
        text = edit.rows[row_id].columns.get(COMMENT_COLUMN, "")
        named = {line: words for (row, line), words in written.items() if row == row_id}
        words = _joined(text, of, [shown for shown in said if shown.row_id == row_id], named)
        edit.set(row_id, {COMMENT_COLUMN: words})


def _joined(text: str, of: Round, pictures: Sequence[Shown], named: Mapping[str, str]) -> str:
    """The words in a row with those of these pictures; several are named, those of others as in ``named``."""
    ours = {words for each in pictures for words in (each.applied_comment, _named(of, each.applied_comment))}
    others = [line for line in text.split("\n") if line.strip() and line not in ours]
    new = [each.comment for each in pictures if each.comment]
    if len(others) + len(new) > 1:
        others, new = [named.get(line, line) for line in others], [_named(of, words) for words in new]
    return "\n".join([*others, *new])[:MAX_OWN_TEXT_LENGTH]


def _named(of: Round, words: str) -> str:
    return "：".join((of.client, words)) if words else ""


def _plan_download(
    db: database.Connection, edit: TableEdit, of: Round, pictures: Sequence[Shown]
) -> DeliveryPlan | None:
    """What the client may download: the chosen pictures by the profile, without papers and parameters."""
    chosen = {shown.record_id: shown.row_id for shown in pictures if shown.mark == Mark.HEART}
    if not of.download or not chosen:
        return None
    try:
        profile = find_profile(db, of.download)
    except NotFound:
        profile = find_profile(db, "原图")
    profile = replace(profile, workbook=False, note=False, parameters=False)
    records = list(database.list_selected(db, [*chosen]))
    sources = [
        source_of(edit.table, row, pictures_of(record for record in records if chosen[record.id] == row.id))
        for row in database.read_rows(db, edit.table.id, {*chosen.values()})
    ]
    shown = {source.row_id: source.record_ids for source in sources}
    of_table: dict[str, Any] = {"table_id": edit.table.id, "title": edit.table.name, "shown": shown}
    plan = plan_delivery(db, profile, sources, pick=Pick.KEEP, **of_table)
    return plan if plan.files else None
