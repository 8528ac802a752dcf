"""What the longer commands of ``app.cli`` say when they are done."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import database
from app.config import Settings
from app.domain.ledger import OUTCOMES


def rebuild_lines(settings: Settings, target: Path, records: int, without: list[str]) -> Iterator[str]:
    """What was rebuilt into ``target``, and how to go on; ``without`` are files without a record."""
    yield f"已从图片重建 {records:,} 条记录，写在新文件「{target}」里；原来的数据库没有动。"
    if without:
        yield f"另有 {len(without):,} 个文件没有记录编号，没有放入，例如「{without[0]}」。"
    yield "图片里没有的不能重建：费用、批次、参考图、留下和淘汰，以及失败、结果未知和没做完的记录。"
    if settings.database_url:
        yield "要用它：停下程序，新建一个空的 PostgreSQL 数据库，把 DATABASE_URL 改成它，"
        yield f"运行 python -m app.cli copy-to --from {target}，再启动。"
    else:
        yield "要用它：停下程序，移开坏的数据库和旁边的 -wal、-shm，把新文件改成原来的名字，再启动。"


def copied_lines(settings: Settings, source: Path, copied: database.Copied) -> Iterator[str]:
    """What was moved to PostgreSQL, and how to go on."""
    yield from (f"{table}：{rows:,} 行，一致" for table, rows in copied.rows.items())
    for outcome, number, micros, unpriced in copied.ledger:
        without = f"，其中 {unpriced:,} 笔价格未知" if unpriced else ""
        yield f"账目·{OUTCOMES[outcome]}：{number:,} 笔，¥{Decimal(micros) / 1_000_000:,.2f}{without}，一致"
    if copied.changed:
        yield f"{copied.changed:,} 个值的编码或写法 PostgreSQL 不收，已换成读出来的文字或数字。"
    if copied.others:
        yield f"别的程序的表没有搬：{'、'.join(copied.others)}。"
    yield "已全部搬到 PostgreSQL，每一行都读回来比较过。"
    if copied.paused:
        yield f"{copied.paused:,} 个没做完的批次在新数据库里已暂停：先确认原来的程序不再运行，再点「继续」。"
    yield f"「{source}」记下了搬到哪里，程序不再用它启动，以免重复付费；请留着。"
    yield "接着：在 .env 里写上 DATABASE_URL，再启动。要重新登录；搜索的索引在后台建，建好以前慢一些。"
    pictures = f"图片文件没有搬，仍在「{settings.output_dir}」"
    if settings.output_store == "oss":
        yield f"{pictures}；还没上传到 OSS 的，由这台电脑上的程序自动上传。"
    else:
        yield f"{pictures}；几台机器一起用时，设置 OUTPUT_STORE=oss，由这台电脑上的程序自动上传。"
