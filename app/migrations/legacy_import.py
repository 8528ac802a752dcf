"""Import of an earlier app's database, as a new file is made.

Nothing is lost: tables and columns whose names clash with ours are renamed ``earlier_…``, values that cannot
be parsed are copied as they are, and additional columns are kept.
"""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import lru_cache

from app.core.records.rows import NUMBERS, status_of
from app.domain import Status, file_key
from app.domain.people import fold_name
from app.engine.values import number_of, quoted, text_of
from app.migrations.baseline import all_columns, columns

# The columns that both apps share.
_SHARED = (
    *("id", "created_at", "prompt", "negative_prompt", "aspect_ratio", "resolution", "width", "height"),
    *("num_images", "seed", "steps", "sample_images", "image_path", "filename", "batch_id", "status"),
    *("model", "error"),
)

_NAMES = ("nickname", "display_name", "name", "username", "user_name", "email")  # the best first
_MOST_USERS, _NAME_LENGTH = 190, 30
_PLAIN_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?")
_UNIX_TIME = re.compile(r"[0-9]{9,16}(\.[0-9]+)?")
_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif)$", re.IGNORECASE)
_IN_OUTPUT = re.compile(r"(^|.*[/\\])output[/\\][^/\\]+$", re.IGNORECASE | re.DOTALL)
_ODD_ID = "typeof(id) <> 'integer' AND (id IS NULL OR CAST(CAST(id AS INTEGER) AS TEXT) <> CAST(id AS TEXT))"


def rename_clashing_tables(db: sqlite3.Connection) -> list[str]:
    """Rename clashing tables -> the columns of the earlier records table; empty when there is none."""
    set_aside_tables(db, (name for name in all_columns() if name != "generation_records"))
    earlier = columns(db, "generation_records")
    if earlier:
        db.execute("ALTER TABLE generation_records RENAME TO earlier_records")
        sql = """
            SELECT type, name
            FROM sqlite_schema
            WHERE tbl_name = 'earlier_records' AND type IN ('index', 'trigger') AND sql IS NOT NULL
        """
        for kind, name in db.execute(sql).fetchall():
            db.execute(f"DROP {kind} {quoted(name)}")
    return list(earlier)


def set_aside_tables(db: sqlite3.Connection, names: Iterable[str]) -> None:
    """Rename the tables that have one of these names, in any letter case, to ``earlier_…``."""
    found = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    tables = {row["name"].lower(): row["name"] for row in found}
    for name in names:
        if name in tables:
            db.execute(f"ALTER TABLE {quoted(tables[name])} RENAME TO {quoted(f'earlier_{name}')}")


def set_aside_columns(db: sqlite3.Connection, table: str, names: Collection[str]) -> None:
    """Rename the columns of a table that have one of these names, in any letter case, to ``earlier_…``."""
    for name in columns(db, table):
        if name.lower() in names:
            db.execute(f"ALTER TABLE {table} RENAME COLUMN {quoted(name)} TO {quoted(f'earlier_{name}')}")


def copy_records(db: sqlite3.Connection, earlier: Collection[str]) -> None:
    """Copy every row of ``earlier_records``, which has these columns, and reserve its file name.

    Rows without an integer id get new ids after the others, by creation time.
    """
    for name, function in _FUNCTIONS.items():
        db.create_function(name, -1, function, deterministic=True)
    ours = all_columns()["generation_records"]
    found = _values(db, earlier, ours)
    for name in found:
        if name not in ours:
            db.execute(f"ALTER TABLE generation_records ADD COLUMN {quoted(name)}")
    order = ""
    if "earlier_id" in found:
        order = f"ORDER BY {found['id']} IS NULL, {found['id']}, {found['created_at']}"
    db.execute(
        f"""
        INSERT INTO generation_records ({", ".join(map(quoted, found))})
        SELECT {", ".join(found.values())}
        FROM earlier_records
        {order}
        """
    )
    db.execute("DROP TABLE earlier_records")
    # A name of several records goes to the first.
    db.execute(
        """
        UPDATE generation_records
        SET file_key = file_key_of(filename)
        WHERE id IN (SELECT min(id) FROM generation_records GROUP BY file_key_of(filename))
        """
    )


def take_over_users(db: sqlite3.Connection) -> None:
    """Add the users of an earlier app as people who are switched off, with the ids that its records have.

    Their passwords are not taken: an owner switches them on and invites them.
    """
    there = {name.lower(): name for name in columns(db, "users")}
    named = [there[name] for name in _NAMES if name in there]
    if "id" not in there or not named:
        return
    chosen = ", ".join(map(quoted, (there["id"], *named)))
    try:
        users = db.execute(f"SELECT {chosen} FROM users ORDER BY 1 LIMIT {_MOST_USERS}").fetchall()
    except sqlite3.Error:  # a table of a module that is not here, or texts of another encoding
        return
    taken = {row["folded_name"] for row in db.execute("SELECT folded_name FROM people").fetchall()}
    for user in users:
        typed = next((each for each in tuple(user)[1:] if isinstance(each, str) and fold_name(each)), "")
        name = " ".join(typed.split())[:_NAME_LENGTH] or f"user {user[0]}"
        if fold_name(name) in taken:
            name = f"{name} ({user[0]})"
        taken.add(fold_name(name))
        db.execute(
            """
            INSERT INTO people (name, folded_name, role, active, legacy_user_id)
            VALUES (:name, :folded, 'member', 0, :id)
            ON CONFLICT DO NOTHING
            """,
            {"name": name, "folded": fold_name(name), "id": str(user[0])},
        )


def _values(db: sqlite3.Connection, earlier: Collection[str], ours: Collection[str]) -> dict[str, str]:
    """Column of the new table -> SQL expression over ``earlier_records``."""
    there = {name.lower() for name in earlier}
    taken = {name: f"CAST({name} AS BLOB)" if name in there else "NULL" for name in _SHARED}
    picture = ", ".join(taken[name] for name in ("status", "image_path", "filename"))
    found = {name: f"coalesce(text_of({taken[name]}), '')" for name in _SHARED if name in there}
    found |= {name: _number(name) for name in NUMBERS if name in there}
    found |= {
        "created_at": f"utc_of({taken['created_at']})",
        "num_images": f"coalesce({_number('num_images')}, 1)" if "num_images" in there else "1",
        "sample_images": f"coalesce(nullif(text_of({taken['sample_images']}), ''), '[]')",
        "batch_id": f"nullif(text_of({taken['batch_id']}), '')",
        "status": f"status_of({picture})",
        "image_path": f"path_of({picture})",
        "filename": f"picture_of({picture})",
        "requested_filename": f"requested_filename_of({picture})",
    }
    found.pop("id", None)
    if "id" in there:
        found["id"] = f"CASE WHEN NOT ({_ODD_ID}) THEN CAST(id AS INTEGER) END"
        if db.execute(f"SELECT 1 FROM earlier_records WHERE {_ODD_ID}").fetchone():
            found["earlier_id"] = "id"
    for name in earlier:
        if name.lower() not in _SHARED:
            clashes = name.lower() in ours
            found[f"earlier_{name}" if clashes else name] = quoted(name)
    return found


def _number(name: str) -> str:
    return f"CASE typeof({name}) WHEN 'blob' THEN number_of({name}) ELSE {name} END"


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else text_of(raw)


def _utc(raw: bytes | None) -> str:
    """ISO 8601 (zone optional) or Unix time in seconds or milliseconds -> UTC text, if it can be parsed."""
    text = (_text(raw) or "").strip()
    if _PLAIN_TIME.fullmatch(text):
        return text
    try:
        if _UNIX_TIME.fullmatch(text):
            seconds = float(text) / (1000 if float(text) > 1e11 else 1)
            return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
        time = datetime.fromisoformat(text.replace("/", "-"))
        return f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return text


def _status(status: bytes | None, image_path: bytes | None, _filename: bytes | None) -> str:
    """The status here; queued and running records of the earlier app count as ended."""
    word = (_text(status) or "").strip().lower()
    return status_of("" if word in (Status.QUEUED, Status.RUNNING) else word, image_path)


@lru_cache(maxsize=1)  # called three times per row
def _picture(status: bytes | None, image_path: bytes | None, filename: bytes | None) -> str:
    """The picture's file name without its folder; empty when there is no picture."""
    if _status(status, image_path, filename) != Status.SUCCESS:
        return ""
    names = [_last_part(_text(raw) or "") for raw in (filename, image_path)]
    return next((name for name in names if _PICTURE.search(name)), names[1] or names[0])


def _path(status: bytes | None, image_path: bytes | None, filename: bytes | None) -> str:
    """``/output/<name>`` for a file in any folder named ``output``; other paths are unchanged."""
    written = _text(image_path) or ""
    name = _picture(status, image_path, filename)
    return f"/output/{name}" if name and (not written or _IN_OUTPUT.match(written)) else written


def _requested_filename(status: bytes | None, image_path: bytes | None, filename: bytes | None) -> str:
    """The requested file name: the stored one if it differs from the picture's, else empty."""
    written = _text(filename) or ""
    return "" if _last_part(written) == _picture(status, image_path, filename) else written


def _file_key(filename: str) -> str | None:
    stem = filename.rpartition(".")[0] or filename
    return file_key(stem) if stem else None


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


_FUNCTIONS: dict[str, Callable[..., str | int | None]] = {
    "text_of": _text,
    "number_of": number_of,
    "utc_of": _utc,
    "status_of": _status,
    "picture_of": _picture,
    "path_of": _path,
    "requested_filename_of": _requested_filename,
    "file_key_of": _file_key,
}
