"""Command line: check records against files, back up, rebuild or move the database.

``check``, which is what runs without a command, compares and reports; ``backup FOLDER`` copies; ``rebuild``
builds a new database from the pictures' metadata; ``copy-to`` moves a SQLite file to PostgreSQL;
``pause-all`` is for a database restored by other means; and ``owner`` lets an owner in who is locked out.
None deletes anything.
"""

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import database
from app.cli_words import copied_lines, rebuild_lines
from app.config import Settings, environment_of_programs, load_settings, read_settings
from app.domain import file_key, nearest_choice, own_size
from app.errors import AppError, DatabaseError, DiskError, InvalidRequest, NotFound, StoreLost
from app.images import metadata, sidecar, store
from app.images.marks import find_marks, has_c2pa
from app.images.metadata import parse_parameters
from app.library.output_backup import OutputBackup, digest_in, filename_in, open_output_backup
from app.people.sql import rescue_owner
from app.system import listener, windows_files

_MOST_LISTED = 50
_REGENERABLE = {".thumbnails", ".cache", ".deliveries"}
_PROGRESS_SECONDS = 3.0
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command -> exit code: 0 success, 1 differences found, 2 error."""
    args = _parser().parse_args(arguments)
    commands = {
        "check": _run_check,
        "backup": _run_backup,
        "rebuild": _run_rebuild,
        "copy-to": _run_copy_to,
        "pause-all": _run_pause_all,
        "owner": _run_owner,
    }
    try:
        return commands[args.command or "check"](load_settings(), args)
    except database.Error as error:
        sys.stderr.write(f"数据库读不出来（{error}），请检查磁盘和文件权限\n")
        return 2
    except AppError as error:
        sys.stderr.write(f"{_sentence(error)}\n")
        return 1 if isinstance(error, database.CopyDiffers) else 2


def _sentence(error: AppError) -> str:
    """The sentence of an error; a command does not resume by itself, as the server does, once it connects."""
    reason = error.message.values.get("reason")
    if type(error) is StoreLost and reason:
        return f"PostgreSQL 连不上（{reason}），请检查地址、它是否在运行、网络是否通，再运行一次"
    return str(error)


def _run_check(settings: Settings, args: argparse.Namespace) -> int:
    report = check(settings, hashes=not args.quick)
    place = settings.oss_output_prefix if settings.output_store == "oss" else settings.output_dir
    _print(*report_lines(report, place, most=None if args.all else _MOST_LISTED))
    return 0 if report.is_clean else 1


def _run_backup(settings: Settings, args: argparse.Namespace) -> int:
    copied, name = back_up(settings, args.folder), _backup_name(settings)
    _print(f"已备份到「{args.folder}」：数据库 {name}，新复制文件 {copied:,} 个。")
    if settings.database_url:
        _print(
            f"恢复：新建一个空的数据库，运行 pg_restore --no-owner -d 新数据库的地址 {args.folder / name}，"
            "把 DATABASE_URL 改成它，再启动；没做完的批次会先暂停。"
        )
    return 0


def _run_rebuild(settings: Settings, args: argparse.Namespace) -> int:
    path = settings.database_path
    target = args.file or path.with_name(f"{path.stem}.rebuilt-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    _print(*rebuild_lines(settings, target, *rebuild(settings, target)))
    return 0


def _run_copy_to(settings: Settings, args: argparse.Namespace) -> int:
    url = read_settings({"DATABASE_URL": args.url}).database_url if args.url else settings.database_url
    if not url:
        raise InvalidRequest("url", "请写出要搬去的数据库：copy-to postgresql://用户:密码@主机:5432/数据库")
    source = args.source or settings.database_path
    began = time.monotonic()

    def report(table: str, done: int, total: int) -> None:
        nonlocal began
        if time.monotonic() - began > _PROGRESS_SECONDS:
            began = time.monotonic()
            sys.stderr.write(f"{table}：{done:,} / {total:,}\n")

    _print(*copied_lines(settings, source, database.copy_to(source, url, report)))
    return 0


def _run_pause_all(settings: Settings, _args: argparse.Namespace) -> int:
    _require_file(settings)
    database.open_database(settings.database)
    with closing(database.connect(settings.database)) as db, database.transaction(db):
        paused = database.pause_all(db, database.RESTORED)
    _print(f"已暂停 {paused:,} 个批次。请先核对，再到批次里点「继续」。")
    return 0


def _run_owner(settings: Settings, args: argparse.Namespace) -> int:
    if settings.access_password:
        _require_file(settings)
        database.open_database(settings.database)
        with closing(database.connect(settings.database)) as db:
            name, secret = rescue_owner(db, args.name, now=time.time())
        link = f"{listener.address(settings.host, settings.port)}/join/{secret}"
        _print(f"「{name}」是主人。72 小时内打开这个链接，设一个新密码，只能用一次：", link)
    else:
        _print("没有设置 ACCESS_PASSWORD：在这台电脑上打开网页就是主人，不用密码。")
    return 0


def check(settings: Settings, *, hashes: bool = True) -> Report:
    """Compare every record with its file's size and, with ``hashes``, its SHA-256 (reads all files).

    With ``OUTPUT_STORE=oss`` the bucket is listed, and nothing is read: each key contains a hash.
    """
    _require_file(settings)
    with closing(database.open_to_read(settings.database)) as db:
        bucket = _bucket(settings)
        return (
            _compare_with_oss(db, settings, bucket)
            if bucket
            else _compare_with_files(db, settings, hashes=hashes)
        )


def _require_file(settings: Settings) -> None:
    if not (settings.database_url or settings.database_path.is_file()):
        raise DatabaseError(f"没有找到数据库 {settings.database_path}，请在程序所在的文件夹里运行")


def _compare_with_files(db: database.Connection, settings: Settings, *, hashes: bool) -> Report:
    files = _filenames(settings.output_dir)
    missing, altered, owned, records = [], [], set(), 0
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
    orphaned = [name for name in files if file_key(name) not in owned]
    return Report(records=records, files=len(files), missing=missing, altered=altered, orphaned=orphaned)


def _compare_with_oss(db: database.Connection, settings: Settings, bucket: OutputBackup) -> Report:
    """The check of pictures that are stored in OSS; one that waits to be copied there must be here."""
    objects = {key: size for key, size, _ in bucket.list_all()}
    missing, altered, owned, records = [], [], set(), 0
    for stored in database.list_stored_files(db):
        records += 1
        owned.add(stored.key)
        if not stored.key and (settings.output_dir / stored.filename).is_file():
            continue
        if stored.key not in objects:
            stem = Path(stored.filename).stem
            if not (stored.key and stored.key in bucket.list_named(stem)):  # made since all were listed
                missing.append(stored)
            continue
        is_size_same = stored.file_size in (None, objects[stored.key])
        is_same = not stored.sha256 or stored.sha256.startswith(digest_in(stored.key))
        if not (is_size_same and is_same):
            altered.append(stored)
    orphaned = [key for key in objects if key not in owned]
    return Report(records=records, files=len(objects), missing=missing, altered=altered, orphaned=orphaned)


def back_up(settings: Settings, folder: Path) -> int:
    """Copy database, pictures and reference images to a folder -> number of files copied.

    Existing files are skipped, none is removed. The database is copied first, so that all pictures it
    names are in the backup. Raises InvalidRequest, DiskError.
    """
    sources = {"output": settings.output_dir, "samples": settings.samples_dir}
    if any(folder.resolve().is_relative_to(source.resolve()) for source in sources.values()):
        raise InvalidRequest("folder", f"备份不能放在「{folder}」，它在要备份的文件夹里面，请换一个地方")
    copy = folder / _backup_name(settings)
    if copy.exists() and settings.database_path.exists() and copy.samefile(settings.database_path):
        raise InvalidRequest("folder", f"「{folder}」里就是正在用的数据库，请换一个文件夹")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if settings.database_url:
            database.dump(settings.database_url, copy, environment_of_programs())
        else:
            database.back_up(settings.database_path, copy)
        locked: list[str] = []
        copied = sum(_copy_new(source, folder / name, locked) for name, source in sources.items())
    except OSError as error:
        raise DiskError(f"备份没有完成（{error}），请检查「{folder}」的磁盘空间和权限") from error
    if locked:
        raise DiskError(
            f"{len(locked)} 个文件正被另一个程序占用（例如「{locked[0]}」），其余的已备份，请关掉它再备份一次"
        )
    return copied


def rebuild(settings: Settings, target: Path) -> tuple[int, list[str]]:
    """Build a new database from the metadata in the pictures -> (records, files without metadata).

    The current database is not opened.
    """
    without: list[str] = []
    bucket = _bucket(settings)
    found = _found_in_oss(bucket, without) if bucket else _found_pictures(settings.output_dir, without)
    return database.rebuild(target, found), without


def report_lines(report: Report, place: Path | str, *, most: int | None = None) -> Iterator[str]:
    """The report as lines of text, with at most ``most`` names of each kind."""
    yield f"有图片的记录 {report.records:,} 条，「{place}」里的文件 {report.files:,} 个。"
    if report.is_clean:
        yield "记录和文件完全一致。"
        return
    missing, altered = (
        [f"#{stored.record_id} {stored.filename}" for stored in files]
        for files in (report.missing, report.altered)
    )
    for title, names, advice in (
        ("缺少 {:,} 个（有记录，找不到文件）", missing, "从备份放回文件；或在「生成记录」里删除这些记录"),
        ("改动过 {:,} 个（内容和保存时不一样）", altered, "是自己改的就不用管；不是的话从备份放回"),
        (
            "没有记录 {:,} 个（有文件，没有记录）",
            report.orphaned,
            "自己放进去的可以留着；不需要的请自己移走或删除",
        ),
    ):
        if names:
            yield f"\n{title.format(len(names))}："
            yield from (f"  {name}" for name in names[:most])
            if most is not None and len(names) > most:
                yield f"  ……还有 {len(names) - most:,} 个，用 --all 全部列出"
            yield f"  可以：{advice}。"
    yield "这里只做比较，没有改动或删除任何东西。"


def _parser() -> argparse.ArgumentParser:
    checking = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    checking.add_argument("--quick", action="store_true", help="只看文件在不在、大小对不对，不读内容")
    checking.add_argument("--all", action="store_true", help=f"全部列出，不止每类前 {_MOST_LISTED} 个")
    parser = argparse.ArgumentParser(
        prog="python -m app.cli", description="比较记录和图片文件，备份、重建或搬走数据库", parents=[checking]
    )
    parser.set_defaults(quick=False, all=False)
    commands = parser.add_subparsers(title="命令", dest="command")
    check_help = "比较记录和图片文件，只报告，不改动；不写命令时也是它"
    commands.add_parser("check", help=check_help, parents=[checking])
    backup = commands.add_parser("backup", help="把数据库、图片、示例图备份到一个文件夹，程序运行时也可以")
    backup.add_argument("folder", type=Path, help="备份到哪里；再次备份到同一处只复制新文件")
    rebuilt = commands.add_parser(
        "rebuild", help="数据库坏了又没有备份时，从图片里的参数重建一个新的数据库文件"
    )
    rebuilt.add_argument("file", type=Path, nargs="?", help="新文件的名字；不写就放在数据库旁边")
    copied = commands.add_parser(
        "copy-to", help="停下程序以后，把数据库文件搬到一个空的 PostgreSQL 数据库，并逐行比较"
    )
    copied.add_argument(
        "url", nargs="?", help="postgresql://用户:密码@主机:5432/数据库；不写就是 DATABASE_URL"
    )
    copied.add_argument("--from", dest="source", type=Path, help="要搬的数据库文件；不写就是 DATABASE_PATH")
    owner = commands.add_parser("owner", help="主人登录不了时，给他一个设新密码的链接")
    owner.add_argument("name", nargs="?", default="", help="谁，不写是第一个主人")
    commands.add_parser(
        "pause-all", help="用别的方法恢复了数据库，或要再用搬走的文件，启动程序以前暂停所有批次，以免重复付费"
    )
    return parser


def _print(*lines: str) -> None:
    """Print lines, escaping characters that the terminal's encoding lacks."""
    encoding = sys.stdout.encoding
    sys.stdout.writelines(f"{line.encode(encoding, 'backslashreplace').decode(encoding)}\n" for line in lines)


def _filenames(output_dir: Path) -> list[str]:
    if not output_dir.is_dir():
        return []
    return sorted(p.name for p in output_dir.iterdir() if p.is_file() and not p.name.startswith("."))


def _is_altered(stored: database.StoredFile, path: Path, *, hashes: bool) -> bool:
    if stored.file_size is not None and path.stat().st_size != stored.file_size:
        return True
    return bool(hashes and stored.sha256) and store.sha256_of(path) != stored.sha256


def _copy_new(source: Path, target: Path, locked: list[str]) -> int:
    """Copy new and changed files, except thumbnails and the cache (regenerable) -> number copied.

    Appends the names of files locked by another program to ``locked``.
    """
    copied = 0
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if _REGENERABLE & {*inside.parts} or path.suffix == ".part" or not path.is_file():
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
            locked.append(path.name)
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
    paths = [output_dir / name for name in _filenames(output_dir)]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime):
        try:
            content = windows_files.retry_while_locked(path.read_bytes)
        except OSError:
            content = b""
        beside = sidecar.texts(output_dir, content)
        if found := _found_picture(content, path.name, path.stat().st_mtime, beside):
            yield found
        else:
            without.append(path.name)


def _found_in_oss(bucket: OutputBackup, without: list[str]) -> Iterator[database.FoundPicture]:
    """Pictures by time of upload; of several with one name only the latest."""
    objects = {
        filename_in(key): (at, key) for at, key in sorted((at, key) for key, _, at in bucket.list_all())
    }
    for filename, (at, key) in sorted(objects.items(), key=lambda item: item[1]):
        content = bucket.fetch(key)
        beside = bucket.texts(content) if has_c2pa(content) else []
        if found := _found_picture(content, filename, at, beside):
            yield replace(found, key=key)
        else:
            without.append(filename)


def _found_picture(
    content: bytes, filename: str, modified_at: float, beside: Sequence[str]
) -> database.FoundPicture | None:
    try:
        parameters = parse_parameters(beside[0] if beside else metadata.extract(content) or "")
    except (OSError, ValueError):
        return None
    if parameters.record_id is None:
        return None
    own = own_size(parameters.own_size)
    choice = (own.aspect_ratio, str(own)) if own else nearest_choice(parameters.width, parameters.height)
    return database.FoundPicture(
        record_id=parameters.record_id,
        made_at=datetime.fromtimestamp(modified_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        filename=filename,
        prompt=parameters.prompt,
        negative_prompt=parameters.negative_prompt,
        seed=parameters.seed,
        steps=parameters.steps,
        width=parameters.width,
        height=parameters.height,
        aspect_ratio=choice[0],
        resolution=choice[1],
        model=parameters.model,
        format=_FORMATS.get(Path(filename).suffix.lower(), ""),
        file_size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        marks=find_marks(content),
    )


def _bucket(settings: Settings) -> OutputBackup | None:
    """The bucket that stores the pictures; None when OUTPUT_DIR does."""
    return open_output_backup(settings) if settings.output_store == "oss" else None


def _backup_name(settings: Settings) -> str:
    path = settings.database_path
    return path.with_suffix(".dump").name if settings.database_url else path.name


if __name__ == "__main__":
    sys.exit(main())
