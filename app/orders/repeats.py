"""Ways to queue records again, changed if wanted; what untrusted changes ask for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar

import database
from app.domain import (
    CHANGEABLE,
    Changes,
    Record,
    RowExtras,
    SampleImage,
    Status,
    changed_request,
    differing,
    earlier_values,
    read_changes,
)
from app.errors import AppError, Conflict, InvalidRequest, Message, message
from app.orders.place import Conditions, Order
from app.orders.plan import OrderRow, Plan, repeated_row
from app.orders.read import ParsedRow

_WITHOUT_IMAGE = (Status.FAILED, Status.UNKNOWN, Status.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeat(Order):
    """Queues ended records again: with a task id and unchanged they are fetched, which costs nothing.

    The others are submitted to their model (``Models.of``). A paused batch stays paused, since resuming would
    start its other records. ``ids``: which, None for all that a subclass says; ``changes`` are by record id.
    ``skips``: whether what was bought meanwhile is left out; of those the changed ones are cancelled, with
    their new words.
    """

    ids: Sequence[int] | None = None
    changes: Mapping[int, Changes] = field(default_factory=dict)
    skips: bool = False
    pauses: bool = False

    def rows(self, seen: Any) -> Sequence[OrderRow]:
        """The records (``seen``) by rows; those of one row with different changes are rows of their own.

        Raises Conflict for what its model does not take.
        """
        found: dict[Any, list[Record]] = {}
        equal = Counter[tuple[object, ...]]()
        for record in seen:
            picture = (record.batch_id, record.row_number, record.picture_number)
            equal[picture] += 1
            changed = differing(record, self.changes.get(record.id, {}))
            is_kept, request = self._keeps(record, changed), record.row_request
            if not is_kept:
                request = changed_request(record, changed).of_row(record.picture_number)
                for problem in self.models.unsupported(request):
                    raise Conflict(
                        "{place}：现在的模型不能重试，{reason}；请换回 {model}，或改了再做",
                        place=record.label,
                        reason=problem.message,
                        model=record.model,
                    )
                request = self.models.accept(request)
            key = (*picture[:2], equal[picture], *changed, is_kept, request)
            found.setdefault(key, []).append(record)
        rows = []
        for (*_, is_kept, request), records in found.items():
            changed = differing(records[0], self.changes.get(records[0].id, {}))
            # A changed field has no typed form of its own.
            typed = {name: value for name, value in records[0].templates.items() if name not in changed}
            fields = {"extras": replace(records[0].extras, templates=typed), "skips": self.skips}
            fields |= {"changes": changed, "cancels": bool(changed)}
            rows.append(repeated_row(records, request, is_kept=is_kept, **fields))
        return rows

    def _keeps(self, record: Record, changes: Changes) -> bool:
        """Whether the record is queued as it is."""
        return bool(record.task_id) and not changes

    def _supported(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those that can be queued; all when none can, for the reason to be said."""
        able = [each for each in records if each.task_id or not self.models.unsupported(each.request)]
        return able or records

    def close(self, db: database.Connection, planned: Plan, new: Sequence[int]) -> int:
        """Log what was changed and queued, and activate the batches."""
        waiting = 0
        for batch_id, group in groupby(planned.rows, lambda each: each.row.records[0].batch_id or ""):
            rows = list(group)
            queued = [(each.row, record) for each in rows for record in each.to_queue]
            for row, record in queued:
                if row.changes:
                    _check_not_charged(record)
                    line = message(
                        "{place}：改了{fields}，重试。原来是{values}",
                        place=record.label,
                        fields=tuple(message(CHANGEABLE[name]) for name in CHANGEABLE if name in row.changes),
                        values=earlier_values(record, row.changes),
                    )
                    database.add_log(db, record.batch_id, "info", line, record.id)
            if left_out := sum(len(each.left_out) for each in rows if each.row.changes):
                text = message("{n} 张已经做过或正在做，没有再做", n=left_out)
                database.add_log(db, batch_id, "info", text)
            waiting += self._activate(db, batch_id, queued)
        return waiting

    def _activate(
        self, db: database.Connection, batch_id: str, queued: Sequence[tuple[OrderRow, Record]]
    ) -> int:
        """Activate a batch with these records -> how many wait because it is paused."""
        if not queued:
            return 0
        if self.submits:
            database.check_models(db, batch_id, self.models.ids)
        is_paused = database.activate_batch(db, batch_id, paused=self.pauses, fetch_only=not self.submits)
        waits = is_paused and not all(row.is_kept for row, _ in queued)
        database.add_log(db, batch_id, "info", self._log_line(len(queued), waits=waits))
        return len(queued) if is_paused else 0

    def _log_line(self, number: int, *, waits: bool) -> Message:
        return message("重试 {n} 张，等批次继续" if waits else "重试 {n} 张", n=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(_Repeat):
    """Retries records of a batch that ended without an image.

    Without ``ids`` those that failed without a charge; of these the ones that their model does not support
    are left out, unless all of them are. Raises Conflict when a record cannot be retried, or may have been
    charged and is changed: its picture is fetched first.
    """

    batch_id: str

    def read(self, db: database.Connection) -> tuple[Sequence[Record], Sequence[Record]]:
        """(the records to retry, all that failed without a charge)."""
        failed = database.list_failed(db, self.batch_id)
        if self.ids is None:
            if not failed and (number := database.count_charged_failures(db, self.batch_id)):
                raise Conflict("失败的 {n} 张都已计费，没有重试；要再付一次，请逐张点「重试」", n=number)
            return self._supported(failed), failed
        ids = list(dict.fromkeys(self.ids))
        found = database.records_of(db, ids)
        if len(found) < len(ids) or any(
            each.batch_id != self.batch_id or each.deleted_at or each.status not in _WITHOUT_IMAGE
            for each in found
        ):
            raise Conflict("只有失败、未知或已取消的图片可以重试，请刷新后再选")
        return found, failed

    def rows(self, seen: tuple[Sequence[Record], Sequence[Record]]) -> Sequence[OrderRow]:
        """As of every repeat; the other failures of an unchanged row wait for a picture of their own."""
        records, failed = seen
        named = {record.id for record in records}
        left = Counter(each.row_number for each in failed if self.skips and each.id not in named)
        rows = [*super(Retry, self).rows(records)]
        return [replace(each, lacking=left[each.number]) if each.is_unchanged else each for each in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncancel(_Repeat):
    """Queues cancelled records of a batch again: all, or those among ``ids``; those that were held are held.

    Those written off or bought elsewhere are left as they are. ``pauses``: an ended batch becomes paused.
    """

    batch_id: str

    def read(self, db: database.Connection) -> Sequence[Record]:
        """The cancelled records."""
        found = database.list_cancelled(db, self.batch_id)
        return found if self.ids is None else [each for each in found if each.id in set(self.ids)]

    def _keeps(self, record: Record, changes: Changes) -> bool:
        return record.cause == "held" or bool(record.task_id)

    def _activate(
        self, db: database.Connection, batch_id: str, queued: Sequence[tuple[OrderRow, Record]]
    ) -> int:
        held = [record for _, record in queued if record.cause == "held"]
        waiting = super(Uncancel, self)._activate(
            db, batch_id, [each for each in queued if each[1].cause != "held"]
        )
        if held:
            database.reopen_held(db, batch_id)
            database.add_log(db, batch_id, "info", message("恢复 {n} 张，等放行", n=len(held)))
            database.finish_if_done(db, batch_id)
        return waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Refetch(_Repeat):
    """Fetches records of unknown outcome again by task id; nothing is submitted. Without ``ids`` all of them.

    Paused and cancelled batches stay so. Raises Conflict when a listed record cannot be fetched.
    """

    submits: ClassVar[bool] = False

    def read(self, db: database.Connection) -> Sequence[Record]:
        """The records to fetch."""
        found = database.list_unknown(db, self.ids, models=self.models.ids)
        if self.ids is not None and len(found) < len(set(self.ids)):
            raise Conflict("有的图片没有任务编号，或它的模型现在用不了，请刷新后再选")
        return found

    def _log_line(self, number: int, *, waits: bool) -> Message:
        return message("取回 {n} 张，不会再下单", n=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmit(_Repeat):
    """Submits records of unknown outcome again, at their price, whatever is bought.

    Without ``ids`` all without a task id; of these the ones that their model does not support are left out.
    Raises Conflict when a listed record is not ``unknown``, or when none is supported.
    """

    def read(self, db: database.Connection) -> Sequence[Record]:
        """The records to submit."""
        found = database.list_unknown(db, self.ids)
        if self.ids is None:
            return self._supported(found)
        if len(found) < len(set(self.ids)):
            raise Conflict("只有结果未知的图片可以在这里重新下单，请刷新后再选")
        return found

    def _keeps(self, record: Record, changes: Changes) -> bool:
        return False

    def _log_line(self, number: int, *, waits: bool) -> Message:
        return message("重新下单 {n} 张，之前的可能已计费", n=number)


def _check_not_charged(record: Record) -> None:
    """Raises Conflict when the task of a record to be changed may have been charged."""
    is_final = record.status in (Status.FAILED, Status.CANCELLED)
    if record.task_id is None or (is_final and record.cost == 0 and record.at_stake == 0):
        return
    text = "{place}：这一张服务可能已经做好，不能改；请先不改就重试，把它取回来"
    raise Conflict(text, place=record.label)


class ChangeErrors(AppError):
    """Invalid changes: records with the problems of what they would ask for."""

    def __init__(self, problems: Sequence[tuple[Record, InvalidRequest]]) -> None:
        record, first = problems[0]
        super().__init__(
            "第 {number} 行：{problem}（共 {n} 处问题，什么也没有做）",
            number=record.row_number,
            problem=first.message,
            n=len(problems),
        )
        self.problems = problems


def validated_changes(
    conditions: Conditions, given: Mapping[int, Mapping[str, Any]], batch_id: str
) -> dict[int, Changes]:
    """Untrusted fields by record id -> the validated changes, references fixed as in a submission.

    Raises Conflict for a record that is not of this batch, and ChangeErrors with every problem.
    """
    records = list(database.list_selected(conditions.db, list(given)))
    if len(records) < len(given) or any(record.batch_id != batch_id for record in records):
        raise Conflict("有的图片不在这个批次里，或已被删除，请刷新后再改")
    read = {record.id: read_changes(given[record.id]) for record in records}
    rows = [
        ParsedRow(
            number=record.row_number,
            request=replace(changed_request(record, {}), **changes),  # without those that cannot be read
            extras=RowExtras(),
            problems=problems,
        )
        for record, (changes, problems) in zip(records, read.values(), strict=True)
    ]
    there = {image: image for record in records for image in record.request.sample_images}

    def fix(images: Iterable[SampleImage]) -> Mapping[SampleImage, SampleImage]:
        """Those that the records have are fixed already."""
        return there | conditions.library.pin([image for image in images if image not in there])

    fixed = conditions.reader.complete(rows, fix)
    problems = [
        (record, problem) for record, row in zip(records, fixed, strict=True) for problem in row.problems
    ]
    if problems:
        raise ChangeErrors(problems)
    return {
        record.id: {name: getattr(row.request, name) for name in read[record.id][0]}
        for record, row in zip(records, fixed, strict=True)
    }
