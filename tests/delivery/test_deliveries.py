"""Deliveries over HTTP: planned, made by portions, sent as a ZIP, and remembered."""

import errno
import io
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from PIL import Image

import database
from app.config import Settings
from app.delivery import making
from app.delivery.sql import get_delivery
from app.errors import Conflict
from app.images import finishing, store
from app.library import outputs
from app.system import windows_files
from tests.harness import worker_of
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.waiting import wait_until

ROWS: list[dict[str, Any]] = [
    {"prompt": "猫", "resolution": "1K", "filename": "红/猫一", "columns": {"SKU": "A1"}},
    {"prompt": "猫", "resolution": "1K", "filename": "猫二", "columns": {"SKU": "A2"}},
    {"prompt": "狗", "resolution": "1K", "num_images": 2, "filename": "狗", "columns": {"SKU": "A3"}},
    {"prompt": "鸟", "resolution": "1K", "columns": {"SKU": ""}},
]
NAMES = ["红/猫一.jpg", "猫二.jpg", "狗_1.jpg", "狗_2.jpg"]
PAPERS = ["交付清单.xlsx", "交付说明.txt"]
SMALL: dict[str, Any] = {"width": 40, "height": 30}


def table_of(web: WebHarness, rows: Sequence[dict[str, Any]] = ROWS) -> str:
    """A table whose pictures are made, and kept but that of a bird."""
    table: str = web.post("/api/tables", {"rows": rows, "name": "春季"}, 201)["table"]["id"]
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    keep(web, [record["id"] for record in records(web) if record["prompt"] != "鸟"])
    return table


def records(web: WebHarness) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.get("/api/records?limit=100")["records"]
    return found


def keep(web: WebHarness, ids: Sequence[int]) -> None:
    web.post("/api/records/pick", {"ids": ids, "pick": "keep"})


def own_profile(web: WebHarness, **fields: object) -> str:
    answer = web.client.put("/api/delivery-profiles/自己的", json={**SMALL, **fields})
    assert answer.status_code == 200, answer.text
    return "自己的"


def planned(
    web: WebHarness, table: str, profile: str = "", status: int = 201, **fields: object
) -> dict[str, Any]:
    body = {"table": table, "profile": profile or own_profile(web), **fields}
    return web.post("/api/deliveries", body, status)


def made(web: WebHarness, delivery_id: str) -> dict[str, Any]:
    """Make all files -> the totals."""
    while True:
        total: dict[str, Any] = web.post(f"/api/deliveries/{delivery_id}/make")["total"]
        if total["made"] + total["failed"] == total["files"]:
            return total


def unzipped(web: WebHarness, delivery_id: str) -> dict[str, bytes]:
    content = web.client.get(f"/api/deliveries/{delivery_id}.zip", buffered=True).data
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name) for name in bundle.namelist()}


def originals(settings: Settings) -> dict[str, str]:
    """The hash of every finished image."""
    return {path.name: store.sha256_of(path) for path in settings.output_dir.iterdir() if path.is_file()}


def lines(workbook: bytes) -> list[tuple[Any, ...]]:
    return [*load_workbook(io.BytesIO(workbook)).worksheets[0].iter_rows(values_only=True)]


def test_each_row_delivers_its_kept_pictures_under_its_name_with_workbook_and_note(demo: WebHarness) -> None:
    table = table_of(demo)
    before = originals(demo.settings)
    plan = planned(demo, table)
    assert [file["name"] for file in plan["files"]] == NAMES
    assert [file["row"] for file in plan["files"]] == [1, 2, 3, 3]
    assert {(file["bytes"], file["width"], file["height"]) for file in plan["files"]} == {(None, 40, 30)}
    assert {check["rule"] for check in plan["files"][0]["checks"]} >= {"pixels", "ratio", "enlarged"}
    assert [(one["row"], one["field"], one["kind"]) for one in plan["problems"]] == [(4, "pick", "pick")]
    assert (plan["counts"], plan["total"]["files"]) == ({"keep": 4, "all": 5}, 4)
    total = made(demo, plan["id"])
    answer = demo.client.get(f"/api/deliveries/{plan['id']}.zip?token=abc", buffered=True)
    assert answer.content_length == len(answer.data)
    found = unzipped(demo, plan["id"])
    assert [*found] == [*NAMES, *PAPERS]
    assert found["红/猫一.jpg"] == found["猫二.jpg"]
    assert sum(len(found[name]) for name in NAMES) == total["bytes"]
    assert {Image.open(io.BytesIO(found[name])).size for name in NAMES} == {(40, 30)}
    assert lines(found["交付清单.xlsx"]) == [
        ("行号", "缩略图", "图片文件"),
        *((n, None, name) for n, name in zip((1, 2, 3, 3), NAMES, strict=True)),
    ]
    note = found["交付说明.txt"].decode("utf-8-sig")
    assert found["交付说明.txt"].startswith(b"\xef\xbb\xbf")
    assert note.count("\n") == note.count("\r\n")
    for words in (
        "表格：春季",
        "规格：自己的",
        "文件：4 个",
        "缩小到 30×30（4 个文件）",
        "4 张全部由 AI 生成",
        "声明图片由 AI 生成",
    ):
        assert words in note
    assert originals(demo.settings) == before


def test_the_list_of_the_files_has_own_columns_that_names_use_or_that_were_ticked(demo: WebHarness) -> None:
    table = table_of(demo, [{"prompt": "猫", "columns": {"SKU": "A1", "备注": "杯口不要金边", "色": "红"}}])
    assert demo.get(f"/api/deliveries?table={table}")["columns"] == ["SKU", "备注", "色"]
    profile = own_profile(demo, file_name="{SKU}", columns=["备注"])
    for ticked, columns in (
        ({}, ["SKU", "备注"]),
        ({"columns": []}, ["SKU"]),
        ({"columns": ["色"]}, ["SKU", "色"]),
    ):
        found = unzipped(demo, planned(demo, table, profile, 201, **ticked)["id"])
        assert [*lines(found["交付清单.xlsx"])[0]] == ["行号", "缩略图", "图片文件", *columns]
    assert planned(demo, table, profile, columns="SKU", status=400)["field"] == "columns"


def test_which_rows_are_left_out_stays_in_every_answer_of_a_delivery(demo: WebHarness) -> None:
    plan = planned(demo, table_of(demo))
    url = f"/api/deliveries/{plan['id']}"
    assert [problem["row"] for problem in plan["problems"]] == [4]
    assert plan["problems"] == demo.post(f"{url}/make")["problems"] == demo.get(url)["problems"]


def test_rows_of_one_name_are_delivered_with_counters_when_asked(demo: WebHarness) -> None:
    table = table_of(demo, [ROWS[0], {**ROWS[1], "prompt": "小猫"}])
    profile = own_profile(demo, file_name="图")
    body = {"table": table, "profile": profile}
    assert "文件名一样" in demo.post("/api/deliveries", body, 400)["error"]
    numbered = planned(demo, table, profile, counters=True)
    assert [file["name"] for file in numbered["files"]] == ["图.jpg", "图-2.jpg"]


def test_all_pictures_of_chosen_rows_or_records_are_delivered_when_asked(demo: WebHarness) -> None:
    table = table_of(demo)
    rows = demo.get(f"/api/tables/{table}")["rows"]
    plan = planned(demo, table, pick="all", rows=[rows[3]["id"], rows[0]["id"]], apply=0, status=200)
    assert ([file["name"] for file in plan["files"]], plan["id"]) == (["红/猫一.jpg", "图片-4.jpg"], None)
    ids = [record["id"] for record in records(demo)]
    body = {"records": ids[:2], "profile": own_profile(demo)}
    plan = demo.post("/api/deliveries", body, 201)
    assert [file["name"] for file in plan["files"]] == ["图片-1.jpg", "狗.jpg"]
    assert [*unzipped(demo, plan["id"])] == ["图片-1.jpg", "狗.jpg", *PAPERS]


def test_two_kept_pictures_of_a_row_that_asks_for_one_are_both_delivered(demo: WebHarness) -> None:
    table = table_of(demo, [{"prompt": "猫", "filename": "猫"}])
    demo.post(f"/api/tables/{table}/run", {"repeats": "again"}, 202)
    demo.run()
    keep(demo, [record["id"] for record in records(demo)])
    assert [file["name"] for file in planned(demo, table)["files"]] == ["猫_1.jpg", "猫_2.jpg"]


def test_chosen_records_of_a_row_are_delivered_together_whichever_run_they_are_of(demo: WebHarness) -> None:
    table = table_of(demo, [ROWS[2], ROWS[0]])
    demo.post(f"/api/tables/{table}/run", {"repeats": "again"}, 202)
    demo.run()
    body = {"records": [record["id"] for record in records(demo)], "profile": own_profile(demo)}
    plan = demo.post("/api/deliveries", body, 201)
    assert plan["problems"] == []
    assert sorted(file["name"] for file in plan["files"]) == [
        *(f"狗_{n}.jpg" for n in (1, 2, 3, 4)),
        *(f"红/猫一_{n}.jpg" for n in (1, 2)),
    ]


def test_a_template_with_an_empty_column_or_one_name_for_two_rows_is_told_and_delivers_nothing_of_them(
    demo: WebHarness,
) -> None:
    table = table_of(demo, [ROWS[0], {**ROWS[1], "prompt": "小猫"}, *ROWS[2:]])
    profile = own_profile(demo, folder="{SKU}", file_name="图")
    plan = planned(demo, table, profile, pick="all")
    assert [file["name"] for file in plan["files"]] == [
        *("A1/图.jpg", "A2/图.jpg", "A3/图_1.jpg", "A3/图_2.jpg")
    ]
    assert [(one["row"], one["kind"]) for one in plan["problems"]] == [(4, "empty")]
    plan = planned(demo, table, own_profile(demo, file_name="图"))
    assert [(one["row"], one["kind"]) for one in plan["problems"]] == [
        *((1, "same_name"), (2, "same_name"), (4, "pick"))
    ]


def test_only_what_was_chosen_anew_is_delivered_again(demo: WebHarness) -> None:
    table = table_of(demo)
    first = planned(demo, table)["id"]
    assert [(one["files"], one["changed"]) for one in deliveries(demo, table)] == [(4, 0)]
    keep(demo, [record["id"] for record in records(demo) if record["prompt"] == "鸟"])
    assert [one["changed"] for one in deliveries(demo, table)] == [1]
    again = planned(demo, table, changed_since=first)
    assert [file["row"] for file in again["files"]] == [4]
    assert [one["changed"] for one in deliveries(demo, table)] == [0, 1]
    refused = planned(demo, table, changed_since=again["id"], status=400)
    assert refused["error"] == "没有可以交付的图片：没有换过图片的行"
    other = table_of(demo, [{"prompt": "鱼"}])
    assert planned(demo, other, changed_since=first, status=400)["field"] == "changed_since"


def deliveries(web: WebHarness, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.get(f"/api/deliveries?table={table}")["deliveries"]
    return found


def test_one_request_key_is_one_delivery(demo: WebHarness) -> None:
    table = table_of(demo)
    ids = {planned(demo, table, request_id="k")["id"] for _ in range(2)}
    assert (len(ids), len(deliveries(demo, table))) == (1, 1)
    assert planned(demo, table, request_id="k", pick="all", status=422)["error"]


def test_a_zip_of_files_that_are_not_made_yet_is_made_while_it_is_sent(demo: WebHarness) -> None:
    table = table_of(demo)
    delivery_id = planned(demo, table)["id"]
    answer = demo.client.get(f"/api/deliveries/{delivery_id}.zip", buffered=True)
    assert "Content-Length" not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        assert bundle.namelist() == [*NAMES, *PAPERS]
    (listed,) = deliveries(demo, table)
    assert listed["finished_at"]
    assert listed["bytes"] == demo.get(f"/api/deliveries/{delivery_id}")["total"]["bytes"]


def test_closing_the_connection_stops_the_work(demo: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(demo, [{"prompt": f"猫 {n}"} for n in range(12)])
    monkeypatch.setattr(making, "_THREADS", 1)
    delivery_id = planned(demo, table)["id"]
    answer = demo.client.get(f"/api/deliveries/{delivery_id}.zip")
    next(iter(answer.response))
    answer.close()
    assert 1 <= demo.get(f"/api/deliveries/{delivery_id}")["total"]["made"] <= 4
    assert deliveries(demo, table)[0]["finished_at"] is None
    assert planned(demo, table)["id"]  # its slot is free again


def test_note_and_workbook_can_be_left_out(demo: WebHarness) -> None:
    table = table_of(demo)
    plain = planned(demo, table, own_profile(demo, note=False, workbook=False))["id"]
    assert [*unzipped(demo, plain)] == NAMES
    without = planned(demo, table, own_profile(demo), note=False, workbook=False)["id"]  # this time only
    assert [*unzipped(demo, without)] == NAMES
    assert planned(demo, table, note="no", status=400)["field"] == "note"


def test_the_note_is_for_the_client_and_names_nothing_that_failed_or_was_left_out(demo: WebHarness) -> None:
    delivery_id = planned(demo, table_of(demo), "淘宝/天猫 白底图")["id"]
    made(demo, delivery_id)
    files = demo.get(f"/api/deliveries/{delivery_id}")["files"]
    assert {"white_ground": "fail"}.items() <= {
        check["rule"]: check["result"] for check in files[0]["checks"]
    }.items()
    note = next(text for name, text in unzipped(demo, delivery_id).items() if name.endswith(PAPERS[1]))
    for words in ("第 4 行", "请先选", "白底：", "纯色", "没有提白"):
        assert words not in note.decode("utf-8-sig")


SECRETS = ("密语一二三", "反词四五六", "jimeng", "即梦", "0.22", "Negative prompt", "Sampler", "Steps:")


def test_nothing_of_ours_is_in_any_byte_of_a_delivery(web: WebHarness, tmp_path: Path) -> None:
    rows = [
        {"prompt": "密语一二三，猫", "negative_prompt": "反词四五六", "columns": {"SKU": "A1"}},
        {"prompt": "密语一二三，狗", "filename": "狗", "columns": {"SKU": "A2"}},
    ]
    table = table_of(web, rows)
    words = (*SECRETS, str(tmp_path), table, *(record["batch_id"] for record in records(web)))
    for profile in ("原图", own_profile(web)):
        plan = planned(web, table, profile)
        made(web, plan["id"])
        content = web.client.get(f"/api/deliveries/{plan['id']}.zip", buffered=True).data
        texts = [*inflated(content)]
        assert len(texts) > 10
        for text in texts:
            for word in (*words, plan["id"]):
                for coding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
                    assert word.encode(coding) not in text, (word, coding, text[:80])


def inflated(content: bytes) -> Iterator[bytes]:
    """These bytes, and those of all entries of what is a ZIP, and the texts of what is an image."""
    yield content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            for name in bundle.namelist():
                yield name.encode()
                yield from inflated(bundle.read(name))
    elif content.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF")):
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            yield repr(image.info).encode()
            yield repr(dict(image.getexif())).encode()


def test_parameters_are_embedded_when_an_own_profile_asks_for_them(demo: WebHarness) -> None:
    table = table_of(demo, [{"prompt": "蓝色的猫", "filename": "猫"}])
    plan = planned(demo, table, own_profile(demo, parameters=True, format="png"))
    with Image.open(io.BytesIO(unzipped(demo, plan["id"])["猫.png"])) as image:
        assert "蓝色的猫" in image.info["parameters"]


def test_an_original_that_is_gone_is_named_and_the_rest_is_delivered(demo: WebHarness) -> None:
    table = table_of(demo)
    plan = planned(demo, table)
    gone = next(record for record in records(demo) if record["id"] == plan["files"][2]["record_id"])
    (demo.settings.output_dir / gone["filename"]).unlink()
    assert made(demo, plan["id"])["failed"] == 1
    file = demo.get(f"/api/deliveries/{plan['id']}")["files"][2]
    assert (file["name"], file["bytes"]) == ("狗_1.jpg", None)
    assert "原图读不出来" in file["error"]
    found = unzipped(demo, plan["id"])
    assert [*found] == ["红/猫一.jpg", "猫二.jpg", "狗_2.jpg", *PAPERS]
    assert [line[2] for line in lines(found["交付清单.xlsx"])[1:]] == [*found][:3]


def test_a_full_disk_is_said_and_making_goes_on_afterwards(
    demo: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery_id = planned(demo, table_of(demo))["id"]
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(Path, "write_bytes", full)
        error = demo.post(f"/api/deliveries/{delivery_id}/make", status=507)["error"]
        assert "磁盘已满" in error
        assert demo.client.get(f"/api/deliveries/{delivery_id}.zip").status_code == 507
    assert made(demo, delivery_id)["made"] == 4


def test_a_delivery_that_is_deleted_while_it_is_made_is_not_found(
    demo: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery_id, finish = planned(demo, table_of(demo))["id"], finishing.finish

    def delete_first(*given: Any) -> Any:
        demo.client.delete(f"/api/deliveries/{delivery_id}")
        return finish(*given)

    monkeypatch.setattr(making, "finish", delete_first)
    assert "没有这次交付" in demo.post(f"/api/deliveries/{delivery_id}/make", status=404)["error"]


def test_own_profiles_are_not_too_large_together(demo: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    own_profile(demo)
    monkeypatch.setattr("app.core.named._MAX_LENGTH", 600)
    refused = demo.client.put("/api/delivery-profiles/另一个", json={**SMALL, "source": "长" * 200})
    assert (refused.status_code, "先删掉不用的" in refused.get_json()["error"]) == (409, True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process and kills it")
def test_after_a_kill_what_was_made_stays_and_the_rest_is_made(
    demo: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery_id = planned(demo, table_of(demo))["id"]
    monkeypatch.setattr(making, "_THREADS", 1)
    child = os.fork()
    if child == 0:
        real = windows_files.replace

        def replace_one(source: Path, target: Path) -> None:
            if target.name == "1":
                with closing(database.connect(demo.settings.database)) as db:
                    wait_until(lambda: get_delivery(db, delivery_id).made == 1)
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target)

        monkeypatch.setattr(windows_files, "replace", replace_one)
        demo.post(f"/api/deliveries/{delivery_id}/make")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert demo.get(f"/api/deliveries/{delivery_id}")["total"]["made"] == 1
    assert made(demo, delivery_id)["made"] == 4
    assert [*unzipped(demo, delivery_id)] == [*NAMES, *PAPERS]


def test_a_finished_file_that_is_lost_or_changed_is_made_again_as_it_was(demo: WebHarness) -> None:
    delivery_id = planned(demo, table_of(demo))["id"]
    made(demo, delivery_id)
    whole = pictures(demo, delivery_id)
    folder = demo.settings.output_dir / store.DELIVERIES / delivery_id
    (folder / "2").write_bytes(b"x")
    assert pictures(demo, delivery_id) == whole
    shutil.rmtree(folder)
    assert pictures(demo, delivery_id) == whole


def pictures(web: WebHarness, delivery_id: str) -> list[bytes]:
    found = unzipped(web, delivery_id)
    return [found[name] for name in NAMES]


def test_a_finished_file_that_cannot_be_made_again_breaks_the_download_and_the_next_names_it(
    demo: WebHarness,
) -> None:
    plan = planned(demo, table_of(demo))
    made(demo, plan["id"])
    (demo.settings.output_dir / store.DELIVERIES / plan["id"] / "2").unlink()
    gone = next(record for record in records(demo) if record["id"] == plan["files"][2]["record_id"])
    (demo.settings.output_dir / gone["filename"]).unlink()
    with pytest.raises(Conflict):
        demo.client.get(f"/api/deliveries/{plan['id']}.zip", buffered=True)
    found = unzipped(demo, plan["id"])
    assert [name for name in NAMES if name not in found] == ["狗_1.jpg"]
    assert "原图读不出来" in demo.get(f"/api/deliveries/{plan['id']}")["files"][2]["error"]


def test_originals_are_read_from_oss_by_a_machine_that_never_had_them(
    settings: Settings, service: FakeJimeng, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_KEPT_FREE", 0)
    settings.output_dir.mkdir()
    fields = oss.settings(oss_output_prefix="ai-images/output/", output_store="oss")
    first = WebHarness(replace(settings, **service.settings(model_timeout=60), **fields))
    table = table_of(first)
    other = WebHarness(replace(first.settings, output_dir=settings.output_dir.with_name("elsewhere")))
    delivery_id = planned(other, table)["id"]
    assert [*unzipped(other, delivery_id)] == [*NAMES, *PAPERS]
    oss.is_down = True
    again = planned(other, table)["id"]
    assert other.post(f"/api/deliveries/{again}/make", status=502)["error"]
    oss.is_down = False
    monkeypatch.setattr(outputs, "_PROBE_SECONDS", 0.0)
    assert made(other, again)["made"] == 4


def test_an_original_that_only_its_copy_in_oss_still_has_is_delivered(
    settings: Settings, oss: FakeOss
) -> None:
    demo = WebHarness(replace(settings, **oss.settings(oss_output_prefix="ai-images/output/")))
    table = table_of(demo)
    with closing(database.connect(settings.database)) as db:
        while worker_of(demo.runtime).maintenance.copy_output(db):
            pass
    for name in originals(demo.settings):
        (settings.output_dir / name).unlink()
    assert [*unzipped(demo, planned(demo, table)["id"])] == [*NAMES, *PAPERS]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"profile": "没有的"}, 404, None),
        ({"table": "t-none"}, 404, None),
        ({"records": [1]}, 400, "records"),
        ({"changed_since": "d-none"}, 404, None),
        ({"table": ""}, 400, "table"),
        ({"table": "", "records": [1], "rows": [1]}, 400, "rows"),
        ({"table": "", "records": [987_654]}, 404, None),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    module_demo: WebHarness, body: Mapping[str, Any], status: int, field: str | None
) -> None:
    table = module_demo.post("/api/tables", {"rows": [{"prompt": "猫"}]}, 201)["table"]["id"]
    asked = {"table": table, "profile": "原图", **body}
    given = {name: value for name, value in asked.items() if value != ""}
    answer = module_demo.post("/api/deliveries", given, status)
    assert answer.get("field") == field
    assert answer["error"]


def test_a_record_without_a_picture_is_named_and_the_others_are_delivered(demo: WebHarness) -> None:
    table_of(demo, [{"prompt": "狗", "filename": "狗"}])
    (made_one,) = records(demo)
    demo.submit([{"prompt": "猫"}])
    (queued,) = demo.get("/api/records?status=queued")["records"]
    body = {"records": [made_one["id"], queued["id"]], "profile": "原图"}
    plan = demo.post("/api/deliveries", body, 201)
    assert [file["record_id"] for file in plan["files"]] == [made_one["id"]]
    assert plan["problems"] == [
        {"row": 2, "field": "pick", "kind": "pick", "error": "第 2 条记录没有图片，请先生成它"}
    ]
    body["records"] = [queued["id"]]
    assert "没有可以交付的图片" in demo.post("/api/deliveries", body, 400)["error"]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"fit": "crop"}, ["裁剪会裁掉它"]),
        ({"fit": "crop", "width": 40, "height": 40}, []),  # which cuts nothing off
        ({"background": "#ffffff", "rules": [{"rule": "white_ground"}]}, ["做白底会盖掉它"]),
        ({"fit": "pad"}, []),
    ],
    ids=["crop", "same shape", "white ground", "pad"],
)
def test_a_picture_with_a_visible_mark_is_never_cropped_or_whitened(
    demo: WebHarness, fields: dict[str, Any], refused: list[str]
) -> None:
    table = table_of(demo)
    marked = next(record for record in records(demo) if record["prompt"] == "狗")
    with closing(database.connect(demo.settings.database)) as db:
        sql = "UPDATE generation_records SET marks = :marks, width = 90, height = 90 WHERE id = :id"
        db.execute(sql, {"marks": '{"visible": true}', "id": marked["id"]})
    plan = planned(demo, table, own_profile(demo, **fields))
    told = [problem for problem in plan["problems"] if problem["kind"] == "mark"]
    assert len(told) == len(refused)
    assert all(part in problem["error"] for part, problem in zip(refused, told, strict=True))
    is_delivered = marked["id"] in {file["record_id"] for file in plan["files"]}
    assert is_delivered == (not refused)


def test_a_folder_is_written_only_for_this_computer(demo: WebHarness) -> None:
    delivery_id = planned(demo, table_of(demo))["id"]
    url = f"/api/deliveries/{delivery_id}/folder"
    assert "没有做完" in demo.post(url, status=409)["error"]
    made(demo, delivery_id)
    assert demo.client.post(url, headers={"X-Forwarded-For": "192.168.1.7"}).status_code == 403
    folder = Path(demo.post(url)["folder"])
    assert folder.parent == demo.settings.output_dir.parent / "deliveries"
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    content = unzipped(demo, delivery_id)
    assert {*found} == {*content}
    assert all(found[name] == content[name] for name in NAMES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_forgotten_delivery_is_gone_with_its_files(demo: WebHarness) -> None:
    table = table_of(demo)
    delivery_id = planned(demo, table)["id"]
    made(demo, delivery_id)
    assert demo.client.delete(f"/api/deliveries/{delivery_id}").status_code == 200
    assert not [*(demo.settings.output_dir / store.DELIVERIES).iterdir()]
    for url in (f"/api/deliveries/{delivery_id}", f"/api/deliveries/{delivery_id}.zip"):
        assert demo.client.get(url).status_code == 404


def test_own_profiles_are_stored_and_those_of_platforms_are_read_only(demo: WebHarness) -> None:
    own_profile(demo, max_kb=200)
    profiles = demo.get("/api/delivery-profiles")["profiles"]
    assert [(one["name"], one["max_kb"], one["built_in"]) for one in profiles][-2:] == [
        ("原图", 0, True),
        ("自己的", 200, False),
    ]
    assert demo.get("/api/delivery-profiles/淘宝/天猫 主图")["profile"]["width"] == 1440
    assert demo.client.put("/api/delivery-profiles/原图", json=SMALL).status_code == 409
    assert demo.client.delete("/api/delivery-profiles/原图").status_code == 409
    wrong = demo.client.put("/api/delivery-profiles/x", json={**SMALL, "background": "", "format": "jpeg"})
    assert (wrong.status_code, wrong.get_json()["field"]) == (400, "background")
    assert demo.client.delete("/api/delivery-profiles/自己的").status_code == 200
    assert demo.client.delete("/api/delivery-profiles/自己的").status_code == 404


@pytest.mark.parametrize("name", ["淘宝/天猫 白底图", "自己的"])
def test_a_profile_as_it_is_answered_can_be_stored(demo: WebHarness, name: str) -> None:
    own_profile(demo)
    profile = demo.get(f"/api/delivery-profiles/{name}")["profile"]
    assert demo.client.put("/api/delivery-profiles/自己的", json=profile).status_code == 200
    stored = demo.get("/api/delivery-profiles/自己的")["profile"]
    assert stored == profile | {"name": "自己的", "built_in": False}


def test_a_delivery_keeps_the_profile_that_it_was_made_with(demo: WebHarness) -> None:
    delivery_id = planned(demo, table_of(demo))["id"]
    own_profile(demo, width=60)
    with Image.open(io.BytesIO(unzipped(demo, delivery_id)["猫二.jpg"])) as image:
        assert image.size == (40, 30)


def test_a_preview_is_the_picture_that_a_profile_makes(demo: WebHarness) -> None:
    table_of(demo)
    url, record_id = "/api/delivery-profiles/preview", records(demo)[0]["id"]
    answer = demo.client.post(url, json={"profile": {**SMALL, "format": "webp"}, "record_id": record_id})
    with Image.open(io.BytesIO(answer.data)) as image:
        assert (answer.mimetype, image.format, image.size) == ("image/webp", "WEBP", (40, 30))
    assert demo.client.post(url, json={"profile": {"fit": "x"}, "record_id": record_id}).status_code == 400
    assert demo.client.post(url, json={"profile": SMALL, "record_id": 987_654}).status_code == 404
