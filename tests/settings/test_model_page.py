"""The page of the image services: their models, their settings without secrets, and its forms."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import generator
from app.config import REQUIRED, SERVICES, Settings, load_settings
from app.env_file import EnvFile
from tests.web.harness import WebHarness
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.service import FakeService
from web_app import create_app


def client_of(settings: Settings, service: FakeService | None = None, **more: Any) -> FlaskClient:
    """A client of a server with these settings, which writes an empty ``.env`` next to its data."""
    fields = service.settings(**more) if service else more
    env_file = EnvFile(settings.database_path.with_name(".env"), {})
    return create_app(replace(settings, **fields), env_file=env_file).test_client()


def card(page: str, name: str) -> str:
    found = re.search(rf'<section class="model" id="{name}".*?</section>', page, re.DOTALL)
    assert found
    return found[0]


def result_of(page: str, name: str) -> str:
    found = re.search(r'<p class="(model-result.*?)</p>', card(page, name), re.DOTALL)
    assert found
    return found[1]


def test_every_model_is_listed_with_its_price_and_every_variable_with_a_field(settings: Settings) -> None:
    page = client_of(settings).get("/model").text
    for spec in generator.list_specs(settings):
        assert spec.name == "demo" or f"<code>{spec.model_id}</code>" in card(page, spec.name)
        for name in SERVICES[spec.name]:
            assert f'name="{name}"' in card(page, spec.name), name
    assert page.count('<section class="model"') == len(REQUIRED) + 5
    assert "¥0.22 一张" in page


def test_the_switch_of_the_visible_mark_names_its_services_and_the_duty_without_it(
    settings: Settings,
) -> None:
    part = card(client_of(settings).get("/model").text, "general")
    titles = [str(spec.setup.title) for spec in generator.list_specs(settings) if spec.has_watermark]
    assert {"即梦", "Seedream"} <= set(titles)
    assert all(title in part for title in titles)
    assert "OpenAI" not in part
    assert "要自己声明是 AI 生成" in part


def test_the_default_model_is_listed_first(settings: Settings, service: FakeJimeng) -> None:
    page = client_of(settings, service).get("/model").text
    assert page.index('id="jimeng"') < page.index('id="seedream"')
    assert 'chip is-accent">默认模型' in card(page, "jimeng")
    assert 'value="default"' not in card(page, "jimeng") + card(page, "seedream")
    assert 'value="default"' in card(page, "demo")


def test_a_service_without_a_key_is_one_line_that_opens_to_its_form(settings: Settings) -> None:
    page = client_of(settings).get("/model").text
    for name, words in (("seedream", "填写密钥"), ("sdapi", "填写地址")):
        line = re.search(r"<details(.*?)>.*?<summary.*?</summary>", card(page, name), re.DOTALL)
        assert line is not None
        assert "open" not in line[1]
        assert words in line[0]
        assert card(page, name).index("</summary>") < card(page, name).index('value="save"')
    assert "<details" not in card(page, "demo")
    form = {"provider": "seedream", "action": "save", "ARK_API_KEY": "mit Leerzeichen"}
    wrong = client_of(settings).post("/model", data=form).text
    assert re.search(r"<details[^>]* open", card(wrong, "seedream"))


def test_set_variables_are_named_without_their_values(settings: Settings) -> None:
    secrets: dict[str, Any] = {
        "volcengine_ak": "AKLTgeheim1",
        "volcengine_sk": "geheim2",
        "ark_api_key": "geheim3",
    }
    page = client_of(settings, image_model="jimeng", **secrets).get("/model").text
    assert not any(secret in page for secret in secrets.values())
    assert page.count("已填，不显示") == 3


def test_a_form_saves_without_a_script(settings: Settings, tmp_path: Path, service: FakeJimeng) -> None:
    service.access_key, service.secret_key = "geheim1", "geheim2"
    client, dotenv = client_of(settings), tmp_path / ".env"
    dotenv.write_text(f"JIMENG_ENDPOINT={service.address}\n")
    form = {"provider": "jimeng", "action": "save", "VOLCENGINE_AK": "geheim1", "VOLCENGINE_SK": "geheim2"}
    page = client.post("/model", data=form | {"JIMENG_PRICE": "0.3", "JIMENG_REQ_KEY": ""}).text
    assert "is-good" in result_of(page, "jimeng")
    assert "geheim" not in page
    assert load_settings({}, dotenv).jimeng_price is not None
    kept = {"provider": "jimeng", "action": "save", "VOLCENGINE_AK": "", "JIMENG_PRICE": "0.3"}
    assert "没有改动" in result_of(client.post("/model", data=kept).text, "jimeng")
    assert load_settings({}, dotenv).volcengine_ak == "geheim1"
    wrong = client.post("/model", data=kept | {"JIMENG_PRICE": "viel"})
    assert wrong.status_code == 400
    assert "每张的价格（元）：应为金额" in result_of(wrong.text, "jimeng")
    for action, image_model in (("default", "demo"), ("default", "jimeng")):
        client.post("/model", data={"provider": image_model, "action": action})
        assert load_settings({}, dotenv).image_model == image_model
    client.post("/model", data={"provider": "jimeng", "action": "clear"})
    assert not load_settings({}, dotenv).volcengine_sk


def test_a_model_that_ended_is_replaced_by_its_successor(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARK_API_KEY=a\nSEEDREAM_MODEL=doubao-seedream-4-0-250828\n")
    found = load_settings({}, tmp_path / ".env")
    client = client_of(
        settings, **{name: getattr(found, name) for name in ("image_model", "ark_api_key", "seedream_model")}
    )
    assert "已停用" in card(client.get("/model").text, "seedream")
    page = client.post("/model", data={"provider": "seedream", "action": "successor"}).text
    assert "已停用" not in card(page, "seedream")
    assert load_settings({}, tmp_path / ".env").seedream_model == "doubao-seedream-5-0-pro-260628"


def test_a_valid_key_is_tested_without_a_submission(settings: Settings, service: FakeJimeng) -> None:
    page = client_of(settings, service).post("/model", data={"provider": "jimeng", "action": "test"}).text
    assert "is-good" in result_of(page, "jimeng")
    assert "密钥有效" in page
    assert (service.count("poll"), service.count("submit"), service.charges) == (1, 0, 0)


def test_a_wrong_key_is_reported_in_place(settings: Settings, service: FakeJimeng) -> None:
    client = client_of(settings, service, volcengine_sk="falsch")
    answer = client.post("/model", data={"provider": "jimeng", "action": "test"})
    assert answer.status_code == 200
    assert "is-bad" in result_of(answer.text, "jimeng")
    assert "请核对 Access Key ID 和 Secret Access Key" in answer.text


def test_a_refused_key_is_called_refused_until_it_is_accepted_or_replaced(
    settings: Settings, service: FakeJimeng
) -> None:
    client = client_of(settings, service)

    def chips() -> list[str]:
        part = card(client.get("/model").text, "jimeng")
        assert bool(re.search("<details[^>]* open", part)) == ("服务商拒绝" in part)
        return re.findall(r'<span class="chip[^>]*>(.*?)</span>', part)

    for refused, state in ((True, "服务商拒绝"), (False, "已设置"), (True, "服务商拒绝")):
        if refused:
            service.fail_next("key", step="poll")
        client.post("/model", data={"provider": "jimeng", "action": "test"})
        assert chips() == ["默认模型", state]
    form = {"provider": "jimeng", "action": "save", "VOLCENGINE_AK": "neu", "VOLCENGINE_SK": "neu"}
    client.post("/model", data=form)
    assert chips() == ["默认模型", "已设置"]


def test_an_inconclusive_test_is_neither_success_nor_failure(settings: Settings) -> None:
    with FakeOpenAIImages(models=None) as service:
        page = client_of(settings, service).post("/model", data={"provider": "openai", "action": "test"}).text
        assert "is-open" in result_of(page, "openai")


def test_without_a_key_there_is_nothing_to_test(settings: Settings) -> None:
    client = client_of(settings, image_model="jimeng")
    assert 'value="test"' not in client.get("/model").text
    answer = client.post("/model", data={"provider": "jimeng", "action": "test"})
    assert answer.status_code == 409
    assert "VOLCENGINE_AK" in result_of(answer.text, "jimeng")


def test_who_may_not_change_settings_sees_why(settings: Settings) -> None:
    page = client_of(settings).get("/model", headers={"X-Forwarded-For": "10.0.0.9"}).text
    assert "只有在运行程序的电脑上" in page
    assert not [
        field
        for field in re.findall(r'<(?:input|select) class="input"[^>]*', page)
        if "disabled" not in field
    ]
    assert not [each for each in re.findall(r'value="save"[^>]*', page) if "disabled" not in each]


def test_a_file_that_cannot_be_read_is_said_on_the_page(settings: Settings, tmp_path: Path) -> None:
    client = client_of(settings)
    (tmp_path / ".env").write_text("ARK_API_KEY='geheim\n")
    page = client.get("/model").text
    assert ".env：第 1 行读不懂" in page
    assert "geheim" not in page


@pytest.mark.parametrize("path", ["/", "/batch", "/records", "/samples"])
def test_every_page_links_to_the_model_page(module_demo: WebHarness, path: str) -> None:
    assert 'href="/model"' in module_demo.page(path)


def test_model_specs_are_available_without_any_key(settings: Settings) -> None:
    assert list(dict.fromkeys(spec.name for spec in generator.list_specs(settings))) == list(REQUIRED)
