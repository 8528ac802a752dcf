"""Command line: check records against files, back up while the program runs, rebuild the database.

``python -m app.cli`` checks and reports, ``python -m app.cli backup FOLDER`` copies, ``python -m
app.cli rebuild`` builds a new database from the pictures' metadata; none deletes anything.
"""

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import database
from app.config import Settings, load_settings
from app.domain import file_key, nearest_choice
from app.errors import AppError, InvalidRequest, NotFound, StorageError
from app.images import store
from app.system import windows_files

_MOST_LISTED = 50
_THUMBNAILS = ".thumbnails"
_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of a check: ``missing`` and ``altered`` have a record, ``orphaned`` files have none."""

    records: int
    files: int
    missing: list[database.StoredFile] = field(default_factory=list)
    altered: list[database.StoredFile] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether records and files agree."""
        return not (self.missing or self.altered or self.orphaned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """Number of rebuilt records, and the files without record metadata."""

    records: int
    without: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command -> exit code: 0 success, 1 differences found, 2 error."""
    args = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        if args.command == "backup":
            _say(_backup_text(settings, args.folder, back_up(settings, args.folder)))
            return 0
        if args.command == "rebuild":
            target = args.file or _rebuilt_path(settings)
            _say(*_rebuild_lines(target, rebuild(settings, target)))
            return 0
        report = check(settings, hashes=not args.quick)
    except AppError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    _say(*report_lines(report, settings.output_dir, most=None if args.all else _MOST_LISTED))
    return 0 if report.is_clean else 1


def check(settings: Settings, *, hashes: bool = True) -> Report:
    """Compare every record with its file's size and, with ``hashes``, its SHA-256 (reads all files)."""
    if not settings.database_path.is_file():
        raise StorageError(f"没有找到数据库 {settings.database_path}，请在程序所在的文件夹里运行")
    database.open_database(settings.database_path)
    names = _names_in(settings.output_dir)
    missing, altered, owned, records = [], [], set(), 0
    with closing(database.connect(settings.database_path)) as db:
        for stored in database.list_stored_files(db):
            records += 1
            owned.add(file_key(stored.filename))
            try:
                path = store.open_output(settings.output_dir, stored.filename)
                if _is_altered(stored, path, hashes=hashes):
                    altered.append(stored)
            except (NotFound, FileNotFoundError):
                missing.append(stored)
            except OSError:  # unreadable
                altered.append(stored)
    orphaned = [name for name in names if file_key(name) not in owned]
    return Report(records=records, files=len(names), missing=missing, altered=altered, orphaned=orphaned)


def back_up(settings: Settings, folder: Path) -> int:
    """Copy database, pictures and reference images to a folder -> number of files copied.

    Existing files are skipped, none is removed. The database is copied first, so that all pictures it
    names are in the backup. Raises InvalidRequest, StorageError.
    """
    sources = {"output": settings.output_dir, "samples": settings.samples_dir}
    if any(_is_within(folder, source) for source in sources.values()):
        raise InvalidRequest("folder", f"备份不能放在「{folder}」，它在要备份的文件夹里面，请换一个地方")
    copy = folder / settings.database_path.name
    if copy.exists() and copy.samefile(settings.database_path):
        raise InvalidRequest("folder", f"「{folder}」里就是正在用的数据库，请换一个文件夹")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        database.back_up(settings.database_path, copy)
        held: list[str] = []
        copied = sum(_copy_new(source, folder / name, held) for name, source in sources.items())
    except OSError as error:
        raise StorageError(f"备份没有完成（{error}），请检查「{folder}」的磁盘空间和权限") from error
    if held:
        text = (
            f"有 {len(held)} 个文件正被另一个程序占用（例如「{held[0]}」），其余的已备份，请关掉它再备份一次"
        )
        raise StorageError(text)
    return copied


def rebuild(settings: Settings, target: Path) -> Rebuilt:
    """Build a new database from the metadata in the pictures; the current one is not opened."""
    without: list[str] = []
    records = database.rebuild(target, _found_pictures(settings.output_dir, without))
    return Rebuilt(records=records, without=without)


def report_lines(report: Report, output_dir: Path, *, most: int | None = None) -> Iterator[str]:
    """The report as lines of text, with at most ``most`` names of each kind."""
    yield f"有图片的记录 {report.records:,} 条，「{output_dir}」里的文件 {report.files:,} 个。"
    if report.is_clean:
        yield "记录和文件完全一致。"
        return
    yield from _listed(
        "缺少",
        "有记录，找不到文件",
        _numbered(report.missing),
        most,
        "从备份放回文件；或在「生成记录」里删除这些记录",
    )
    yield from _listed(
        "改动过",
        "内容和保存时不一样",
        _numbered(report.altered),
        most,
        "是自己改的就不用管；不是的话从备份放回",
    )
    yield from _listed(
        "没有记录",
        "有文件，没有记录",
        report.orphaned,
        most,
        "自己放进去的可以留着；不需要的请自己移走或删除",
    )
    yield "这里只做比较，没有改动或删除任何东西。"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.cli", description="比较记录和图片文件，或做一份备份")
    parser.add_argument("--quick", action="store_true", help="只看文件在不在、大小对不对，不读内容")
    parser.add_argument("--all", action="store_true", help=f"全部列出，不止每类前 {_MOST_LISTED} 个")
    commands = parser.add_subparsers(title="另外", dest="command")
    backup = commands.add_parser("backup", help="把数据库、图片、示例图备份到一个文件夹，程序运行时也可以")
    backup.add_argument("folder", type=Path, help="备份到哪里；再次备份到同一处只复制新文件")
    rebuilt = commands.add_parser(
        "rebuild", help="数据库坏了又没有备份时，从图片里的参数重建一个新的数据库文件"
    )
    rebuilt.add_argument("file", type=Path, nargs="?", help="新文件的名字；不写就放在数据库旁边")
    return parser


def _say(*lines: str) -> None:
    """Print lines, escaping characters that the terminal's encoding lacks."""
    coding = sys.stdout.encoding
    sys.stdout.writelines(f"{line.encode(coding, 'backslashreplace').decode(coding)}\n" for line in lines)


def _names_in(output_dir: Path) -> list[str]:
    if not output_dir.is_dir():
        return []
    return sorted(p.name for p in output_dir.iterdir() if p.is_file() and not p.name.startswith("."))


def _is_altered(stored: database.StoredFile, path: Path, *, hashes: bool) -> bool:
    if stored.file_size is not None and path.stat().st_size != stored.file_size:
        return True
    return bool(hashes and stored.sha256) and store.sha256_of(path) != stored.sha256


def _numbered(files: list[database.StoredFile]) -> list[str]:
    return [f"#{stored.record_id} {stored.filename}" for stored in files]


def _listed(kind: str, meaning: str, names: list[str], most: int | None, advice: str) -> Iterator[str]:
    if not names:
        return
    yield f"\n{kind} {len(names):,} 个（{meaning}）："
    yield from (f"  {name}" for name in names[:most])
    if most is not None and len(names) > most:
        yield f"  ……还有 {len(names) - most:,} 个，加 --all 全部列出"
    yield f"  可以：{advice}。"


def _is_within(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())


def _copy_new(source: Path, target: Path, held: list[str]) -> int:
    """Copy new and changed files, except thumbnails (regenerable) -> number copied.

    Appends the names of files locked by another program to ``held``.
    """
    copied = 0
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if _THUMBNAILS in inside.parts or path.suffix == ".part" or not path.is_file():
            continue
        try:
            if not _is_same(path, target / inside):
                _copy(path, target / inside)
                copied += 1
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError as error:
            if not windows_files.is_locked(error):
                raise
            held.append(path.name)
    return copied


def _is_same(one: Path, other: Path) -> bool:
    if not other.is_file():
        return False
    here, there = one.stat(), other.stat()
    return here.st_size == there.st_size and abs(here.st_mtime - there.st_mtime) < 2  # FAT times are even


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(target.name.encode(errors="surrogateescape")).hexdigest()[:16]
    part = target.with_name(f".{digest}.part")  # short, however long the name is
    windows_files.retry_while_locked(lambda: shutil.copy2(path, part))
    windows_files.replace(part, target)


def _found_pictures(output_dir: Path, without: list[str]) -> Iterator[database.FoundPicture]:
    """Pictures by modification time; appends files without metadata to ``without``."""
    paths = [output_dir / name for name in _names_in(output_dir)]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime):
        found = _found_picture(path)
        if found is None:
            without.append(path.name)
        else:
            yield found


def _found_picture(path: Path) -> database.FoundPicture | None:
    try:
        content = windows_files.retry_while_locked(path.read_bytes)
        parameters = store.parse_parameters(store.read_parameters(content) or "")
    except (OSError, ValueError):
        return None
    if parameters.record_id is None:
        return None
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    ratio, resolution = nearest_choice(parameters.width, parameters.height)
    return database.FoundPicture(
        record_id=parameters.record_id,
        made_at=made.strftime("%Y-%m-%d %H:%M:%S"),
        filename=path.name,
        prompt=parameters.prompt,
        negative_prompt=parameters.negative_prompt,
        seed=parameters.seed,
        steps=parameters.steps,
        width=parameters.width,
        height=parameters.height,
        aspect_ratio=ratio,
        resolution=resolution,
        model=parameters.model,
        format=_FORMATS.get(path.suffix.lower(), ""),
        file_size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _rebuilt_path(settings: Settings) -> Path:
    path = settings.database_path
    return path.with_name(f"{path.stem}.rebuilt-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")


def _rebuild_lines(target: Path, rebuilt: Rebuilt) -> Iterator[str]:
    yield f"已从图片重建 {rebuilt.records:,} 条记录，写在新文件「{target}」里；原来的数据库没有动。"
    if rebuilt.without:
        yield f"另有 {len(rebuilt.without):,} 个文件没有记录编号，没放进去，例如「{rebuilt.without[0]}」。"
    yield "图片里没有的不能重建：费用、批次、参考图、收藏，以及失败、结果未知和没做完的记录。"
    yield "要用它：停下程序，移开坏的数据库和旁边的 -wal、-shm，把新文件改成原来的名字，再启动。"


def _backup_text(settings: Settings, folder: Path, copied: int) -> str:
    return f"已备份到「{folder}」：数据库 {settings.database_path.name}，新复制文件 {copied:,} 个。"


if __name__ == "__main__":
    sys.exit(main())
