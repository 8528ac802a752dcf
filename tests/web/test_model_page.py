"""The page of models: set variables without their values, and key tests."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

import generator
from app.config import REQUIRED, Settings
from tests.fakes.jimeng import FakeJimeng
from tests.fakes.openai_images import FakeOpenAIImages
from tests.fakes.service import FakeService
from web_app import create_app


def client_of(settings: Settings, service: FakeService | None = None, **more: Any) -> FlaskClient:
    fields = service.settings(**more) if service else more
    return create_app(replace(settings, **fields)).test_client()


def test_every_model_is_listed_with_its_variables_and_price(settings: Settings) -> None:
    page = client_of(settings).get("/model").text
    for spec in generator.list_specs(settings):
        assert all(f"<code>{name}</code>" in page for name in spec.setup.variables)
    assert page.count('<section class="model"') == len(REQUIRED)
    assert "¥0.22 一张" in page


def test_the_model_in_use_is_listed_first(settings: Settings, service: FakeJimeng) -> None:
    page = client_of(settings, service).get("/model").text
    assert page.index('id="model-jimeng"') < page.index("正在使用") < page.index('id="model-seedream"')


def test_set_variables_are_named_without_their_values(settings: Settings) -> None:
    secrets: dict[str, Any] = {
        "volcengine_ak": "AKLTgeheim1",
        "volcengine_sk": "geheim2",
        "ark_api_key": "geheim3",
    }
    page = client_of(settings, image_model="jimeng", **secrets).get("/model").text
    assert not any(secret in page for secret in secrets.values())
    assert page.count("已填") == 3


def test_required_variables_are_documented(settings: Settings) -> None:
    for spec in generator.list_specs(settings):
        assert set(REQUIRED[spec.name]) <= spec.setup.variables.keys()


def test_each_variable_has_an_example(settings: Settings) -> None:
    filled = replace(settings, ark_api_key="geheim")
    states = [filled.source_of(name) for name in ("ARK_API_KEY", "SEEDREAM_MODEL", "SDAPI_URL")]
    assert states == ["set", "default", "empty"]


def test_a_valid_key_is_tested_without_a_submission(settings: Settings, service: FakeJimeng) -> None:
    page = client_of(settings, service).post("/model").text
    assert 'class="model-result is-good"' in page
    assert "密钥有效" in page
    assert (service.count("poll"), service.count("submit"), service.charges) == (1, 0, 0)


def test_a_wrong_key_is_reported_in_place(settings: Settings, service: FakeJimeng) -> None:
    answer = client_of(settings, service, volcengine_sk="falsch").post("/model")
    assert answer.status_code == 200
    assert 'class="model-result is-bad"' in answer.text
    assert "请检查 VOLCENGINE_AK 和 VOLCENGINE_SK" in answer.text


def test_an_inconclusive_test_is_neither_success_nor_failure(settings: Settings) -> None:
    with FakeOpenAIImages(models=None) as service:
        assert 'class="model-result is-open"' in client_of(settings, service).post("/model").text


def test_without_a_key_there_is_nothing_to_test(settings: Settings) -> None:
    client = client_of(settings, image_model="jimeng")
    assert 'type="submit" disabled' in client.get("/model").text
    answer = client.post("/model")
    assert answer.status_code == 409
    assert "VOLCENGINE_AK" in answer.text


def test_another_site_cannot_have_the_key_tested(settings: Settings, service: FakeJimeng) -> None:
    answer = client_of(settings, service).post("/model", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert service.calls == []


def test_one_test_at_a_time(settings: Settings, service: FakeJimeng) -> None:
    service.fail_next("slow", step="poll", seconds=1.0)
    app = create_app(replace(settings, **service.settings()))
    first = threading.Thread(target=lambda: app.test_client().post("/model"))
    first.start()
    while not service.count("poll"):
        pass
    second = app.test_client().post("/model")
    first.join()
    assert second.status_code == 503
    assert "请等它测完" in second.text
    assert service.count("poll") == 1


@pytest.mark.parametrize("path", ["/", "/batch", "/records", "/samples"])
def test_every_page_links_to_the_model_page(settings: Settings, path: str) -> None:
    assert 'href="/model"' in client_of(settings).get(path).text


def test_model_specs_are_available_without_any_key(settings: Settings) -> None:
    assert [spec.name for spec in generator.list_specs(settings)] == list(REQUIRED)
