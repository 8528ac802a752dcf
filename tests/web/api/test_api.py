"""Pages and API through the app itself, with the fake Jimeng at the wire."""

import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask

import database
from app.config import Settings
from app.web.caching import init_caching
from tests.harness import run_once
from tests.web.harness import PNG, WebHarness, add_reference, import_sheet, post
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.service import Call
from web_app import create_app


@pytest.fixture
def running(web: WebHarness) -> Iterator[WebHarness]:
    """The app, with the threads of its worker running."""
    web.runtime.start()
    yield web
    assert web.runtime.stop(10)


def test_a_waiting_call_returns_the_images(running: WebHarness, service: FakeJimeng) -> None:
    body = {"prompt": "雪山", "aspect_ratio": "16:9", "resolution": "2k", "num_images": 2, "filename": "封面"}
    answer = running.post("/api/batch-generate", body)
    assert [image["filename"] for image in answer["images"]] == ["封面_1.png", "封面_2.png"]
    assert {(image["width"], image["height"]) for image in answer["images"]} == {(2560, 1440)}
    assert running.client.get(answer["images"][0]["url"], buffered=True).data.startswith(b"\x89PNG")
    assert service.charges == 2


def test_a_partly_failed_call_returns_its_images_and_lists_the_errors(
    running: WebHarness, service: FakeJimeng
) -> None:
    service.fail_next("reset")
    body = {"prompt": "雪山", "num_images": 3, "filename": "封面"}
    answer = running.post("/api/batch-generate", body)
    assert answer.keys() == {"success", "images", "batch_id", "errors"}
    listed = running.get(f"/api/batches/{answer['batch_id']}")
    by_status = {record["status"]: record for record in listed["records"]}
    assert listed["batch"]["counts"] | {"success": 2, "unknown": 1} == listed["batch"]["counts"]
    unknown = by_status["unknown"]
    assert answer["errors"] == [{"record_id": unknown["id"], "status": "unknown", "error": unknown["error"]}]
    assert "可能已计费" in unknown["error"]
    made = [image["record_id"] for image in answer["images"]]
    assert sorted([*made, unknown["id"]]) == sorted(record["id"] for record in listed["records"])
    for image in answer["images"]:
        assert image.keys() == {"filename", "url", "seed", "width", "height", "record_id"}
        assert running.client.get(image["url"], buffered=True).data.startswith(b"\x89PNG")
    assert (len(service.submissions), service.charges) == (3, 3)


def test_what_a_pause_cancels_is_listed_beside_the_finished_image(
    running: WebHarness, service: FakeJimeng
) -> None:
    first: list[Call] = []

    def is_later(call: Call) -> bool:
        first.extend([] if first else [call])
        return call is not first[0]

    service.fail_next("key", times=99, when=is_later)
    answer = running.post("/api/batch-generate", {"prompt": "雪山", "num_images": 3})
    assert len(answer["images"]) == 1
    assert [(each["status"], bool(each["error"])) for each in answer["errors"]] == [("cancelled", True)] * 2
    ids = [each["record_id"] for each in answer["images"] + answer["errors"]]
    assert len(set(ids)) == 3
    assert service.charges == 1


def test_a_wholly_failed_call_is_a_502_with_the_reason(running: WebHarness) -> None:
    answer = running.post("/api/batch-generate", {"prompt": "违禁"}, 502)
    assert "50412" in answer["error"]
    assert len(answer["errors"]) == 1


def test_a_bad_row_is_reported_by_row_and_field_and_nothing_is_queued(module_web: WebHarness) -> None:
    rows = [{"prompt": "猫"}, {"prompt": "", "num_images": 99}, "not a row"]
    answer = module_web.post("/api/batches", {"rows": rows}, 400)
    assert [(p["row"], p["field"]) for p in answer["problems"]] == [(2, "prompt"), (2, "num_images"), (3, "")]
    assert module_web.get("/api/batches")["batches"] == []


def test_a_body_that_is_no_object_is_refused(module_web: WebHarness) -> None:
    assert module_web.post("/api/batches", [], 400)["error"]


def test_more_images_than_a_batch_may_have_are_refused(module_web: WebHarness) -> None:
    rows = [{"prompt": "猫", "num_images": 10}] * 1001
    assert "10000" in module_web.post("/api/batches", {"rows": rows}, 400)["error"]
    assert "5000" in module_web.post("/api/batches", {"rows": [{"prompt": "猫"}] * 5001}, 400)["error"]


def test_a_batch_returns_changes_since_a_version_and_304_when_there_are_none(web: WebHarness) -> None:
    created = web.post("/api/batches", {"rows": [{"prompt": "一"}, {"prompt": "二"}], "name": "测试"}, 202)
    path = f"/api/batches/{created['batch_id']}"
    first = web.client.get(path)
    seen = first.get_json()
    assert (seen["batch"]["status"], seen["batch"]["total"], len(seen["records"])) == ("queued", 2, 2)
    assert seen["batch"]["estimated_cost"] == 0.44
    assert web.client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    with closing(database.connect(web.settings.database)) as db:
        run_once(web.runtime, db)
    changed = web.get(f"{path}?since={seen['version']}")
    assert [record["status"] for record in changed["records"]] == ["success"]
    assert changed["batch"]["counts"]["queued"] == 1
    assert "已保存" in changed["log"][-1]["text"]
    without = web.get(f"{path}?since={seen['version']}&records=0")
    assert without == {name: value for name, value in changed.items() if name != "records"}


@pytest.mark.parametrize("change", ["pick", "delete", "restore"])
def test_a_batch_changes_when_one_of_its_records_does(web: WebHarness, change: str) -> None:
    created = web.post("/api/batches", {"rows": [{"prompt": "猫"}]}, 202)
    web.run()
    chosen = {"ids": created["records"]}
    if change == "restore":
        web.post("/api/records/delete", chosen)
    path = f"/api/batches/{created['batch_id']}"
    known = {"If-None-Match": web.client.get(path).headers["ETag"]}
    assert web.client.get(path, headers=known).status_code == 304
    web.post(f"/api/records/{change}", chosen | ({"pick": "keep"} if change == "pick" else {}))
    assert web.client.get(path, headers=known).status_code == 200


def test_a_compressed_response_is_revalidated_before_rendering(
    web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = web.post("/api/batches", {"rows": [{"prompt": "猫", "num_images": 9}]}, 202)["batch_id"]
    path, packed = f"/api/batches/{batch_id}", {"Accept-Encoding": "gzip"}
    tag = web.client.get(path, headers=packed).headers["ETag"]
    assert tag.startswith("W/")
    monkeypatch.setattr(database, "list_batch_records", None)
    assert web.client.get(path, headers=packed | {"If-None-Match": tag}).status_code == 304


def test_the_list_of_batches_is_sent_again_only_when_one_changed(web: WebHarness) -> None:
    batch_id = web.post("/api/batches", {"rows": [{"prompt": "猫"}]}, 202)["batch_id"]
    known = {"If-None-Match": web.client.get("/api/batches").headers["ETag"]}
    assert web.client.get("/api/batches", headers=known).status_code == 304
    for another in ("source=single", "offset=1"):
        assert web.client.get(f"/api/batches?{another}", headers=known).get_json()["batches"] == []
    web.post(f"/api/batches/{batch_id}/pause")
    assert web.client.get("/api/batches", headers=known).get_json()["batches"][0]["status"] == "paused"


def test_batches_are_listed_page_by_page(web: WebHarness) -> None:
    rows = {"rows": [{"prompt": "猫"}]}
    made = [web.post("/api/batches", rows, 202)["batch_id"] for _ in range(53)]
    made.append(web.post("/api/batches", rows | {"source": "single"}, 202)["batch_id"])
    first = web.get("/api/batches")
    rest = web.get("/api/batches?offset=50")
    assert [batch["id"] for batch in first["batches"] + rest["batches"]] == made[::-1]
    assert (len(first["batches"]), first["total"], rest["total"]) == (50, 54, 54)
    of_workbooks = web.get("/api/batches?source=batch&limit=2&offset=1")
    assert [batch["id"] for batch in of_workbooks["batches"]] == [made[51], made[50]]
    assert of_workbooks["total"] == 53
    assert web.get("/api/batches?offset=54")["batches"] == []


def test_a_batch_is_paused_resumed_and_cancelled(web: WebHarness) -> None:
    batch_id = web.post("/api/batches", {"rows": [{"prompt": "一"}]}, 202)["batch_id"]
    assert web.post(f"/api/batches/{batch_id}/pause")["batch"]["status"] == "paused"
    assert web.post(f"/api/batches/{batch_id}/resume")["batch"]["status"] == "queued"
    cancelled = web.post(f"/api/batches/{batch_id}/cancel")["batch"]
    assert (cancelled["status"], cancelled["counts"]["cancelled"]) == ("cancelled", 1)
    assert web.post("/api/batches/none/pause", status=404)["error"]


def test_retry_requires_finished_records(web: WebHarness) -> None:
    created = web.post("/api/batches", {"rows": [{"prompt": "一"}]}, 202)
    path = f"/api/batches/{created['batch_id']}/retry"
    assert web.post(path, {"records": created["records"]}, 409)["error"]
    assert web.post(path, {"records": "all"}, 400)["field"] == "records"
    assert web.post(path, {"record": created["records"]}, 400)["field"] == "record"


def test_a_missing_file_deletes_no_record(running: WebHarness) -> None:
    made = running.post("/api/batch-generate", {"prompt": "丢了的猫"})["images"][0]
    (running.settings.output_dir / made["filename"]).unlink()
    assert running.client.get(made["url"]).status_code == 404
    assert running.get("/api/records")["total"] == 1


@pytest.mark.parametrize(
    "path",
    ["/output/../web_app.py", "/output/..%2f..%2fetc%2fpasswd", "/output/.thumbnails/0/1.webp", "/output/x"],
)
def test_nothing_outside_the_output_folder_is_served(module_web: WebHarness, path: str) -> None:
    assert module_web.client.get(path).status_code == 404


def test_a_reference_is_uploaded_found_and_deleted(web: WebHarness) -> None:
    added = add_reference(web.client, "风格 参考.png")
    assert (added["filename"], added["width"], added["height"]) == ("风格 参考.png", 40, 30)
    assert web.client.get(added["url"], buffered=True).data == PNG
    assert len(web.get("/api/sample-images?search=风格")["images"]) == 1
    assert web.client.delete(f"/api/sample-images/{added['key']}").status_code == 200
    assert web.get("/api/sample-images")["images"] == []
    assert web.post(f"/api/sample-images/{added['key']}/restore")["images"][0]["key"] == added["key"]


def test_a_missing_key_is_reported_before_anything_is_queued(settings: Settings) -> None:
    app = create_app(replace(settings, image_model="jimeng"))
    answer = post(app.test_client(), "/api/batches", {"rows": [{"prompt": "猫"}]}, 409)
    assert "VOLCENGINE_AK" in answer["error"]


def test_the_models_api_lists_what_each_model_accepts(module_web: WebHarness) -> None:
    model = module_web.get("/api/models")["model"]
    assert (model["name"], model["takes_seed"], model["takes_steps"]) == ("jimeng", False, False)
    assert model["sizes"]["16:9|2K"]["size"] == "2560x1440"
    assert model["notes"]["seed"]


@pytest.mark.parametrize(
    ("stored", "cell", "found"),
    [
        pytest.param("红茶.png", "红茶；绿茶", [("红茶", "exact"), ("绿茶", "missing")], id="by name"),
        pytest.param(
            "红茶.png", "\u200b红\u200b茶\ufeff", [("红\u200b茶", "exact")], id="invisible characters"
        ),
        pytest.param(
            *("红、茶.png", "绿茶、红、茶.png", [("绿茶", "missing"), ("红、茶.png", "exact")]),
            id="a name with a separator",
        ),
    ],
)
def test_an_import_matches_reference_names_with_the_library(
    demo: WebHarness, stored: str, cell: str, found: list[tuple[str, str]]
) -> None:
    add_reference(demo.client, stored)
    answer = import_sheet(demo.client, f"提示词,参考示例图\n猫,{cell}\n".encode(), "a.csv")
    assert [(one["name"], one["match"]) for one in answer["references"]] == found
    assert answer["rows"][0]["references"] == [name for name, _ in found]


def test_results_leave_out_deleted_records(running: WebHarness) -> None:
    made = running.post("/api/batch-generate", {"prompt": "留下和扔掉的猫", "num_images": 3})
    address = f"/api/batches/{made['batch_id']}/results.xlsx"
    deleted = made["images"][1]
    running.post("/api/records/delete", {"ids": [deleted["record_id"]]})
    content = running.client.get(address, buffered=True).data
    read = import_sheet(running.client, content)
    assert [(row["num_images"], row["status"]) for row in read["rows"]] == [(2, "success")]
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert sum(name.startswith("xl/media/") for name in parts.namelist()) == 2
        assert deleted["filename"].encode() not in b"".join(map(parts.read, parts.namelist()))
    running.post("/api/records/restore", {"ids": [deleted["record_id"]]})
    with zipfile.ZipFile(io.BytesIO(running.client.get(address, buffered=True).data)) as parts:
        assert sum(name.startswith("xl/media/") for name in parts.namelist()) == 3


def test_the_form_works_without_javascript(web: WebHarness) -> None:
    answer = web.client.post("/", data={"prompt": "表单的猫", "num_images": "2", "sample_images": "[]"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = web.client.get("/").text
    assert page.count("表单的猫") >= 2
    refused = web.client.post("/", data={"prompt": "", "filename": "我写过的"})
    assert refused.status_code == 400
    assert "请填写提示词" in refused.text
    assert "我写过的" in refused.text


def test_the_form_is_filled_from_a_record(running: WebHarness) -> None:
    made = running.post("/api/batch-generate", {"prompt": "再来一张的猫"})["images"][0]
    assert "再来一张的猫" in running.client.get(f"/?from={made['record_id']}").text
    missing = running.client.get("/?from=999999")
    assert missing.status_code == 404
    assert "没有这条记录" in missing.text


class Attributes(HTMLParser):
    """All attributes of a page, by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.found.setdefault(name, []).append(value)


@pytest.mark.parametrize("path", ["/?from={id}", "/live/records/{id}/details"])
def test_a_reference_name_stays_inside_its_attribute(web: WebHarness, path: str) -> None:
    [number] = web.post("/api/batches", {"rows": [{"prompt": "照着画"}], "source": "single"}, 202)["records"]
    images = [{"url": "/samples/a.png", "filename": "a\" oddattribute='1' <b>&amp;'.png"}]
    web.execute("UPDATE generation_records SET sample_images = ?", [json.dumps(images)])
    attributes = Attributes(web.client.get(path.format(id=number)).text).found
    assert "oddattribute" not in attributes
    for page in ("/", "/records?status=queued"):
        assert "oddattribute" not in Attributes(web.client.get(page).text).found
    stored = [json.loads(text or "")["sample_images"] for text in attributes.get("data-request", [])]
    given = [json.loads(text) for text in attributes.get("value", []) if text and text.startswith("[")]
    names = [image["filename"] for image in (given if "from" in path else stored)[0]]
    assert names == [images[0]["filename"]]


def test_live_results_are_fragments_and_304_when_nothing_changed(web: WebHarness) -> None:
    web.post("/api/batches", {"rows": [{"prompt": "片段"}], "source": "single"}, 202)
    first = web.client.get("/live/results?since=0")
    assert "片段" in first.text
    assert "<html" not in first.text
    again = web.client.get("/live/results?since=0", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    later = web.client.get(f"/live/results?since={first.headers['X-Version']}")
    assert later.text == ""


def test_live_results_list_deleted_and_restored_records(running: WebHarness) -> None:
    number = running.post("/api/batch-generate", {"prompt": "来去的猫"})["images"][0]["record_id"]
    since = running.client.get("/live/results?since=0").headers["X-Version"]
    assert running.client.delete(f"/api/records/{number}").get_json()["deleted"] == 1
    response = running.client.get(f"/live/results?since={since}")
    assert response.text == f'<i data-record-id="{number}" data-gone></i>'
    running.client.post("/api/records/restore", json={"ids": [number]})
    assert "来去的猫" in running.client.get(f"/live/results?since={response.headers['X-Version']}").text


def test_text_is_compressed_and_images_are_not(module_web: WebHarness) -> None:
    packed = {"Accept-Encoding": "gzip"}
    page = module_web.client.get("/", headers=packed)
    assert page.headers["Content-Encoding"] == "gzip"
    assert len(page.data) < len(module_web.client.get("/").data) / 2
    style = module_web.client.get("/static/css/tokens.css", headers=packed, buffered=True)
    assert style.headers["Content-Encoding"] == "gzip"
    url = add_reference(module_web.client, "x.png")["url"]
    assert "Content-Encoding" not in module_web.client.get(url, headers=packed, buffered=True).headers


def test_a_text_of_any_length_is_compressed() -> None:
    app = Flask("long")
    init_caching(app)
    app.add_url_rule("/", view_func=lambda: "猫" * 3_000_000)
    answer = app.test_client().get("/", headers={"Accept-Encoding": "gzip"})
    assert len(answer.data) < 100_000
    assert gzip.decompress(answer.data).decode() == "猫" * 3_000_000


def test_no_template_is_compiled_again_after_the_next_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pages = ("/", "/batch", "/records", "/samples", "/usage", "/model", "/nowhere")
    answers = [create_app(settings).test_client().get(path).status_code for path in pages]
    again = create_app(settings)
    monkeypatch.setattr(again.jinja_env, "compile", None)
    assert [again.test_client().get(path).status_code for path in pages] == answers == [200] * 6 + [404]


def test_pages_are_shown_when_compiled_templates_cannot_be_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client = create_app(settings).test_client()
    shutil.rmtree(next(tmp_path.glob("_jinja2-cache-*")))
    assert client.get("/").status_code == 200
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert create_app(settings).test_client().get("/").status_code == 200


def test_a_static_file_is_cached_only_when_its_url_has_its_version(module_web: WebHarness) -> None:
    plain = module_web.client.get("/static/js/core/http.js", buffered=True)
    assert plain.headers["Cache-Control"] == "no-cache"
    again = module_web.client.get(
        "/static/js/core/http.js", headers={"If-None-Match": plain.headers["ETag"]}, buffered=True
    )
    assert again.status_code == 304
    assert (
        "max-age=31536000"
        in module_web.client.get("/static/js/core/http.js?v=1", buffered=True).headers["Cache-Control"]
    )


def test_the_top_bar_counts_running_and_queued_images_separately(web: WebHarness) -> None:
    web.post("/api/batches", {"rows": [{"prompt": "猫", "num_images": 3}]}, 202)
    with closing(database.connect(web.settings.database)) as db:
        database.claim_record(db, model="jimeng_t2i_v40", owner="me", now=0, lease=60)
    status = web.client.get("/live/status").text
    assert "生成中 1" in status
    assert "等待 2" in status


def test_the_top_bar_links_to_the_batch_that_is_paused(web: WebHarness) -> None:
    batch_id = web.post("/api/batches", {"rows": [{"prompt": "猫"}]}, 202)["batch_id"]
    assert "去批次里继续" not in web.client.get("/live/status").text
    with closing(database.connect(web.settings.database)) as db:
        database.pause_batch(db, batch_id, "密钥不对")
    assert f'<a href="/batch?id={batch_id}">去批次里继续</a>' in web.client.get("/live/status").text


def test_the_server_status_is_sent_again_only_when_it_changed(web: WebHarness) -> None:
    first = web.client.get("/live/status")
    known = {"If-None-Match": first.headers["ETag"]}
    assert web.client.get("/live/status", headers=known).status_code == 304
    batch_id = web.post("/api/batches", {"rows": [{"prompt": "猫"}]}, 202)["batch_id"]
    assert 'data-under-way="1"' in web.client.get("/live/status", headers=known).text
    web.post(f"/api/batches/{batch_id}/cancel", {})
    assert 'data-under-way="0"' in web.client.get("/live/status", headers=known).text
