"""The history of a table in sentences, read from what is stored of its changes."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import database
from app.domain import OPTION_WORDS, ROW_FIELDS, Pick
from app.errors import Message, message

CHANGES_A_PAGE = 30
_ROWS_NAMED, _COLUMNS_NAMED = 20, 4  # of one change
_LONGEST = 60  # characters of a value
_OWN = "columns."
_OF_ROWS = {  # what is counted of the rows of a change
    "added": "添加 {n} 行",
    "removed": "删除 {n} 行",
    "restored": "恢复 {n} 行",
    "moved": "移动 {n} 行",
    "gone": "{n} 行不在新的文件里",
}
_OF_PICTURES = {
    "run": "下单 {n} 张",
    Pick.KEEP: "留下 {n} 张",
    Pick.REJECT: "淘汰 {n} 张",
    "": "取消选择 {n} 张",
}
_OF_TABLE = {"name": "改名：{old} → {new}", "model": "模型：{old} → {new}", "own_columns": "自己的列：{new}"}
_SWITCHES = {"archived_at": ("放回表格", "收起表格"), "deleted_at": ("恢复表格", "删除表格")}
Deltas = Mapping[int, Mapping[str, Any]]


def list_history(
    db: database.Connection, table_id: str, *, row_id: int = 0, before: int = 0
) -> tuple[list[dict[str, Any]], bool]:
    """(a page of the changes of a table, or of one row, as the API has them, the newest first; whether there
    are earlier ones). ``before``: the version from which on they are known."""
    found = database.list_changes(db, table_id, row_id=row_id, before=before, limit=CHANGES_A_PAGE + 1)
    names, own = database.shown_names(db), database.records_of_row(db, row_id) if row_id else None
    changes = []
    for version, at, person_id, change in found[:CHANGES_A_PAGE]:
        deltas = {int(key): each for key, each in change["rows"].items() if row_id in (0, int(key))}
        rows = database.read_rows(db, table_id, [*deltas][:_ROWS_NAMED])
        said: dict[str, Any] = {"version": version, "at": at, "row_count": len(deltas)}
        said["rows"] = [{"id": row.id, "number": row.number} for row in rows]
        said["what"] = [*_sentences(change, deltas, own)]
        changes.append(said | ({"person": names[person_id]} if person_id in names else {}))
    return changes, len(found) > CHANGES_A_PAGE


def _sentences(change: Mapping[str, Any], deltas: Deltas, own: Collection[int] | None) -> Iterator[Message]:
    """What was done, a sentence each; of pictures only the ``own`` ones of a row count, if it is given."""
    if "undo" in change:
        yield message("撤销了一步")
    if "import" in change:
        yield message("导入了文件")
    if "round" in change:
        client, number = change["round"]
        yield message("{client} 提交了第 {n} 轮", client=client, n=number)
    if recipes := change.get("recipe"):
        name = json.loads(recipes[1])["name"] if recipes[1] else ""
        yield message("用了配方「{name}」", name=name) if name else message("不再用配方")
    for name, (old, new) in change.get("table", {}).items():
        if name in _SWITCHES:
            yield message(_SWITCHES[name][bool(new)])
        else:
            yield message(_OF_TABLE[name], old=_shown(name, old), new=_shown(name, new))
    yield from _of_rows(deltas)
    of_pictures = [("run", each) for each in change.get("run", ())]
    of_pictures += [(now, int(each)) for each, (_, now) in change.get("picks", {}).items()]
    counts = Counter(kind for kind, each in of_pictures if own is None or each in own)
    yield from (message(text, n=counts[kind]) for kind, text in _OF_PICTURES.items() if counts[kind])


def _of_rows(deltas: Deltas) -> Iterator[Message]:
    """What happened to rows, then to their cells by column; what has no word is only counted."""
    counts: Counter[str] = Counter()
    columns: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for delta in deltas.values():
        if "@removed" in delta:
            kind = "removed" if delta["@removed"][1] else "added" if "@content" in delta else "restored"
            counts[kind] += 1
        elif "@position" in delta:
            counts["moved"] += 1
        counts["gone"] += delta.get("@is_gone") == [False, True]
        for name, pair in delta.items():
            if name in ROW_FIELDS or name.startswith(_OWN):
                columns[name].append(pair)
    yield from (message(text, n=counts[kind]) for kind, text in _OF_ROWS.items() if counts[kind])
    yield from (_of_column(name, pairs) for name, pairs in [*columns.items()][:_COLUMNS_NAMED])
    if len(columns) > _COLUMNS_NAMED:
        yield message("另有 {n} 列", n=len(columns) - _COLUMNS_NAMED)
    changed = sum(bool(delta) for delta in deltas.values())
    if changed and not columns and not any(counts.values()):
        yield message("改了 {n} 行", n=changed)


def _of_column(name: str, pairs: Sequence[tuple[Any, Any]]) -> Message:
    """What was written into the cells of a column."""
    column = message(ROW_FIELDS[name].column) if name in ROW_FIELDS else name.removeprefix(_OWN)
    old, new = (_shown(name, value) for value in pairs[0])
    if len(pairs) == 1:
        return message("{column}：{old} → {new}", column=column, old=old, new=new)
    if all(pair[1] == pairs[0][1] for pair in pairs):
        return message("{column}：{n} 行改成 {new}", column=column, n=len(pairs), new=new)
    return message("{column}：改了 {n} 行", column=column, n=len(pairs))


def _shown(name: str, value: Any) -> object:
    """A value as a sentence says it."""
    if value in (None, "", []):
        return message("空")
    if isinstance(value, list):
        return tuple(each["filename"] if isinstance(each, Mapping) else each for each in value)
    if word := OPTION_WORDS.get(name, {}).get(value):
        return message(word)
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
