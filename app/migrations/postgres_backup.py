"""Back up a PostgreSQL database with PostgreSQL's own program."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from app.engine.pool import connect
from app.errors import DatabaseError, DiskError, message
from app.system import windows_files


def dump(url: str, target: Path, environ: Mapping[str, str]) -> None:
    """Write the database to a file for pg_restore, atomically and consistently, while others write.

    ``environ`` is the environment of pg_dump, whose password is passed in it, so that no list of processes
    shows it. Raises DatabaseError, DiskError; an older file then stays.
    """
    from app.engine.postgres import environment_of

    with closing(connect(url)) as db:
        row = db.execute("SELECT current_setting('server_version_num') AS number").fetchone()
        server = int(row["number"]) // 10_000
    part = target.with_name(f"{target.name}.part")
    text = "备份没有成功（{reason}），请检查「{folder}」的磁盘空间和权限"
    command = (_pg_dump(server), "--format=custom", "--no-password", f"--file={part}")
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, and no shell
            command,
            env={**environ, **environment_of(url)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip() or "?").splitlines()[0]
            raise DiskError(text, reason=reason, folder=target.parent)
        windows_files.replace(part, target)
    except OSError as error:
        raise DiskError(text, reason=error, folder=target.parent) from error
    finally:
        windows_files.unlink(part)


def _pg_dump(server: int) -> str:
    """The newest pg_dump here. Raises DatabaseError when it is older than the server, or there is none."""
    newest = max(_versions(), default=(0, ""))
    if newest[0] < server:
        found = message("这里的是 {version}", version=newest[0]) if newest[0] else message("这里没有找到")
        text = "备份要用 pg_dump {server} 或更新的版本（{found}），请安装 PostgreSQL {server} 的客户端程序"
        raise DatabaseError(text, server=server, found=found)
    return newest[1]


def _versions() -> Iterator[tuple[int, str]]:
    """(version, path) of the one on PATH, and of those where Debian has them."""
    found = shutil.which("pg_dump")
    paths = [*Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), *([Path(found)] if found else [])]
    for path in paths:
        try:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        except OSError:
            continue
        if number := re.search(r"\) (\d+)", said):
            yield int(number[1]), str(path)
