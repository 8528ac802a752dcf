"""Which files a connection has open, and whether its path still leads to them.

SQLite opens by path and goes on with the open file, wherever the path leads since: what is written then is
lost. Files are told by device and inode and are never opened here, for closing a second descriptor would drop
the locks that SQLite holds.
"""

import sqlite3
from pathlib import Path

from app.errors import StoreDamaged, StoreLost

FileId = tuple[int, int]
_BESIDE = ("-wal", "-shm")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OpenConnection(sqlite3.Connection):
    """Knows its path and the files behind it; those beside the main file are known from its first use."""

    path: Path
    main: FileId | None
    beside: tuple[FileId | None, ...]

    def opened(self, path: Path) -> None:
        """Note which file the path leads to, at once after it was opened."""
        self.path, self.main, self.beside = path, file_id(path), ()

    def note_files_beside(self) -> None:
        """Once something was read: from then until it is closed, SQLite neither makes nor removes them."""
        self.beside = self.beside or _files_beside(self.path)

    def trouble(self) -> str:
        """Why nothing may be written through it, as one sentence; empty when all is as it was opened."""
        now = file_id(self.path)
        if now is None:
            return missing_text(self.path)
        if now != self.main:
            return replaced_text(self.path)
        for ending, was, found in zip(_BESIDE, self.beside, _files_beside(self.path), strict=False):
            if was is not None and found != was:
                return f"数据库旁的「{self.path.name}{ending}」被移走或删除了，不再下单：请重新启动程序"
        return ""

    def require_same_files(self) -> None:
        """Within a transaction, before anything is written. Raises StoreLost."""
        self.note_files_beside()
        if trouble := self.trouble():
            raise StoreLost(trouble)


def file_id(path: Path) -> FileId | None:
    """Device and inode; None when nothing is there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _files_beside(path: Path) -> tuple[FileId | None, ...]:
    return tuple(file_id(path.with_name(f"{path.name}{ending}")) for ending in _BESIDE)


def is_damage(error: BaseException) -> bool:
    """Whether it says that the file is broken, or no database. A full-text index that is does not count."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.Error) and code & 0xFF in _DAMAGE and code != sqlite3.SQLITE_CORRUPT_VTAB


def lost(db: sqlite3.Connection, error: BaseException) -> StoreLost | None:
    """What to raise when an error comes of files that are away or broken; else None."""
    if not (isinstance(db, OpenConnection) and isinstance(error, sqlite3.Error)):
        return None
    if trouble := db.trouble():
        return StoreLost(trouble)
    return StoreDamaged(damage_text(db.path, str(error))) if is_damage(error) else None


def missing_text(path: Path) -> str:
    """What to do about a file that is not there, as one sentence."""
    return f"数据库文件不见了，不再下单：请把「{path}」放回原处，或从备份恢复后重新启动程序"


def replaced_text(path: Path) -> str:
    """What to do about another file in its place, as one sentence."""
    return f"数据库文件被换成了另一个，不再下单：请把「{path}」换回原来的，或确认后重新启动程序"


def older_text(path: Path) -> str:
    """What to do about contents that lack what was there before, as one sentence."""
    return f"数据库的内容变旧了，像是被旧的副本覆盖，不再下单：请停下程序，把「{path}」换回正确的，再启动"


def damage_text(path: Path, found: str) -> str:
    """What to do about a damaged file, as one sentence that names the backups beside it."""
    copies = sorted((copy.name for copy in path.parent.glob(f"{path.name}.backup-*")), reverse=True)
    known = f"旁边的备份：{'、'.join(copies[:3])}" if copies else "旁边没有备份"
    return (
        f"数据库文件有损坏，不再下单：请停下程序，移开「{path}」，从备份恢复（{known}）；"
        f"没有备份就用 python -m app.cli rebuild 从图片重建（{' '.join(found.split())[:100]}）"
    )
