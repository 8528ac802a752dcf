"""The servers that the states of pages are shown on, with their data, and files to upload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tools.fakes.jimeng import FakeJimeng
from tools.landscapes import landscape
from tools.pages.records_page import seed_records
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

PASSWORD = "sesame"
LONG = "很长的提示词，" * 100
_RECORDS = 30
_HOUR = 3600  # seconds: latency and timeout of the running images
_TABLE = f"""提示词,图片比例,分辨率,生成数量,参考示例图,文件名
一只橘猫趴在窗台上看雨,16：9,2k,1,示例一.jpg,猫
雪山木屋,7:5,2K,12,没有这张.png,a/b
{LONG},1:1,9K,1,,{"长" * 60}
"""
_RUN_TABLE = "SKU,提示词,图片比例,分辨率\n" + "".join(
    f"A-{n},第 {n} 款茶具，白底主图,1:1,1K\n" for n in range(1, 9)
)
_EDITED_TABLE = _RUN_TABLE.replace("3 款茶具，白底", "3 款茶具，黑底").replace("A-6,第 6 款茶具", "A-6,茶壶")
_EDITED_TABLE = _EDITED_TABLE.replace(
    "A-8,第 8 款茶具，白底主图,1:1,1K\n", "B-1,新的一款,1:1,1K\nB-2,又一款,3:4,1K\n"
)
_OWN_TABLE = (
    "SKU,客户,交期,提示词,文件名\nA-1,张三,2026-08-01,{客户}的猫,{SKU}-主图\nA-2,,,{客户}的狗,{SKU}\n"
)
_GOOD_TABLE = "提示词,图片比例,分辨率,生成数量\n一只橘猫,16:9,2K,2\n雪山,1:1,1K,1\n"

_MADE_TABLE = """提示词,图片比例,分辨率,生成数量
雪山,1:1,1K,1
茶杯,1:1,1K,4
丢失,1:1,1K,1
竹林,1:1,1K,2
新的一只猫,1:1,1K,1
新的一只猫,1:1,1K,1
"""


@dataclass(frozen=True, kw_only=True)
class Scenarios:
    """Servers: without records, with many, with a password, with reference images; and files to upload.

    ``ids`` are batches of ``populated``: ended with failures and one unknown, a sample whose other rows are
    held, paused by a wrong key, running. ``invited`` is the token of an invitation to ``locked``.
    """

    empty: ServerProcess
    populated: ServerProcess
    locked: ServerProcess
    library: ServerProcess
    ids: dict[str, str]
    folder: Path


@contextmanager
def scenarios(folder: Path) -> Iterator[Scenarios]:
    """The four running servers with their data."""
    for name in ("empty", "populated", "locked", "library", "files"):
        (folder / name).mkdir()
    (folder / "files/table.csv").write_text(_TABLE, "utf-8")
    (folder / "files/bad.xlsx").write_text("nothing", "utf-8")
    (folder / "files/own.csv").write_text(_OWN_TABLE, "utf-8")
    (folder / "files/good.csv").write_text(_GOOD_TABLE, "utf-8")
    (folder / "files/made.csv").write_text(_MADE_TABLE, "utf-8")
    (folder / "files/茶具.csv").write_text(_EDITED_TABLE, "utf-8")
    seed_records(folder / "populated", _RECORDS, prompts=[LONG])
    with ExitStack() as ends:
        service = ends.enter_context(FakeJimeng())
        budgeted = service.settings(model_concurrency=6, model_timeout=_HOUR, budget=100)
        servers = {
            "empty": running_server(folder / "empty", image_model="demo"),
            "populated": running_server(folder / "populated", **budgeted),
            "locked": running_server(folder / "locked", image_model="demo", access_password=PASSWORD),
            "library": running_server(folder / "library", image_model="demo"),
        }
        started = {name: ends.enter_context(server) for name, server in servers.items()}
        _add_reference_images(started["library"])
        _run_workbook(started["library"])
        ids = _populate(started["populated"], service) | _try_recipe(started["library"])
        ids |= _invite(started["locked"])
        yield Scenarios(**started, ids=ids, folder=folder / "files")


def _add_reference_images(server: ServerProcess) -> None:
    for number in range(1, 6):
        file = {"file": (f"示例{number}{'长' * 20 * (number % 2)}.jpg", landscape(number, "4:3"))}
        requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)


def _run_workbook(server: ServerProcess) -> None:
    file = {"file": ("茶具.csv", _RUN_TABLE.encode())}
    found = requests.post(f"{server.address}/api/spreadsheet/import", files=file, timeout=30).json()
    rows = [_row(row["prompt"], number=row["number"], columns=row["columns"]) for row in found["rows"]]
    server.wait_for_end(_post(server, rows, workbook=found["workbook"], name="茶具"))


def _invite(server: ServerProcess) -> dict[str, str]:
    """Beside the owner, somebody who looks on, and somebody who is invited and has not joined."""
    with requests.Session() as owner:
        owner.post(f"{server.address}/login", data={"password": PASSWORD}, timeout=30)
        people = [
            {"name": "小周", "role": "viewer"},
            {"name": "名字" * 20, "role": "member", "month_limit": 100},
        ]
        made = [owner.post(f"{server.address}/api/people", json=one, timeout=30).json() for one in people]
    joined, invited = (one["link"].rpartition("/")[2] for one in made)
    account = {"name": "小周", "password": PASSWORD * 3}
    requests.post(f"{server.address}/join/{joined}", data=account, timeout=30).raise_for_status()
    return {"invited": invited}


def _try_recipe(server: ServerProcess) -> dict[str, str]:
    """Two tables of products with a recipe: one is not begun, of the other one product was tried."""
    roles = [
        {"role": role, "prompt": f"{{SKU}}，{role}", "resolution": "1K"} for role in ("主图", "白底", "场景")
    ]
    ids = {}
    for name in ("products", "tried"):
        columns = [{"SKU": f"{name[:4]}-{n}", "品名": LONG[:40], "类目": str(n % 2)} for n in range(1, 5)]
        rows = [{"columns": each} for each in columns]
        ids[name] = str(server.post("/api/tables", {"rows": rows, "name": "套图"})["table"]["id"])
        server.post(f"/api/tables/{ids[name]}/recipe", {"recipe": {"name": "三张", "roles": roles}})
    ids["tried"] = str(server.post(f"/api/tables/{ids['tried']}/run", {"sample": 1})["batch_id"])
    server.wait_for_end(ids["tried"])
    return ids


def _populate(server: ServerProcess, service: FakeJimeng) -> dict[str, str]:
    """Add batches in every state, images of every outcome, reference images and deleted records."""
    _add_reference_images(server)
    service.fail_next("reset", times=2, when=lambda call: "丢失" in call.content.decode())
    rows = [_row("雪山"), _row("违禁"), _row("丢失"), _row(LONG[:700]), _row("茶杯", num_images=3)]
    ended = _post(server, rows, name="名字" * 40)
    server.wait_for_end(ended)
    sampled = _post(server, [_row("石壶", num_images=2), *[_row("石杯")] * 3], sample=1)
    server.wait_for_end(sampled)
    singles = [_row("猫", num_images=5, aspect_ratio="16:9"), _row("违禁的画"), _row("丢失的画")]
    for row in singles:
        server.wait_for_end(_post(server, [row], source="single"))
    service.fail_next("key", times=9)
    paused = _post(server, [_row("台灯", num_images=3)])
    wait_until(lambda: server.get(f"/api/batches/{paused}")["batch"]["status"] == "paused")
    service.clear_faults()
    service.latency = _HOUR
    single = _post(server, [_row("灯塔", num_images=2)], source="single")
    wait_until(lambda: server.get(f"/api/batches/{single}")["batch"]["counts"]["running"] == 2)
    running = _post(server, [_row("竹林", num_images=2), *[_row("沙漠")] * 5])
    wait_until(lambda: server.get(f"/api/batches/{running}")["batch"]["counts"]["running"] > 0)
    _post(server, [_row("麦田")], source="single")  # queued behind the others
    server.post("/api/records/delete", {"ids": [2, 3, 4]})
    return {"ended": ended, "sampled": sampled, "paused": paused, "running": running}


def _row(prompt: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "resolution": "1K", **more}


def _post(server: ServerProcess, rows: list[dict[str, Any]], **more: Any) -> str:
    return str(server.post("/api/batches", {"rows": rows, **more})["batch_id"])
