"""Detect that a connection's database files were moved, deleted or replaced.

SQLite keeps writing to the file it opened even when the path refers to another one; such writes are lost.
Files are identified by device and inode and never opened here: closing a second descriptor would drop the
locks that SQLite holds.
"""

import sqlite3
from pathlib import Path

from app.errors import Message, StoreDamaged, StoreLost, message

FileId = tuple[int, int]
_BESIDE = ("-wal", "-shm")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OpenConnection(sqlite3.Connection):
    """A connection that records the identity of its files: main, and from first use -wal and -shm."""

    path: Path
    main: FileId | None
    beside: tuple[FileId | None, ...]

    def opened(self, path: Path) -> None:
        """Record the main file's identity; call immediately after opening."""
        self.path, self.main, self.beside = path, file_id(path), ()

    def note_files_beside(self) -> None:
        """Record -wal and -shm; after the first read SQLite keeps them until it closes."""
        self.beside = self.beside or _files_beside(self.path)

    def problem(self) -> Message | None:
        """Why this connection must not write; None when its files are unchanged."""
        if problem := main_file_problem(self.path, self.main):
            return problem
        for ending, was, found in zip(_BESIDE, self.beside, _files_beside(self.path), strict=False):
            if was is not None and found != was:
                return message(
                    "数据库旁的「{name}{ending}」被移走或删除了，不再下单：请重新启动程序",
                    name=self.path.name,
                    ending=ending,
                )
        return None

    def require_same_files(self) -> None:
        """Raises StoreLost when the files have changed; inside a transaction, before its first write."""
        self.note_files_beside()
        if trouble := self.problem():
            raise StoreLost(trouble)


def file_id(path: Path) -> FileId | None:
    """(device, inode) of the file; None when it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def main_file_problem(path: Path, main: FileId | None) -> Message | None:
    """Why the file at this path is not the one that was opened; None when it is."""
    now = file_id(path)
    if now is None:
        return missing_text(path)
    if now != main:
        return message(
            "数据库文件被换成了另一个，不再下单：请把「{path}」换回原来的，或确认后重新启动程序", path=path
        )
    return None


def _files_beside(path: Path) -> tuple[FileId | None, ...]:
    return tuple(file_id(path.with_name(f"{path.name}{ending}")) for ending in _BESIDE)


def is_damage(error: BaseException) -> bool:
    """Whether the error means a corrupt file or not a database; a corrupt full-text index does not count."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.Error) and code & 0xFF in _DAMAGE and code != sqlite3.SQLITE_CORRUPT_VTAB


def lost(db: sqlite3.Connection, error: BaseException) -> StoreLost | None:
    """The exception to raise when missing, replaced or damaged files caused the error; else None."""
    if not (isinstance(db, OpenConnection) and isinstance(error, sqlite3.Error)):
        return None
    if trouble := db.problem():
        return StoreLost(trouble)
    return StoreDamaged(damage_text(db.path, str(error))) if is_damage(error) else None


def missing_text(path: Path) -> Message:
    """The message for a missing database file."""
    return message(
        "数据库文件不见了，不再下单：请把「{path}」放回原处，或从备份恢复后重新启动程序", path=path
    )


def damage_text(path: Path, found: str) -> Message:
    """The message for a damaged database file; names the newest backups in its folder."""
    copies = sorted((copy.name for copy in path.parent.glob(f"{path.name}.backup-*")), reverse=True)
    daily = sorted(path.parent.glob(f"backups/{path.stem}-*.db"), reverse=True)
    copies = [f"backups/{copy.name}" for copy in daily[:1]] + copies
    known = message("旁边的备份：{names}" if copies else "旁边没有备份", names=tuple(copies[:3]))
    return message(
        "数据库文件有损坏，不再下单：请停下程序，移开「{path}」，从备份恢复（{backups}）；"
        "没有备份就用 python -m app.cli rebuild 从图片重建（{found}）",
        path=path,
        backups=known,
        found=" ".join(found.split())[:100],
    )
