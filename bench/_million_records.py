"""A million generated records for ``bench.search``, built once through the product's own tables and index."""

import hashlib
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import database
from app.config import Settings
from generator import list_specs
from tools.unusual_text import PROMPTS

MODEL = next(spec for spec in list_specs(Settings()) if spec.model_id == "jimeng_t2i_v40")
SCHEMA = Path(database.__file__).with_name("app") / "migrations" / "schema.sql"
_COLUMNS = (
    "created_at, prompt, negative_prompt, aspect_ratio, resolution, model, batch_id, status, filename, "
    "image_path, width, height, pick, sha256, reserved_stem, file_key, own_columns"
)
_BATCH = """
    INSERT INTO batches (id, name, source, state, total, estimated_micros, version)
    VALUES (?, ?, 'batch', 'finished', 500, 0, 0)
"""
_SUBJECTS = """
    一只橘猫 两只小狗 雪山 城市夜景 汉服少女 古镇 机甲战士 茶具 咖啡馆 海边灯塔 赛博朋克街道 水墨竹林
    熊猫 宇航员 玫瑰花 未来跑车 森林小屋 敦煌飞天 故宫角楼 江南水乡 麦田 龙 凤凰 锦鲤 剪纸 青花瓷瓶
    木质书桌 白色运动鞋 香水瓶 蛋糕
""".split()  # noqa: SIM905 - a list of words, to be read as words
_ACTIONS = """
    坐在窗台上 奔跑 沐浴阳光 雨中漫步 仰望星空 特写 俯拍 倒影 漂浮在空中 手持灯笼 喝茶 打伞 回眸一笑
""".split()  # noqa: SIM905
_STYLES = """
    水彩风格 油画 赛博朋克 国潮 极简主义 3D渲染 C4D 电影质感 胶片 8K 超高清 柔和光线 逆光 浅景深 暖色调
    Q版 二次元 写实 商业摄影
""".split()  # noqa: SIM905
_UNWANTED = ("", "", "模糊，水印", "低质量, blurry, extra fingers")
_CUSTOMERS = ("青禾电商", "Nordlicht GmbH", "山海文创", "橙子家居")
_ENGLISH = (
    *("cinematic lighting", "masterpiece", "best quality", "ultra detailed", "bokeh", "sharp focus"),
    *("film grain", "octane render", "golden hour", "a cat on the roof", "minimalist poster"),
    *("watercolor painting of a fox", "neon city at night"),
)


def build(number: int) -> Path:
    """A database of that many indexed records, built once."""
    schema = hashlib.sha256(SCHEMA.read_bytes()).hexdigest()[:8]  # other versions have files of their own
    path = Path(tempfile.gettempdir()) / "ai-image-generator-bench" / f"records-{number}-{schema}.db"
    database.open_database(path)
    with closing(database.connect(path)) as db:
        db.execute("PRAGMA cache_size = -200000")
        if database.index_progress(db)[1] != number:
            db.execute("DELETE FROM generation_records")
            began = time.monotonic()
            names = ", ".join("?" * len(_COLUMNS.split(", ")))
            with database.transaction(db):
                db.executemany(_BATCH, ((f"batch-{n}", f"新品 {n}.xlsx") for n in range(-(-number // 500))))
                db.executemany(f"INSERT INTO generation_records ({_COLUMNS}) VALUES ({names})", _rows(number))
            database.complete_fingerprints(db)
            print(f"{number} records written in {time.monotonic() - began:.0f} s")
        _index(db, number)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def _index(db: database.Connection, number: int) -> None:
    began, longest = time.monotonic(), 0.0
    while True:
        step = time.monotonic()
        if not (database.index_records(db) or database.merge_index(db)):
            break
        longest = max(longest, time.monotonic() - step)
    if longest:
        took = time.monotonic() - began
        print(f"{number} records indexed in {took:.0f} s, longest step {longest * 1000:.0f} ms")


def _rows(number: int) -> Iterator[tuple[object, ...]]:
    chance = random.Random(4)
    for n in range(number):
        spread = n // (number // len(PROMPTS) // 3) if n % (number // len(PROMPTS) // 3) == 7 else None
        text = prompt(chance, n) if spread is None else PROMPTS[spread % len(PROMPTS)]
        year, month, day = 2022 + n * 4 // number, n * 48 // number % 12 + 1, n % 28 + 1
        yield (
            f"{year}-{month:02d}-{day:02d} 10:00:00",
            text,
            chance.choice(_UNWANTED),
            ("16:9", "1:1", "3:4", "9:16")[chance.randrange(4)],
            "4K" if chance.random() < 0.1 else "2K",
            MODEL.model_id if n % 1_000 else "another",
            f"batch-{n // 500}",
            "success" if n % 50 else ("failed", "cancelled", "unknown")[n // 50 % 3],
            f"商品-{n}.png",
            f"/output/商品-{n}.png",
            2048,
            2048,
            "" if n % 300 else "keep",
            f"{chance.getrandbits(256):064x}",
            f"商品-{n}",
            f"商品-{n}",
            _own_columns(chance, n) if n % 2 else "",
        )


def _own_columns(chance: random.Random, n: int) -> str:
    columns = {"SKU": f"A-{n // 3:06d}", "客户": chance.choice(_CUSTOMERS), "交期": f"{n % 12 + 1} 月"}
    return json.dumps(columns, ensure_ascii=False)


def prompt(chance: random.Random, n: int) -> str:
    """A realistic prompt: a subject, styles, some English, sometimes a number or rare characters."""
    parts = [chance.choice(_SUBJECTS) + chance.choice(_ACTIONS)]
    parts += [chance.choice(_STYLES) for _ in range(chance.randint(1, 4))]
    if chance.random() < 0.35:
        parts += chance.sample(_ENGLISH, chance.randint(1, 3))
    if chance.random() < 0.2:
        parts.append(f"编号{n:06d}")
    if chance.random() < 0.1:
        parts.append("".join(chr(chance.randint(0x4E00, 0x8FFF)) for _ in range(6)))
    return chance.choice(["，", ", ", "、"]).join(parts)
