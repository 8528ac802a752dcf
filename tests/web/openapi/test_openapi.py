"""The document at /api/openapi.json matches every route, every response and every limit."""

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from app.config import Settings
from app.domain import (
    MAX_PICTURES_A_ROW,
    MAX_PROMPT_LENGTH,
    MAX_ROWS_A_BATCH,
    MAX_SEED,
    MAX_STEPS,
    ImageRequest,
)
from app.env_file import EnvFile
from app.images import answers
from tests.rounds.harness import LAN
from tests.web.harness import PNG, WebHarness, add_reference, answered
from tools.fakes.robots import FakeRobot
from tools.fakes.sdapi import FakeSdApi
from tools.openapi_document import Operation, api_document

DOCUMENT = api_document()
RECIPE = {"roles": [{"role": "白底", "prompt": "白底", "sample_images": [{"column": "产品图"}]}]}


class App(WebHarness):
    """The running app with a finished batch, a record to delete and a reference image."""

    def prepare(self) -> None:
        made = self.post("/api/batch-generate", {"prompt": "猫", "resolution": "1K", "num_images": 2})
        image, doomed = made["images"]
        self.batch_id, self.record_id, self.filename = made["batch_id"], image["record_id"], image["filename"]
        self.doomed_id = doomed["record_id"]
        self.key = add_reference(self.client, "红茶.png")["key"]
        rows = [
            {"prompt": "猫", "resolution": "1K", "num_images": 2},
            {"prompt": "{a}", "columns": {"b": "1"}},
        ]
        self.table_id = self.post("/api/tables", {"rows": rows}, 201)["table"]["id"]


@pytest.fixture(scope="module")
def app(module_settings: Settings) -> Iterator[App]:
    """With a receiver of notifications, and a service whose key can be tested."""
    with FakeRobot("plain") as receiver, FakeSdApi() as service:
        fields = {
            "image_model": "demo",
            "notify_url": receiver.url,
            "sdapi_url": service.settings()["sdapi_url"],
            "volcengine_ak": "AKLTtest",
            "volcengine_sk": "c2VjcmV0",
            "jimeng_endpoint": "http://127.0.0.1:9",  # a port without a server
        }
        path = module_settings.database_path.with_name(".env")
        path.write_text("".join(f"{name.upper()}={value}\n" for name, value in fields.items()))
        app = App(replace(module_settings, **fields), env_file=EnvFile(path, {}))
        app.runtime.start()
        app.prepare()
        yield app
        assert app.runtime.stop(10)


Request = Callable[[App], Any]


def a_file(content: bytes = PNG, name: str = "红茶.png") -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(content), name)}}


def a_waiting_record(app: App) -> dict[str, Any]:
    """The last record of a batch that was paused before it ran."""
    rows = [{"prompt": "猫", "resolution": "1K", "num_images": 10}] * 3
    made = app.post("/api/batches", {"rows": rows}, 202)
    app.post(f"/api/batches/{made['batch_id']}/pause")
    return {"record_id": made["records"][-1]}


def an_answer(app: App) -> dict[str, Any]:
    """A record with what the service answered."""
    answers.keep(app.settings.output_dir, app.record_id, PNG)
    return {"record_id": app.record_id}


def a_held_batch(app: App) -> dict[str, Any]:
    """A batch with a row on hold."""
    rows = [{"prompt": f"狗 {number}", "resolution": "1K"} for number in range(2)]
    return {"batch_id": app.submit(rows, sample=1)}


def a_profile(app: App) -> str:
    """The name of an own profile of deliveries."""
    app.client.put("/api/delivery-profiles/自己的", json={"width": 40, "height": 30})
    return "自己的"


def a_recipe(app: App) -> str:
    """The name of an own recipe."""
    app.client.put("/api/recipes/自己的", json=RECIPE)
    return "自己的"


def a_delivery(app: App) -> dict[str, Any]:
    """A delivery of the record, not made yet."""
    body = {"records": [app.record_id], "profile": "原图"}
    return {"delivery_id": app.post("/api/deliveries", body, 201)["id"]}


def a_made_delivery(app: App) -> dict[str, Any]:
    delivery = a_delivery(app)
    app.post(f"/api/deliveries/{delivery['delivery_id']}/make")
    return delivery


def a_round(app: App, **fields: Any) -> dict[str, Any]:
    """A closed round of the table, as the studio has it on its own network."""
    body = {"client": "王总", "pick": "all"} | fields
    made = answered(app.client.post(f"/api/tables/{app.table_id}/rounds", json=body, base_url=LAN), 201)
    answered(app.client.post(f"/api/rounds/{made['round']['id']}/close"))
    return {"round_id": made["round"]["id"], "base_url": LAN}


def a_round_with_news(app: App) -> dict[str, Any]:
    """A closed round of one picture; the row has another one that was made since."""
    found = a_round(app, records=[app.record_id])
    app.execute("UPDATE rounds SET created_at = '2020-01-01 00:00:00'")
    app.execute("DELETE FROM rounds WHERE id <> ?", [found["round_id"]])
    return found


def a_change(app: App) -> int:
    """The version of a change of the table."""
    adding = {"operations": [{"op": "add", "rows": [{"prompt": "狗"}]}]}
    answer = app.client.patch(f"/api/tables/{app.table_id}", json=adding)
    return int(answer.get_json()["version"])


def a_deleted_table(app: App) -> str:
    table_id = str(app.post("/api/tables", {}, 201)["table"]["id"])
    app.client.delete(f"/api/tables/{table_id}")
    return table_id


# A successful call of each operation that does not succeed with its path alone.
GOOD: dict[str, Request] = {
    "post /api/batch-generate": lambda h: {"json": {"prompt": "猫", "resolution": "1K"}},
    "post /api/batches": lambda h: {"json": {"rows": [{"prompt": "猫", "resolution": "1K"}], "name": "一"}},
    "post /api/rows/check": lambda h: {
        "json": {"rows": [{"prompt": "猫", "resolution": "1K"}, {"prompt": "", "filename": "a"}, {}]}
    },
    "get /api/usage/statement.xlsx": lambda h: {"query_string": "column=客户"},
    "post /api/batches/{batch_id}/release": lambda h: {**a_held_batch(h), "json": {"aspect_ratio": "16:9"}},
    "post /api/batches/{batch_id}/uncancel": lambda h: {"json": {"records": [h.record_id], "paused": True}},
    "post /api/batches/{batch_id}/retry": lambda h: {"json": {"repeats": "skip"}},
    "post /api/tables": lambda h: {"json": {"rows": [{"prompt": "猫"}], "name": "一"}},
    "patch /api/tables/{table_id}": lambda h: {"json": {"operations": [{"op": "add", "rows": [{}]}]}},
    "put /api/tables/{table_id}": lambda h: {"json": {"name": "二", "columns": ["b", "c"]}},
    "delete /api/tables/{table_id}": lambda h: {"table_id": h.post("/api/tables", {}, 201)["table"]["id"]},
    "post /api/tables/{table_id}/restore": lambda h: {"table_id": a_deleted_table(h)},
    "post /api/tables/{table_id}/copy": lambda h: {"json": {}},
    "post /api/tables/{table_id}/undo": lambda h: {"json": {"version": a_change(h)}},
    "post /api/tables/{table_id}/import": lambda h: a_file("提示词,选中\n猫,\n虎,\n".encode(), "a.csv"),
    "post /api/tables/{table_id}/run": lambda h: {
        "table_id": h.post("/api/tables", {"rows": [{"prompt": "鸟"}] * 2}, 201)["table"]["id"],
        "json": {"sample": 1},
    },
    "post /api/spreadsheet/import": lambda h: a_file(
        "提示词,图片比例,分辨率,参考示例图,种子\n猫,16：9,2k,红茶；绿茶,7\n,1:1,9K,,x\n".encode(), "a.csv"
    ),
    "post /api/spreadsheet/export": lambda h: {"json": {"rows": [{"prompt": "=1+1"}]}},
    "get /api/recipes": lambda h: {"query_string": ""},
    "get /api/recipes/{name}": lambda h: {"name": a_recipe(h)},
    "get /api/recipes/{name}/sheet.xlsx": lambda h: {"name": a_recipe(h)},
    "post /api/recipes/import": lambda h: a_file("提示词,角色\n白底,主图\n".encode(), "套图.csv"),
    "put /api/recipes/{name}": lambda h: {"name": "套图", "json": RECIPE},
    "delete /api/recipes/{name}": lambda h: {"name": a_recipe(h)},
    "post /api/tables/{table_id}/recipe": lambda h: {"json": {"recipe": RECIPE, "apply": 0}},
    "get /api/delivery-profiles": lambda h: {"query_string": ""},
    "get /api/delivery-profiles/{name}": lambda h: {"name": a_profile(h)},
    "put /api/delivery-profiles/{name}": lambda h: {"name": "头像", "json": {"width": 40, "height": 30}},
    "delete /api/delivery-profiles/{name}": lambda h: {"name": a_profile(h)},
    "post /api/delivery-profiles/preview": lambda h: {
        "json": {"profile": {"width": 40, "height": 30}, "record_id": h.record_id}
    },
    "post /api/deliveries": lambda h: {"json": {"records": [h.record_id], "profile": "京东 主图"}},
    "get /api/deliveries": lambda h: {"query_string": f"table={h.table_id}"},
    "get /api/deliveries/{delivery_id}": a_made_delivery,
    "delete /api/deliveries/{delivery_id}": a_delivery,
    "get /api/deliveries/{delivery_id}.zip": a_delivery,
    "post /api/deliveries/{delivery_id}/make": a_delivery,
    "post /api/deliveries/{delivery_id}/folder": a_made_delivery,
    "get /api/tables/{table_id}/rounds": lambda h: {**a_round(h), "query_string": "marks=1"},
    "post /api/tables/{table_id}/rounds": lambda h: {
        "json": {"client": "王总", "pick": "all", "at_most": 1},
        "base_url": LAN,
    },
    **{f"post /api/rounds/{{round_id}}/{name}": a_round for name in ("close", "done", "reopen", "renew")},
    "post /api/rounds/{round_id}/next": a_round_with_news,
    "delete /api/rounds/{round_id}": a_round,
    "get /api/prompts": lambda h: {"query_string": "search=猫&limit=5"},
    "get /api/records": lambda h: {"query_string": "search=猫&limit=5&status=success"},
    "delete /api/records/{record_id}": lambda h: {"record_id": h.doomed_id},
    "post /api/records/{record_id}/cancel": a_waiting_record,
    "post /api/records/delete": lambda h: {"json": {"ids": [h.doomed_id]}},
    "post /api/records/restore": lambda h: {"json": {"ids": [h.doomed_id]}},
    "get /api/records/{record_id}/answer": an_answer,
    "post /api/records/{record_id}/edit": lambda h: {
        "json": {"prompt": "花", "region": {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}}
    },
    "post /api/records/pick": lambda h: {"json": {"ids": [h.record_id], "pick": "keep"}},
    "post /api/records/collect": lambda h: {"json": {"all": True}},
    "post /api/records/retry": lambda h: {"json": {"all": True}},
    "post /api/records/drop": lambda h: {"json": {"all": True, "billed": False}},
    "post /api/records/undrop": lambda h: {"json": {"undo": 1}},
    "get /api/budgets": lambda h: {"query_string": f"batch_id={h.batch_id}"},
    "put /api/budgets": lambda h: {"json": {"total": 20, "month": None}},
    "get /api/usage": lambda h: {"query_string": "range=today"},
    "get /api/usage/export.csv": lambda h: {"query_string": "from=2026-01-01&to=2026-12-31"},
    "get /api/records/archive.zip": lambda h: {"query_string": f"ids={h.record_id}"},
    "post /api/records/archive.zip": lambda h: {"data": {"ids": str(h.record_id)}},
    "post /api/records/export.xlsx": lambda h: {"data": {"search": "猫"}},
    "post /api/records/find-by-file": lambda h: a_file(
        h.client.get(f"/output/{h.filename}", buffered=True).data, h.filename
    ),
    "post /api/sample-images": lambda h: {"json": {"record_id": h.record_id}},
    "post /api/sample-images/archive.zip": lambda h: {"data": {"keys": json.dumps([h.key])}},
    "post /api/sample-images/uses": lambda h: {"json": {"keys": [h.key]}},
    "patch /api/sample-images/{key}": lambda h: {"json": {"filename": "红茶"}},
    "put /api/settings": lambda h: {"json": {"MODEL_CONCURRENCY": "3", "ARK_API_KEY": ""}},
    "post /api/models/{name}/test": lambda h: {"name": "sdapi"},
}


def call(app: App, operation: Operation, **how: Any) -> Any:
    names = {
        "batch_id": app.batch_id,
        "record_id": app.record_id,
        "table_id": app.table_id,
        "key": app.key,
        "name": app.filename,
        "delivery_id": "none",
        "round_id": "none",
        **dict.fromkeys(("person_id", "token_id", "session_id"), "1"),
    }
    path = operation.path.format(**{name: how.pop(name, value) for name, value in names.items()})
    return app.client.open(path, method=operation.method.upper(), buffered=True, **how)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def of_people(operation: Operation) -> bool:
    """Whether it needs a server with a password: tests/people/test_document.py."""
    return operation.path.startswith(("/api/me", "/api/people", "/api/tokens"))


def test_the_document_and_the_routes_match(app: App) -> None:
    routes = {
        f"{method.lower()} " + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api/", "/output/", "/thumbnails/", "/healthz"))
    }
    assert {name_of(operation) for operation in DOCUMENT.operations} == routes


def test_the_document_is_small_json_and_revalidated(app: App) -> None:
    answer = app.client.get("/api/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert answer.content_type == "application/json"
    assert len(answer.data) < 250 * len(DOCUMENT.operations)
    document = json.loads(gzip.decompress(answer.data))
    assert (document["openapi"], document["paths"].keys()) == ("3.1.0", DOCUMENT.fields["paths"].keys())
    again = app.client.get("/api/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_every_schema_is_valid_and_every_reference_resolves() -> None:
    for schema in DOCUMENT.schemas.values():
        Draft202012Validator.check_schema(schema)
    names = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT.fields))
    for name in names:
        place: Any = DOCUMENT.fields
        for part in name.split("/"):
            place = place[part]
    assert set(DOCUMENT.schemas) - {name.rpartition("/")[2] for name in names} == set()


def test_every_path_parameter_is_described() -> None:
    for operation in DOCUMENT.operations:
        assert set(re.findall(r"{(\w+)}", operation.path)) == set(operation.parameters("path"))


@pytest.mark.parametrize("operation", [one for one in DOCUMENT.operations if not of_people(one)], ids=name_of)
def test_a_successful_answer_matches_the_document(app: App, operation: Operation) -> None:
    request = GOOD.get(name_of(operation))
    answer = call(app, operation, **(request(app) if request else {}))
    assert answer.status_code < 300, answer.text
    assert DOCUMENT.violations(operation, answer.status_code, dict(answer.headers), answer.data) == []


def test_a_check_matches_the_document(app: App) -> None:
    operation = next(one for one in DOCUMENT.operations if one.path.endswith("{batch_id}/release"))
    answer = call(app, operation, **a_held_batch(app), json={"check": True})
    assert answer.get_json()["pictures"]
    assert DOCUMENT.violations(operation, 200, dict(answer.headers), answer.data) == []


@pytest.mark.parametrize("operation", DOCUMENT.operations, ids=name_of)
def test_a_refused_host_matches_the_document(app: App, operation: Operation) -> None:
    answer = call(app, operation, headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert DOCUMENT.violations(operation, 403, dict(answer.headers), answer.data) == []


@pytest.mark.parametrize(
    ("operation", "how", "status"),
    [
        ("post /api/batch-generate", {"json": {"prompt": ""}}, 400),
        ("post /api/batches", {"json": {"rows": [{"prompt": "猫", "seed": "x"}, 5]}}, 400),
        ("get /api/batches/{batch_id}", {"batch_id": "none"}, 404),
        ("post /api/batches/{batch_id}/retry", {"json": {"records": [2**63 - 1]}}, 409),
        ("post /api/batches/{batch_id}/uncancel", {"json": {"paused": "yes"}}, 400),
        ("post /api/batches/{batch_id}/release", {}, 409),
        ("post /api/batches/{batch_id}/release", {"json": {"aspect_ratio": "5:7"}}, 400),
        ("post /api/records/{record_id}/cancel", {}, 409),
        ("post /api/batches/{batch_id}/release", {"batch_id": "none"}, 404),
        ("get /api/tables/{table_id}", {"table_id": "none"}, 404),
        ("patch /api/tables/{table_id}", {"json": {"operations": [{"op": "turn"}]}}, 400),
        ("post /api/spreadsheet/import", {}, 400),
        ("post /api/spreadsheet/import", a_file(b"nonsense\x00\xff" * 50, "a.xlsx"), 400),
        ("get /api/records", {"query_string": "limit=0"}, 400),
        ("get /api/prompts", {"query_string": "limit=51"}, 400),
        ("get /api/records/{record_id}", {"record_id": 2**62}, 404),
        ("post /api/sample-images", {"json": {"record_id": 2**64}}, 400),
        ("delete /api/sample-images/{key}", {"key": "none.png"}, 404),
        ("get /api/records/archive.zip", {"query_string": "ids=999"}, 404),
        ("get /output/{name}", {"name": "none.png"}, 404),
        ("get /thumbnails/{record_id}", {"record_id": 2**62}, 404),
    ],
)
def test_a_validation_error_matches_the_document(
    app: App, operation: str, how: dict[str, Any], status: int
) -> None:
    found = next(one for one in DOCUMENT.operations if name_of(one) == operation)
    answer = call(app, found, **how)
    assert answer.status_code == status, answer.text
    assert DOCUMENT.violations(found, status, dict(answer.headers), answer.data) == []


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PICTURE = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize("path", ["/output/none.png", "/thumbnails/999", "/samples/files/none.png"])
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        (PICTURE, "application/json"),
        (BROWSER, "text/html"),
    ],
)
def test_a_missing_image_is_an_html_page_only_for_browser_navigation(
    app: App, path: str, accept: str, kind: str
) -> None:
    answer = app.client.get(path, headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.mimetype) == (404, kind)


def test_server_errors_match_the_document(module_client: FlaskClient) -> None:
    answer = module_client.get("/healthz")  # the worker is not running
    found = next(one for one in DOCUMENT.operations if name_of(one) == "get /healthz")
    assert answer.status_code == 503
    assert DOCUMENT.violations(found, 503, dict(answer.headers), answer.data) == []


@pytest.mark.parametrize(
    ("row", "is_fine"),
    [
        ({"prompt": "猫" * MAX_PROMPT_LENGTH}, True),
        ({"prompt": "猫" * (MAX_PROMPT_LENGTH + 1)}, False),
        ({"prompt": ""}, False),
        ({"prompt": "猫", "num_images": MAX_PICTURES_A_ROW}, True),
        ({"prompt": "猫", "num_images": MAX_PICTURES_A_ROW + 1}, False),
        ({"prompt": "猫", "seed": MAX_SEED}, True),
        ({"prompt": "猫", "seed": MAX_SEED + 1}, False),
        ({"prompt": "猫", "steps": MAX_STEPS + 1}, False),
        ({"prompt": "猫", "filename": "f" * 201}, False),
        ({"prompt": "猫", "aspect_ratio": "7:5"}, False),
        ({"prompt": "猫", "sample_images": [{"url": "u", "filename": "f"}] * 16}, True),
        ({"prompt": "猫", "sample_images": [{"url": "u", "filename": "f"}] * 17}, False),
    ],
)
def test_the_app_accepts_exactly_the_rows_the_document_allows(row: dict[str, Any], is_fine: bool) -> None:
    request, _ = ImageRequest.read(row)
    assert (request is not None) is is_fine
    assert (DOCUMENT.schema_violations(DOCUMENT.schemas["Row"], row) == []) is is_fine


def test_the_documented_batch_limit_is_the_one_enforced() -> None:
    posted = next(one for one in DOCUMENT.operations if name_of(one) == "post /api/batches")
    rows = posted.bodies["application/json"]["properties"]["rows"]
    assert (rows["minItems"], rows["maxItems"]) == (1, MAX_ROWS_A_BATCH)
