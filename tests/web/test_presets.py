"""Presets: what is stored is valid, named once, and shared."""

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.domain import presets
from web_app import create_app

POSTER = {"aspect_ratio": "16:9", "resolution": "2K", "negative_prompt": "文字", "suffix": "，极简，侧光"}


def names(client: FlaskClient) -> list[str]:
    return [preset["name"] for preset in client.get("/api/presets").get_json()["presets"]]


def test_a_preset_is_stored_replaced_and_deleted(client: FlaskClient, settings: Settings) -> None:
    client.put("/api/presets/海报", json=POSTER)
    client.put("/api/presets/头像 1/2", json={"aspect_ratio": "１：１", "quality": "高"})
    other = create_app(settings).test_client()
    assert other.get("/api/presets").get_json()["presets"] == [
        {"name": "头像 1/2", "fields": {"aspect_ratio": "1:1", "quality": "high"}},
        {"name": "海报", "fields": POSTER},
    ]
    client.put("/api/presets/海报", json={"resolution": "4K"})
    assert other.get("/api/presets").get_json()["presets"][1]["fields"] == {"resolution": "4K"}
    client.put("/api/presets/海报", json={"resolution": "800×600"})
    assert other.get("/api/presets").get_json()["presets"][1]["fields"] == {
        "aspect_ratio": "4:3",
        "resolution": "800x600",
    }
    assert other.delete("/api/presets/海报").status_code == 200
    assert (other.delete("/api/presets/海报").status_code, names(client)) == (404, ["头像 1/2"])


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        ("海报", {"aspect_ratio": "5:7"}, "aspect_ratio"),
        ("海报", {"suffix": 7}, "suffix"),
        ("海报", {"reference_strength": 101}, "reference_strength"),
        ("海报", {"negative_prompt": ""}, "fields"),
        ("海报", {"prompt": "猫"}, "prompt"),
        ("　", {"resolution": "1K"}, "name"),
        ("字" * 41, {"resolution": "1K"}, "name"),
    ],
)
def test_a_wrong_preset_is_refused_at_its_field(
    module_client: FlaskClient, name: str, fields: dict[str, object], field: str
) -> None:
    answer = module_client.put(f"/api/presets/{name}", json=fields)
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)
    assert names(module_client) == []


def test_there_are_at_most_a_hundred(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db.presets.MAX_PRESETS", 2)
    answers = [client.put(f"/api/presets/{n}", json=POSTER).status_code for n in (1, 2, 3, 2)]
    assert answers == [200, 200, 409, 200]
    assert presets.MAX_PRESETS == 100
