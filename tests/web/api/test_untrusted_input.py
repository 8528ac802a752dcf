"""Invalid input: numbers, nested brackets, lone surrogates, malformed URLs."""

import io
import json
import unicodedata
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.harness import answered


@pytest.fixture
def client(module_client: FlaskClient) -> FlaskClient:
    return module_client


@pytest.mark.parametrize("path", ["", "/neighbours"])
@pytest.mark.parametrize("number", ["9" * 19, "9" * 30, "9" * 5000, "-1", "٣"])
def test_what_is_no_record_id_is_not_found(client: FlaskClient, number: str, path: str) -> None:
    answered(client.get(f"/api/records/{number}{path}"), 404)


def test_an_id_beyond_the_last_record_has_that_for_a_neighbour(client: FlaskClient) -> None:
    batch_id = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}).get_json()["batch_id"]
    assert client.post(f"/api/batches/{batch_id}/cancel").status_code == 200
    newest = client.get("/api/records").get_json()["records"][0]["id"]
    answered(client.get(f"/api/records/{'9' * 18}"), 404)
    answer = client.get(f"/api/records/{'9' * 18}/neighbours").get_json()
    assert (answer["previous"], answer["next"]["id"]) == (None, newest)


@pytest.mark.parametrize("number", ["9" * 18, "9" * 30, "9" * 5000])
@pytest.mark.parametrize("path", ["/thumbnails/{}", "/?from={}", "/samples/{}"])
def test_an_unknown_record_id_in_a_page_url_is_reported_on_the_page(
    client: FlaskClient, path: str, number: str
) -> None:
    answer = client.get(path.format(number))
    assert answer.status_code == (200 if "from" in path and len(number) > 4300 else 404)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("since", ["9" * 19, "9" * 30, "9" * 5000, "-9", "x", "1e3", "NaN"])
def test_any_since_value_of_a_page_is_answered(client: FlaskClient, since: str) -> None:
    assert client.get(f"/live/results?since={since}").status_code == 200


def test_an_error_message_is_one_line_whatever_it_quotes(client: FlaskClient) -> None:
    fields = answered(client.get("/api/records?status=a%0d%0aX-Evil:%20b%e2%80%a8c"), 400)
    assert fields["error"].splitlines() == [fields["error"]]


@pytest.mark.parametrize(
    ("door", "body"),
    [
        ("tables/{table}/run", {"rows": None}),
        ("tables/{table}/run", {"again": None}),
        ("tables/{table}/run", {"pictures": None}),
        ("tables/{table}/recipe", {"rows": None, "recipe": "淘宝主图"}),
        ("tables/{table}/recipe", {"back": None, "recipe": "淘宝主图"}),
        ("tables/{table}/rounds", {"rows": None, "client": "甲"}),
        ("tables/{table}/rounds", {"records": None, "client": "甲"}),
        ("deliveries", {"records": None, "table": "{table}", "profile": "原图"}),
        ("batches/{batch}/retry", {"records": None}),
        ("batches/{batch}/retry", {"changes": None}),
        ("batches/{batch}/uncancel", {"records": None}),
        ("batches/{batch}/release", {"roles": None}),
    ],
)
def test_null_never_stands_for_all(client: FlaskClient, door: str, body: dict[str, Any]) -> None:
    added = client.post("/api/batches", json={"rows": [{"prompt": "猫"}, {"prompt": "狗"}]}).get_json()
    ids = {"table": added["table_id"], "batch": added["batch_id"]}
    client.post(f"/api/batches/{ids['batch']}/cancel")
    before = client.get("/api/records").get_json()
    sent = {name: value and str(value).format(**ids) for name, value in body.items()}
    refused = answered(client.post(f"/api/{door.format(**ids)}", json=sent), 400)
    assert refused["field"] == next(name for name, value in body.items() if value is None)
    assert client.get("/api/records").get_json() == before


@pytest.mark.parametrize("number", [[], {}, "1", None, 0.5])
def test_a_row_whose_number_is_none_gets_the_next(client: FlaskClient, number: object) -> None:
    made = client.post("/api/tables", json={"rows": [{"prompt": "猫", "number": number}]})
    table = answered(made, 201)["table"]["id"]
    assert client.get(f"/api/tables/{table}").get_json()["rows"][0]["number"] == 1


@pytest.mark.parametrize("body", [b'{"rows":' + b"[" * 50_000, b"[" * 50_000, b'{"a":' * 50_000])
def test_deeply_nested_json_is_refused(client: FlaskClient, body: bytes) -> None:
    answered(client.post("/api/batches", data=body, content_type="application/json"), 400)


def test_deeply_nested_json_in_a_field_is_reported_for_the_field(client: FlaskClient) -> None:
    row = {"prompt": "猫", "sample_images": "[" * 50_000}
    assert answered(client.post("/api/batches", json={"rows": [row]}), 400)["field"] == "sample_images"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_lone_surrogate_is_stored_as_a_question_mark(client: FlaskClient, encoding: str) -> None:
    body = r'{"rows": [{"prompt": "\ud83d猫"}], "name": "\udc00x", "source": "single"}'.encode(encoding)
    answer = client.post("/api/batches", data=body, content_type="application/json")
    assert answer.status_code == 202
    batch = client.get(f"/api/batches/{answer.get_json()['batch_id']}").get_json()
    assert (batch["batch"]["name"], batch["records"][0]["prompt"]) == ("?x", "?猫")


def test_a_lone_surrogate_in_a_form_reference_is_a_question_mark(client: FlaskClient) -> None:
    images = r'[{"url": "https://pictures.example/\ud83d.png", "filename": "\ud83d"}]'
    assert client.post("/", data={"prompt": "猫", "sample_images": images}).status_code == 303
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("field", ["aspect_ratio", "resolution", "num_images", "seed"])
def test_an_error_about_a_lone_surrogate_can_be_encoded(client: FlaskClient, field: str) -> None:
    body = '{"rows": [{"prompt": "猫", "%s": "\\ud800"}]}' % field  # noqa: UP031 - braces of its own
    answered(client.post("/api/batches", data=body.encode(), content_type="application/json"), 400)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
@pytest.mark.parametrize("field", ["num_images", "seed", "steps", "prompt", "filename"])
def test_an_infinite_number_is_refused(client: FlaskClient, field: str, word: str) -> None:
    body = '{"rows": [{"prompt": "猫", "%s": %s}]}' % (field, word)  # noqa: UP031
    answered(client.post("/api/batches", data=body.encode(), content_type="application/json"), 400)


@pytest.mark.parametrize(
    "row",
    [
        {"references": 5},
        {"references": {"a": 1}},
        {"sample_images": "x"},
        {"sample_images": [5, None, {}]},
        {"prompt": {"a": ["b"]}, "seed": float("inf"), "steps": 10**400},
        {"prompt": "\x00\x01\ud800￿", "filename": ["=1+1"]},
    ],
)
def test_a_table_with_any_cell_values_is_exported(client: FlaskClient, row: dict[str, Any]) -> None:
    body = json.dumps({"rows": [row]})
    answer = client.post("/api/spreadsheet/export", data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    assert zipfile.ZipFile(io.BytesIO(answer.data)).testzip() is None


@pytest.mark.parametrize("address", ["http://[x", "http://[::1", "//", "http://localhost:x", "null", "\xff"])
def test_an_invalid_origin_counts_as_cross_site(client: FlaskClient, address: str) -> None:
    answered(client.post("/api/batches", json={}, headers={"Origin": address}), 403)


@pytest.mark.parametrize(
    "host", ["x" * 900, "a..b", "a." + "x" * 64, "[::1", "[::1]:x", "a b", "<b>", "@", ""]
)
@pytest.mark.parametrize("path", ["/records", "/api/records", "/live/status", "/nowhere"])
def test_an_invalid_host_is_refused(client: FlaskClient, path: str, host: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "<b>" not in answer.text or answer.mimetype == "text/plain" or answer.is_json


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_wrong_method_is_answered_with_the_allowed_ones(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/batches", method=method)
    answered(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "address", ["http://[x", "http://evil.example/", "//", "http://localhost//evil.example"]
)
def test_a_foreign_referer_redirects_to_the_start_page(client: FlaskClient, address: str) -> None:
    answer = client.post("/language", data={"language": "zh"}, headers={"Referer": address})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


MARKS = "\u0301\u0327" * 110_000  # half a megabyte, whose order has to be changed


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/batches", {"rows": [{"prompt": "猫", "model": f"a{MARKS}"}]}),
        ("POST", "/api/batches", {"rows": [{"prompt": "猫"}], "model": f"a{MARKS}"}),
        ("POST", "/api/rows/check", {"rows": [], "model": f"a{MARKS}"}),
        ("POST", "/api/batches", {"rows": [{"prompt": f"a{MARKS[:9_000]}"}]}),
        ("POST", "/api/batches", {"rows": [{"prompt": "猫", "filename": f"a{MARKS[:90]}"}]}),
        (
            "POST",
            "/api/batches",
            {"rows": [{"prompt": "猫", "sample_images": [{"url": "", "filename": f"a{MARKS[:4_000]}"}]}]},
        ),
        ("PUT", f"/api/recipes/a{MARKS[:5_000]}", {"roles": []}),
        ("GET", f"/api/records?search=a{MARKS[:5_000]}", None),
        ("GET", f"/api/prompts?search=a{MARKS[:5_000]}", None),
        ("GET", f"/api/sample-images?search=a{MARKS[:5_000]}", None),
    ],
    ids=lambda value: value[:22] if isinstance(value, str) else None,
)
def test_a_row_of_combining_marks_is_refused_without_being_normalised(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: object
) -> None:
    real, longest = unicodedata.normalize, [0]

    def normalize(form: Any, text: str) -> str:
        longest[0] = max(longest[0], len(text))
        return real(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    answered(client.open(path, method=method, json=body), 400)
    assert longest[0] <= (5_001 if "recipes" in path else 100)


def test_marks_in_the_cells_of_a_table_are_reported_by_cell(client: FlaskClient) -> None:
    content = (
        f"提示词,文件名,参考图,模型\n猫{MARKS[:40]},a,b{MARKS[:3_000]},\n狗,b,,c{MARKS[:3_000]}\n".encode()
    )
    answer = client.post("/api/spreadsheet/import", data={"file": (io.BytesIO(content), "a.csv")}).get_json()
    assert [(one["row"], one["column"]) for one in answer["problems"]] == [(2, "提示词"), (3, "模型")]
    assert [one["match"] for one in answer["references"]] == ["missing"]
